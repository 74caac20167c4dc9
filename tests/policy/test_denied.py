"""What the caller lacks, as IAM simulates it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.aws import Aws
from deployer.caller import connect
from deployer.policy import denied
from deployer.policy.denied import principal
from tests.cloud import Cloud
from tests.policy.life import printed
from tests.whole.conftest import warm  # noqa: F401  a fixture
from tests.whole.project import Project, Warm

ASKING = {"Effect": "Allow", "Action": ["iam:SimulatePrincipalPolicy"], "Resource": "*"}


@pytest.fixture
def project(cloud: Cloud, warm: Warm, tmp_path: Path) -> Project:  # noqa: F811
    return Project(cloud, tmp_path / "voting", start=warm)


def caller(cloud: Cloud, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in (cloud.env() | env).items():
        if name.startswith("AWS_") or name.lower() == "no_proxy":
            monkeypatch.setenv(name, value)
    return connect("voting", region=None, profile=None, account=None)


def test_who_has_the_policy_lacks_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = printed(project)
    aws = caller(project.cloud, project.cloud.user(*policies), monkeypatch)
    assert denied(aws, [statement for policy in policies for statement in policy["Statement"]]) == []


def test_what_is_lacking_is_named_and_nothing_is_changed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = printed(project)
    wanted = [statement for policy in policies for statement in policy["Statement"]]
    for policy in policies:
        policy["Statement"] = [one for one in policy["Statement"] if "iam:PassRole" not in one["Action"]]
        for one in policy["Statement"]:
            one["Action"] = [action for action in one["Action"] if action != "ec2:CreateVpc"]
    aws = caller(project.cloud, project.cloud.user(*policies), monkeypatch)
    wanted = [{**one, "Action": [*one["Action"], "ec2:CreateVpc"]} for one in wanted]
    project.cloud.forget_calls()
    assert denied(aws, wanted) == ["ec2:CreateVpc", "iam:PassRole"]
    assert {str(call) for call in project.cloud.calls()} == {"iam.SimulatePrincipalPolicy"}


def test_who_may_not_ask_is_told_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = printed(project)
    for policy in policies:
        for one in policy["Statement"]:
            one["Action"] = [action for action in one["Action"] if action not in ASKING["Action"]]
    aws = caller(project.cloud, project.cloud.user(*policies), monkeypatch)
    assert denied(aws, policies[0]["Statement"]) is None


def test_an_endpoint_without_the_simulator_tells_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert denied(caller(cloud, {}, monkeypatch), [ASKING]) is None


@pytest.mark.parametrize(("arn", "behind"), [
    ("arn:aws:sts::123456789012:assumed-role/ci/session", "arn:aws:iam::123456789012:role/ci"),
    ("arn:aws-cn:iam::123456789012:user/path/me", "arn:aws-cn:iam::123456789012:user/path/me"),
    ("arn:aws:iam::123456789012:root", None),
    ("arn:aws:sts::123456789012:federated-user/me", None),
])  # fmt: skip
def test_policies_are_asked_of_the_user_or_role_behind_a_caller(arn: str, behind: str | None) -> None:
    assert principal(arn) == behind
