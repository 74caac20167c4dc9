"""The release command of a service. A deed, so that the usual life cycle does not fit: nothing of it stays."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from deployer.errors import AwsError, RolloutError
from deployer.resources.log_group import LogGroup
from deployer.resources.release import Release
from tests.resources.lifecycle import OURS, THEIRS, Account, flat
from tests.resources.test_ecs_types import BENEATH, CLUSTER, DEFINITION, GROUP, WORKER, A, B, service

LOG = LogGroup(name="web", group="/deployer/voting/web", retention=30, kms_key=None)
RELEASE = Release(
    name="web",
    cluster=CLUSTER.ref(),
    task_definition=DEFINITION.ref(),
    command=["./manage.py", "migrate"],
    subnets=[A.ref(), B.ref()],
    groups=[GROUP.ref()],
    public_ip=True,
    after=[],
)
STANDING = (*BENEATH, LOG)
HELD = replace(WORKER, depends_on=(RELEASE.key,))


@pytest.fixture
def begun(account: Account) -> Account:
    account.cloud.oneoff(0)
    account.up(*STANDING)
    account.cloud.forget_calls()
    return account


def runs(account: Account) -> list[dict[str, Any]]:
    ecs = account.client("ecs")
    arns = [arn for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_tasks(cluster="voting", desiredStatus=status)["taskArns"]]  # fmt: skip
    found = ecs.describe_tasks(cluster="voting", tasks=arns, include=["TAGS"])["tasks"] if arns else []
    return [task for task in found if task["group"].startswith("family:")]


def test_runs_once_as_the_service_would(begun: Account) -> None:
    begun.up(*STANDING, RELEASE)
    (task,) = runs(begun)
    record, ready = begun.state.records[RELEASE.key], begun.concrete(RELEASE)
    assert (record.id, record.status) == (task["taskArn"], "ready")
    assert task["taskDefinitionArn"] == begun.id(DEFINITION.key) and task["launchType"] == "FARGATE"
    (override,) = task["overrides"]["containerOverrides"]
    assert (override["name"], override["command"]) == ("web", ["./manage.py", "migrate"])
    assert len(task["startedBy"]) <= 36
    assert flat(task["tags"]).items() >= begun.aws.tags(RELEASE.key, ready.fingerprint).items()
    begun.cloud.forget_calls()
    assert begun.plan(*STANDING, RELEASE).idle and not begun.mutating()


def test_forgotten_by_ecs_it_is_still_done(begun: Account) -> None:
    begun.up(*STANDING, RELEASE)
    assert Release.read(begun.aws, ["arn:gone"]) == {"arn:gone": {}}
    assert begun.plan(*STANDING, RELEASE).idle


@pytest.mark.parametrize("change", [{"command": ["other"]}, {"subnets": [A.ref()]}, {"public_ip": False}], ids=str)
def test_a_change_is_another_run_without_a_question(begun: Account, change: dict[str, Any]) -> None:
    begun.up(*STANDING, RELEASE)
    plan = begun.plan(*STANDING, replace(RELEASE, **change))
    assert [(step.action.value, step.routine) for step in plan.changes] == [("update", False)] and not plan.asks
    begun.up(*STANDING, replace(RELEASE, **change))
    assert len(runs(begun)) == 2 and not [key for key in begun.state.records if "~" in key and "release" in key]


def test_failed_the_service_is_not_begun_and_it_runs_again(begun: Account) -> None:
    begun.cloud.oneoff(4, "first", "last")
    outcome = begun.attempt(begun.plan(*STANDING, RELEASE, HELD))
    assert outcome.skipped == [HELD.key] and isinstance(outcome.failures[RELEASE.key], RolloutError)
    assert "voting-web:1 failed; nothing was rolled" in outcome.failures[RELEASE.key].message
    assert "| last" in outcome.failures[RELEASE.key].message
    begun.cloud.oneoff(0)
    begun.up(*STANDING, RELEASE, HELD)
    assert len(runs(begun)) == 2 and service(begun, begun.id(HELD.key))["status"] == "ACTIVE"


@pytest.mark.parametrize("fault", ["lost", "throttle", "500", "refuse"])
def test_whatever_becomes_of_the_answer_it_is_one_task(begun: Account, fault: str) -> None:
    begun.cloud.fault(fault, "ecs", "RunTask")
    begun.up(*STANDING, RELEASE)
    assert len(runs(begun)) == 1


def test_found_again_while_it_runs_by_its_own_stack(begun: Account) -> None:
    begun.cloud.oneoff(None)
    ready = begun.concrete(RELEASE)
    made = ready.create(begun.aws)
    assert ready.find(begun.seen_by(OURS)) == made.id and ready.find(begun.seen_by(THEIRS)) is None
    assert replace(ready, command=["other"]).find(begun.aws) is None
    threading.Timer(1, lambda: begun.cloud.oneoff(0)).start()
    begun.up(*STANDING, RELEASE)
    assert begun.id(RELEASE.key) == made.id and len(runs(begun)) == 1, "it never runs twice at a time"


def test_removed_a_running_one_is_stopped_and_removed_again(begun: Account) -> None:
    begun.cloud.oneoff(None)
    ready = begun.concrete(RELEASE)
    made = ready.create(begun.aws)
    ready.delete(begun.aws, made.id)
    ready.delete(begun.aws, made.id)
    assert runs(begun)[0]["desiredStatus"] == "STOPPED"
    begun.up()
    assert begun.cloud.is_empty()
    assert ready.leaving(begun.aws, made.id) is None


class Full:
    """An ECS that has no room for a while."""

    def __init__(self, ecs: Any, *reasons: str) -> None:
        self.ecs, self.reasons, self.tokens = ecs, list(reasons), list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ecs, name)

    def run_task(self, **asked: Any) -> Any:
        self.tokens.append(asked["clientToken"])
        if self.reasons:
            return {"tasks": [], "failures": [{"arn": "x", "reason": self.reasons.pop(0)}]}
        return self.ecs.run_task(**asked)


@pytest.mark.parametrize("reason", ["Capacity is unavailable at this time.", "RESOURCE:ENI"])
def test_missing_capacity_is_waited_for_with_another_token(
    begun: Account, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    once = begun.aws.once()
    full = Full(once.ecs, reason, reason)
    vars(once)["ecs"] = full
    monkeypatch.setattr(type(begun.aws), "once", lambda self: once)
    begun.up(*STANDING, RELEASE)
    assert len(runs(begun)) == 1 and len(set(full.tokens)) == 3


def test_another_failure_in_a_good_answer_is_an_error(begun: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    once = begun.aws.once()
    vars(once)["ecs"] = Full(once.ecs, "ATTRIBUTE")
    monkeypatch.setattr(type(begun.aws), "once", lambda self: once)
    with pytest.raises(AwsError, match="ECS could not place it: ATTRIBUTE"):
        begun.up(*STANDING, RELEASE)
    assert runs(begun) == []
