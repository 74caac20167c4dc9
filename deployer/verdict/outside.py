"""Texts that others have written, made fit to be shown: they steer no terminal, tell no secret, and end."""

from __future__ import annotations

import re

from deployer.errors import harmless

EVENTS = 100
LONGEST = 2000  # of a text that is looked at; a log line may have 256 KB

NAME = r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|authorization"
ASSIGNED = re.compile(
    rf"""(?P<name>(?:{NAME})[\w.-]{{0,40}}(?:["']\s{{0,4}}[:=]\s{{0,4}}|\s{{0,2}}=\s{{0,2}}|:\s{{1,4}}))"""
    r"""(?:"[^"]*"?|'[^']*'?|(?:Bearer|Basic)\s+\S+|[^\s,;&]+)""",
    re.IGNORECASE,
)
OPTION = re.compile(r"(?P<name>--?(?:[\w-]{0,20}pass(?:word|wd)?|requirepass|token|secret)[ =])\S+", re.IGNORECASE)
MASKS = (
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "***"),
    (re.compile(r"(?P<name>://[^\s/:@]{0,100}:)[^\s/@]{1,200}@"), r"\g<name>***@"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "***"),
    (re.compile(r"^\s*[A-Za-z0-9+/]{60,}={0,2}\s*$"), "***"),
    (re.compile(
        r"(?<![\w/+=.-])(?=[A-Z0-9+/]*[a-z])(?=[a-z0-9+/]*[A-Z])(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+][A-Za-z0-9/+]{39}"
        r"(?![\w/+=.-])"), "***"),
)  # fmt: skip


def tame(text: str) -> str:
    """One line of AWS's."""
    said = text[:LONGEST].encode("utf-8", "replace").decode("utf-8")
    said = " ".join(harmless(said).splitlines())
    for pattern, shown in MASKS:
        said = pattern.sub(shown, said)
    return said


def line(text: str) -> str:
    """One line of a program's log: programs print their passwords."""
    said = tame(text).expandtabs(4).rstrip()
    return OPTION.sub(r"\g<name>***", ASSIGNED.sub(r"\g<name>***", said))
