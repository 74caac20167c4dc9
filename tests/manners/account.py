"""What the tests of single manners make by hand, and how they look at refusals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.cloud import Cloud

TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}


def trust(**principal: str) -> str:
    statement = TRUST | ({"Principal": principal} if principal else {})
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    """`Code: message` of AWS's refusal; empty if it did what was asked."""
    try:
        call(**arguments)
    except ClientError as error:
        return "{Code}: {Message}".format(**error.response["Error"])
    return ""


def refusals(call: Callable[..., Any], seconds: float = 10, **arguments: Any) -> set[str]:
    """What it said until it did what was asked."""
    said, deadline = set(), time.monotonic() + seconds
    while text := refusal(call, **arguments):
        said.add(text)
        assert time.monotonic() < deadline, said
        time.sleep(0.01)
    return said


class Network:
    """A VPC with an internet gateway, two subnets and a group, made behind the manners' back."""

    def __init__(self, cloud: Cloud) -> None:
        ec2 = cloud.client("ec2", hidden=True)
        self.vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.igw, VpcId=self.vpc)
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.7.{index}.0/24", AvailabilityZone=f"us-east-1{letter}")[
                "Subnet"
            ]["SubnetId"]
            for index, letter in enumerate("ab")
        ]
        self.group = ec2.create_security_group(GroupName="g", Description="d", VpcId=self.vpc)["GroupId"]

    def balancer(self, client: Any, **more: Any) -> str:
        made = client.create_load_balancer(Name="b", Subnets=self.subnets, SecurityGroups=[self.group], **more)
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def target_group(self, client: Any) -> str:
        made = client.create_target_group(Name="t", VpcId=self.vpc, Port=80, Protocol="HTTP", TargetType="ip")
        return str(made["TargetGroups"][0]["TargetGroupArn"])


def listener(client: Any, balancer: str, group: str, **more: Any) -> str:
    action = {"Type": "forward", "TargetGroupArn": group}
    wanted = {"Protocol": "HTTP", "Port": 80} | more
    made = client.create_listener(LoadBalancerArn=balancer, DefaultActions=[action], **wanted)
    return str(made["Listeners"][0]["ListenerArn"])


CONTAINER = {"name": "c", "image": "registry.invalid/c:1", "essential": True}
FARGATE = {
    "family": "f", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512",
    "containerDefinitions": [CONTAINER],
}  # fmt: skip


def vpc_config(network: Network) -> dict[str, Any]:
    return {"awsvpcConfiguration": {"subnets": network.subnets, "securityGroups": [network.group],
                                    "assignPublicIp": "ENABLED"}}  # fmt: skip
