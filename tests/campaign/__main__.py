"""`python -m tests.campaign`: plays the campaign, or a part of it, and prints its table."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.campaign.journal import Journal, page
from tests.campaign.points import FAULTS, Calls, Point, every, pairs, sample
from tests.campaign.stages import STACKS
from tests.campaign.yard import Result, Yard

PAIRS = 200  # of a whole campaign
SAID_EVERY = 60.0  # seconds between two lines of progress


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.campaign",
        description="Faults at every mutating call of up, of replacing updates and of down; then all is compared.",
    )
    stages = sorted({stage.name for stack in STACKS.values() for stage in stack.stages})
    made.add_argument("--stack", action="append", choices=[*STACKS], help="only this one (may be repeated)")
    made.add_argument("--stage", action="append", choices=stages, help="only this one (may be repeated)")
    made.add_argument("--fault", action="append", choices=FAULTS, help="only this one (may be repeated)")
    made.add_argument("--call", action="append", type=int, metavar="N",
                      help="one point: the fault strikes this mutating call; with two --fault and two --call, a pair")
    made.add_argument("--pairs", type=int, metavar="N", help=f"points of two random faults (a whole campaign: {PAIRS})")
    made.add_argument("--sample", type=int, metavar="N", help="only so many of the points of one fault")
    made.add_argument("--seed", type=int, help="of all that is random; printed")
    made.add_argument("--part", default="1/1", metavar="K/M", help="only every Mth of the points, from the Kth on")
    made.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1), metavar="N")
    made.add_argument("--away", type=float, default=2.0, metavar="SECONDS", help="how long connections are refused")
    made.add_argument("--journal", type=Path, metavar="FILE",
                      help="a line for each point played; one that exists is continued")
    made.add_argument("--report", type=Path, metavar="FILE", help="write the table there, as markdown")
    made.add_argument("--keep", type=Path, metavar="FOLDER", help="work there, and leave what failed points left")
    return made


def chosen(options: argparse.Namespace, calls: Calls, dice: random.Random) -> list[Point]:
    """The points that the options ask for, in random order."""
    if options.call:
        return [Point(options.stack[0], options.stage[0], tuple(zip(options.fault, options.call, strict=True)))]
    faults = tuple(options.fault or FAULTS)
    narrowed = options.stack or options.stage or options.fault or options.sample is not None
    singles = every(calls, faults)
    singles = singles if options.sample is None else sample(singles, options.sample, dice)
    number = options.pairs if options.pairs is not None else 0 if narrowed else PAIRS
    points = singles + pairs(calls, number, dice, faults)
    dice.shuffle(points)
    part, parts = (int(each) for each in options.part.split("/"))
    return points[part - 1 :: parts]


def refuse(options: argparse.Namespace) -> None:
    if options.call and (len(options.call) != len(options.fault or []) or not options.stack or not options.stage):
        parser().error("--call needs one --stack, one --stage and as many --fault")


def workplace(keep: Path | None, leaving: ExitStack) -> Path:
    """A new folder in `keep`; without it one that goes with `leaving`."""
    if keep is None:
        return Path(leaving.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
    keep.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=keep))


def main() -> int:
    options = parser().parse_args()
    refuse(options)
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    journal = Journal.open(options.journal, seed)
    print(f"seed {journal.seed}", flush=True)
    stop, began = threading.Event(), time.monotonic()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with ExitStack() as leaving:
        yard = leaving.enter_context(Yard(workplace(options.keep, leaving), options.workers))
        campaign = yard.prepare(options.stack or STACKS, options.stage or (), options.away)
        points = chosen(options, campaign.calls, random.Random(journal.seed))
        left = [point for point in points if point not in journal.played]
        print(f"{len(points)} points, {len(left)} to play, {options.workers} workers", flush=True)
        watch = Progress(len(left))
        for result in yard.play(left, campaign, stop):
            journal.add(result)
            watch.tell(result)
    journal.ended(time.monotonic() - began)
    report = page(journal)
    print(report)
    if options.report:
        options.report.write_text(report)
    return 1 if journal.failures else 130 if stop.is_set() else 0


class Progress:
    """A line now and then, and one for each failure."""

    def __init__(self, number: int) -> None:
        self.number, self.played = number, 0
        self.began = self.said = time.monotonic()

    def tell(self, result: Result) -> None:
        self.played += 1
        now = time.monotonic()
        if result.problem:
            print(f"NOT SURVIVED {result.point.replay}\n    {result.problem[:2000]}", flush=True)
        if now - self.said >= SAID_EVERY:
            self.said = now
            rate = (now - self.began) / self.played
            left = rate * (self.number - self.played) / 60
            print(f"{self.played} of {self.number}, about {left:.0f} min left", flush=True)


if __name__ == "__main__":
    sys.exit(main())
