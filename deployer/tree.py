"""YAML as a tree of our own: each value with its line and its text as written. Too big or too deep is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from deployer.errors import ConfigError, Problem
from deployer.text import Parts

BYTES, NODES, DEPTH = 1024 * 1024, 20_000, 40
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAG = "tag:yaml.org,2002:"
SORTS = ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value", "merge")
TAGS = frozenset(TAG + sort for sort in SORTS)
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")

Where = tuple[str | int, ...]


class Scalar(str):
    """One value of the file. As a string it is the text as written; `value` is what a plain text stands for (a number,
    a boolean, nothing), `hidden` says that the environment supplied some of it: it must not be shown."""

    plain: bool
    hidden: bool
    parts: Parts

    def __new__(cls, text: str, plain: bool = True, hidden: bool = False, parts: Parts | None = None) -> Scalar:
        self = super().__new__(cls, text)
        self.plain, self.hidden = plain, hidden
        self.parts = ((text,) if text else ()) if parts is None else parts
        return self

    @property
    def value(self) -> str | int | bool | None:
        if not self.plain:
            return str(self)
        if INTEGER.fullmatch(self):
            return int(self)
        if self in ("", "~", "null", "Null", "NULL"):
            return None
        return yaml.SafeLoader.bool_values.get(self.lower(), str(self))


@dataclass(frozen=True)
class Node:
    """A value, the line it is on, and how much it unfolds to; `overridden` when an environment put it here."""

    value: dict[str, Node] | list[Node] | Scalar | None
    line: int
    size: int = 1
    depth: int = 1
    overridden: bool = False


def parse(path: Path) -> tuple[Node, list[tuple[Where, Problem]]]:
    """The mapping in `path`, and what is wrong inside it. Raises ConfigError for what is no YAML mapping at all."""
    file = str(path)
    top = composed(file, content(file, path))
    if top is None or top.tag == TAG + "null":
        raise fatal(file, 0, "is empty", "`deployer init` writes a deploy.yaml to start from.")
    builder = Builder(file)
    root = builder.build(top, ())
    if not isinstance(root.value, dict):
        raise fatal(file, root.line, "must be a mapping: lines such as `name: voting`")
    return root, builder.faults


def content(file: str, path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(BYTES + 1)
    except FileNotFoundError:
        raise fatal(file, 0, "there is no such file", "`deployer init` writes one to start from.") from None
    except IsADirectoryError:
        raise fatal(file, 0, "is a directory, not a file") from None
    except (OSError, ValueError) as error:
        raise fatal(file, 0, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > BYTES:
        raise fatal(file, 0, f"is larger than {BYTES // 1024 // 1024} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fatal(file, data[: error.start].count(b"\n") + 1, "is not UTF-8 text") from None


def composed(file: str, text: str) -> yaml.Node | None:
    """The one document in `text`. Its depth is measured on the flat stream of events, before anything recurses."""
    depth = documents = 0
    try:
        for event in yaml.parse(text, Loader=LOADER):
            line = event.start_mark.line + 1 if event.start_mark else 0
            documents += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if documents > 1:
                raise fatal(file, line, "a second document begins; one file holds one stack")
            if depth > DEPTH:
                raise fatal(file, line, f"is nested more than {DEPTH} deep")
        return yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line if mark else 0
        words = " ".join(filter(None, (error.context, error.problem)))
        tabs = "\t" in ([*text.splitlines(), ""][line : line + 1] or [""])[0]
        raise fatal(file, line + 1, f"is not YAML: {words}" + "; indent with spaces, not tabs" * tabs) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise fatal(file, line, f"is not YAML: character {error.character!r}: {error.reason}") from None


class Builder:
    """Turns PyYAML's nodes into ours. An aliased node is built once: a small file cannot become a large tree."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[tuple[Where, Problem]] = []
        self.built: dict[int, Node | None] = {}

    def build(self, source: yaml.Node, where: Where) -> Node:
        known = self.built.get(id(source))
        if known is not None:
            return known
        if id(source) in self.built:
            raise fatal(self.file, source.start_mark.line + 1, "an alias contains itself")
        self.built[id(source)] = None
        node = self.made(source, where)
        if node.size > NODES:
            raise fatal(self.file, node.line, f"holds more than {NODES} values, with its aliases unfolded")
        if node.depth > DEPTH:
            raise fatal(self.file, node.line, f"is nested more than {DEPTH} deep")
        self.built[id(source)] = node
        return node

    def made(self, source: yaml.Node, where: Where) -> Node:
        line = source.start_mark.line + 1
        if source.tag not in TAGS:
            self.fault(where, line, f"the tag {source.tag.replace(TAG, '!!')} is not understood here")
        if isinstance(source, yaml.ScalarNode):
            scalar = Scalar(source.value, plain=not source.style)
            return Node(None if scalar.value is None else scalar, line)
        if isinstance(source, yaml.SequenceNode):
            items = [self.build(item, (*where, index)) for index, item in enumerate(source.value)]
            return sized(items, items, line)
        entries = self.entries(source, where)
        return sized(entries, list(entries.values()), line)

    def entries(self, source: yaml.Node, where: Where) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in source.value:
            line = key.start_mark.line + 1
            if key.tag == TAG + "merge":
                merged = {**self.merged(value, where), **merged}
            elif key.tag != TAG + "str" or not isinstance(key, yaml.ScalarNode):
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                self.fault((*where, name), line, "this key is not text; write it in quotes")
            elif key.value in own:
                first = own[key.value].line
                self.fault((*where, key.value), line, f"this key stands here twice, first on line {first}")
            else:
                own[key.value] = replace(self.build(value, (*where, key.value)), line=line)
        return {**merged, **own}

    def merged(self, source: yaml.Node, where: Where) -> dict[str, Node]:
        sources = source.value if isinstance(source, yaml.SequenceNode) else [source]
        merged: dict[str, Node] = {}
        for each in sources:
            node = self.build(each, where)
            if not isinstance(node.value, dict):
                self.fault((*where, "<<"), node.line, "<< takes a mapping or a list of mappings")
                continue
            merged = {**node.value, **merged}
        return merged

    def fault(self, where: Where, line: int, message: str) -> None:
        self.faults.append((where, Problem(self.file, line, dotted(where), message)))


def sized(value: dict[str, Node] | list[Node], children: list[Node], line: int) -> Node:
    size, depth = sum(node.size for node in children), max((node.depth for node in children), default=0)
    return Node(value, line, size + 1, depth + 1)


def plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def dotted(where: Where) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).removeprefix(".")


def fatal(file: str, line: int, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem(file, line, "", message)], hint)
