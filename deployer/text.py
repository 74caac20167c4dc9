"""Texts with `${...}` in them: what the environment supplies is put in, what AWS will tell is left as a reference."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

MARK = re.compile(r"\$\$|\$\{|\}")
REFERENCE = re.compile(r"services\.([^.{}$]+)\.([^.{}$]+)")
VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?)([-?])(.*))?", re.DOTALL)
NESTED = 10
HELD = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True)
class Reference:
    """`${services.redis.host}`: known only once the service exists."""

    service: str
    attribute: str

    def __str__(self) -> str:
        return f"${{services.{self.service}.{self.attribute}}}"


Parts = tuple[str | Reference, ...]


@dataclass(frozen=True)
class Text:
    """A text with references; neighbouring strings are one part, so a text without references has at most one."""

    parts: Parts

    @property
    def plain(self) -> bool:
        """No reference inside: `str()` is the text itself."""
        return not any(isinstance(part, Reference) for part in self.parts)

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


def expand(text: str, environ: Mapping[str, str]) -> tuple[Parts, bool]:
    """The parts of `text`, and whether `environ` supplied any. Raises ValueError saying what is wrong; values of
    `environ` are never looked into and never quoted."""
    parts: list[str | Reference] = []
    hidden, position = False, 0
    while mark := MARK.search(text, position):
        parts.append(text[position : mark.start()])
        position = mark.end()
        if mark.group() == "${":
            end = closing(text, position)
            inner, supplied = substitute(text[position:end], environ)
            parts.extend(inner)
            hidden, position = hidden or supplied, end + 1
        else:
            parts.append(mark.group()[0])
    return joined([*parts, text[position:]]), hidden


def closing(text: str, start: int) -> int:
    """Where the bracket opened just before `start` ends."""
    depth = 1
    for mark in MARK.finditer(text, start):
        depth += {"${": 1, "}": -1, "$$": 0}[mark.group()]
        if depth == 0:
            return mark.start()
        if depth > NESTED:
            raise ValueError(f"${{ is nested more than {NESTED} deep")
    raise ValueError("${ is not closed; write $${ for a literal ${")


def substitute(expression: str, environ: Mapping[str, str]) -> tuple[Parts, bool]:
    if reference := REFERENCE.fullmatch(expression):
        return (Reference(*reference.groups()),), False
    found = VARIABLE.fullmatch(expression)
    if not found:
        raise ValueError(
            f"${{{expression[:40]}}} is neither a variable nor a reference such as ${{services.NAME.host}}; "
            "write $${ for a literal ${"
        )
    name, colon, operator, rest = found.groups()
    value = environ.get(name)
    if value or (value is not None and not colon):
        return (value,), True
    if operator == "-":
        return expand(rest, environ)
    state = "is empty" if value is not None else "is not set"
    if operator == "?":
        raise ValueError(f"the environment variable {name} {state}" + f": {rest}" * bool(rest))
    raise ValueError(f"the environment variable {name} {state}; set it, or write ${{{name}:-default}}")


def joined(parts: list[str | Reference]) -> Parts:
    merged: list[str | Reference] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part:
            merged.append(part)
    return tuple(merged)


def words(parts: Parts) -> list[Text]:
    """Split as a shell (and Compose) does; a reference counts as one letter. Raises ValueError for open quotes."""
    held = [part for part in parts if isinstance(part, Reference)]
    numbers = iter(range(len(held)))
    line = "".join(part if isinstance(part, str) else f"\ue000{next(numbers)}\ue001" for part in parts)
    try:
        split = shlex.split(line)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}; write a list") from None
    return [restored(word, held) for word in split]


def restored(word: str, held: list[Reference]) -> Text:
    pieces = HELD.split(word)
    return Text(joined([held[int(piece)] if index % 2 else piece for index, piece in enumerate(pieces)]))
