"""What was played, a line for each point in a file; and the table of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.campaign.points import FAULTS, Point
from tests.campaign.yard import Result
from tests.whole.project import ROOT


@dataclass
class Journal:
    """`file` None: in memory only. What stands in the file has been played and is not played again."""

    file: Path | None = None
    seed: int = 0
    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0  # of all runs of the command together

    @classmethod
    def open(cls, file: Path | None, seed: int) -> Journal:
        journal = cls(file, seed)
        if file and file.exists():
            for line in file.read_text().splitlines():
                journal._read(json.loads(line))
        elif file:
            journal._write({"seed": seed, "commit": commit()})
        return journal

    def _read(self, line: dict[str, Any]) -> None:
        if "seed" in line:
            self.seed = line["seed"]
        elif "seconds_of_run" in line:
            self.seconds += line["seconds_of_run"]
        else:
            self.results.append(Result(read(line["point"]), line["problem"], line["reached"], line["seconds"]))

    def _write(self, line: dict[str, Any]) -> None:
        if self.file:
            with self.file.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def add(self, result: Result) -> None:
        self.results.append(result)
        one = {"point": str(result.point), "problem": result.problem, "reached": result.reached}
        self._write(one | {"seconds": round(result.seconds, 2)})

    def ended(self, seconds: float) -> None:
        self.seconds += seconds
        self._write({"seconds_of_run": round(seconds, 1)})

    @property
    def played(self) -> set[Point]:
        return {result.point for result in self.results}

    @property
    def failures(self) -> list[Result]:
        return [result for result in self.results if result.problem]


def read(text: str) -> Point:
    """The point that `str` has written."""
    stack, stage, strikes = text.split("/")
    pairs = (strike.split("@") for strike in strikes.split("+"))
    return Point(stack, stage, tuple((fault, int(call)) for fault, call in pairs))


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def page(journal: Journal) -> str:
    """The report, as markdown."""
    survived = len(journal.results) - len(journal.failures)
    early = sum(not result.reached for result in journal.results)
    lines = [
        "# The campaign",
        "",
        "`python -m tests.campaign` (`tests/campaign/__init__.py`): a fault at every mutating call of `up`, of updates",
        "that replace, and of `down`; then the command again, a comparison with an undisturbed run, and `down`.",
        "In each cell: points survived / points tried.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {os.cpu_count()} cores ({platform.machine()}), "
        f"{journal.seconds / 60:.0f} minutes, seed {journal.seed}.",
        "",
        *table(journal),
        "",
        f"**{survived} of {len(journal.results)} points survived.** In {early} the run ended before the call that was",
        "to be struck: runs differ by a few repeated calls.",
    ]
    return "\n".join([*lines, *failed(journal)]) + "\n"


def table(journal: Journal) -> Iterator[str]:
    tried = Counter((r.point.stack, r.point.stage, r.point.fault) for r in journal.results)
    lost = Counter((r.point.stack, r.point.stage, r.point.fault) for r in journal.failures)
    kinds = [kind for kind in (*FAULTS, "two faults") if any(key[2] == kind for key in tried)]
    yield f"| stack | stage | {' | '.join(kinds)} | all |"
    yield "|---" * (len(kinds) + 3) + "|"
    places = list(dict.fromkeys((stack, stage) for stack, stage, _ in sorted(tried)))
    for place in [*places, ("all", "")]:
        counts = []
        for kind in [*kinds, ""]:
            keys = [key for key in tried if place in (key[:2], ("all", "")) and kind in (key[2], "")]
            all_tried, all_lost = sum(tried[key] for key in keys), sum(lost[key] for key in keys)
            counts.append(f"{all_tried - all_lost} / {all_tried}" if all_tried else "")
        yield f"| {place[0]} | {place[1]} | {' | '.join(counts)} |"


def failed(journal: Journal) -> Iterator[str]:
    if journal.failures:
        yield "\n## Not survived\n"
    for result in sorted(journal.failures, key=lambda result: str(result.point)):
        yield f"- `{result.point.replay}`: {' '.join(result.problem.split())[:400]}"
