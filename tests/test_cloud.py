"""The cloud does what its tests of `deployer` rely on."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from tests.cloud import Cloud

pytest_plugins = ["tests.cloud.fixtures"]

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
CREATE_VPC = "import boto3; boto3.client('ec2').create_vpc(CidrBlock='10.0.0.0/16')"


def refused(code: str, call: Callable[..., Any], **arguments: Any) -> str:
    """The message with which the call is refused with this code."""
    with pytest.raises(ClientError) as problem:
        call(**arguments)
    assert problem.value.response["Error"]["Code"] == code
    return str(problem.value.response["Error"]["Message"])


def until(look: Callable[[], Any], seconds: float = 5) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found
    return found


def child(cloud: Cloud, code: str = CREATE_VPC, **env: str) -> int:
    return subprocess.run([sys.executable, "-c", code], env=cloud.env() | env, capture_output=True).returncode


def tags(kind: str, key: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "deployer:key", "Value": key}]}]


@dataclass
class World:
    """A VPC with two public subnets, a group, a balancer and all that a service needs."""

    cloud: Cloud
    kind: str = "application"

    def __post_init__(self) -> None:
        names = ("ec2", "elbv2", "ecs", "iam", "logs", "ecr", "secretsmanager")
        self.ec2, self.elb, self.ecs, self.iam, self.logs, self.ecr, self.secrets = map(self.cloud.client, names)
        ec2 = self.ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags("vpc", "vpc"))["Vpc"]["VpcId"]
        igw = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway", "igw"))["InternetGateway"]
        self.igw = igw["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.igw, VpcId=self.vpc)
        self.subnets = [
            ec2.create_subnet(
                VpcId=self.vpc,
                CidrBlock=f"10.0.{number}.0/24",
                AvailabilityZone=f"us-east-1{zone}",
                TagSpecifications=tags("subnet", f"subnet.{zone}"),
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        self.group = self.new_group("group.web")

    def new_group(self, key: str) -> str:
        made = self.ec2.create_security_group(
            GroupName=key, Description=key, VpcId=self.vpc, TagSpecifications=tags("security-group", key)
        )
        return str(made["GroupId"])

    def new_balancer(self, name: str = "lb", kind: str = "application", **more: Any) -> str:
        more = {"Subnets": self.subnets, "SecurityGroups": [self.group]} | more
        made = self.elb.create_load_balancer(Name=name, Type=kind, **more)
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def new_targets(self, name: str = "tg", protocol: str = "HTTP", **more: Any) -> str:
        made = self.elb.create_target_group(
            Name=name, Protocol=protocol, Port=80, VpcId=self.vpc, TargetType="ip", **more
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def new_listener(self, balancer: str, targets: str, port: int = 80, protocol: str = "HTTP") -> str:
        made = self.elb.create_listener(
            LoadBalancerArn=balancer,
            Port=port,
            Protocol=protocol,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": targets}],
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def new_role(self, name: str = "exec") -> str:
        return str(self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"])

    def new_definition(self, **more: Any) -> str:
        container = {"name": "web", "image": "nginx", "portMappings": [{"containerPort": 80}]}
        wanted = {
            "family": "web",
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [container],
        }
        return str(self.ecs.register_task_definition(**(wanted | more))["taskDefinition"]["taskDefinitionArn"])

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets, "securityGroups": [self.group]}}

    def new_service(self, **more: Any) -> dict[str, Any]:
        self.ecs.create_cluster(clusterName="main")
        wanted = {
            "cluster": "main",
            "serviceName": "web",
            "taskDefinition": more.pop("taskDefinition", None) or self.new_definition(),
            "desiredCount": 2,
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
        }
        return dict(self.ecs.create_service(**(wanted | more))["service"])

    def balanced(self) -> list[dict[str, Any]]:
        self.targets = self.new_targets()
        self.new_listener(self.new_balancer(), self.targets)
        return [{"targetGroupArn": self.targets, "containerName": "web", "containerPort": 80}]

    def service(self) -> dict[str, Any]:
        return dict(self.ecs.describe_services(cluster="main", services=["web"])["services"][0])

    def primary(self) -> dict[str, Any]:
        return dict(self.service()["deployments"][0])

    def steady(self) -> dict[str, Any]:
        return dict(until(lambda: (found := self.primary())["rolloutState"] == "COMPLETED" and found))

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="main", serviceName="web", desiredStatus=status)["taskArns"]
        return list(self.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"]) if arns else []

    def health(self) -> list[dict[str, str]]:
        found = self.elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return [each["TargetHealth"] for each in found]


@pytest.fixture
def world(cloud: Cloud) -> World:
    return World(cloud)


# --- the process ---


def test_it_starts_prints_its_url_and_ends_with_its_standard_input() -> None:
    started = time.monotonic()
    command = [sys.executable, "-m", "tests.cloud", "--latency", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:") and time.monotonic() - started < 15
        Cloud(url).client("sts").get_caller_identity()
        process.stdin.close()
        assert process.wait(5) == 0


def test_it_ends_when_its_parent_is_killed() -> None:
    code = (
        "import os, signal, subprocess, sys\n"
        "cloud = subprocess.Popen([sys.executable, '-m', 'tests.cloud'], stdin=subprocess.DEVNULL,"
        " stdout=subprocess.PIPE)\n"
        "cloud.stdout.readline(); print(cloud.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)

    def gone() -> bool:
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    until(gone)


def test_a_childs_environment_names_this_cloud_and_nobody_elses_account(cloud: Cloud, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "mine")
    env = cloud.env()
    assert "AWS_PROFILE" not in env and "AWS_SESSION_TOKEN" not in env
    assert env["AWS_ENDPOINT_URL"] == cloud.url and env["AWS_REGION"] == "us-east-1" and env["PATH"]
    assert child(cloud) == 0
    assert len(cloud.inventory()["vpcs"]) == 1


def test_a_reset_is_quick_and_leaves_nothing(world: World) -> None:
    world.new_service()
    world.cloud.latency(0.05)
    world.cloud.fault("500")
    took = []
    for _ in range(3):
        started = time.monotonic()
        world.cloud.reset()
        took.append(time.monotonic() - started)
    assert min(took) < 0.3
    assert world.cloud.calls() == [] and world.cloud.faults() == [] and world.cloud.is_empty()


def test_a_plain_call_takes_a_few_milliseconds(cloud: Cloud) -> None:
    ecs = cloud.client("ecs")
    took = []
    for _ in range(50):
        started = time.monotonic()
        ecs.list_clusters()
        took.append(time.monotonic() - started)
    assert sorted(took)[10] < 0.006


# --- the record ---


def test_every_call_is_recorded_and_known_to_change_things_or_not(cloud: Cloud) -> None:
    cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    cloud.client("sts").get_caller_identity()
    cloud.client("ecr").get_authorization_token()
    cloud.client("elbv2").describe_load_balancers()
    cloud.client("resourcegroupstaggingapi").get_resources()
    cloud.client("ec2", hidden=True).describe_vpcs()
    assert [(call.n, str(call), call.mutating, call.status) for call in cloud.calls()] == [
        (1, "ec2.CreateVpc", True, 200),
        (2, "sts.GetCallerIdentity", False, 200),
        (3, "ecr.GetAuthorizationToken", False, 200),
        (4, "elbv2.DescribeLoadBalancers", False, 200),
        (5, "resourcegroupstaggingapi.GetResources", False, 200),
    ]
    assert all(call.started <= call.finished for call in cloud.calls())
    cloud.forget_calls()
    assert cloud.calls() == []


def test_latency_is_spent_by_all_calls_at_once(cloud: Cloud) -> None:
    ecs = cloud.client("ecs")
    cloud.latency(0.2)
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ecs.list_clusters(), range(8)))
    assert 0.2 <= time.monotonic() - started < 1.2  # one after the other: 1.6


# --- faults ---


@pytest.mark.parametrize(
    ("service", "operation", "throttled"),
    [
        ("ec2", "describe_vpcs", "RequestLimitExceeded"),
        ("iam", "list_roles", "Throttling"),
        ("elbv2", "describe_load_balancers", "Throttling"),
        ("ecs", "list_clusters", "ThrottlingException"),
        ("logs", "describe_log_groups", "ThrottlingException"),
    ],
)
def test_errors_come_in_the_services_own_shape(cloud: Cloud, service: str, operation: str, throttled: str) -> None:
    call = getattr(cloud.client(service), operation)
    cloud.fault("throttle", service=service)
    assert refused(throttled, call) == "Rate exceeded"
    cloud.fault("error", operation=operation, code="AccessDenied", message="not <you>", status=403)
    assert refused("AccessDenied", call) == "not <you>"
    cloud.fault("500")
    with pytest.raises(ClientError) as problem:
        call()
    assert problem.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    call()


def test_a_fault_strikes_the_nth_matching_call_as_often_as_asked(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    cloud.fault("error", service="ec2", operation="create_vpc", nth=2, times=2, mutating=True, code="No")
    outcomes = []
    for _ in range(4):
        ec2.describe_vpcs()
        try:
            ec2.create_vpc(CidrBlock="10.0.0.0/16")
            outcomes.append("made")
        except ClientError:
            outcomes.append("refused")
    assert outcomes == ["made", "refused", "refused", "made"]
    assert [(fault["seen"], fault["fired"]) for fault in cloud.faults()] == [(4, 2)]
    with pytest.raises(ValueError, match="no fault 'typo'"):
        cloud.fault("typo")


def test_a_lost_answer_leaves_what_was_made_and_a_refused_call_does_not(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    cloud.fault("lost")
    with pytest.raises(HTTPClientError):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    cloud.fault("refuse")
    with pytest.raises(HTTPClientError):
        ec2.create_vpc(CidrBlock="10.1.0.0/16")
    assert [call.status for call in cloud.calls()] == [0, 0]
    assert len(cloud.inventory()["vpcs"]) == 1


def test_away_it_refuses_connections_and_comes_back_at_the_same_address(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    cloud.fault("away", seconds=0.5, mutating=True)
    with pytest.raises(HTTPClientError):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    with pytest.raises(EndpointConnectionError):
        ec2.describe_vpcs()
    assert [fault["fired"] for fault in cloud.faults()] == [1]  # waits until somebody listens
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1
    assert cloud.inventory()["vpcs"] == []


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ec2", "describe_vpcs", "RequestExpired"),
        ("iam", "list_roles", "ExpiredToken"),
        ("ecs", "list_clusters", "ExpiredTokenException"),
    ],
)
def test_credentials_expire_for_every_call_from_the_struck_one_on(
    cloud: Cloud, service: str, operation: str, code: str
) -> None:
    call, ec2 = getattr(cloud.client(service), operation), cloud.client("ec2")
    cloud.fault("expired", mutating=True)
    call()
    refused("RequestExpired", ec2.create_vpc, CidrBlock="10.0.0.0/16")
    refused(code, call)
    cloud.fault("throttle", nth=5)
    cloud.clear_faults(fired=True)
    call()
    assert [fault["kind"] for fault in cloud.faults()] == ["throttle"]


def test_what_was_kept_is_restored_here_and_in_another_cloud(cloud: Cloud, tmp_path: Path) -> None:
    furnish(cloud)
    before = cloud.survey()
    cloud.keep(tmp_path / "kept")
    cloud.reset()
    assert cloud.is_empty()
    cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")
    cloud.restore(tmp_path / "kept")
    assert cloud.survey() == before
    with Cloud.start() as another:
        another.restore(tmp_path / "kept")
        assert another.survey() == before
        with pytest.raises(ValueError, match="FileNotFoundError"):
            another.restore(tmp_path / "never")


def test_hanging_calls_go_on_later(cloud: Cloud) -> None:
    cloud.fault("hang", seconds=0.3)
    started = time.monotonic()
    cloud.client("ecs").list_clusters()
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(("kind", "made"), [("kill-before", 0), ("kill-after", 1)])
def test_the_client_is_killed_before_or_after_its_call_is_executed(cloud: Cloud, kind: str, made: int) -> None:
    cloud.fault(kind, mutating=True)
    assert child(cloud) == -9
    assert len(cloud.inventory()["vpcs"]) == made
    assert child(cloud) == 0


def test_who_asked_for_the_killing_is_never_killed(cloud: Cloud) -> None:
    cloud.fault("kill-before")
    refused("CloudRefusesToKill", cloud.client("ec2").describe_vpcs)


# --- the inventory ---


def furnish(cloud: Cloud) -> None:
    world = World(cloud)
    ec2, other = world.ec2, world.new_group("group.db")
    peer = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": world.group}]}
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[peer])
    eip = ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip", "eip"))["AllocationId"]
    ec2.create_nat_gateway(SubnetId=world.subnets[0], AllocationId=eip, TagSpecifications=tags("natgateway", "nat"))
    table = ec2.create_route_table(VpcId=world.vpc, TagSpecifications=tags("route-table", "routes"))["RouteTable"]
    table = table["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=world.igw)
    ec2.associate_route_table(RouteTableId=table, SubnetId=world.subnets[0])
    ec2.create_vpc_endpoint(
        VpcId=world.vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        RouteTableIds=[table],
        TagSpecifications=tags("vpc-endpoint", "endpoint.s3"),
    )
    secret = world.secrets.create_secret(Name="app/password", SecretString="x")["ARN"]
    allow = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    world.new_role()
    world.iam.put_role_policy(RoleName="exec", PolicyName="secrets", PolicyDocument=policy)
    world.logs.create_log_group(logGroupName="/app/web")
    world.logs.put_retention_policy(logGroupName="/app/web", retentionInDays=30)
    world.ecr.create_repository(repositoryName="app/web")
    world.new_service(loadBalancers=world.balanced())
    world.steady()
    until(lambda: ec2.describe_nat_gateways()["NatGateways"][0]["State"] == "available")


def test_equal_runs_give_equal_inventories_without_random_ids(cloud: Cloud) -> None:
    assert cloud.is_empty()
    furnish(cloud)
    first = cloud.inventory()
    cloud.reset()
    furnish(cloud)
    assert cloud.inventory() == first
    assert first["subnets"] == ["subnet.a in vpc 10.0.0.0/24 us-east-1a", "subnet.b in vpc 10.0.1.0/24 us-east-1b"]
    assert first["internet_gateways"] == ["igw at vpc"]
    assert first["addresses"] == ["eip in use"] and first["nat_gateways"] == ["nat in subnet.a available"]
    assert "routes 0.0.0.0/0 to igw" in first["routes"] and first["associations"] == ["routes with subnet.a"]
    assert first["endpoints"] == ["endpoint.s3 Gateway com.amazonaws.us-east-1.s3 of vpc"]
    assert "group.db in tcp 5432-5432 group.web" in first["rules"]
    assert first["services"] == ["web in main runs web desired 2"] and first["task_definitions"] == ["web: 1"]
    assert first["log_groups"] == ["/app/web 30"] and first["repositories"] == ["app/web 0 images"]
    assert first["listeners"] == ["lb HTTP 80 to tg"] and '"Resource": "<app/password>"' in first["roles"][0]


# --- ECS ---


def test_a_service_gets_its_tasks_and_its_targets_and_becomes_steady(world: World) -> None:
    world.cloud.tempo(task=0.5)
    made = world.new_service(loadBalancers=world.balanced(), enableECSManagedTags=True)
    assert made["runningCount"] == 0 and made["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    seen = set()
    until(lambda: seen.update(task["lastStatus"] for task in world.tasks()) or "RUNNING" in seen)
    assert seen == {"PROVISIONING", "PENDING", "RUNNING"}
    world.steady()
    assert world.service()["runningCount"] == 2
    assert world.service()["events"][0]["message"] == "(service web) has reached a steady state."
    assert [each["State"] for each in world.health()] == ["healthy", "healthy"]
    found = world.ecs.describe_tasks(cluster="main", tasks=["none"])["failures"]
    assert [each["reason"] for each in found] == ["MISSING"]
    world.ecs.get_waiter("services_stable").wait(cluster="main", services=["web"])


def test_a_service_keeps_every_field_it_was_given(world: World) -> None:
    given = {
        "loadBalancers": world.balanced(),
        "healthCheckGracePeriodSeconds": 7,
        "enableECSManagedTags": True,
        "propagateTags": "SERVICE",
        "enableExecuteCommand": True,
        "availabilityZoneRebalancing": "DISABLED",
        "platformVersion": "1.4.0",
        "tags": [{"key": "a", "value": "b"}],
    }
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    world.new_service(**given, deploymentConfiguration=breaker)
    described = world.ecs.describe_services(cluster="main", services=["web"], include=["TAGS"])["services"][0]
    assert {name: described[name] for name in given} == given
    assert described["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    assert described["taskDefinition"].endswith(":task-definition/web:1") and described["createdAt"]
    assert described["deploymentConfiguration"]["maximumPercent"] == 200
    assert described["deploymentConfiguration"]["deploymentCircuitBreaker"]["enable"]


def test_a_change_makes_a_new_deployment_and_the_old_one_goes_when_it_is_completed(world: World) -> None:
    world.new_service()
    old = world.steady()
    world.ecs.update_service(cluster="main", service="web", desiredCount=3)
    assert [each["id"] for each in world.service()["deployments"]] == [old["id"]]
    until(lambda: world.service()["runningCount"] == 3)
    world.ecs.update_service(cluster="main", service="web", taskDefinition=world.new_definition())
    new, before = world.service()["deployments"]
    assert (new["status"], new["rolloutState"], before["status"]) == ("PRIMARY", "IN_PROGRESS", "ACTIVE")
    assert before["id"] == old["id"] != new["id"] and new["taskDefinition"].endswith("web:2")
    world.steady()
    assert [each["id"] for each in world.service()["deployments"]] == [new["id"]]
    assert {task["taskDefinitionArn"] for task in world.tasks()} == {new["taskDefinition"]}
    world.ecs.update_service(cluster="main", service="web", taskDefinition="web")
    assert world.primary()["id"] == new["id"]
    world.ecs.update_service(cluster="main", service="web", forceNewDeployment=True)
    assert world.primary()["id"] != new["id"]


def test_tasks_that_are_stopped_are_replaced(world: World) -> None:
    world.new_service()
    world.steady()
    victim = world.tasks()[0]["taskArn"]
    world.ecs.stop_task(cluster="main", task=victim, reason="maintenance")
    until(lambda: len(world.tasks()) == 2 and victim not in [task["taskArn"] for task in world.tasks()])
    assert world.tasks("STOPPED")[0]["stoppedReason"] == "maintenance"


def test_services_that_aws_would_refuse_are_refused(world: World) -> None:
    bare = world.new_targets("bare")
    entry = {"targetGroupArn": bare, "containerName": "web", "containerPort": 80}
    code, new = "InvalidParameterException", world.new_service
    assert f"{bare} does not have an associated load balancer." in refused(code, new, loadBalancers=[entry])
    entry = world.balanced()[0]
    assert "The container db does not exist" in refused(code, new, loadBalancers=[entry | {"containerName": "db"}])
    assert "container port 81" in refused(code, new, loadBalancers=[entry | {"containerPort": 81}])
    refused(code, new, networkConfiguration={})
    broken = {"awsvpcConfiguration": {"subnets": ["subnet-0123456789abcdef0"]}}
    assert "does not exist" in refused(code, new, networkConfiguration=broken)
    new()
    assert refused(code, new) == "Creation of service was not idempotent."
    refused("ClusterNotFoundException", new, cluster="none")
    refused("ServiceNotFoundException", world.ecs.update_service, cluster="main", service="none")


def test_a_deleted_service_drains_before_it_is_inactive(world: World) -> None:
    ecs = world.ecs
    world.new_service(loadBalancers=world.balanced())
    world.steady()
    where: dict[str, Any] = {"cluster": "main", "service": "web"}
    assert "scaled above 0" in refused("InvalidParameterException", ecs.delete_service, **where)
    refused("ClusterContainsServicesException", ecs.delete_cluster, cluster="main")
    refused("DependencyViolation", world.ec2.delete_security_group, GroupId=world.group)
    world.cloud.tempo(task=4)  # a quarter of it to stop
    ecs.delete_service(**where, force=True)
    assert world.service()["status"] == "DRAINING"
    assert refused("InvalidParameterException", world.new_service).endswith("still Draining.")
    refused("ServiceNotActiveException", ecs.update_service, **where, desiredCount=1)
    refused("ClusterContainsTasksException", ecs.delete_cluster, cluster="main")
    assert world.cloud.inventory()["services"] == ["web in main runs web desired 0 DRAINING"]
    until(lambda: world.service()["status"] == "INACTIVE")
    assert world.tasks() == [] and world.health() == []
    refused("ServiceNotActiveException", ecs.update_service, **where, desiredCount=1)
    world.new_service()
    ecs.delete_service(**where, force=True)
    until(lambda: world.service()["status"] == "INACTIVE")
    ecs.delete_cluster(cluster="main")
    assert ecs.list_clusters()["clusterArns"] == []


def test_a_cluster_made_twice_is_one(cloud: Cloud) -> None:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="main", tags=[{"key": "a", "value": "b"}])
    ecs.create_cluster(clusterName="main")
    assert ecs.describe_clusters(clusters=["main"], include=["TAGS"])["clusters"][0]["tags"]


def test_lists_come_in_pages_and_from_this_cluster_only(world: World) -> None:
    definition = world.new_definition()
    for number in range(11):
        world.new_service(serviceName=f"s{number}", desiredCount=0, taskDefinition=definition)
    world.ecs.create_cluster(clusterName="ain")
    first = world.ecs.list_services(cluster="main")
    assert len(first["serviceArns"]) == 10 and first["nextToken"]
    assert len(world.ecs.list_services(cluster="main", nextToken=first["nextToken"])["serviceArns"]) == 1
    assert world.ecs.list_services(cluster="ain")["serviceArns"] == []


def test_task_definitions_are_checked_as_fargate_does(world: World) -> None:
    code, new = "ClientException", world.new_definition
    assert "No Fargate configuration exists" in refused(code, new, cpu="256", memory="4096")
    refused(code, new, networkMode="bridge")
    logged = {"name": "web", "image": "nginx", "logConfiguration": {"logDriver": "awslogs"}}
    assert "execution role ARN to support log driver awslogs" in refused(code, new, containerDefinitions=[logged])
    nobody = "arn:aws:iam::123456789012:role/nobody"
    assert refused(code, new, executionRoleArn=nobody) == "Role is not valid"
    new(containerDefinitions=[logged], executionRoleArn=world.new_role(), tags=[{"key": "a", "value": "b"}])
    found = world.ecs.describe_task_definition(taskDefinition="web", include=["TAGS"])
    assert found["tags"] and found["taskDefinition"]["registeredAt"]
    world.ecs.deregister_task_definition(taskDefinition="web:1")
    refused(code, world.ecs.describe_task_definition, taskDefinition="web")
    refused(code, world.new_service, taskDefinition="web:1")
    assert not world.ecs.delete_task_definitions(taskDefinitions=["web:1"])["failures"]


def test_stuck_tasks_stay_pending_until_they_may_go_on(world: World) -> None:
    world.cloud.scheduler("stuck", "web")
    world.new_service()
    time.sleep(0.5)
    assert {task["lastStatus"] for task in world.tasks()} == {"PENDING"}
    world.cloud.scheduler("ok", "web")
    world.steady()


BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


def test_crashing_tasks_trip_the_circuit_breaker_and_roll_back(world: World) -> None:
    world.new_service(deploymentConfiguration=BREAKER)
    good = world.steady()
    world.cloud.scheduler("crash")
    world.ecs.update_service(cluster="main", service="web", taskDefinition=world.new_definition())
    bad = world.primary()["id"]
    until(lambda: world.primary()["id"] != bad)
    new, failed = world.service()["deployments"][:2]
    assert (failed["id"], failed["rolloutState"]) == (bad, "FAILED") and failed["failedTasks"] >= 3
    assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert new["id"] != good["id"] and new["taskDefinition"] == good["taskDefinition"]
    assert good["id"] in new["rolloutStateReason"]
    world.steady()
    stopped = world.tasks("STOPPED")
    crashed = [task for task in stopped if task["stoppedReason"] == "Essential container in task exited"]
    assert crashed[0]["stopCode"] == "EssentialContainerExited" and crashed[0]["containers"][0]["exitCode"] == 1
    assert world.service()["taskDefinition"] == good["taskDefinition"]


def test_a_first_deployment_that_crashes_fails_with_nothing_to_go_back_to(world: World) -> None:
    world.cloud.scheduler("crash")
    world.new_service(deploymentConfiguration=BREAKER)
    until(lambda: world.primary()["rolloutState"] == "FAILED")
    until(lambda: world.service()["runningCount"] == 0)


def test_without_a_circuit_breaker_crashing_tasks_are_started_again_and_again(world: World) -> None:
    world.cloud.scheduler("crash")
    world.new_service(desiredCount=1)
    until(lambda: world.primary()["failedTasks"] > 3)
    assert world.primary()["rolloutState"] == "IN_PROGRESS"
    assert any("unable to consistently start tasks" in event["message"] for event in world.service()["events"])


def test_unhealthy_tasks_run_and_their_targets_say_why(world: World) -> None:
    world.cloud.scheduler("unhealthy")
    world.new_service(loadBalancers=world.balanced())
    until(lambda: [each["State"] for each in world.health()] == ["unhealthy", "unhealthy"])
    assert world.health()[0]["Reason"] == "Target.FailedHealthChecks"
    time.sleep(0.3)
    assert world.service()["runningCount"] == 2 and world.primary()["rolloutState"] == "IN_PROGRESS"
    world.cloud.scheduler("ok")
    world.steady()


def test_with_a_circuit_breaker_unhealthy_tasks_fail_the_deployment(world: World) -> None:
    world.cloud.tempo(task=0.05)
    world.cloud.scheduler("unhealthy")
    world.new_service(loadBalancers=world.balanced(), deploymentConfiguration=BREAKER)
    until(lambda: world.primary()["rolloutState"] == "FAILED")
    assert any("failed ELB health checks" in task["stoppedReason"] for task in world.tasks("STOPPED"))


def test_switched_off_moto_is_plain(world: World) -> None:
    world.cloud.scheduler("off")
    world.new_service()
    world.new_service()
    time.sleep(0.3)
    assert world.tasks() == [] and world.service()["runningCount"] == 0


# --- load balancers ---


def test_balancers_of_a_used_name_are_the_same_or_refused(world: World) -> None:
    assert world.new_balancer() == world.new_balancer()
    assert "different settings" in refused("DuplicateLoadBalancerName", world.new_balancer, Scheme="internal")
    balancer = world.new_balancer("nlb", "network")
    assert "/net/nlb/" in balancer
    listener = world.new_listener(balancer, world.new_targets("tcp", "TCP"), protocol="TCP")
    assert ":listener/net/nlb/" in listener
    assert world.new_targets("tcp", "TCP") == world.new_targets("tcp", "TCP")
    refused("DuplicateTargetGroupName", world.new_targets, name="tcp", protocol="TCP", HealthCheckIntervalSeconds=5)


def test_balancers_aws_would_refuse_are_refused(world: World) -> None:
    message = refused("ValidationError", world.new_balancer, Subnets=world.subnets[:1])
    assert "two different Availability Zones" in message
    world.new_balancer("nlb", "network", Subnets=world.subnets[:1])
    bare = world.new_balancer("bare", "network", SecurityGroups=[])
    set_groups = world.elb.set_security_groups
    refused("InvalidConfigurationRequest", set_groups, LoadBalancerArn=bare, SecurityGroups=[world.group])
    one, unknown = world.new_balancer(), "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/x/0"
    refused("LoadBalancerNotFound", world.elb.describe_load_balancers, LoadBalancerArns=[one, unknown])
    lonely = world.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = world.ec2.create_subnet(VpcId=lonely, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    refused("InvalidSubnet", world.new_balancer, name="x", kind="network", Subnets=[subnet], SecurityGroups=[])


def test_a_port_has_one_listener(world: World) -> None:
    balancer, targets, other = world.new_balancer(), world.new_targets(), world.new_targets("other")
    assert world.new_listener(balancer, targets) == world.new_listener(balancer, targets)
    refused("DuplicateListener", world.new_listener, balancer=balancer, targets=other)
    second = world.new_balancer("second")
    refused("TargetGroupAssociationLimit", world.new_listener, balancer=second, targets=targets)
    layer4 = world.new_targets("layer4", "TCP")
    refused("IncompatibleProtocols", world.new_listener, balancer=balancer, targets=layer4, port=81)


def test_a_protected_balancer_is_not_deleted(world: World) -> None:
    balancer = world.new_balancer()
    key = "deletion_protection.enabled"
    for value in ("true", "false"):
        world.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": key, "Value": value}])
        if value == "true":
            refused("OperationNotPermitted", world.elb.delete_load_balancer, LoadBalancerArn=balancer)
    world.elb.delete_load_balancer(LoadBalancerArn=balancer)
    world.elb.delete_load_balancer(LoadBalancerArn=balancer)


def test_balancers_can_take_their_time(world: World) -> None:
    world.cloud.tempo(load_balancer=0.3)
    balancer = world.new_balancer()

    def state() -> str:
        found = world.elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"]
        return str(found[0]["State"]["Code"])

    assert state() == "provisioning"
    until(lambda: state() == "active")


def test_targets_of_a_group_without_a_listener_are_unused(world: World) -> None:
    world.targets = world.new_targets()
    world.elb.register_targets(TargetGroupArn=world.targets, Targets=[{"Id": "10.0.0.5"}])
    assert [(each["State"], each["Reason"]) for each in world.health()] == [("unused", "Target.NotInUse")]


# --- the network ---


def test_groups_in_use_are_kept(world: World) -> None:
    ec2, other = world.ec2, world.new_group("other")
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": other}]}
    ec2.authorize_security_group_ingress(GroupId=world.group, IpPermissions=[rule])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=other)
    ec2.revoke_security_group_ingress(GroupId=world.group, IpPermissions=[rule])
    balancer = world.new_balancer(SecurityGroups=[other])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=other)
    world.elb.delete_load_balancer(LoadBalancerArn=balancer)
    ec2.delete_security_group(GroupId=other)
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [world.vpc]}])["SecurityGroups"]
    default = next(each["GroupId"] for each in groups if each["GroupName"] == "default")
    refused("CannotDelete", ec2.delete_security_group, GroupId=default)


def test_a_rule_keeps_its_description_whoever_its_peer_is(world: World) -> None:
    peers = {"UserIdGroupPairs": [{"GroupId": world.group, "Description": "from itself"}],
             "IpRanges": [{"CidrIp": "10.0.0.0/16", "Description": "from the VPC"}]}  # fmt: skip
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, **peers}
    world.ec2.authorize_security_group_ingress(GroupId=world.group, IpPermissions=[rule])
    told = world.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [world.group]}])
    found = {each["Description"] for each in told["SecurityGroupRules"] if not each["IsEgress"]}
    assert found == {"from itself", "from the VPC"}


def test_a_nat_gateway_comes_and_goes_slowly_and_holds_what_it_uses(world: World) -> None:
    ec2 = world.ec2
    eip = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = ec2.create_nat_gateway(
        SubnetId=world.subnets[0], AllocationId=eip, TagSpecifications=tags("natgateway", "nat")
    )["NatGateway"]
    nat = made["NatGatewayId"]

    def state() -> str:
        return str(ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"])

    assert made["State"] == state() == "pending"
    until(lambda: state() == "available")
    for value, count in (("nat", 1), ("other", 0)):
        wanted = [{"Name": "tag:deployer:key", "Values": [value]}]
        assert len(ec2.describe_nat_gateways(Filters=wanted)["NatGateways"]) == count
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert state() == "deleting"
    refused("AuthFailure", ec2.release_address, AllocationId=eip)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=world.subnets[0])
    message = refused("DependencyViolation", ec2.detach_internet_gateway, InternetGatewayId=world.igw, VpcId=world.vpc)
    assert "mapped public address(es)" in message
    until(lambda: state() == "deleted")
    assert "AssociationId" not in ec2.describe_addresses()["Addresses"][0]
    ec2.release_address(AllocationId=eip)
    ec2.delete_subnet(SubnetId=world.subnets[0])
    ec2.detach_internet_gateway(InternetGatewayId=world.igw, VpcId=world.vpc)
    for call in (ec2.delete_nat_gateway, lambda **id_: ec2.describe_nat_gateways(NatGatewayIds=[*id_.values()])):
        refused("NatGatewayNotFound", call, NatGatewayId="nat-0123456789abcdef0")


def test_a_vpc_goes_last(world: World) -> None:
    ec2, gone = world.ec2, {"VpcId": world.vpc}
    endpoint = ec2.create_vpc_endpoint(VpcId=world.vpc, ServiceName="com.amazonaws.us-east-1.s3")["VpcEndpoint"]
    balancer = world.new_balancer()
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=world.subnets[0])
    refused("DependencyViolation", ec2.detach_internet_gateway, InternetGatewayId=world.igw, **gone)
    world.elb.delete_load_balancer(LoadBalancerArn=balancer)
    for subnet in world.subnets:
        ec2.delete_subnet(SubnetId=subnet)
    for step in (
        lambda: ec2.detach_internet_gateway(InternetGatewayId=world.igw, **gone),
        lambda: ec2.delete_security_group(GroupId=world.group),
        lambda: ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]]),
    ):
        refused("DependencyViolation", ec2.delete_vpc, **gone)
        step()
    ec2.delete_vpc(**gone)
    ec2.delete_internet_gateway(InternetGatewayId=world.igw)
    assert world.cloud.is_empty()


def test_a_subnet_has_one_route_table(world: World) -> None:
    first, second = (world.ec2.create_route_table(VpcId=world.vpc)["RouteTable"]["RouteTableId"] for _ in "12")
    link = world.ec2.associate_route_table(RouteTableId=first, SubnetId=world.subnets[0])["AssociationId"]
    associate = world.ec2.associate_route_table
    refused("Resource.AlreadyAssociated", associate, RouteTableId=second, SubnetId=world.subnets[0])
    world.ec2.disassociate_route_table(AssociationId=link)
    associate(RouteTableId=second, SubnetId=world.subnets[0])


@pytest.mark.parametrize("by", ["name", "arn"])
def test_flow_logs_go_to_a_log_group(world: World, by: str) -> None:
    world.logs.create_log_group(logGroupName="/flow")
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/flow"
    made = world.ec2.create_flow_logs(
        ResourceIds=[world.vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        DeliverLogsPermissionArn=world.new_role("flow"),
        TagSpecifications=tags("vpc-flow-log", "flow"),
        **({"LogGroupName": "/flow"} if by == "name" else {"LogDestination": arn}),
    )
    assert not made["Unsuccessful"]
    wanted = [{"Name": "tag:deployer:key", "Values": ["flow"]}]
    found = world.ec2.describe_flow_logs(Filters=wanted)["FlowLogs"]
    assert [each["FlowLogId"] for each in found] == made["FlowLogIds"]
    assert found[0]["LogGroupName"] == "/flow" and found[0]["DeliverLogsStatus"] == "SUCCESS"
    assert world.cloud.inventory()["flow_logs"] == ["flow of vpc"]
    world.ec2.delete_flow_logs(FlowLogIds=made["FlowLogIds"])
    refused("InvalidFlowLogId.NotFound", world.ec2.delete_flow_logs, FlowLogIds=made["FlowLogIds"])


def test_a_role_needs_a_trust_that_can_be_read(cloud: Cloud) -> None:
    create = cloud.client("iam").create_role
    refused("MalformedPolicyDocument", create, RoleName="x", AssumeRolePolicyDocument="not json")
    refused("MalformedPolicyDocument", create, RoleName="x", AssumeRolePolicyDocument="{}")


# --- images ---


def test_a_registry_token_lasts_twelve_hours(cloud: Cloud) -> None:
    given = cloud.client("ecr").get_authorization_token()["authorizationData"][0]
    assert timedelta(hours=11) < given["expiresAt"] - datetime.now(UTC) <= timedelta(hours=12)
    with pytest.raises(ValueError, match="without a registry"):
        cloud.token_expired()


def login(cloud: Cloud) -> dict[str, str]:
    data = cloud.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert data["proxyEndpoint"] == f"https://{cloud.registry}"
    return {"username": user, "password": password}


def tiny_image(engine: Any, reference: str, content: bytes) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        file = tarfile.TarInfo("content")
        file.size = len(content)
        tar.addfile(file, io.BytesIO(content))
    engine.api.import_image_from_data(archive.getvalue(), *reference.rsplit(":", 1))


def push(engine: Any, cloud: Cloud, uri: str, tag: str, credentials: dict[str, str]) -> tuple[str, str]:
    """(digest, error) of a push."""
    digest = error = ""
    for line in engine.api.push(uri, tag=tag, auth_config=credentials, stream=True, decode=True):
        digest = line.get("aux", {}).get("Digest", digest)
        error = line.get("error", error)
    return digest, error


@pytest.mark.docker
def test_images_are_really_pushed_and_ecr_tells_what_was(registry_cloud: Cloud) -> None:
    import docker

    cloud, engine = registry_cloud, docker.from_env()
    world = World(cloud)
    repository = world.ecr.create_repository(repositoryName="app/web")["repository"]
    uri = repository["repositoryUri"]
    assert uri == f"{cloud.registry}/app/web"
    try:
        for tag, content in (("one", b"1"), ("two", b"2")):
            tiny_image(engine, f"{uri}:{tag}", content * os.getpid())
        first, error = push(engine, cloud, uri, "one", login(cloud))
        assert first.startswith("sha256:") and not error
        found = world.ecr.describe_images(repositoryName="app/web", imageIds=[{"imageTag": "one"}])["imageDetails"]
        assert found[0]["imageDigest"] == first and found[0]["imageSizeInBytes"] > 0
        assert abs(found[0]["imagePushedAt"] - datetime.now(UTC)) < timedelta(minutes=1)
        assert world.ecr.list_images(repositoryName="app/web")["imageIds"] == [
            {"imageDigest": first, "imageTag": "one"}
        ]
        got = world.ecr.batch_get_image(repositoryName="app/web", imageIds=[{"imageTag": "one"}, {"imageTag": "no"}])
        assert "layers" in got["images"][0]["imageManifest"] and len(got["failures"]) == 1
        missing = [{"imageTag": "two"}]
        refused("ImageNotFoundException", world.ecr.describe_images, repositoryName="app/web", imageIds=missing)

        old = login(cloud)
        cloud.token_expired(times=2)
        for credentials in (old, login(cloud)):
            assert push(engine, cloud, uri, "two", credentials)[1]
        second, error = push(engine, cloud, uri, "two", login(cloud))
        assert second and not error
        assert cloud.inventory()["repositories"] == ["app/web 2 images"]

        container = {"name": "web", "image": f"{uri}@{second}"}
        lost = container | {"image": f"{uri}@sha256:{'0' * 64}"}
        world.new_service(taskDefinition=world.new_definition(containerDefinitions=[container]))
        world.steady()
        definition = world.new_definition(containerDefinitions=[lost])
        world.ecs.update_service(cluster="main", service="web", taskDefinition=definition)
        stopped = until(lambda: world.tasks("STOPPED"))
        assert stopped[0]["stoppedReason"].startswith("CannotPullContainerError")

        world.ecr.batch_delete_image(repositoryName="app/web", imageIds=[{"imageTag": "one"}])
        assert cloud.inventory()["repositories"] == ["app/web 1 images"]
        refused("RepositoryNotEmptyException", world.ecr.delete_repository, repositoryName="app/web")
        world.ecr.delete_repository(repositoryName="app/web", force=True)
        world.ecr.create_repository(repositoryName="app/web")
        assert world.ecr.describe_images(repositoryName="app/web")["imageDetails"] == []
        again, error = push(engine, cloud, uri, "one", login(cloud))
        assert again == first and not error
    finally:
        for tag in ("one", "two"):
            engine.images.remove(f"{uri}:{tag}", force=True)
        engine.close()


def test_only_the_loopback_listens(cloud: Cloud) -> None:
    assert cloud.url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{cloud.url}/_cloud/ping") as answer:
        assert json.load(answer) == {"registry": None}
