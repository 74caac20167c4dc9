"""`load` reads a `deploy.yaml` into a `Config`, or says all that is wrong with it; `schema` describes the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deployer import checks, limits
from deployer.document import Document, read, suggestion
from deployer.errors import ConfigError, Problem
from deployer.fields import either, shown
from deployer.model import Build, Config, File, Health, LoadBalancer, Logs, Network, Secret, SecretRef, Service
from deployer.text import Reference, Text
from deployer.tree import Where

__all__ = [
    "Build", "Config", "Health", "LoadBalancer", "Loaded", "Logs", "Network", "Reference", "Secret", "SecretRef",
    "Service", "Text", "load", "schema",
]  # fmt: skip
DRAFT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Loaded:
    """A valid file, what is doubtful in it, and where it says what."""

    config: Config
    warnings: list[Problem]
    document: Document

    def line(self, where: Where, message: str) -> str:
        """`deploy.yaml:LINE: path: message`."""
        return str(self.document.problem(where, message))


def load(path: Path, env: str | None = None, environ: Mapping[str, str] = os.environ) -> Loaded:
    """The configuration in `path`, with the environment `env` merged over it and `${VAR}` taken from `environ`.
    Raises ConfigError with all problems at once. Nothing but the file is read."""
    document = read(path, env, environ)
    faults = list(document.faults)
    broken = [where for where, _ in faults]
    tree = document.plain()
    config = validated(tree, env, document, faults, broken)
    if config is not None:
        findings = [finding for finding in checks.errors(config, document.shown) if not follows(finding, broken)]
        faults.extend((finding.where, document.problem(*finding)) for finding in findings)
    if faults:
        raise ConfigError(list(dict.fromkeys(problem for _, problem in faults)))
    assert config is not None
    doubts = [*checks.warnings(config), *limits.warnings(config)]
    return Loaded(config, [document.problem(*finding) for finding in doubts], document)


def validated(
    tree: Any, env: str | None, document: Document, faults: list[tuple[Where, Problem]], broken: list[Where]
) -> Config | None:
    """What is valid of `tree`: each wrong part is reported once and taken out, so that the rest can be checked too."""
    for where in broken:
        prune(tree, where)
    for _ in range(10):
        try:
            return Config.model_construct(**dict(File.model_validate(tree)), environment=env)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                where, message = worded(detail)
                if not any(overlap(where, other) for other in broken):
                    faults.append((where, document.problem(where, message)))
                broken.append(where)
                prune(tree, where)
            tree = {"name": "unnamed", "services": {}} | tree
    return None


def follows(finding: checks.Finding, broken: list[Where]) -> bool:
    """It may be no more than the consequence of another problem."""
    return any(overlap(where, other) for where in (finding.where, *finding.touches) for other in broken)


def overlap(one: Where, other: Where) -> bool:
    """One lies within the other."""
    return all(a == b for a, b in zip(one, other, strict=False))


def prune(tree: Any, where: Where) -> None:
    """Removes the value at `where`, or the innermost key around it that the file has."""
    for depth, step in enumerate(where, 1):
        if not isinstance(tree, dict) or step not in tree:
            return
        if depth == len(where) or not isinstance(tree[step], dict):
            del tree[step]
            return
        tree = tree[step]


def worded(detail: ErrorDetails) -> tuple[Where, str]:
    """Where pydantic found something, and what to say of it."""
    where = tuple(step for step in detail["loc"] if step != "[key]")
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return where, f'the key "{where[-1]}" is missing'
    if kind == "extra_forbidden":
        known = keys(where[:-1])
        near = suggestion(str(where[-1]), known)
        return where, "is not a known key" + (near or f"; known here: {either(tuple(known))}")
    if kind == "value_error":
        return where, str(detail["ctx"]["error"])
    if kind in ("model_type", "dict_type"):
        return where, f"must be a mapping (key: value){shown(given)}"
    if kind in ("tuple_type", "list_type"):
        return where, f"must be a list{shown(given)}"
    return where, f"is not understood ({kind})"


def keys(where: Where) -> list[str]:
    """The keys which the mapping at `where` may have."""
    model: type[BaseModel] = File
    chosen_by_user = False
    for step in where:
        if chosen_by_user:
            chosen_by_user = False
            continue
        annotation = model.model_fields[str(step)].annotation
        chosen_by_user = get_origin(annotation) is dict
        model = inner(annotation) or model
    return [*model.model_fields, *(["environments"] if model is File else [])]


def inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(inner, get_args(annotation))), None)


def schema() -> dict[str, Any]:
    """The JSON Schema of a deploy.yaml, for editors. It knows shapes, not what fits together: that is for `load`."""
    made = File.model_json_schema()
    definitions = made.pop("$defs")
    for model in (Build, LoadBalancer, Health):
        long = definitions[model.__name__]
        short = long["properties"][model.shorthand]
        none = [{"const": "none"}] if model is LoadBalancer else []
        definitions[model.__name__] = {"anyOf": [{"anyOf": short["anyOf"]}, *none, long]}
    environments = {
        "description": "What is different in an environment (`--env NAME`): merged over the rest; null removes a key.",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Override"},
    }
    definitions["Override"] = {**made, "description": "Any part of the file."}
    made["properties"] = {**made["properties"], "environments": environments}
    whole = loose({**made, "$defs": definitions})
    return {"$schema": DRAFT, "title": "deploy.yaml", **whole, "required": ["name", "services"]}


def loose(node: Any) -> Any:
    """Every key may be absent or null; what is in a mapping of the user's own names is checked, and the names too."""
    if isinstance(node, list):
        return [loose(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: value for key, value in node.items() if key not in ("title", "required")}
    for pattern, value in node.pop("patternProperties", {}).items():
        node["propertyNames"] = {**node.get("propertyNames", {}), "pattern": pattern}
        node["additionalProperties"] = value
    if "$defs" in node:
        node["$defs"] = {name: loose(each) for name, each in node["$defs"].items()}
    if "properties" in node:
        node["properties"] = {name: nullable(loose(each)) for name, each in node["properties"].items()}
    if isinstance(node.get("additionalProperties"), dict):
        node["additionalProperties"] = nullable(loose(node["additionalProperties"]))
    return {key: loose(value) if key in ("anyOf", "items") else value for key, value in node.items()}


def nullable(node: dict[str, Any]) -> dict[str, Any]:
    outside: dict[str, Any] = {key: node[key] for key in ("description", "default") if node.get(key) is not None}
    within = {key: value for key, value in node.items() if key not in ("description", "default", "title")}
    options = within["anyOf"] if list(within) == ["anyOf"] else [within]
    return {**outside, "anyOf": [*(each for each in options if each != {"type": "null"}), {"type": "null"}]}
