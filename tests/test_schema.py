"""The JSON Schema of deploy.yaml agrees with `load`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.config import schema
from deployer.template import starter
from tests.test_config import CONTRACT
from tests.test_config_errors import AT_THE_TOP, IN_THE_SERVICE
from tests.test_environments import OVERRIDDEN
from tests.yamlfile import WEB, errors, top, web

jsonschema: Any = pytest.importorskip("jsonschema", reason="comes with moto, not with us")

VALID = [
    CONTRACT, OVERRIDDEN.split("  broken:")[0], WEB,
    web("load_balancer: none", "command: a b", "environment: [A=1]", "egress: all", "tmpfs: /run", "user: 5"),
    web("load_balancer: {scheme: public, health: {path: /, interval: 5}}", "egress: [443, 5432]", "command: [a, '5']"),
    web("load_balancer: {health: /up, certificate: '${CERT:-arn:aws:acm:us-east-1:123456789012:certificate/x}'}"),
    web("cpu: ${CPU:-256}", "read_only: ${R:-true}", "architecture: ${A:-arm64}", "environment: {A: 1, B: true, C: x}"),
    top("network: {zones: 3, nat: per-zone}", "account: 123456789012", "tags: {team: blue}", "logs:"),
    top("environments: {dev: null, prod: {services: {web: null, api: {image: 'a:1'}}}}"),
    WEB.replace("image: web:1", "build: {dockerfile: D, args: {A: 1}, target: t}"),
]  # fmt: skip
UNSEEN = ("command: a 'b", "environment: [A", "environment: {A: }", "secrets: {A: 'b:'}", "egress: [443, 0]")


def refused(text: str) -> bool:
    return not jsonschema.Draft202012Validator(schema()).is_valid(yaml.safe_load(text))


def test_it_is_a_schema_and_says_which(tmp_path: Path) -> None:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize("text", VALID)
def test_it_accepts_what_load_accepts(tmp_path: Path, text: str) -> None:
    assert errors(tmp_path, text) == []
    jsonschema.validate(yaml.safe_load(text), schema(), cls=jsonschema.Draft202012Validator)


def test_it_accepts_the_voting_app_and_the_template(tmp_path: Path) -> None:
    assert not refused((Path(__file__).parent.parent / "deploy.yaml").read_text())
    assert not refused(starter(tmp_path))


@pytest.mark.parametrize("line", [line for line, _ in AT_THE_TOP if not line.startswith("account")])
def test_it_refuses_what_load_refuses_at_the_top(line: str) -> None:
    assert refused(top(line))


@pytest.mark.parametrize("line", [line for line, _ in IN_THE_SERVICE if not line.startswith(UNSEEN)])
def test_it_refuses_what_load_refuses_in_a_service(line: str) -> None:
    assert refused(web(line))


@pytest.mark.parametrize("text", ["name: a1\n", "services: {}\n", top("environments: {prod: {servces: {}}}")])
def test_it_refuses_a_wrong_shape(text: str) -> None:
    assert refused(text)


def test_every_key_has_a_description() -> None:
    made = schema()
    objects = [made, *(each for node in made["$defs"].values() for each in (node, *node.get("anyOf", ())))]
    keys = {name: each for node in objects for name, each in node.get("properties", {}).items()}
    assert len(keys) > 40
    assert [name for name, each in keys.items() if not each.get("description")] == []
