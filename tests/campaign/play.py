"""One point, from its start to `down`."""

from __future__ import annotations

import shutil
import signal
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign import account
from tests.campaign.points import THROTTLED, Point
from tests.campaign.stages import DOWN, Edits, Stack, Stage
from tests.cloud import Cloud
from tests.cloud.inventory import Inventory
from tests.whole.project import Project, Run, Start

TURNS = 4  # runs that two faults may need
OFTEN = 3  # each so manieth point is also asked whether yet another `up` would change anything
KILLS = ("kill-before", "kill-after")
EMPTY: Inventory = {}


@dataclass(frozen=True)
class Undisturbed:
    """Where a stage begins (a folder with the record, the account beside it), its mutating calls, what it leaves."""

    start: Path | None
    calls: list[str] = field(default_factory=list)
    leaves: Inventory = field(default_factory=dict)


@dataclass(frozen=True)
class Campaign:
    """`away`: for how many seconds connections are refused; `hurry`: the most seconds botocore pauses between tries
    of a throttled call."""

    undisturbed: dict[tuple[str, str], Undisturbed]
    away: float = 2.0
    hurry: float = 0.2

    @property
    def calls(self) -> dict[tuple[str, str], list[str]]:
        return {where: run.calls for where, run in self.undisturbed.items()}


class Scene:
    """A project of a stack in a cloud of its own, at the beginning of a stage."""

    def __init__(self, cloud: Cloud, start: Start, folder: Path, stack: Stack) -> None:
        self.cloud, self.stack = cloud, stack
        self.project = Project(cloud, folder, start=start, file=stack.file, stack=stack.name)

    def begin(self, stage: Stage, kept: Path | None) -> None:
        """`kept`: what `Undisturbed.start` says; without it the account is empty."""
        if kept is None:
            self.cloud.reset()
            self.project.edit(*(stage.before or ()))
        else:
            self.cloud.restore(account_of(kept))
            shutil.copytree(kept, self.project.folder, dirs_exist_ok=True)
        self.cloud.tempo(task=0.02, drain=0.02, nat=0.02)
        self.project.edit(*stage.changes)

    def run(self, args: tuple[str, ...], **env: str) -> Run:
        return self.project.run(*args, env=self.stack.env | env)

    def keep(self, kept: Path) -> None:
        self.cloud.keep(account_of(kept))
        shutil.copytree(self.project.folder, kept)


def account_of(kept: Path) -> Path:
    return kept.with_suffix(".account")


def play(point: Point, campaign: Campaign, scene: Scene) -> bool:
    """Raises AssertionError with what is wrong afterwards. False if the run ended before any fault struck: it made
    fewer calls than the undisturbed one."""
    stage = scene.stack.stage(point.stage)
    undisturbed = campaign.undisturbed[point.stack, point.stage]
    scene.begin(stage, undisturbed.start)
    for fault, call in point.strikes:
        times = THROTTLED if fault == "throttle" else 1
        scene.cloud.fault(fault, mutating=True, nth=call, times=times, seconds=campaign.away)
    reached = _run_into(point, campaign, scene, scene.stack.command(stage))
    scene.cloud.clear_faults()
    if not stage.removes:
        _whole(point, scene, undisturbed.leaves)
        scene.run(DOWN).ended(0)
    account.same(scene.cloud.inventory(), EMPTY)
    assert not scene.project.state_file.exists(), "`down` left its record behind"
    assert not (broken := scene.cloud.errors()), f"the cloud failed: {broken[0]}"
    return reached


def _run_into(point: Point, campaign: Campaign, scene: Scene, command: tuple[str, ...]) -> bool:
    """Runs the command until it ends well; each end before has to be one that the faults explain."""
    hurry = {"BACKOFF_MOST": str(campaign.hurry)} if "throttle" in point.fault or len(point.strikes) > 1 else {}
    reached = False
    for _ in range(TURNS):
        run = scene.run(command, **hurry)
        struck = {fault["kind"] for fault in scene.cloud.faults() if fault["fired"]}
        scene.cloud.clear_faults(fired=True)
        reached = reached or bool(struck)
        account.readable(scene.project.state_file)
        if run.code == 0:
            assert not struck & {*KILLS, "expired"}, f"it ended well in spite of {struck}"
            return reached
        if run.code == -signal.SIGKILL:
            assert struck & {*KILLS}, "it was killed by somebody else"
        else:
            assert "expired" in struck, f"it ended with {run.code} after {struck or 'nothing'}: {_told(run)}"
            run.ended(1)
            assert "have expired: sign in again" in run.text, f"it does not say what to do: {_told(run)}"
    raise AssertionError(f"it did not end well in {TURNS} runs")


def _whole(point: Point, scene: Scene, wanted: Inventory) -> None:
    found, keys = scene.cloud.survey()
    account.same(found, wanted)
    account.agrees(scene.project.state, keys)
    if zlib.crc32(str(point).encode()) % OFTEN == 0:
        again = scene.run(scene.stack.up).ended(0)
        assert not again.mutations, f"another run changes something: {again.mutations}: {_told(again)}"


def _told(run: Run) -> str:
    return f"\n{run.out}\n{run.err}"


def undisturbed(scene: Scene, stage: Stage, kept: Path | None) -> Undisturbed:
    scene.begin(stage, kept)
    run = scene.run(scene.stack.command(stage)).ended(0)
    return Undisturbed(kept, run.mutations, scene.cloud.inventory())


def built(scene: Scene, before: Edits, kept: Path) -> None:
    """The stack as it stands before a stage, kept."""
    scene.begin(Stage("build", before), None)
    scene.run(scene.stack.up).ended(0)
    scene.keep(kept)


