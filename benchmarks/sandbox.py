"""How quick and how large the sandbox is: `python -m benchmarks.sandbox [--services 20]`, in one run.

A sandbox of its own in a temporary folder: until it is ready, and until the command ends; the voting app with images
that are built already, until it is healthy; an edited line of app/ until the new page is there, with 20 requests a
second meanwhile; and the memory of the sandbox's processes, without the containers, while many services run. Needs a
Docker engine with python:3.12-slim and redis:7-alpine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from deployer.sandbox import process
from tests.sandbox.house import House, get, until, url_of, voting
from tests.whole.project import COMMAND, Run

PACE = 0.05  # seconds between two requests
IDLE = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(1e6)"


def row(name: str, value: str, goal: str = "") -> None:
    print(f"{name:58} {value:>12} {goal:>10}", flush=True)


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    result = call()
    return time.monotonic() - began, result


class Load(threading.Thread):
    """Requests, each in a thread of its own. `first`: when the new page was first seen."""

    def __init__(self, url: str, wanted: str) -> None:
        super().__init__(daemon=True)
        self.url, self.wanted, self.first = url, wanted, 0.0
        self.codes: list[int] = []
        self.over = threading.Event()

    def run(self) -> None:
        threads: list[threading.Thread] = []
        while not self.over.wait(PACE):
            threads.append(threading.Thread(target=self._ask, daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(15)

    def _ask(self) -> None:
        code, text = get(self.url)
        self.codes.append(code)
        if self.wanted in text and not self.first:
            self.first = time.monotonic()


@contextlib.contextmanager
def house() -> Iterator[House]:
    made = House()
    try:
        yield made
    finally:
        made.close()


def ready(house: House) -> tuple[float, float]:
    """Seconds until the process answers, and until the command has ended."""
    began = time.monotonic()
    command = subprocess.Popen([*COMMAND, "sandbox", "up", "--quiet"], env=house.env, stdin=subprocess.DEVNULL)
    until(lambda: process.running(house.folder), 60)
    process.ask(house.address, "status", 60)
    answered = time.monotonic() - began
    assert command.wait(60) == 0
    return answered, time.monotonic() - began


def start(times: int) -> None:
    found = []
    for _ in range(times):
        with house() as one:
            found.append(ready(one))
    answered, ended = (statistics.median(each) for each in zip(*found, strict=True))
    row(f"sandbox up: until it answers (median of {times})", f"{answered:.2f} s", "< 1 s")
    row("sandbox up: the command as a whole", f"{ended:.2f} s")


def app(house: House, folder: Path) -> None:
    project = voting(folder / "voting")

    def up() -> Run:
        return house.deployer("up", "--sandbox", "-y", cwd=project).ended(0)

    house.deployer("sandbox", "up", "--quiet").ended(0)
    row("up of the voting app, nothing built or pushed", f"{seconds(up)[0]:.1f} s")
    house.deployer("down", "--sandbox", "-y", cwd=project).ended(0)
    took, run = seconds(up)
    row("up of the voting app, images built already, until healthy", f"{took:.1f} s", "< 15 s")
    assert get(url_of(run))[0] == 200
    again = seconds(up)[0]
    row("up again, nothing to do", f"{again:.1f} s")
    page = project / "app" / "templates" / "base.html"
    page.write_text(page.read_text().replace("</title>", " edited</title>"))
    load = Load(url_of(run), " edited</title>")
    load.start()
    began = time.monotonic()
    ended = seconds(up)[0]
    until(lambda: load.first, 10)
    time.sleep(1)
    load.over.set()
    load.join(30)
    failed = sum(code != 200 for code in load.codes)
    row("up after an edited line, until the new page", f"{load.first - began:.1f} s", "< 10 s")
    row("  the command as a whole", f"{ended:.1f} s")
    row(f"  failed of {len(load.codes)} requests, 20 a second", str(failed), "0")
    house.deployer("down", "--sandbox", "-y", cwd=project).ended(0)


def many(house: House, folder: Path, services: int) -> None:
    each = {"image": "python:3.12-slim", "command": ["python3", "-c", IDLE]}
    config = {"name": "many", "services": {f"s{number}": each for number in range(services)}}
    folder = folder / "many"
    folder.mkdir()
    (folder / "deploy.yaml").write_text(json.dumps(config))
    before = memory(house)
    took, _ = seconds(lambda: house.deployer("up", "--sandbox", "-y", cwd=folder).ended(0))
    time.sleep(5)
    busy = used(house, 5)
    row(f"up of {services} services of one container each", f"{took:.1f} s")
    row("memory of the sandbox, without containers, before", f"{before:.0f} MB")
    row(f"memory of the sandbox with {services} services", f"{memory(house):.0f} MB", "< 500 MB")
    row("  processor time it takes while nothing happens", f"{busy:.0f} %")
    took, _ = seconds(lambda: house.deployer("down", "--sandbox", "-y", cwd=folder).ended(0))
    row(f"down of {services} services", f"{took:.1f} s")


def family(house: House) -> list[psutil.Process]:
    parent = psutil.Process(house.address.pid)
    return [parent, *parent.children(recursive=True)]


def memory(house: House) -> float:
    return sum(one.memory_info().rss for one in family(house)) / 1e6


def used(house: House, over: float) -> float:
    """Percent of one processor."""

    def spent() -> float:
        return sum(sum(one.cpu_times()[:2]) for one in family(house))

    before = spent()
    time.sleep(over)
    return (spent() - before) / over * 100


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    options.add_argument("--services", type=int, default=20)
    options.add_argument("--starts", type=int, default=5, help="how often the sandbox is started")
    chosen = options.parse_args()
    row("", "measured", "goal")
    start(chosen.starts)
    with tempfile.TemporaryDirectory() as folder, house() as one:
        app(one, Path(folder))
        many(one, Path(folder), chosen.services)


if __name__ == "__main__":
    main()
