"""`environments`: what `--env NAME` merges over the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import Text
from tests.yamlfile import WEB, config, errors, top

OVERRIDDEN = """
name: voting
services:
  web:
    image: web:1
    port: 8080
    load_balancer: {scheme: public, health: /up}
    command: [a, b, c]
    environment: {A: one, B: two}
    user: "5"
environments:
  dev:
  prod:
    services:
      web:
        cpu: 1024
        memory: 2048
        load_balancer: {grace: 90}
        command: [d]
        environment: {B: null, C: three}
        user:
      extra: {image: "extra:1"}
  broken:
    regoin: x
    services:
      web: {cpu: 1024, user: "${SECRET}", count: many}
"""


def test_an_environment_is_merged_over_the_rest(tmp_path: Path) -> None:
    made = config(tmp_path, OVERRIDDEN, "prod")
    service = made.services["web"]
    assert (made.name, made.environment, made.stack, list(made.services)) == (
        "voting", "prod", "voting-prod", ["web", "extra"],
    )  # fmt: skip
    assert (service.cpu, service.memory, service.image, service.user) == (1024, 2048, "web:1", None)
    assert service.load_balancer
    assert (service.load_balancer.grace, service.load_balancer.health.path) == (90, "/up")
    assert service.command == (Text(("d",)),)
    assert service.environment == {"A": Text(("one",)), "C": Text(("three",))}


def test_without_an_environment_the_overrides_do_not_count(tmp_path: Path) -> None:
    made = config(tmp_path, OVERRIDDEN)
    assert (made.environment, made.stack, made.services["web"].cpu, list(made.services)) == (
        None, "voting", 256, ["web"],
    )  # fmt: skip


def test_an_empty_environment_changes_only_the_stack(tmp_path: Path) -> None:
    made = config(tmp_path, OVERRIDDEN, "dev")
    assert made.services == config(tmp_path, OVERRIDDEN).services
    assert made.stack == "voting-dev"


def test_the_problems_of_an_environment_are_on_its_own_lines(tmp_path: Path) -> None:
    assert errors(tmp_path, OVERRIDDEN, "broken") == [
        '24: regoin: is not a known key; did you mean "region"?',
        '26: services.web.count: must be a whole number, not "many"',
        "26: services.web.cpu: memory 512 does not go with cpu 1024; use 2048 to 8192 in steps of 1024, or cpu 256",
        "26: services.web.user: the environment variable SECRET is not set; set it, or write ${SECRET:-default}",
    ]


def test_a_problem_of_two_keys_is_on_the_line_of_the_environment(tmp_path: Path) -> None:
    text = WEB + "environments:\n  prod:\n    services:\n      web:\n        build: .\n"
    assert errors(tmp_path, text, "prod") == ["11: services.web: has both image and build; keep one"]


def test_a_scalar_in_an_environment_replaces_a_mapping(tmp_path: Path) -> None:
    text = OVERRIDDEN.replace("load_balancer: {grace: 90}", "load_balancer: none")
    assert config(tmp_path, text, "prod").services["web"].load_balancer is None


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("prd", '11: environments: there is no environment "prd"; did you mean "prod"?'),
        ("xyz", '11: environments: there is no environment "xyz"'),
    ],
)
def test_an_unknown_environment_is_refused(tmp_path: Path, env: str, said: str) -> None:
    assert errors(tmp_path, OVERRIDDEN, env) == [said]


def test_an_environment_of_a_file_without_any_is_refused(tmp_path: Path) -> None:
    assert errors(tmp_path, WEB, "prod") == ['environments: there is no environment "prod"']


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("environments: [prod]", "7: environments: must be a mapping of environments"),
        ("environments: {prod: 5}", "7: environments.prod: must be a mapping of what is different there"),
        ("environments: {prod: {environments: {x: {}}}}", "7: environments: is not a known key"),
        ("environment: prod", '7: environment: is not a known key; did you mean "environments"?'),
    ],
)
def test_environments_of_a_wrong_shape_are_refused(tmp_path: Path, line: str, said: str) -> None:
    assert any(problem.startswith(said) for problem in errors(tmp_path, top(line), "prod"))
