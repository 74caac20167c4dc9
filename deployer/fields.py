"""What one value of a `deploy.yaml` may be: how it is checked, in which words it is refused, its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from deployer.document import suggestion
from deployer.text import Text, words
from deployer.tree import Scalar

INTERPOLATED = {"type": "string", "pattern": r"\$\{.+\}"}
PORTS = {"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": ["integer", "string"]}}]}
TEXT = {"type": ["string", "number", "boolean"]}


def shown(given: object) -> str:
    """How a wrong value is named in a message; nothing at all if the environment supplied it."""
    if isinstance(given, Scalar) and given.hidden:
        return ""
    if isinstance(given, dict):
        return ", not a mapping"
    if isinstance(given, list | tuple):
        return ", not a list"
    if given is None:
        return ", not nothing"
    quoted = not isinstance(getattr(given, "value", given), int | bool)
    text = " ".join(str(given).split())
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f', not "{text}"' if quoted else f", not {text}"


def meant(given: object) -> object:
    return given.value if isinstance(given, Scalar) else given


def either(options: tuple[object, ...]) -> str:
    names = [str(option) for option in options]
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


class Kind:
    """An annotation which checks the raw value (`check` raises ValueError) before pydantic takes it."""

    def check(self, given: Any) -> Any:
        raise NotImplementedError

    def json(self, inner: dict[str, Any]) -> dict[str, Any]:
        return inner

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.json(handler(schema))


@dataclass(frozen=True)
class Number(Kind):
    """A whole number from `low` to `high`."""

    low: int
    high: int | None = None

    def check(self, given: Any) -> int:
        value = meant(given)
        if type(value) is not int:
            digits = isinstance(value, str) and re.fullmatch("[0-9]{1,12}", value) and shown(given)
            raise ValueError("must be a whole number" + (f": {value}, without quotes" if digits else shown(given)))
        if value < self.low or (self.high is not None and value > self.high):
            limits = f"{self.low} or more" if self.high is None else f"from {self.low} to {self.high}"
            raise ValueError(f"must be {limits}{shown(given)}")
        return value

    def json(self, inner: dict[str, Any]) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.low} | ({} if self.high is None else {"maximum": self.high})
        return {"anyOf": [number, INTERPOLATED]}


@dataclass(frozen=True)
class Flag(Kind):
    """true or false."""

    def check(self, given: Any) -> bool:
        value = meant(given)
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false{shown(given)}")
        return value

    def json(self, inner: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, INTERPOLATED]}


@dataclass(frozen=True)
class Choice(Kind):
    """One of the words or numbers of the Literal it annotates."""

    options: tuple[object, ...] = ()

    def check(self, given: Any) -> Any:
        value = meant(given)
        if not isinstance(value, str | int) or isinstance(value, bool) or value not in self.options:
            wrong = shown(given)
            near = suggestion(str(value), list(map(str, self.options))) if wrong else ""
            raise ValueError(f"must be {either(self.options)}{wrong}{near}")
        return value

    def json(self, inner: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [inner, INTERPOLATED]}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(Choice(get_args(source)).check, handler(source))


@dataclass(frozen=True)
class Pattern(Kind):
    """A text which matches `regex` as a whole and has `low` to `high` characters; `meaning` completes "must be"."""

    regex: str
    meaning: str
    low: int = 0
    high: int | None = None
    key: bool = False

    def check(self, given: Any) -> str:
        if not isinstance(given, str):
            raise ValueError(f"must be {self.meaning}{shown(given)}")
        fits = self.low <= len(given) <= (self.high or len(given))
        if not fits or not re.fullmatch(self.regex, given, re.DOTALL):
            raise ValueError(f"must be {self.meaning}{shown(given)}")
        return str(given)

    def json(self, inner: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "string", "pattern": f"^(?:{self.regex})$"}
        made |= ({"minLength": self.low} if self.low else {}) | ({"maxLength": self.high} if self.high else {})
        numeric = [{"type": "number"}] if any(re.fullmatch(self.regex, "1" * length) for length in (1, 12)) else []
        return made if self.key else {"anyOf": [made, *numeric, INTERPOLATED]}


@dataclass(frozen=True, eq=False)
class Made(Kind):
    """Anything that `make` turns into the value; `schema` is its whole JSON Schema."""

    make: Callable[[Any], Any]
    schema: dict[str, Any]

    def check(self, given: Any) -> Any:
        return self.make(given)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.schema


@dataclass(frozen=True, eq=False)
class Short(Kind):
    """A short form which `long` turns into the long one; `schema` is the short form's JSON Schema."""

    long: Callable[[Any], Any]
    schema: dict[str, Any]

    def check(self, given: Any) -> Any:
        return self.long(given)

    def json(self, inner: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [self.schema, inner]}


def as_text(given: Any) -> Text:
    if isinstance(given, Text):
        return given
    if given is None:
        raise ValueError('has no value; write "" for an empty one or ${NAME} to take it from the environment')
    if not isinstance(given, str):
        raise ValueError(f"must be text{shown(given)}")
    return Text(given.parts if isinstance(given, Scalar) else (given,) if given else ())


def as_words(given: Any) -> Any:
    return words(as_text(given).parts) if isinstance(given, str) else given


def as_egress(given: Any) -> Any:
    if given == "all":
        return "all"
    if not isinstance(given, list | tuple):
        raise ValueError(f"must be a list of TCP ports, or all{shown(given)}")
    return tuple(Number(1, 65535).check(port) for port in given)


def as_pairs(given: Any) -> Any:
    """Compose's list form, `["NAME=value"]`, as a mapping."""
    if not isinstance(given, list):
        return given
    pairs: dict[str, Text] = {}
    for item in given:
        parts = as_text(item).parts
        left, equals, value = parts[0].partition("=") if parts and isinstance(parts[0], str) else ("", "", "")
        name = Scalar(left, hidden=getattr(item, "hidden", False))
        if not equals:
            raise ValueError("each item must look like NAME=value; write NAME=${NAME} to take it from the environment")
        if name in pairs:
            raise ValueError("the same variable stands here twice" + ("" if name.hidden else f": {name}"))
        pairs[name] = Text((*([value] if value else []), *parts[1:]))
    return pairs


def as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given
