"""What AWS refuses by itself, on its best days too, of what the types of a stack are made of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Cloud
from tests.manners.account import FARGATE, Network, listener, refusal, trust, vpc_config


@pytest.mark.parametrize("name", ["internal-x", "-x", "x-", "x_y", "x" * 33])
def test_names_of_load_balancers(cloud: Cloud, name: str) -> None:
    network, elb = Network(cloud), cloud.client("elbv2")
    wanted = {"Name": name, "Subnets": network.subnets, "SecurityGroups": [network.group]}
    assert refusal(elb.create_load_balancer, **wanted).startswith("ValidationError")


HEALTH: list[dict[str, Any]] = [
    {"Protocol": "HTTP", "HealthCheckProtocol": "TCP"},
    {"Protocol": "TCP", "HealthCheckProtocol": "UDP"},
    {"Protocol": "TCP", "HealthCheckProtocol": "TCP", "HealthCheckPath": "/"},
    {"Protocol": "TCP", "HealthCheckProtocol": "TCP", "HealthyThresholdCount": 11},
    {"Protocol": "HTTP", "Name": "t_"},
]


@pytest.mark.parametrize("wanted", HEALTH)
def test_health_checks_of_target_groups(cloud: Cloud, wanted: dict[str, Any]) -> None:
    network, elb = Network(cloud), cloud.client("elbv2")
    plain = {"Name": "t", "VpcId": network.vpc, "Port": 80, "TargetType": "ip"}
    assert refusal(elb.create_target_group, **(plain | wanted))
    assert not refusal(elb.create_target_group, **plain, Protocol=wanted["Protocol"])


def test_attributes_and_certificates(cloud: Cloud) -> None:
    network, elb = Network(cloud), cloud.client("elbv2")
    balancer, group = network.balancer(elb), network.target_group(elb)
    unknown = [{"Key": "sticky.enabled", "Value": "true"}]
    assert "is not recognized" in refusal(elb.modify_target_group_attributes, TargetGroupArn=group, Attributes=unknown)
    bare = refusal(lambda: listener(elb, balancer, group, Protocol="HTTPS", Port=443))
    assert "A certificate must be specified" in bare


@pytest.mark.parametrize(("name", "about"), [("sg-x", "d"), ("x", "é"), ("x" * 256, "d")])
def test_names_and_descriptions_of_groups(cloud: Cloud, name: str, about: str) -> None:
    network, ec2 = Network(cloud), cloud.client("ec2")
    wanted = {"GroupName": name, "Description": about, "VpcId": network.vpc}
    assert refusal(ec2.create_security_group, **wanted).startswith("InvalidParameterValue")


def test_gateways_and_main_tables(cloud: Cloud) -> None:
    network, ec2 = Network(cloud), cloud.client("ec2")
    second = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    said = refusal(ec2.attach_internet_gateway, InternetGatewayId=second, VpcId=network.vpc)
    assert said.startswith("InvalidParameterValue")
    assert refusal(ec2.create_nat_gateway, SubnetId=network.subnets[0]).startswith("MissingParameter")
    main = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [network.vpc]}])["RouteTables"][0]
    assert refusal(ec2.delete_route_table, RouteTableId=main["RouteTableId"]).startswith("DependencyViolation")


def test_a_nat_gateway_without_a_way_out_is_taken_and_fails(cloud: Cloud) -> None:
    network, ec2 = Network(cloud), cloud.client("ec2")
    ec2.detach_internet_gateway(InternetGatewayId=network.igw, VpcId=network.vpc)
    cloud.tempo(nat=0.0)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = ec2.create_nat_gateway(SubnetId=network.subnets[0], AllocationId=address)["NatGateway"]
    (nat,) = ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"]
    assert (nat["State"], nat["FailureCode"]) == ("failed", "Gateway.NotAttached")
    assert network.vpc in nat["FailureMessage"]
    assert not refusal(ec2.release_address, AllocationId=address)


def test_names_of_roles_logs_services_and_secrets(cloud: Cloud) -> None:
    network, iam, logs = Network(cloud), cloud.client("iam"), cloud.client("logs")
    said = refusal(iam.create_role, RoleName="x" * 65, AssumeRolePolicyDocument=trust())
    assert said.startswith("ValidationError")
    assert refusal(iam.create_role, RoleName="a b", AssumeRolePolicyDocument=trust()).startswith("ValidationError")
    assert refusal(logs.create_log_group, logGroupName="a b").startswith("InvalidParameterException")
    logs.create_log_group(logGroupName="l")
    days = refusal(logs.put_retention_policy, logGroupName="l", retentionInDays=10)
    assert days.startswith("InvalidParameterException")
    ecs, manager = cloud.client("ecs"), cloud.client("secretsmanager")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(**FARGATE)
    long = {"cluster": "c", "serviceName": "s" * 256, "taskDefinition": "f", "launchType": "FARGATE",
            "networkConfiguration": vpc_config(network)}  # fmt: skip
    assert refusal(ecs.create_service, **long).startswith("InvalidParameterException")
    manager.create_secret(Name="s", SecretString="x")
    manager.delete_secret(SecretId="s", RecoveryWindowInDays=7)
    assert refusal(manager.create_secret, Name="s", SecretString="y").startswith("InvalidRequestException")
