"""A ready queue over a graph: each key is begun once all it needs is done; a failure stops only what needs it.

Waiting takes no thread: what has begun and is not yet usable is polled, quickly at first and more slowly later.
"""

from __future__ import annotations

import heapq
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from deployer.errors import DeployerError, Interrupted, StateError
from deployer.patience import Patience, delays

POLLS = 10  # a second, of all that is waited for: each asks two or three times, and ECS answers 20 a second


@dataclass(frozen=True)
class Wait:
    """What is left after a key has begun. `poll` says what is still awaited, or None when it is over.

    `holds`: those who need the key wait as well.
    """

    poll: Callable[[], str | None]
    holds: bool = True


@dataclass
class _Waiting:
    wait: Wait
    pauses: Iterator[float] = field(default_factory=delays)
    said: str = ""


Begin = Callable[[str], Wait | None]


class Walk:
    """One pass over `graph` (key -> the keys it needs). `failed` and `skipped` tell afterwards what was not done."""

    def __init__(
        self,
        graph: Mapping[str, set[str]],
        begin: Begin,
        patience: Patience,
        parallel: int,
        waiting: Callable[[str, str], None] = lambda key, text: None,
        pause: Callable[[str], float] = lambda key: 0.0,
    ) -> None:
        self.failed: dict[str, BaseException] = {}
        self.skipped: list[str] = []
        self._graph = graph
        self._begin = begin
        self._patience = patience
        self._parallel = parallel
        self._tell = waiting
        self._pause = pause
        self._sorter = TopologicalSorter(graph)
        self._events: queue.SimpleQueue[tuple[str, str, object]] = queue.SimpleQueue()
        self._waiting: dict[str, _Waiting] = {}
        self._paced: set[str] = set()  # could begin, were it their turn
        self._due: list[tuple[float, str]] = []
        self._running = 0
        self._done: set[str] = set()

    def run(self) -> None:
        self._sorter.prepare()
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="walk") as pool:
            while self._advance(pool):
                self._receive()
        self.skipped = [key for key in self._graph if key not in self._done and key not in self.failed]
        if self.skipped and not self.failed and not self._patience.stop.is_set():
            key = self.skipped.pop(0)
            self.failed[key] = late(key, "before it could begin")

    def _advance(self, pool: ThreadPoolExecutor) -> bool:
        """Starts what can be started; False when there is nothing left to wait for."""
        if self._patience.stop.is_set():
            self._give_up(Interrupted("Stopped."))
        elif self._patience.over:
            self._give_up(None)
        else:
            for key in self._sorter.get_ready():
                self._paced.add(key)
                heapq.heappush(self._due, (time.monotonic() + self._pause(key), key))
            while self._due and self._due[0][0] <= time.monotonic():
                key = heapq.heappop(self._due)[1]
                if key in self._paced:
                    self._paced.remove(key)
                    self._submit(pool, "begun", key, self._begin, key)
                elif key in self._waiting:
                    self._submit(pool, "polled", key, self._waiting[key].wait.poll)
        return bool(self._running or self._waiting or self._paced)

    def _submit(self, pool: ThreadPoolExecutor, kind: str, key: str, call: Callable[..., object], *args: str) -> None:
        def work() -> None:
            if kind == "begun" and (self._patience.stop.is_set() or self._patience.over):  # while it stood in the queue
                self._events.put(("skipped", key, None))
                return
            try:
                self._events.put((kind, key, call(*args)))
            except BaseException as error:
                if isinstance(error, StateError):  # what cannot be recorded must not be made
                    self._patience.stop.set()
                self._events.put(("failed", key, error))

        self._running += 1
        pool.submit(work)

    def _receive(self) -> None:
        pause = self._due[0][0] - time.monotonic() if self._due else 0.5
        try:
            kind, key, result = self._events.get(timeout=min(max(pause, 0.01), 0.5))
        except queue.Empty:
            return
        self._running -= 1
        if kind == "skipped":
            return
        if isinstance(result, BaseException):
            self._fail(key, result)
        elif kind == "begun" and isinstance(result, Wait):
            self._waiting[key] = _Waiting(result)
            if not result.holds:
                self._sorter.done(key)
            heapq.heappush(self._due, (time.monotonic(), key))
        elif kind == "polled" and key not in self._waiting:
            self._late_answer(key, result)
        elif kind == "polled" and isinstance(result, str):
            self._again(key, result)
        else:
            self._finish(key)

    def _again(self, key: str, text: str) -> None:
        waiting = self._waiting[key]
        if text != waiting.said:
            self._tell(key, text)
        waiting.said = text
        pause = max(next(waiting.pauses), len(self._waiting) / POLLS)
        heapq.heappush(self._due, (time.monotonic() + pause, key))

    def _finish(self, key: str) -> None:
        waiting = self._waiting.pop(key, None)
        self._done.add(key)
        if waiting is None or waiting.wait.holds:
            self._sorter.done(key)

    def _late_answer(self, key: str, result: object) -> None:
        """The look was under way while its key was given up: it may have been usable after all."""
        if result is None:
            self.failed.pop(key, None)
            self._done.add(key)

    def _fail(self, key: str, error: BaseException) -> None:
        self._waiting.pop(key, None)
        self.failed[key] = error

    def _give_up(self, reason: DeployerError | None) -> None:
        for key, waiting in list(self._waiting.items()):
            awaited = waiting.said or "it is not usable yet"
            self._fail(key, reason or late(key, f"while waiting: {awaited}"))
        self._paced.clear()
        self._due.clear()


def late(key: str, when: str) -> DeployerError:
    return DeployerError(
        f"{key}: the time is up {when}.", "Run the command again to go on, or give it longer with --timeout."
    )
