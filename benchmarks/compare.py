"""`deployer` and Terraform on the same stack: `python -m benchmarks.compare [--rounds 3] [--latency 0.05]`.

The voting app's deploy.yaml, and the same AWS objects in plain HCL (terraform/voting.tf), against the same simulated
AWS with the same seconds added to each call: a fresh `up`, nothing to do, one change (an environment variable of `web`,
with its rollout), `down`. The runs take turns; the table holds medians. Seconds are those of the whole process, its
start included. *seconds in calls* are those in which at least one call was under way: neither a program's start nor a
pause between two looks. *floor* is the longest chain of calls that have to follow each other in deployer's own run
(benchmarks/up.py) times the seconds of one call. Images are given by digest: nothing is built or pushed.

Without Terraform or its AWS provider it says what is missing, and measures `deployer` alone.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3

from benchmarks.report import PLACE, Report, Row
from benchmarks.terraform import Terraform, missing
from benchmarks.up import DIGEST, down, enter, measured, up, warm_up
from deployer.settings import Settings
from tests.cloud import Call, Cloud
from tests.whole.project import COMMAND, Project, path

RUNS = ("up", "nothing to do", "one change", "down")
IMAGES = [word for name in ("web", "redis") for word in ("--image", f"{name}=registry.invalid/{name}{DIGEST}")]
CHANGE = ("      REDIS_HOST:", "      TITLE: Changed\n      REDIS_HOST:")
Counts = dict[str, int]


class Tool(Protocol):
    """A command line with its files in `folder`; `change` edits them."""

    name: str
    folder: Path
    env: dict[str, str]

    def command(self, run: str) -> Sequence[str]: ...
    def change(self) -> None: ...


class Deployer:
    name = "deployer"

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.project = Project(cloud, folder)
        self.folder, self.env = folder, path(cloud.env())

    def command(self, run: str) -> list[str]:
        return [*COMMAND, "down", "-y"] if run == "down" else [*COMMAND, "up", "-y", *IMAGES]

    def change(self) -> None:
        self.project.edit(CHANGE)


@dataclass
class Figures:
    """All that was seen of one tool: the rows by run, and how many objects of each kind stood after `up`."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {run: [] for run in RUNS})
    objects: Counts = field(default_factory=dict)

    def median(self, run: str) -> Row:
        columns = zip(*(row.figures for row in self.rows[run]), strict=True)
        return Row(*map(statistics.median, columns))


def under_way(calls: Iterable[Call]) -> float:
    """Seconds in which at least one of the calls was under way."""
    total, end = 0.0, 0.0
    for call in sorted(calls, key=lambda call: call.started):
        total += max(0.0, call.finished - max(call.started, end))
        end = max(end, call.finished)
    return total


def ended(tool: Tool, run: str) -> tuple[int, str]:
    """Exit code and output. Interrupted, it takes Terraform's plug-in with it, which would go on alone."""
    process = subprocess.Popen(
        tool.command(run), cwd=tool.folder, env=tool.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, said


def timed(cloud: Cloud, tool: Tool, run: str) -> Row:
    if run == "one change":
        tool.change()
    cloud.forget_calls()
    began = time.monotonic()
    code, said = ended(tool, run)
    seconds = time.monotonic() - began
    if code or cloud.errors():
        raise SystemExit(f"{tool.name}, {run}: exit code {code}\n{said}\n{cloud.errors()}")
    calls = cloud.calls()
    return Row(seconds, under_way(calls), len(calls), sum(call.mutating for call in calls))


def once(cloud: Cloud, tool: Tool, figures: Figures) -> None:
    """All four runs, from an empty account to an empty account."""
    for run in RUNS:
        row = timed(cloud, tool, run)
        figures.rows[run].append(row)
        print(f"{tool.name:26} {run:14} {row.seconds:7.2f} s {row.calls:4} calls", flush=True)
        if run == "up":
            figures.objects = {kind: len(found) for kind, found in cloud.inventory().items()}
    left = {kind: found for kind, found in cloud.inventory().items() if found}
    if left:
        raise SystemExit(f"{tool.name} has left {left}")


def tempered(cloud: Cloud, wait: float, latency: float) -> None:
    """An empty account in which all that takes AWS its time takes `wait` seconds."""
    cloud.reset()
    cloud.tempo(task=wait, drain=wait, nat=wait, load_balancer=wait)
    cloud.latency(latency)


def chains(cloud: Cloud, folder: Path) -> Counts:
    """The longest chain of calls of each run: looks at what is not ready yet lengthen it."""
    enter(cloud)
    project = Project(cloud, folder)
    settings = Settings(project.file, quiet=True)
    found = {}
    for run in RUNS:
        if run == "one change":
            project.edit(CHANGE)
        found[run] = measured(cloud, settings, down if run == "down" else up).chain
    return found


def compare(cloud: Cloud, folder: Path, chosen: argparse.Namespace) -> Report:
    absent = missing()
    report = Report(heading(chosen), chosen.latency)
    warm_up(cloud)
    found = []
    for number in range(chosen.rounds):
        tempered(cloud, 0.0, chosen.latency)
        found.append(chains(cloud, folder / f"chains-{number}"))
    report.chains = {run: min(each[run] for each in found) for run in RUNS}
    for wait in chosen.wait:
        tools: dict[str, Figures] = {}
        for number in range(chosen.rounds):
            for width in (None, *([] if absent else chosen.parallelism)):
                tempered(cloud, wait, chosen.latency)
                here = folder / f"{wait}-{number}-{width}"
                tool: Any = Terraform(here, cloud.env(), width) if width else Deployer(cloud, here)
                if width and "Terraform" not in report.heading:
                    report.heading += f", {tool.version()}"
                once(cloud, tool, tools.setdefault(tool.name, Figures()))
        report.add(wait, {name: {run: one.median(run) for run in RUNS} for name, one in tools.items()})
        report.same_objects({name: one.objects for name, one in tools.items()})
    report.notes += [f"Not compared with Terraform: {reason}." for reason in absent]
    return report


def heading(chosen: argparse.Namespace) -> str:
    today = datetime.date.today().isoformat()
    return (
        f"{today}, {os.cpu_count()} cores, {chosen.latency * 1000:.0f} ms added to each call, median of "
        f"{chosen.rounds} rounds in turn, Python {platform.python_version()}, boto3 {boto3.__version__}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--latency", type=float, default=0.05, help="seconds added to each call")
    options.add_argument("--wait", type=float, nargs="+", default=[0.0], metavar="SECONDS",
                         help="what a task's start, a drain and a load balancer take there; each apart")  # fmt: skip
    options.add_argument("--parallelism", type=int, nargs="*", default=[10, 16], help="of Terraform; each apart")
    options.add_argument("--report", type=Path, help="a file for the tables, in Markdown")
    options.add_argument("--readme", type=Path, help="a file whose marked place gets the short table")
    chosen = options.parse_args()
    if chosen.latency <= 0 or chosen.rounds < 1:
        options.error("there is no ratio without latency, and no median without a round")
    if chosen.readme and not PLACE.search(chosen.readme.read_text()):
        options.error(f"{chosen.readme} has no place marked for the table")
    with Cloud.start() as cloud, tempfile.TemporaryDirectory() as folder:
        report = compare(cloud, Path(folder), chosen)
    print(f"\n{report.full()}")
    if chosen.report:
        chosen.report.write_text(report.full())
    if chosen.readme:
        report.put_into(chosen.readme)


if __name__ == "__main__":
    main()
