"""Where a server says that it listens, read from its log."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployer.verdict.evidence import Evidence

VERB = r"\b(?:listening|running|serving|started|bound|binding|ready|local|network|accept\w*)\b"
ADDRESS = re.compile(
    VERB + r".{0,60}?(?P<host>127\.\d+\.\d+\.\d+|localhost|\[::1\]|0\.0\.0\.0|\[::\]|\[?\*\]?|\d+\.\d+\.\d+\.\d+)"
    r"[)\]]?:(?P<port>\d{2,5})\b",
    re.IGNORECASE,
)
PORT = re.compile(VERB + r".{0,40}?(?:\bport(?:\(s\))?\s?[:=]?\s?|[\s=(]:)(?P<port>\d{2,5})\b", re.IGNORECASE)
EVERYWHERE = re.compile(r"all (?:addresses|interfaces)|0\.0\.0\.0|\[::\]|\*:\d", re.IGNORECASE)
STARTING = re.compile(
    r"\b(?:starting|booting|initiali[sz]ing|loading|migrat\w+|applying|waiting for|warming|compiling|download\w+|"
    r"connecting|installing|collecting)\b",
    re.IGNORECASE,
)
CHECKED = re.compile(r"ELB-HealthChecker", re.IGNORECASE)
ENDING = re.compile(r"SIGTERM|signal: term|signal 15|shutting down|terminating", re.IGNORECASE)
SILENT = 60.0  # seconds without a line: not starting, but stuck or running


@dataclass(frozen=True)
class Server:
    """`line`: which of the log; `host` is empty where the log does not name one."""

    line: int
    port: int
    host: str = ""

    @property
    def local(self) -> bool:
        return self.host.startswith("127.") or self.host in ("localhost", "[::1]")


def servers(log: tuple[str, ...]) -> list[Server]:
    found = []
    for number, text in enumerate(log):
        if match := ADDRESS.search(text):
            found.append(Server(number, int(match["port"]), match["host"].lower()))
        elif match := PORT.search(text):
            found.append(Server(number, int(match["port"])))
    return found


def only_local(evidence: Evidence) -> Server | None:
    """Flask names 127.0.0.1 also when it listens on all addresses; then it says so too."""
    found = [one for one in servers(evidence.log) if one.port == evidence.facts.port or not evidence.facts.port]
    if not found or not all(one.local for one in found) or any(map(EVERYWHERE.search, evidence.log)):
        return None
    return found[0]


def elsewhere(evidence: Evidence) -> Server | None:
    """It listens, but on none of its lines on the port that is checked."""
    found = servers(evidence.log)
    others = not any(one.port == evidence.facts.port for one in found)
    return found[0] if found and evidence.facts.port and others else None


def well(evidence: Evidence) -> bool:
    """It says that it listens on the right port, and not only locally."""
    right = any(one.port == evidence.facts.port for one in servers(evidence.log))
    return right and only_local(evidence) is None


def too_late(evidence: Evidence) -> bool:
    """It was still starting when it was stopped, or had just begun to listen."""
    log, task = evidence.log, evidence.last
    found = servers(log)
    if not log or (
        task and task.stopped_at and evidence.log_times and task.stopped_at - evidence.log_times[-1] > SILENT
    ):
        return False
    ended = [number for number, text in enumerate(log) if ENDING.search(text)]
    if not found:
        return bool(task) and any(map(STARTING.search, [text for text in log if not ENDING.search(text)][-3:]))
    if ended and found[0].line > ended[0]:
        return True
    if not task or not task.started_at or not task.stopped_at or len(evidence.log_times) != len(log):
        return False
    left = task.stopped_at - evidence.log_times[found[0].line]
    took = evidence.log_times[found[0].line] - task.started_at
    return left < evidence.facts.health_interval * 2 and took > left


def checked(evidence: Evidence) -> bool:
    """The load balancer's requests reach the server."""
    return any(map(CHECKED.search, evidence.log))
