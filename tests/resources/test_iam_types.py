"""IAM roles."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deployer.resources.iam_role import IamRole
from tests.cloud import Cloud
from tests.resources.lifecycle import ACCOUNT, OURS, STACK, Account, Case, Change, LifeCycle, Tags, flat, pages

LOGS = [{"Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": "arn:aws:logs:us-east-1:123456789012:*"}]
ROLE = IamRole(
    name="web_exec",
    service="ecs-tasks.amazonaws.com",
    source="arn:aws:ecs:us-east-1:123456789012:*",
    description="Starts the tasks of voting web",
    statements=LOGS,
)


def roles(account: Account) -> list[str]:
    found = pages(account.client("iam"), "list_roles", "Roles", PathPrefix="/deployer/")
    return sorted(role["RoleName"] for role in found)


def tags(account: Account, id: str) -> Tags:
    return flat(account.client("iam").list_role_tags(RoleName=id)["Tags"])


def policies(account: Account, id: str) -> list[Any]:
    iam = account.client("iam")
    names = iam.list_role_policies(RoleName=id)["PolicyNames"]
    return [iam.get_role_policy(RoleName=id, PolicyName=name)["PolicyDocument"]["Statement"] for name in names]


def drop(account: Account, id: str) -> None:
    iam = account.client("iam")
    for name in iam.list_role_policies(RoleName=id)["PolicyNames"]:
        iam.delete_role_policy(RoleName=id, PolicyName=name)
    iam.delete_role(RoleName=id)


CASES = [
    Case(
        ROLE,
        "iam.CreateRole",
        roles,
        tags=tags,
        change=Change({"statements": []}, policies, [LOGS], []),
        spoil=drop,
        foreign=True,
    ),
]


class TestLifeCycle(LifeCycle):
    pass


def test_permissions_follow_the_statements(account: Account) -> None:
    account.up(replace(ROLE, statements=[]))
    assert policies(account, account.id(ROLE.key)) == []
    account.up(ROLE)
    more = [*LOGS, {"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": "arn:aws:kms:us-east-1:1:key/x"}]
    account.up(replace(ROLE, statements=more))
    assert policies(account, account.id(ROLE.key)) == [more]


def test_trust_is_for_this_account_and_service_alone(account: Account) -> None:
    account.up(ROLE)
    id = account.id(ROLE.key)

    def trust() -> Any:
        (statement,) = account.client("iam").get_role(RoleName=id)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        return statement

    assert trust()["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert trust()["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": "arn:aws:ecs:us-east-1:123456789012:*"},
    }
    account.up(replace(ROLE, source="arn:aws:ecs:us-east-1:123456789012:service/*", description="Other words"))
    assert trust()["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:ecs:us-east-1:123456789012:service/*"}
    assert account.client("iam").get_role(RoleName=id)["Role"]["Description"] == "Other words"


def test_what_others_attached_does_not_hinder_the_removal(account: Account) -> None:
    account.up(ROLE)
    iam, id = account.client("iam"), account.id(ROLE.key)
    document = json.dumps({"Version": "2012-10-17", "Statement": LOGS})
    arn = iam.create_policy(PolicyName="mine", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=id, PolicyArn=arn)
    iam.put_role_policy(RoleName=id, PolicyName="by-hand", PolicyDocument=document)
    account.up()
    assert roles(account) == []
    iam.delete_policy(PolicyArn=arn)


@pytest.mark.parametrize("operation", ["delete_role_policy", "detach_role_policy", "delete_role"])
def test_a_lost_answer_while_it_is_removed_leaves_no_role_behind(account: Account, operation: str) -> None:
    account.up(ROLE)
    iam = account.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": LOGS})
    arn = iam.create_policy(PolicyName="mine", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=account.id(ROLE.key), PolicyArn=arn)
    account.cloud.fault("lost", service="iam", operation=operation)
    account.up()
    assert [fault["fired"] for fault in account.cloud.faults()] == [1]
    assert roles(account) == []
    iam.delete_policy(PolicyArn=arn)


def test_regions_do_not_share_roles(account: Account) -> None:
    """Roles are global: the same stack in another region has its own, and neither sees the other's."""
    account.up(ROLE)
    there = account.seen_by(OURS)
    there.region = "eu-west-1"
    assert ROLE.role_name(there) != account.id(ROLE.key)
    assert IamRole.scan(there) == [] and ROLE.find(there) is None


def test_names_within_the_limit(cloud: Cloud, account: Account, tmp_path: Any) -> None:
    other = Account(cloud, tmp_path, stack="x" * 24)
    one, two = (replace(ROLE, name="y" * 32 + ending) for ending in ("_exec", "_task"))
    other.up(one, two)
    assert len(roles(other)) == 2 and max(map(len, roles(other))) <= 64
    assert {found.key for found in IamRole.scan(other.aws)} == {one.key, two.key}


def test_reads_are_one_listing(account: Account) -> None:
    many = [replace(ROLE, name=f"role{n}") for n in range(30)]
    account.up(*many)
    account.cloud.forget_calls()
    assert account.plan(*many).idle
    assert [str(call) for call in account.cloud.calls()] == ["iam.ListRoles"]
    assert all(name.startswith(f"{STACK}-") for name in roles(account))
