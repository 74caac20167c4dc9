"""Log events on standard output: for a terminal coloured and harmless, in a pipe exactly as they were written."""

from __future__ import annotations

import json
import os
import select
import sys
from datetime import UTC, datetime

from deployer.errors import harmless
from deployer.logs import Event
from deployer.settings import Settings

PALETTE = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
SHORT = 8  # characters of a task's id


class Printer:
    """`prefix`: time, service and task before each line; `kind`: the `event` of a line of JSON, if it is to have one.

    The methods raise BrokenPipeError once nobody reads.
    """

    def __init__(self, settings: Settings, prefix: bool = True, kind: str = "") -> None:
        self.out = sys.stdout
        if hasattr(self.out, "reconfigure"):
            self.out.reconfigure(errors="backslashreplace")
        self.kind = {"event": kind} if kind else {}
        self.json, self.prefix, self.terminal = settings.json, prefix, self.out.isatty()
        plain = not settings.color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self.colors: dict[str, int] | None = {} if self.terminal and not plain else None

    def write(self, event: Event) -> None:
        """One line; a message of several lines is several, each with its prefix."""
        if self.json:
            self.out.write(json.dumps(self.kind | as_json(event)) + "\n")
            return
        text = event.message.removesuffix("\n")
        before = self._before(event) if self.prefix else ""
        for line in text.split("\n"):
            self.out.write(f"{before}{harmless(line) if self.terminal else line}\n")

    def _before(self, event: Event) -> str:
        when = datetime.fromtimestamp(event.when / 1000).strftime("%Y-%m-%d %H:%M:%S")
        name = f"{event.service}/{event.task[:SHORT]}"
        if self.terminal:
            name = harmless(name)
        if self.colors is None:
            return f"{when} {name} "
        color = self.colors.setdefault(event.task, PALETTE[len(self.colors) % len(PALETTE)])
        return f"\x1b[2m{when}\x1b[0m \x1b[{color}m{name}\x1b[0m "

    def flush(self) -> None:
        self.out.flush()
        if gone():
            raise BrokenPipeError


def as_json(event: Event) -> dict[str, str]:
    when = datetime.fromtimestamp(event.when / 1000, UTC).isoformat(timespec="milliseconds")
    time = when.replace("+00:00", "Z")
    return {"time": time, "service": event.service, "task": event.task, "message": event.message}


def gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more: without new events no writing would tell."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(what & select.POLLERR for _, what in poll.poll(0))
    except (AttributeError, OSError, ValueError):  # no such call, or no such descriptor
        return False
