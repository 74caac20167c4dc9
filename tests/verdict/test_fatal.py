"""Waiting ends where it makes no sense, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.verdict.evidence import Evidence, Serving
from deployer.verdict.fatal import hopeless
from tests.verdict import test_runs, test_starts
from tests.verdict.cases import evidence, exited, task

CASES: dict[str, Evidence] = test_runs.CASES | test_starts.CASES
AT_ONCE = {
    "image-architecture", "image-denied", "ecr-image-missing", "image-not-found", "image-too-big", "secret-json-key",
    "secret-not-json", "secret-deleted", "secret-not-found", "log-group-missing", "exec-format-error", "user-unknown",
    "command-not-executable", "command-not-found", "exit-127", "library-missing", "network-gone",
    "task-definition-inactive", "deployment-percent", "size-above-limit",
}  # fmt: skip
AT_THE_SECOND = {"ecr-permission", "secret-key-permission", "secret-permission", "log-permission"}
NEVER = {
    "image-rate-limit", "registry-unreachable", "secrets-unreachable", "logs-unreachable", "network-interface",
    "name-not-resolved", "not-connected", "spot-interruption", "host-retired",
}  # fmt: skip


def again(given: Evidence, serving: Serving | None = None) -> Evidence:
    assert given.last
    return replace(given, tasks=(replace(given.last, id="second"), *given.tasks), serving=serving)


def test_what_is_hopeless_at_once() -> None:
    assert {name for name, given in CASES.items() if hopeless(given)} == AT_ONCE
    assert hopeless(CASES["image-not-found"]) == "There is no image redis:77: its name, tag or digest is wrong."


@pytest.mark.parametrize("name", sorted(AT_THE_SECOND))
def test_a_right_given_seconds_ago_may_not_count_yet(name: str) -> None:
    assert hopeless(CASES[name]) is None
    assert hopeless(again(CASES[name], Serving("voting-web:6")))


@pytest.mark.parametrize("name", sorted(NEVER))
def test_what_may_pass_is_waited_for(name: str) -> None:
    assert hopeless(again(CASES[name])) is None


def test_the_same_twice_on_a_first_deployment() -> None:
    assert hopeless(again(exited(1, "boom")))
    assert hopeless(again(exited(1, "boom"), Serving("voting-web:6"))) is None, "ECS rolls back by itself"
    assert hopeless(evidence(task(code=1), task(code=3))) is None
    assert hopeless(evidence(task("new words"), task("new words"))) == "Two tasks stopped alike: new words"
    assert hopeless(Evidence("web", "voting-web:7")) is None
