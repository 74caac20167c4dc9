"""A quota without room is told before anything is made, and one that is not told is none."""

from __future__ import annotations

import pytest

from tests.preflight.conftest import WEB, Ahead

VPCS = ("vpc", "L-F678F1CE")


def full(ahead: Ahead) -> None:
    """As many VPCs as the account may have: moto begins with one."""
    ec2 = ahead.cloud.client("ec2")
    for number in range(4):
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")
    ahead.cloud.quota(*VPCS, 5)


def test_no_room_for_another_vpc(ahead: Ahead) -> None:
    full(ahead)
    (problem,) = ahead.problems(WEB)
    assert "VPCs in us-east-1: 5 of 5 are in use, and this run makes 1 more" in problem
    assert "--quota-code L-F678F1CE --desired-value 6 --region us-east-1" in problem


@pytest.mark.parametrize("fault", [
    {"kind": "error", "code": "AccessDeniedException", "status": 403}, {"kind": "500"},
    {"kind": "error", "code": "UnknownOperationException"}, {"kind": "refuse"},
])  # fmt: skip
def test_quotas_that_are_not_told_are_no_problem(ahead: Ahead, fault: dict[str, object]) -> None:
    full(ahead)
    ahead.cloud.fault(service="servicequotas", times=99, **fault)  # type: ignore[arg-type]
    assert ahead.problems(WEB) == []


def test_with_room_for_just_one_more(ahead: Ahead) -> None:
    full(ahead)
    ahead.cloud.quota(*VPCS, 6)
    assert ahead.problems(WEB) == []


def test_gateways_and_addresses_of_every_zone_are_counted(ahead: Ahead) -> None:
    ahead.cloud.quota("vpc", "L-FE5A380F", 0)
    ahead.cloud.quota("ec2", "L-0263D0A3", 1)
    problems = ahead.problems("network: {nat: per-zone}\n" + WEB)
    assert [one.partition(" are in use")[0] for one in problems] == [
        "quota: NAT gateways in us-east-1a: 0 of 0",
        "quota: NAT gateways in us-east-1b: 0 of 0",
        "quota: Elastic IP addresses in us-east-1: 0 of 1",
    ]


def test_a_gateway_counts_in_the_zone_of_its_subnet(ahead: Ahead) -> None:
    ec2 = ahead.cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")
    ahead.cloud.quota("vpc", "L-FE5A380F", 1)
    (problem,) = ahead.problems("network: {nat: per-zone}\n" + WEB)
    assert "NAT gateways in us-east-1b: 1 of 1" in problem


def test_fargate_s_quota_is_a_warning(ahead: Ahead) -> None:
    ahead.cloud.quota("fargate", "L-3032A538", 1)
    outlook = ahead.look(WEB + "    count: 5\n")
    assert outlook.problems == [] and "1 vCPUs at once" in outlook.warnings[0] and "take 1.25" in outlook.warnings[0]
    assert ahead.look(WEB + "    count: 4\n").warnings == []


def test_of_load_balancers_their_own_service_tells(ahead: Ahead) -> None:
    services = "".join(f"  s{number}:\n    image: {'a@sha256:' + '0' * 64}\n    port: 80\n    load_balancer: internal\n"
                       for number in range(21))  # fmt: skip
    (problem,) = ahead.problems(f"services:\n{services}")
    assert "network load balancers in us-east-1: 0 of 20" in problem and "21 more" in problem


def test_only_what_will_be_made_is_asked_for(ahead: Ahead) -> None:
    ahead.look(WEB)
    assert not {"ec2.DescribeAddresses", "ec2.DescribeNatGateways", "elbv2.DescribeAccountLimits"} & set(ahead.asked)
    assert len(ahead.asked) == len(set(ahead.asked)) + 3, ahead.asked  # two pages of quotas, log groups by two names
