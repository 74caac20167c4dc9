"""What the caller may not do is told before anything is changed, if IAM says so beyond doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployer.caller import connect
from deployer.cli.session import Session
from deployer.preflight import look
from deployer.preflight.run import Run
from tests.cloud import Cloud
from tests.preflight.conftest import WEB, Ahead

SIMULATE = "iam.SimulatePrincipalPolicy"
LOOKING = ("iam:Get*", "iam:List*", "iam:Simulate*", "servicequotas:*")
POWER = (*LOOKING, "ec2:*", "ecs:*", "elasticloadbalancing:*", "logs:*")


def allow(*actions: str, **condition: dict[str, str]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]}


def told(ahead: Ahead, monkeypatch: pytest.MonkeyPatch, *policies: dict[str, Any], going: bool = True) -> list[str]:
    """The problems of an `up` by somebody with these policies."""
    for name, value in ahead.cloud.user(*policies).items():
        monkeypatch.setenv(name, value)
    theirs = connect("voting", region="us-east-1", profile=None, account=None)
    problems: list[str] = []

    def then(run: Run, session: Session) -> None:
        ahead.cloud.forget_calls()
        found = look(replace(run, aws=theirs, going=going)).problems
        problems.extend(f"{one.message} {one.hint}" for one in found)

    ahead.run(WEB + "    load_balancer: public\n", then)
    assert not [call for call in ahead.cloud.calls() if call.mutating]
    return problems


def test_what_is_denied_is_named_in_few_calls(ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = told(ahead, monkeypatch, allow(*POWER))
    assert ":user/" in problem and "may not call iam:CreateRole, iam:PassRole, which this run needs" in problem
    assert "`deployer policy` prints the IAM policy" in problem
    assert 0 < ahead.asked.count(SIMULATE) <= 6


@pytest.mark.parametrize("policy", [
    allow("*"),
    allow(*(f"{service}:{verb}*" for service in ("ec2", "ecs", "elasticloadbalancing", "logs", "iam")
            for verb in ("Create", "Allocate", "Register", "Associate", "Pass", "Get", "List", "Simulate"))),
    allow(*POWER, "iam:*", StringEquals={"aws:RequestTag/team": "shop"}),
], ids=["everything", "what is called for certain", "with a tag that the simulation does not know"])  # fmt: skip
def test_what_may_be_allowed_is_no_problem(
    ahead: Ahead, monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any]
) -> None:
    assert told(ahead, monkeypatch, policy, allow(*LOOKING)) == []
    assert SIMULATE in ahead.asked


def test_who_may_not_ask_is_told_nothing_and_a_plan_does_not_ask(
    ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(ahead, monkeypatch, allow("iam:Get*")) == [] and ahead.asked.count(SIMULATE) == 1
    assert told(ahead, monkeypatch, allow(*POWER), going=False) == [] and SIMULATE not in ahead.asked


def test_an_account_that_simulates_nothing_is_asked_once(cloud: Cloud, ahead: Ahead) -> None:
    found: list[int] = []

    def then(run: Run, session: Session) -> None:
        cloud.forget_calls()
        found.append(len(look(replace(run, going=True)).problems))

    ahead.run(WEB, then)
    assert found == [0] and ahead.asked.count(SIMULATE) == 1
