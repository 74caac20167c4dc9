"""A `deploy.yaml` for one environment: overrides merged, `${...}` replaced, every value with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from deployer.errors import Problem
from deployer.text import Reference, expand
from deployer.tree import Node, Scalar, Where, dotted, parse, plain

REFERRING = ("environment", "command", "entrypoint", "release")


@dataclass(frozen=True)
class Document:
    """The tree of one environment, and what was wrong with it so far (`faults`: where, and the problem)."""

    file: str
    root: Node
    faults: list[tuple[Where, Problem]] = field(default_factory=list)

    def plain(self) -> Any:
        """Dicts, lists, `Scalar`s and None; made anew at each call."""
        return plain(self.root)

    def trail(self, where: Where) -> Iterator[tuple[Where, Node]]:
        """The nodes from the root towards `where`, as far as the file goes."""
        node = self.root
        yield (), node
        for depth, step in enumerate(where, 1):
            if isinstance(node.value, dict) and step in node.value:
                node = node.value[str(step)]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return
            yield where[:depth], node

    def overridden(self, where: Where) -> bool:
        return any(node.overridden for _, node in self.trail(where))

    def problem(self, where: Where, message: str, touches: tuple[Where, ...] = ()) -> Problem:
        """A problem at `where`; if the file does not say that, at the first of `touches` that it says, or else at the
        nearest parent. If only something touched comes from the chosen environment, the line is there."""
        said = [place for place in (where, *touches) if list(self.trail(place))[-1][0] == place]
        path, node = list(self.trail(said[0] if said else where))[-1]
        over = [place for place in said if self.overridden(place)]
        line = list(self.trail(over[0]))[-1][1].line if over else node.line
        return Problem(self.file, line if path else 0, dotted(path), message)

    def shown(self, where: Where, value: object) -> str:
        """`value` for a message, unless the environment supplied it."""
        path, node = list(self.trail(where))[-1]
        hidden = path == where and isinstance(node.value, Scalar) and node.value.hidden
        return "this value" if hidden else str(value)


def read(path: Path, env: str | None, environ: Mapping[str, str]) -> Document:
    """The tree of `path` for the environment `env`, with `${...}` replaced. Raises ConfigError for what is no YAML
    mapping; what is wrong inside the mapping is in the document's `faults`."""
    root, faults = parse(path)
    document = selected(Document(str(path), root, faults), env)
    return replace(document, root=interpolated(document, document.root, (), environ))


def selected(document: Document, env: str | None) -> Document:
    """The document with `environments` taken out and the one called `env` merged over the rest."""
    top = document.root.value if isinstance(document.root.value, dict) else {}
    node = top.get("environments")
    rest = replace(document.root, value={key: value for key, value in top.items() if key != "environments"})
    document = replace(document, root=rest)
    if node is not None and not isinstance(node.value, dict | None):
        fault(document, ("environments",), node.line, "must be a mapping of environments, such as `prod: {...}`")
        return document
    if env is None:
        return document
    known = node.value if node is not None and isinstance(node.value, dict) else {}
    if env not in known:
        message = f'there is no environment "{env}"{suggestion(env, list(known))}'
        fault(document, ("environments",), node.line if node else 0, message)
        return document
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", env):
        message = "the name of an environment must be small letters, digits and single hyphens"
        fault(document, ("environments", env), known[env].line, message)
    if isinstance(known[env].value, dict):
        return replace(document, root=merged(rest, known[env]))
    if known[env].value is not None:
        fault(document, ("environments", env), known[env].line, "must be a mapping of what is different there")
    return document


def merged(base: Node, over: Node) -> Node:
    """Mappings merge, everything else is replaced, nothing (null) removes the key."""
    if not isinstance(over.value, dict):
        return replace(over, overridden=True)
    below = base.value if isinstance(base.value, dict) else {}
    value = dict(below)
    for key, node in over.value.items():
        if node.value is None:
            value.pop(key, None)
        else:
            value[key] = merged(below.get(key, Node(None, node.line)), node)
    same = isinstance(base.value, dict)
    return Node(value, base.line if same else over.line, overridden=not same)


def interpolated(document: Document, node: Node, where: Where, environ: Mapping[str, str]) -> Node:
    value = node.value
    if isinstance(value, dict):
        entries = {key: interpolated(document, each, (*where, key), environ) for key, each in value.items()}
        return replace(node, value=entries)
    if isinstance(value, list):
        return replace(node, value=[interpolated(document, n, (*where, i), environ) for i, n in enumerate(value)])
    if value is None or "$" not in value:
        return node
    try:
        parts, hidden = expand(value, environ)
        refers = any(isinstance(part, Reference) for part in parts)
        key = str(where[2]) if where[0] == "services" and len(where) > 2 else ""
        if refers and key not in REFERRING:
            if get_close_matches(key, REFERRING, 1):  # a misspelt key is said to be that
                return node
            raise ValueError("references to services are possible only in environment, command, entrypoint and release")
    except ValueError as error:
        fault(document, where, node.line, str(error))
        return node
    return replace(node, value=Scalar("".join(map(str, parts)), value.plain, hidden, parts))


def fault(document: Document, where: Where, line: int, message: str) -> None:
    document.faults.append((where, Problem(document.file, line, dotted(where), message)))


def suggestion(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f'; did you mean "{near[0]}"?' if near else ""
