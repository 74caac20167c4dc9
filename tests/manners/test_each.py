"""Each of AWS's manners at work on the cloud itself: what it refuses or delays, and that it ends."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from deployer.errors import UsageError
from deployer.sandbox import process
from deployer.sandbox.control import manners
from deployer.sandbox.control.manner import NAMES, asked
from tests.cloud import Cloud
from tests.manners.account import FARGATE, Network, listener, refusal, refusals, trust, vpc_config
from tests.whole.project import until


def test_every_manner_says_what_it_does() -> None:
    assert sorted(manners.MANNERS) == sorted(NAMES)
    for name, manner in manners.MANNERS.items():
        assert manner.name == name and manner.about and manner.default >= 0


def test_an_unknown_manner_is_refused_with_the_known_ones(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match=r"no such manner: rudeness.*throttling"):
        cloud.manners("rudeness")


def test_manners_are_asked_for_by_name_and_number() -> None:
    assert asked("unseen, lost=3") == {"unseen": None, "lost": 3.0}
    assert asked("all,nat=9") == dict.fromkeys(manners.MANNERS) | {"nat": 9.0}
    assert asked("") == {}


def test_a_reset_switches_all_off(cloud: Cloud) -> None:
    cloud.manners("all", unseen=100)
    cloud.reset()
    vpc = cloud.client("ec2").create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    assert cloud.client("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"]
    assert cloud.client("ecs").create_cluster(clusterName="c")


def test_new_ids_are_not_yet_known_nor_listed(cloud: Cloud) -> None:
    cloud.manners(unseen=0.8)
    ec2, logs = cloud.client("ec2"), cloud.client("logs")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    assert ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Vpcs"] == []
    assert refusals(ec2.create_subnet, VpcId=vpc, CidrBlock="10.7.0.0/24") == {
        f"InvalidVpcID.NotFound: The vpc ID '{vpc}' does not exist"
    }
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    logs.create_log_group(logGroupName="l")
    assert logs.describe_log_groups()["logGroups"] == []
    assert "ResourceNotFoundException" in str(refusals(logs.put_retention_policy, logGroupName="l", retentionInDays=7))


def test_new_services_are_missing_and_then_there(cloud: Cloud) -> None:
    ecs = cloud.client("ecs")
    cloud.manners(unseen=0.8)
    ecs.create_cluster(clusterName="c")
    told = ecs.describe_clusters(clusters=["c"])
    assert told["clusters"] == [] and told["failures"][0]["reason"] == "MISSING"
    until(lambda: ecs.describe_clusters(clusters=["c"])["clusters"])


def test_the_linked_role_is_missing_on_its_first_use(cloud: Cloud) -> None:
    cloud.manners(linked_role=0.7)
    (said,) = refusals(cloud.client("ecs").create_cluster, clusterName="c")
    assert said.startswith("InvalidParameterException: Unable to assume the service linked role")
    assert not refusal(cloud.client("ecs").create_cluster, clusterName="d")


def test_a_new_role_cannot_be_assumed_yet(cloud: Cloud) -> None:
    iam, ecs = cloud.client("iam"), cloud.client("ecs")
    cloud.manners(unassumable=1.4, role_arns=0.8)
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust())["Role"]["Arn"]
    assert iam.get_role(RoleName="r")["Role"]["Arn"].startswith("AROA")
    ghost = refusal(iam.create_role, RoleName="s", AssumeRolePolicyDocument=trust(AWS=arn))
    assert ghost.startswith("MalformedPolicyDocument: Invalid principal in policy")
    said = {text.partition(":")[0] for text in refusals(ecs.register_task_definition, **FARGATE, taskRoleArn=arn)}
    assert said == {"AccessDeniedException", "ClientException"}
    assert iam.get_role(RoleName="r")["Role"]["Arn"] == arn
    assert not refusal(iam.create_role, RoleName="s", AssumeRolePolicyDocument=trust(AWS=arn))


def test_a_flow_log_is_refused_inside_a_good_answer(cloud: Cloud) -> None:
    network, ec2, iam = Network(cloud), cloud.client("ec2"), cloud.client("iam")
    cloud.client("logs", hidden=True).create_log_group(logGroupName="l")
    cloud.manners(unassumable=0.4)
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust())["Role"]["Arn"]
    wanted = {"ResourceIds": [network.vpc], "ResourceType": "VPC", "TrafficType": "REJECT", "LogGroupName": "l",
              "DeliverLogsPermissionArn": arn}  # fmt: skip
    (first,) = ec2.create_flow_logs(**wanted)["Unsuccessful"]
    assert first["Error"] == {"Code": "InvalidParameter", "Message": "Unable to assume given IAM role"}
    until(lambda: ec2.create_flow_logs(**wanted).get("FlowLogIds"))


def test_a_misspelt_manner_is_said_before_the_sandbox_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_SANDBOX_MANNERS", "al")
    with pytest.raises(UsageError, match="no such manner: al; there are all, "):
        process.start(tmp_path / "sandbox")
    assert not (tmp_path / "sandbox").exists()


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [("ec2", "describe_vpcs", "RequestLimitExceeded"), ("iam", "list_roles", "Throttling"),
     ("elbv2", "describe_load_balancers", "Throttling"), ("logs", "describe_log_groups", "ThrottlingException")],
)  # fmt: skip
def test_two_of_so_many_calls_are_throttled(cloud: Cloud, service: str, operation: str, code: str) -> None:
    cloud.manners(throttling=5)
    said = [refusal(getattr(cloud.client(service), operation)) for _ in range(20)]
    assert sum(text.startswith(code) for text in said) == 8 and sum(not text for text in said) == 12
    assert sum(bool(one) and bool(two) for one, two in pairwise(said)) >= 3, "in bursts"


def test_an_answer_is_lost_after_the_deed(cloud: Cloud) -> None:
    cloud.manners(lost=2)
    logs = cloud.client("logs")
    cut = 0
    for name in "abcd":
        try:
            logs.create_log_group(logGroupName=name)
        except ConnectionClosedError:
            cut += 1
    assert cut == 2
    assert len(cloud.client("logs", hidden=True).describe_log_groups()["logGroups"]) == 4


def test_a_change_meets_another(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    cloud.manners("conflicts")
    logs.create_log_group(logGroupName="l")
    assert len(refusals(logs.put_retention_policy, logGroupName="l", retentionInDays=7)) == 1
    assert "OperationAbortedException" in refusal(logs.delete_log_group, logGroupName="l")
    assert not refusal(logs.delete_log_group, logGroupName="l")


def test_quotas_are_awss_own(cloud: Cloud) -> None:
    cloud.manners("quotas")
    said = [refusal(cloud.client("ec2").create_vpc, CidrBlock="10.7.0.0/16") for _ in range(5)]  # one is there
    assert said == ["", "", "", "", "VpcLimitExceeded: The maximum number of VPCs has been reached."]
    cloud.manners(quotas=1)
    assert not refusal(cloud.client("logs").create_log_group, logGroupName="a")
    assert refusal(cloud.client("logs").create_log_group, logGroupName="b").startswith("LimitExceededException")


def test_a_nat_gateway_is_slow_and_its_address_stays_held(cloud: Cloud) -> None:
    network, ec2 = Network(cloud), cloud.client("ec2")
    cloud.manners(nat=0.8, interfaces=0.8)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=network.subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]

    def state() -> str:
        return str(ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"])

    assert state() == "pending"
    until(lambda: state() == "available")
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert state() == "deleting"
    until(lambda: state() == "deleted")
    (said,) = refusals(ec2.release_address, AllocationId=address)
    assert said == "AuthFailure: You do not have permission to access the specified resource."


def test_a_nat_gateway_fails_and_the_next_does_not(cloud: Cloud) -> None:
    network, ec2 = Network(cloud), cloud.client("ec2")
    cloud.manners("nat-failed", nat=0.4)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    for state in ("failed", "available"):
        made = ec2.create_nat_gateway(SubnetId=network.subnets[0], AllocationId=address)["NatGateway"]
        assert made["State"] == "pending"
        ids = {"NatGatewayIds": [made["NatGatewayId"]]}
        until(lambda ids=ids: ec2.describe_nat_gateways(**ids)["NatGateways"][0]["State"] != "pending")
        (nat,) = ec2.describe_nat_gateways(**ids)["NatGateways"]
        assert nat["State"] == state
        assert bool(nat.get("FailureMessage")) == (state == "failed")


def test_a_load_balancer_is_provisioning_and_cannot_be_changed(cloud: Cloud) -> None:
    network, elb = Network(cloud), cloud.client("elbv2")
    cloud.manners(provisioning=0.5)
    arn = network.balancer(elb)
    assert elb.describe_load_balancers()["LoadBalancers"][0]["State"]["Code"] == "provisioning"
    off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    (said,) = refusals(elb.modify_load_balancer_attributes, LoadBalancerArn=arn, Attributes=off)
    assert said.startswith("OperationNotPermitted") and "provisioning" in said
    assert elb.describe_load_balancers()["LoadBalancers"][0]["State"]["Code"] == "active"


def test_a_target_group_stays_in_use(cloud: Cloud) -> None:
    network, elb = Network(cloud), cloud.client("elbv2")
    balancer, group = network.balancer(elb), network.target_group(elb)
    cloud.manners(target_groups=0.7)
    elb.delete_listener(ListenerArn=listener(elb, balancer, group))
    (said,) = refusals(elb.delete_target_group, TargetGroupArn=group)
    assert said.startswith("ResourceInUse")


def test_a_certificate_is_not_found_at_first(cloud: Cloud) -> None:
    network, elb = Network(cloud), cloud.client("elbv2")
    balancer, group = network.balancer(elb), network.target_group(elb)
    certificate = cloud.client("acm", hidden=True).request_certificate(DomainName="example.com")["CertificateArn"]
    cloud.manners(certificates=0.7)
    secure = {"Protocol": "HTTPS", "Port": 443, "Certificates": [{"CertificateArn": certificate}]}
    said = refusals(lambda: listener(elb, balancer, group, **secure))
    assert said == {f"CertificateNotFound: Certificate '{certificate}' not found"}


def held_by(cloud: Cloud, group: str) -> list[dict[str, Any]]:
    filters = [{"Name": "group-id", "Values": [group]}]
    return list(cloud.client("ec2").describe_network_interfaces(Filters=filters)["NetworkInterfaces"])


@pytest.mark.parametrize(("kind", "short", "owner"), [("application", "app", "elb"), ("network", "net", "aws")])
def test_interfaces_outlive_their_load_balancer(cloud: Cloud, kind: str, short: str, owner: str) -> None:
    network, ec2, elb = Network(cloud), cloud.client("ec2"), cloud.client("elbv2")
    cloud.manners(interfaces=0.8)
    arn = network.balancer(elb, Type=kind)
    held = held_by(cloud, network.group)
    assert sorted(one["SubnetId"] for one in held) == sorted(network.subnets)
    assert {one["Description"] for one in held} == {f"ELB {short}/b/{arn.rpartition('/')[2]}"}
    assert {one["Attachment"]["InstanceOwnerId"] for one in held} == {f"amazon-{owner}"}
    assert all(one["RequesterManaged"] and one["Association"]["PublicIp"] for one in held)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert "not allowed to manage" in refusal(
        ec2.delete_network_interface, NetworkInterfaceId=held[0]["NetworkInterfaceId"]
    )
    leaving = {"InternetGatewayId": network.igw, "VpcId": network.vpc}
    assert "some mapped public address(es)" in refusal(ec2.detach_internet_gateway, **leaving)
    assert "has dependencies" in refusal(ec2.delete_subnet, SubnetId=network.subnets[0])
    (said,) = refusals(ec2.delete_security_group, GroupId=network.group)
    assert said == f"DependencyViolation: resource {network.group} has a dependent object"
    assert held_by(cloud, network.group) == []
    assert not refusal(ec2.detach_internet_gateway, **leaving)
    assert not refusal(ec2.delete_subnet, SubnetId=network.subnets[0])


def test_an_interface_outlives_its_task(cloud: Cloud) -> None:
    network, ec2, ecs = Network(cloud), cloud.client("ec2"), cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(**FARGATE)
    cloud.tempo(task=0.02)
    cloud.manners(interfaces=0.8)
    run = ecs.run_task(cluster="c", taskDefinition="f", launchType="FARGATE", networkConfiguration=vpc_config(network))
    (task,) = run["tasks"]
    (held,) = held_by(cloud, network.group)
    details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
    assert held["NetworkInterfaceId"] == details["networkInterfaceId"]
    assert held["Description"].endswith(f":attachment/{task['attachments'][0]['id']}")
    ecs.stop_task(cluster="c", task=task["taskArn"])
    until(lambda: ecs.describe_tasks(cluster="c", tasks=[task["taskArn"]])["tasks"][0]["lastStatus"] == "STOPPED")
    assert refusals(ec2.delete_security_group, GroupId=network.group)


def test_a_service_drains_and_is_then_forgotten(cloud: Cloud) -> None:
    network, ecs = Network(cloud), cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(**FARGATE)
    cloud.manners(draining=1.0, forgotten=1.0)
    wanted = {"cluster": "c", "serviceName": "s", "taskDefinition": "f", "desiredCount": 0, "launchType": "FARGATE",
              "networkConfiguration": vpc_config(network)}  # fmt: skip
    ecs.create_service(**wanted)
    ecs.delete_service(cluster="c", service="s")
    assert "still Draining" in refusal(ecs.create_service, **wanted)

    def told() -> tuple[list[str], list[str]]:
        answer = ecs.describe_services(cluster="c", services=["s"])
        return [one["status"] for one in answer["services"]], [one["reason"] for one in answer["failures"]]

    until(lambda: told() == (["INACTIVE"], []))
    until(lambda: told() == ([], ["MISSING"]))


def test_some_answers_are_good_and_tell_of_failures(cloud: Cloud) -> None:
    network, ec2, ecs = Network(cloud), cloud.client("ec2"), cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(**FARGATE)
    made = ec2.create_vpc_endpoint(VpcId=network.vpc, ServiceName="com.amazonaws.us-east-1.s3")["VpcEndpoint"]
    cloud.manners("unsuccessful")
    endpoint = {"VpcEndpointIds": [made["VpcEndpointId"]]}
    assert ec2.delete_vpc_endpoints(**endpoint)["Unsuccessful"][0]["Error"]["Code"] == "RequestLimitExceeded"
    assert not ec2.delete_vpc_endpoints(**endpoint)["Unsuccessful"]
    wanted = {"cluster": "c", "taskDefinition": "f", "launchType": "FARGATE",
              "networkConfiguration": vpc_config(network)}  # fmt: skip
    assert "Capacity is unavailable" in ecs.run_task(**wanted)["failures"][0]["reason"]
    assert ecs.run_task(**wanted)["tasks"]


def test_the_name_of_a_deleted_secret_stays_taken(cloud: Cloud) -> None:
    manager = cloud.client("secretsmanager")
    cloud.manners(secret_names=0.7)
    manager.create_secret(Name="s", SecretString="x")
    manager.delete_secret(SecretId="s", ForceDeleteWithoutRecovery=True)
    (said,) = refusals(manager.create_secret, Name="s", SecretString="y")
    assert said.startswith("InvalidRequestException") and "scheduled for deletion" in said


def test_ecs_takes_a_burst_and_then_so_many_calls_a_second(cloud: Cloud) -> None:
    ecs = cloud.client("ecs")
    cloud.manners(rates=10)
    container = [{"name": "web", "image": "a:1", "memory": 128}]

    def register() -> int:
        try:
            ecs.register_task_definition(family="web", containerDefinitions=container)
        except ClientError as error:
            assert error.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
            return 0
        return 1

    began = time.monotonic()
    taken = sum(register() for _ in range(60))
    assert 20 <= taken <= 21 + 10 * (time.monotonic() - began), "its bucket holds 20, and 10 come in a second"
    assert ecs.list_clusters()["clusterArns"] == [], "another group has a bucket of its own"
    until(lambda: register() == 1)
