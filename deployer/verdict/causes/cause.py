"""A cause: how it is recognised, what is said of it, what to do; and the signs by which it is recognised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from deployer.verdict.evidence import Evidence
from deployer.verdict.outside import line

Words = dict[str, str]
Sign = Callable[[Evidence], Words | None]  # what was found, by name; None: not this cause
Outlook = Literal["hopeless", "twice", "doubtful", "passing"]
QUOTED = 80


@dataclass(frozen=True)
class Finding:
    name: str
    sentence: str
    advice: str
    outlook: Outlook


@dataclass(frozen=True)
class Cause:
    """`sentence` and `advice` name what the sign has found and what deploy.yaml says, in braces.

    `outlook` of waiting on. hopeless: seen once, it will not pass; twice: so, once two tasks have it (a right given
    seconds ago may not count yet); doubtful: so on a first deployment only; passing: it may pass by itself.
    """

    name: str
    sign: Sign
    sentence: str
    advice: str
    outlook: Outlook = "doubtful"

    def look(self, evidence: Evidence) -> Finding | None:
        found = self.sign(evidence)
        if found is None:
            return None
        words = names(evidence) | {key: value[:QUOTED] for key, value in found.items()}
        return Finding(self.name, self.sentence.format_map(words), self.advice.format_map(words), self.outlook)


def names(evidence: Evidence) -> Words:
    """What sentences may name."""
    facts = evidence.facts
    culprit = evidence.last.culprit if evidence.last else None
    return {
        "service": evidence.service,
        "log": "The last lines of its log are below" if evidence.log else "It has written no log",
        "program": "of that name",
        "revision": evidence.revision,
        "image": evidence.image or "the image",
        "port": str(facts.port or "its port"),
        "path": facts.health_path or "/",
        "protocol": "TCP server" if facts.balancer == "network" else "HTTP",
        "interval": str(facts.health_interval),
        "timeout": str(facts.health_timeout),
        "unhealthy": str(facts.unhealthy),
        "grace": str(facts.grace or 0),
        "architecture": facts.architecture,
        "platform": "linux/arm64" if facts.architecture == "arm64" else "linux/amd64",
        "cpu": str(facts.cpu),
        "memory": str(facts.memory),
        "more_memory": str(facts.memory * 2),
        "count": str(facts.count),
        "minimum": str(facts.minimum_percent),
        "maximum": str(facts.maximum_percent),
        "user": facts.user or "the image's user",
        "command": line(" ".join(facts.command))[:QUOTED] if facts.command else "the image's command",
        "code": str(culprit.exit_code) if culprit and culprit.exit_code is not None else "?",
    }


# Signs.


def first(pattern: str, texts: Iterable[str]) -> Words | None:
    """The named groups of the first match, without the empty ones."""
    compiled = re.compile(pattern, re.IGNORECASE)
    for text in texts:
        if match := compiled.search(text):
            return {key: value for key, value in match.groupdict().items() if value}
    return None


def said(pattern: str) -> Sign:
    """In what is said of the newest failed task; if there is none, in the events."""
    return lambda evidence: first(pattern, evidence.last.words if evidence.last else told_by(evidence))


def told(pattern: str) -> Sign:
    """In the events of the service, or in the reason of the rollout."""
    return lambda evidence: first(pattern, told_by(evidence))


def told_by(evidence: Evidence) -> tuple[str, ...]:
    return (*evidence.events, evidence.rollout)


def logged(pattern: str) -> Sign:
    """In the log; its newest line counts most."""
    return lambda evidence: first(pattern, reversed(evidence.log))


def exited(*codes: int) -> Sign:
    """The program of the newest failed task ended by itself with one of these codes; with none given, any but 0."""

    def sign(evidence: Evidence) -> Words | None:
        task = evidence.last
        if not task or not task.exited or not task.culprit or task.culprit.exit_code is None:
            return None
        code = task.culprit.exit_code
        return {} if (code in codes if codes else code != 0) else None

    return sign


def given(test: Callable[[Evidence], bool]) -> Sign:
    return lambda evidence: {} if test(evidence) else None


def both(*signs: Sign) -> Sign:
    """All of them; what each has found together."""

    def sign(evidence: Evidence) -> Words | None:
        found: Words = {}
        for one in signs:
            words = one(evidence)
            if words is None:
                return None
            found |= words
        return found

    return sign


def either(*signs: Sign) -> Sign:
    def sign(evidence: Evidence) -> Words | None:
        return next((words for one in signs if (words := one(evidence)) is not None), None)

    return sign
