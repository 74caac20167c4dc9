"""Workers: each with a cloud and a warm process of its own; points are played in parallel."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.play import Campaign, Scene, Undisturbed, built, play, undisturbed
from tests.campaign.points import Point
from tests.campaign.stages import STACKS, Stack
from tests.cloud import Cloud
from tests.whole.project import Warm


@dataclass(frozen=True)
class Result:
    point: Point
    problem: str  # empty if it was survived
    reached: bool  # whether a fault struck at all
    seconds: float


class Worker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.cloud = self._stack.enter_context(Cloud.start())
        self.warm = Warm(folder, self.cloud)
        self._stack.callback(self.warm.close)

    def close(self) -> None:
        self._stack.close()

    @contextmanager
    def scene(self, stack: Stack, name: str) -> Iterator[Scene]:
        """In a folder of its own, which is left there when something went wrong."""
        folder = self.folder / name
        yield Scene(self.cloud, self.warm, folder, stack)
        shutil.rmtree(folder)


class Yard:
    """Use as a context. `folder` keeps the starts of the stages, and what is left of failed points."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._all: list[Worker] = []

    def __enter__(self) -> Yard:
        with ThreadPoolExecutor(self.workers) as pool:
            folders = (self.folder / f"worker-{number}" for number in range(self.workers))
            self._all = list(pool.map(Worker, folders))
        for worker in self._all:
            self._free.put(worker)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._all:
            worker.close()

    def prepare(self, stacks: Iterable[str], stages: Collection[str] = (), away: float = 2.0) -> Campaign:
        """Plays each of the stages (of none: of all) undisturbed, once."""
        runs: dict[tuple[str, str], Undisturbed] = {}
        with ThreadPoolExecutor(self.workers) as pool:
            for found in pool.map(lambda name: self._undisturbed(STACKS[name], stages), stacks):
                runs |= found
        return Campaign(runs, away)

    def _undisturbed(self, stack: Stack, stages: Collection[str]) -> dict[tuple[str, str], Undisturbed]:
        found, starts = {}, dict[object, Path]()
        with self.borrowed() as worker:
            for stage in [one for one in stack.stages if not stages or one.name in stages]:
                if stage.before is not None and stage.before not in starts:
                    starts[stage.before] = self.folder / f"{stack.name}-{len(starts)}"
                    with worker.scene(stack, f"{stack.name}-build-{len(starts)}") as scene:
                        built(scene, stage.before, starts[stage.before])
                with worker.scene(stack, f"{stack.name}-{stage.name}") as scene:
                    found[stack.name, stage.name] = undisturbed(scene, stage, starts.get(stage.before))
        return found

    def play(
        self, points: Iterable[Point], campaign: Campaign, stop: threading.Event | None = None
    ) -> Iterator[Result]:
        """Each as soon as it is played, in any order; none that has not begun when `stop` is set."""
        done: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        left = iter(list(points))
        lock = threading.Lock()

        def work() -> None:
            while not (stop and stop.is_set()):
                with lock:
                    point = next(left, None)
                if point is None:
                    break
                with self.borrowed() as worker:
                    done.put(self._one(worker, point, campaign))
            done.put(None)

        with ThreadPoolExecutor(self.workers) as pool:
            working = [pool.submit(work) for _ in range(self.workers)]
            for _ in working:
                while (result := done.get()) is not None:
                    yield result
        for each in working:
            each.result()

    def _one(self, worker: Worker, point: Point, campaign: Campaign) -> Result:
        began, problem, reached = time.monotonic(), "", True
        try:
            with worker.scene(STACKS[point.stack], str(point).replace("/", "-")) as scene:
                reached = play(point, campaign, scene)
        except AssertionError as error:
            problem = str(error)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        return Result(point, problem, reached, time.monotonic() - began)

    @contextmanager
    def borrowed(self) -> Iterator[Worker]:
        worker = self._free.get()
        try:
            yield worker
        finally:
            self._free.put(worker)
