"""The policy is enough: whole lives under it alone, on a cloud that checks names and tags as AWS does. And it is not
too much: without any one of its actions, of its statements, something is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud import Cloud
from tests.cloud.permissions import Check, allows, like, listed
from tests.policy.life import Life, Person, rich, voting
from tests.whole.conftest import warm  # noqa: F401  a fixture
from tests.whole.project import IMAGES, Project, Warm

# What is allowed and no call of these lives needs, and why.
UNSEEN = {
    "ec2:ReplaceRoute": "another's route stands in the place of ours",
    "elasticloadbalancing:SetSecurityGroups": "a group of a load balancer is made anew",
    "ecs:ExecuteCommand": "`exec` needs AWS's plugin",
    "ecs:StopServiceDeployment": "a hopeless rollout is stopped: test_push.py",
    "ecs:ListClusters": "there is a repository: test_push.py",
    "kms:CreateGrant": "ECR asks it of the caller",
    "kms:RetireGrant": "ECR asks it of the caller",
    "kms:DescribeKey": "ECR asks it of the caller",
}
READING = ("Describe", "Get", "List", "Filter")
SAMPLE = 3


@pytest.fixture(scope="module")
def lives(cloud_process: Cloud, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Life]:  # noqa: F811
    lived = {}
    for live in (voting, rich):
        cloud_process.reset()
        cloud_process.tempo(task=0.02, drain=0.02, nat=0.02)
        lived[live.__name__] = live(cloud_process, tmp_path_factory.mktemp(live.__name__) / "stack", warm)
        assert not cloud_process.errors(), "the cloud itself failed"
    return lived


@pytest.fixture(params=["voting", "rich"])
def life(lives: dict[str, Life], request: pytest.FixtureRequest) -> Life:
    return lives[request.param]


def by_push(action: str) -> bool:
    """ECR's are for test_push.py."""
    return action.startswith("ecr:")


def test_a_whole_life_needs_nothing_but_the_policy_and_leaves_nothing(life: Life) -> None:
    assert len(life.checks) > 300 and all(check["allowed"] for check in life.checks)
    assert not any(life.left.values()), life.left


def test_every_action_of_the_policy_was_needed(lives: dict[str, Life]) -> None:
    used = set().union(*(life.used for life in lives.values()))
    for life in lives.values():
        assert not {action for action in life.actions - used - UNSEEN.keys() if not by_push(action)}
    assert not used & UNSEEN.keys(), "it was needed after all"


def test_without_any_one_of_its_actions_something_is_refused(life: Life) -> None:
    for action in sorted(life.actions & life.used):
        without = [
            {**statement, "Action": kept}
            for statement in life.statements
            if (kept := [one for one in statement["Action"] if one != action])
        ]
        refused = {check.action for check in life.asked() if not allows(without, check)}
        assert refused == {action}


def test_without_any_one_of_its_statements_something_is_refused(life: Life) -> None:
    for index, statement in enumerate(life.statements):
        rest = [one for other, one in enumerate(life.statements) if other != index]
        needed = set(statement["Action"]) & life.used
        if needed and not all(map(by_push, statement["Action"])):
            assert any(not allows(rest, check) for check in life.asked()), statement


def test_each_of_its_resources_is_addressed(lives: dict[str, Life]) -> None:
    life = lives["voting"]
    for statement in life.statements:
        if not any(by_push(action) or action in UNSEEN for action in statement["Action"]):
            asked = [check.resource for check in life.asked() if check.action in statement["Action"]]
            for resource in listed(statement["Resource"]):
                assert any(like(resource, one) for one in asked), (resource, statement["Action"])


def test_nothing_that_is_tagged_as_another_stacks_can_be_changed(life: Life) -> None:
    tag = "aws:ResourceTag/deployer:stack"
    touched = [
        check
        for check in life.asked()
        if tag in check.context
        and not check.action.partition(":")[2].startswith(READING)
        and check.action not in NAMED_ALONE
    ]
    assert len({check.action for check in touched}) > 20
    for check in touched:
        theirs = Check(check.action, check.resource, check.context | {tag: "another"})
        assert not allows(life.statements, theirs), theirs


# These reach only what is named after the stack, whatever its tags.
NAMED_ALONE = ("iam:PutRolePolicy", "iam:TagRole", "ecr:PutLifecyclePolicy", "ecr:TagResource",
               "secretsmanager:TagResource", "ecs:StopTask", "ecs:StopServiceDeployment",
               "ecs:DeregisterTaskDefinition", "elasticloadbalancing:CreateListener", "ecs:RunTask")  # fmt: skip


def test_nothing_is_made_without_the_stacks_tag(life: Life) -> None:
    tag = "aws:RequestTag/deployer:stack"
    made = [check for check in life.asked() if tag in check.context and check.action not in UNTAGGED]
    assert len({check.action for check in made}) > 12
    for check in made:
        for value in ({}, {tag: "another"}):
            context = {key: one for key, one in check.context.items() if key != tag} | value
            assert not allows(life.statements, Check(check.action, check.resource, context)), check


# The group decides; a log group's name is the stack's alone.
UNTAGGED = ("ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "logs:CreateLogGroup")


def test_a_role_goes_to_its_own_service_and_to_no_other(life: Life) -> None:
    passed = [check for check in life.asked() if check.action == "iam:PassRole"]
    assert {check.context["iam:PassedToService"].partition(".")[0] for check in passed} == {
        "ecs-tasks",
        "vpc-flow-logs",
    }
    for check in passed:
        for resource, service in (
            (check.resource, "ec2.amazonaws.com"),
            (check.resource.replace("/deployer/", "/"), ""),
        ):
            to = {"iam:PassedToService": service or check.context["iam:PassedToService"]}
            assert not allows(life.statements, Check("iam:PassRole", resource, to))


@pytest.fixture
def project(cloud: Cloud, warm: Warm, tmp_path: Path) -> Iterator[Project]:  # noqa: F811
    cloud.tempo(task=0.02, drain=0.02, nat=0.02)
    yield Project(cloud, tmp_path / "voting", start=warm)
    assert not cloud.errors(), "the cloud itself failed"


def test_up_without_an_action_names_it_and_goes_on_once_it_is_allowed(project: Project, lives: dict[str, Life]) -> None:
    """A few whole runs; another few each time."""
    me, user = Person(project), project.cloud.users[-1]
    calls = {check["action"] for check in lives["voting"].checks if check["call"].endswith(MAKING)}
    assert len(calls) > 15
    for action in random.sample(sorted(calls), SAMPLE):
        parts = [
            {**one, "Statement": [without(statement, action) for statement in one["Statement"]]} for one in me.policies
        ]
        project.cloud.allow(user, *parts)
        run = project.run("up", *IMAGES, env=me.env).ended(1)
        assert action in run.text and "`deployer policy` prints the IAM policy" in run.text, action
        project.cloud.forget_checks()
        project.cloud.allow(user, *me.policies)
        me.run("up", *IMAGES)
        me.run("down", "-y")


MAKING = ("CreateVpc", "CreateSubnet", "CreateRole", "CreateLoadBalancer", "CreateService", "CreateListener",
          "PutRolePolicy", "AttachInternetGateway", "RegisterTaskDefinition", "CreateLogGroup", "CreateFlowLogs",
          "ModifyVpcAttribute", "CreateSecret", "CreateCluster", "DescribeAvailabilityZones")  # fmt: skip


def without(statement: dict[str, object], action: str) -> dict[str, object]:
    actions = [one for one in statement["Action"] if one != action]  # type: ignore[attr-defined]
    return {**statement, "Action": actions or ["sts:GetCallerIdentity"]}
