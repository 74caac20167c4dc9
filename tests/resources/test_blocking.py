"""Who holds what, read from an account in which others have been busy."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from deployer.aws import Aws
from deployer.blocking.survey import Holding, survey
from deployer.state import Record
from tests.cloud import Cloud
from tests.resources.lifecycle import ACCOUNT, OURS, REGION, STACK, Account, Thrifty


@pytest.fixture
def aws(account: Account) -> Aws:
    return Thrifty(boto3.Session(region_name=REGION), STACK, OURS, ACCOUNT, REGION, "aws")


def recorded(type: str, name: str, id: str, **inputs: Any) -> Record:
    return Record(f"{type}.{name}", type, id, "ready", inputs)


class House:
    """A VPC of ours with a subnet and a group, recorded."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.ec2, self.elb = cloud.client("ec2", hidden=True), cloud.client("elbv2", hidden=True)
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"][
                "SubnetId"
            ]
            for number, zone in enumerate(("us-east-1a", "us-east-1b"))
        ]
        self.group = self.a_group("web")
        self.records = {
            one.key: one
            for one in (
                recorded("vpc", "main", self.vpc),
                recorded("subnet", "a", self.subnets[0]),
                recorded("subnet", "b", self.subnets[1]),
                recorded("group", "web", self.group),
            )
        }

    def a_group(self, name: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)
        return str(made["GroupId"])

    def interface(self, about: str, group: str) -> str:
        made = self.ec2.create_network_interface(SubnetId=self.subnets[0], Groups=[group], Description=about)
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def balancer(self, name: str) -> str:
        made = self.elb.create_load_balancer(Name=name, Type="application", Scheme="internal", Subnets=self.subnets,
                                             SecurityGroups=[self.group])  # fmt: skip
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])


def a_role(iam: Any, name: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])


@pytest.fixture
def house(cloud: Cloud) -> House:
    return House(cloud)


def found(aws: Aws, house: House) -> dict[str, tuple[str, ...]]:
    holds, unseen = survey(aws, house.records)
    assert unseen == []
    return {hold.id: hold.keys for hold in holds}


def test_an_account_in_which_nobody_else_is_has_nothing_in_the_way(aws: Aws, house: House) -> None:
    assert found(aws, house) == {}


def test_interfaces_of_others_are_in_the_way_and_those_that_go_by_themselves_are_not(aws: Aws, house: House) -> None:
    house.interface("ELB app/gone/50dc6c495c0c9188", house.group)
    house.interface("arn:aws:ecs:us-east-1:123456789012:attachment/0a1b", house.group)
    other = house.a_group("others")
    house.records["group.others"] = recorded("group", "others", "sg-gone")
    lambdas = house.interface("AWS Lambda VPC ENI-job", other)
    assert found(aws, house) == {lambdas: ("subnet.a", "vpc.main"), other: ("vpc.main",)}
    waiting = Holding(aws, lambda: house.records)
    assert {hold.kind for hold in waiting("subnet.a")} == {"passing", "block"}
    assert {hold.kind for hold in waiting("group.web")} == {"passing"}
    assert waiting("role.web") == [] and waiting("secret.key") == []


def test_many_that_wait_ask_the_account_once(aws: Aws, house: House) -> None:
    waiting = Holding(aws, lambda: house.records)
    house.cloud.forget_calls()
    for key in ("subnet.a", "subnet.b", "subnet.a") * 5:
        assert waiting(key) == []
    operations = [call.operation for call in house.cloud.calls()]
    assert operations.count("DescribeNetworkInterfaces") == 1 and len(operations) <= 4, operations


def test_strangers_in_the_vpc_and_rules_that_refer_to_our_groups_are_in_the_way(aws: Aws, house: House) -> None:
    subnet = house.ec2.create_subnet(VpcId=house.vpc, CidrBlock="10.0.9.0/24")["Subnet"]["SubnetId"]
    table = house.ec2.create_route_table(VpcId=house.vpc)["RouteTable"]["RouteTableId"]
    other = house.a_group("others")
    rule = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": house.group}]}]
    house.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=rule)
    holds, _ = survey(aws, house.records)
    assert {(hold.id, hold.keys) for hold in holds} == {
        (subnet, ("vpc.main",)), (table, ("vpc.main",)), (other, ("vpc.main",)), (other, ("group.web",)),
    }  # fmt: skip
    assert all(hold.advice and hold.kind == "block" for hold in holds)


def test_others_load_balancers_in_our_subnets_and_on_our_target_groups_are_in_the_way(aws: Aws, house: House) -> None:
    arn = house.balancer("theirs")
    group = house.elb.create_target_group(Name="ours", Protocol="HTTP", Port=80, VpcId=house.vpc, TargetType="ip")
    target = group["TargetGroups"][0]["TargetGroupArn"]
    house.elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP",
                              DefaultActions=[{"Type": "forward", "TargetGroupArn": target}])  # fmt: skip
    house.records["target-group.web"] = recorded("target-group", "web", target)
    holds, _ = survey(aws, house.records)
    assert [hold.keys for hold in holds] == [("subnet.a", "subnet.b", "group.web", "vpc.main"), ("target-group.web",)]
    assert all("app/theirs/" in hold.what for hold in holds)


def test_an_instance_profile_with_our_role_is_in_the_way(aws: Aws, cloud: Cloud) -> None:
    iam = cloud.client("iam", hidden=True)
    a_role(iam, "ours")
    iam.create_instance_profile(InstanceProfileName="bastion")
    iam.add_role_to_instance_profile(InstanceProfileName="bastion", RoleName="ours")
    records = {"role.web": recorded("role", "web", "ours"), "role.gone": recorded("role", "gone", "gone")}
    (hold,), unseen = survey(aws, records)
    assert (hold.keys, hold.id, unseen) == (("role.web",), "bastion", [])


def test_others_that_run_our_image_will_miss_it(aws: Aws, house: House) -> None:
    ecs = house.cloud.client("ecs", hidden=True)
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/voting/web"
    repository = Record("repository.web", "repository", "voting/web", "ready", {}, {"uri": uri})
    ecs.create_cluster(clusterName="theirs")
    role = a_role(house.cloud.client("iam", hidden=True), "theirs")
    ecs.register_task_definition(
        family="job", executionRoleArn=role, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
        memory="512", containerDefinitions=[{"name": "job", "image": f"{uri}:1"}],
    )  # fmt: skip
    network = {"awsvpcConfiguration": {"subnets": [house.subnets[0]], "securityGroups": [house.group]}}
    ecs.run_task(cluster="theirs", taskDefinition="job", launchType="FARGATE", networkConfiguration=network)
    for _ in range(100):
        holds, unseen = survey(aws, {"repository.web": repository})
        if holds:
            break
    assert [(hold.keys, hold.kind) for hold in holds] == [(("repository.web",), "harm")] and unseen == []
    assert "the cluster theirs" in holds[0].line


def test_what_may_not_be_looked_at_is_said_and_the_rest_is_seen(aws: Aws, house: House) -> None:
    bastion = house.interface("bastion", house.group)
    house.cloud.fault("error", service="ec2", operation="DescribeNetworkAcls", code="UnauthorizedOperation",
                      message="no", status=403, times=9)  # fmt: skip
    holds, unseen = survey(aws, house.records)
    assert [hold.id for hold in holds] == [bastion]
    assert len(unseen) == 1 and "UnauthorizedOperation" in unseen[0]
