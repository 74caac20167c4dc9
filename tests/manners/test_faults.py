"""What the manners have brought to light, each by a single fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployer.resource import Resource
from deployer.resources.default_group import DefaultGroup
from deployer.resources.security_group_rules import rule
from tests.resources.lifecycle import Account
from tests.resources.test_ec2_types import CASES as EC2
from tests.resources.test_elb_types import CASES as ELB
from tests.resources.test_iam_types import CASES as IAM

GROUP = DefaultGroup(name="main", vpc_id=EC2[0].subject.ref(), description="default")


def whole(type: str) -> tuple[Resource, ...]:
    case = next(case for case in [*EC2, *ELB, *IAM] if case.subject.type == type)
    return (*case.beneath, case.subject)


def test_a_role_goes_although_the_answer_about_its_policy_is_lost(account: Account) -> None:
    """The repeated call finds no policy, which does not say that there is no role."""
    account.up(*whole("role"))
    account.cloud.fault("lost", "iam", "DeleteRolePolicy")
    account.up()
    assert account.cloud.faults()[0]["fired"] == 1
    assert account.cloud.is_empty(), account.cloud.inventory()


def test_a_role_is_recorded_with_its_arn_whatever_is_read_at_first(account: Account) -> None:
    account.cloud.manners(role_arns=600)
    (role,) = whole("role")
    account.up(role)
    made = account.state.records[role.key].outputs["arn"]
    (listed,) = account.client("iam").list_roles(PathPrefix="/deployer/")["Roles"]
    assert made == listed["Arn"]
    seen = type(role).read(account.aws, [account.id(role.key)])[account.id(role.key)]
    assert seen and seen["arn"] == made
    assert not account.plan(role).changes


def test_the_default_group_is_emptied_although_an_answer_is_lost(account: Account) -> None:
    account.cloud.fault("lost", "ec2", "RevokeSecurityGroupEgress")
    account.up(*whole("vpc"), GROUP)
    (group,) = account.client("ec2").describe_security_groups(GroupIds=[account.id(GROUP.key)])["SecurityGroups"]
    assert (group["IpPermissions"], group["IpPermissionsEgress"]) == ([], [])


@pytest.mark.parametrize(
    ("type", "operation", "code", "message"),
    [("target-group", "CreateTargetGroup", "ValidationError", "The VPC ID 'vpc-1' is not found"),
     ("load-balancer", "ModifyLoadBalancerAttributes", "LoadBalancerNotFound", "One or more load balancers not found")],
)  # fmt: skip
def test_what_is_not_known_yet_is_asked_for_again(
    account: Account, type: str, operation: str, code: str, message: str
) -> None:
    account.cloud.fault("error", "elbv2", operation, code=code, message=message, times=2)
    wanted: Any = whole(type)
    account.up(*wanted)
    assert account.cloud.faults()[0]["fired"] == 2
    assert not account.plan(*wanted).changes


def test_a_rule_that_has_just_gone_leaves_no_other_behind(account: Account) -> None:
    """AWS refuses to revoke any rule of a call that names one which is not there."""
    *beneath, wanted = whole("rules")
    ports = [rule("ingress", port, "10.0.0.0/8", "more") for port in (1, 2, 3)]
    account.up(*beneath, replace(wanted, rules=ports))  # type: ignore[call-arg]
    account.cloud.fault("error", "ec2", "RevokeSecurityGroupIngress", code="InvalidSecurityGroupRuleId.NotFound")
    account.up(*beneath, replace(wanted, rules=[]))  # type: ignore[call-arg]
    assert account.cloud.faults()[0]["fired"] == 1
    found = account.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [account.id(wanted.key)]}]
    )
    assert found["SecurityGroupRules"] == []
