"""Load balancers, target groups and listeners."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployer.errors import AwsError
from deployer.resources.internet_gateway import InternetGateway
from deployer.resources.listener import Listener
from deployer.resources.load_balancer import LoadBalancer
from deployer.resources.security_group import SecurityGroup
from deployer.resources.subnet import Subnet
from deployer.resources.target_group import TargetGroup
from deployer.resources.vpc import Vpc
from tests.cloud import Cloud
from tests.resources.lifecycle import Account, Case, Change, LifeCycle, Tags, flat, lasting, pages

VPC = Vpc(name="main", cidr="10.0.0.0/16")
OTHER_VPC = Vpc(name="other", cidr="10.1.0.0/16")
IGW = InternetGateway(name="main", vpc_id=VPC.ref())
A, B, C = (
    Subnet(name=letter, vpc_id=VPC.ref(), cidr=f"10.0.{number}.0/24", zone=f"us-east-1{letter}")
    for number, letter in enumerate("abc")
)
GROUP = SecurityGroup(name="web_lb", vpc_id=VPC.ref(), description="Load balancer of voting web")
GROUP_2 = SecurityGroup(name="more_lb", vpc_id=VPC.ref(), description="Another")
NETWORK = (VPC, IGW, A, B, C, GROUP, GROUP_2)
ATTRIBUTES = {
    "deletion_protection.enabled": "false",
    "access_logs.s3.enabled": "false",
    "routing.http.drop_invalid_header_fields.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
}
ALB = LoadBalancer(
    name="web",
    vpc_id=VPC.ref(),
    scheme="internet-facing",
    kind="application",
    pinned=[],
    subnets=[A.ref(), B.ref()],
    groups=[GROUP.ref()],
    attributes=ATTRIBUTES,
    depends_on=(IGW.key,),
)
NLB = replace(
    ALB,
    name="redis",
    scheme="internal",
    kind="network",
    pinned=[A.ref(), B.ref()],
    attributes={"load_balancing.cross_zone.enabled": "true", "deletion_protection.enabled": "true"},
)
HEALTH = {
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPort": "traffic-port",
    "HealthCheckIntervalSeconds": 10,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 3,
    "HealthCheckPath": "/healthz",
    "Matcher": {"HttpCode": "200-399"},
}
TARGETS = TargetGroup(
    name="web",
    vpc_id=VPC.ref(),
    port=8080,
    protocol="HTTP",
    balancer=["application", "public"],
    health=HEALTH,
    attributes={"deregistration_delay.timeout_seconds": "20"},
)
TARGETS_2 = replace(TARGETS, name="two")
LISTENER = Listener(
    name="web_80",
    load_balancer=ALB.ref(),
    port=80,
    protocol="HTTP",
    target_group=TARGETS.ref(),
    certificate=None,
)


def balancers(account: Account) -> list[str]:
    found = pages(account.client("elbv2"), "describe_load_balancers", "LoadBalancers")
    return sorted(each["LoadBalancerArn"] for each in found)


def target_groups(account: Account) -> list[str]:
    found = pages(account.client("elbv2"), "describe_target_groups", "TargetGroups")
    return sorted(each["TargetGroupArn"] for each in found)


def listeners(account: Account) -> list[str]:
    elb = account.client("elbv2")
    found = [each for arn in balancers(account) for each in pages(elb, "describe_listeners", "Listeners",
                                                                  LoadBalancerArn=arn)]  # fmt: skip
    return sorted(each["ListenerArn"] for each in found)


def tags(account: Account, id: str) -> Tags:
    return flat(account.client("elbv2").describe_tags(ResourceArns=[id])["TagDescriptions"][0]["Tags"])


def attribute(name: str) -> Any:
    def look(account: Account, id: str) -> str:
        return attributes(account, id)[name]

    return look


def attributes(account: Account, id: str) -> dict[str, str]:
    return flat(account.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=id)["Attributes"])


def place(account: Account, id: str) -> tuple[list[str], list[str]]:
    (found,) = account.client("elbv2").describe_load_balancers(LoadBalancerArns=[id])["LoadBalancers"]
    subnets = {zone["SubnetId"] for zone in found["AvailabilityZones"]}
    return tuple(
        sorted(key for key, each in account.state.records.items() if each.id in ids and not key.startswith("rules"))
        for ids in (subnets, set(found["SecurityGroups"]))
    )  # type: ignore[return-value]


def health(account: Account, id: str) -> tuple[str, int, str]:
    elb = account.client("elbv2")
    (group,) = elb.describe_target_groups(TargetGroupArns=[id])["TargetGroups"]
    delay = flat(elb.describe_target_group_attributes(TargetGroupArn=id)["Attributes"])
    name = "deregistration_delay.timeout_seconds"
    return group["HealthCheckPath"], group["HealthCheckIntervalSeconds"], delay[name]


def listens(account: Account, id: str) -> list[Any]:
    (found,) = account.client("elbv2").describe_listeners(ListenerArns=[id])["Listeners"]
    (action,) = found["DefaultActions"]
    target = action.get("TargetGroupArn")
    key = next((key for key, each in account.state.records.items() if each.id == target), action["Type"])
    return [found["Protocol"], found["Port"], key]


def drop(operation: str, argument: str) -> Any:
    return lambda account, id: getattr(account.client("elbv2"), operation)(**{argument: id})


def drop_protected(account: Account, id: str) -> None:
    off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    account.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=id, Attributes=off)
    account.client("elbv2").delete_load_balancer(LoadBalancerArn=id)


OTHER = replace(ALB, name="other", groups=[GROUP_2.ref()])
CASES = [
    Case(
        ALB,
        "elbv2.CreateLoadBalancer",
        balancers,
        beneath=NETWORK,
        tags=tags,
        change=Change(
            {"attributes": ATTRIBUTES | {"deletion_protection.enabled": "true"}},
            attribute("deletion_protection.enabled"),
            "false",
            "true",
        ),
        replaced={"scheme": "internal"},
        spoil=drop("delete_load_balancer", "LoadBalancerArn"),
        foreign=True,
    ),
    Case(
        NLB,
        "elbv2.CreateLoadBalancer",
        balancers,
        beneath=NETWORK,
        tags=tags,
        change=Change(
            {"groups": [GROUP_2.ref()]},
            place,
            (["subnet.a", "subnet.b"], ["group.web_lb"]),
            (["subnet.a", "subnet.b"], ["group.more_lb"]),
        ),
        replaced={"pinned": [B.ref(), C.ref()], "subnets": [B.ref(), C.ref()]},
        spoil=drop_protected,
        foreign=True,
    ),
    Case(
        TARGETS,
        "elbv2.CreateTargetGroup",
        target_groups,
        beneath=(VPC, OTHER_VPC),
        tags=tags,
        change=Change(
            {
                "health": HEALTH | {"HealthCheckPath": "/up", "HealthCheckIntervalSeconds": 30},
                "attributes": {"deregistration_delay.timeout_seconds": "5"},
            },
            health,
            ("/healthz", 10, "20"),
            ("/up", 30, "5"),
        ),
        replaced={"port": 9090},
        spoil=drop("delete_target_group", "TargetGroupArn"),
        foreign=True,
    ),
    Case(
        LISTENER,
        "elbv2.CreateListener",
        listeners,
        beneath=(*NETWORK, ALB, OTHER, TARGETS, TARGETS_2),
        tags=tags,
        change=Change(
            {"port": 8000, "target_group": TARGETS_2.ref()},
            listens,
            ["HTTP", 80, "target-group.web"],
            ["HTTP", 8000, "target-group.two"],
        ),
        replaced={"load_balancer": OTHER.ref(), "target_group": TARGETS_2.ref()},
        spoil=drop("delete_listener", "ListenerArn"),
        foreign=True,
    ),
]


class TestLifeCycle(LifeCycle):
    pass


def test_application_load_balancer_moves_to_other_subnets_and_groups(account: Account) -> None:
    account.up(*NETWORK, ALB)
    id = account.id(ALB.key)
    assert place(account, id) == (["subnet.a", "subnet.b"], ["group.web_lb"])
    account.up(*NETWORK, replace(ALB, subnets=[A.ref(), B.ref(), C.ref()], groups=[GROUP_2.ref()]))
    assert account.id(ALB.key) == id
    assert place(account, id) == (["subnet.a", "subnet.b", "subnet.c"], ["group.more_lb"])


def test_protection_of_our_own_is_lifted_for_the_removal(account: Account) -> None:
    protected = replace(ALB, attributes=ATTRIBUTES | {"deletion_protection.enabled": "true"})
    account.up(*NETWORK, protected)
    account.up()
    assert account.cloud.is_empty()


def test_protection_that_somebody_else_has_set_is_respected(account: Account) -> None:
    account.up(*NETWORK, ALB)
    on = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    account.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=account.id(ALB.key), Attributes=on)
    with pytest.raises(AwsError, match="OperationNotPermitted"):
        account.up()
    assert balancers(account) == [account.id(ALB.key)]


def test_from_http_to_https_and_back(account: Account) -> None:
    """Both listeners stand beside each other at no moment on the same port."""
    acm = account.cloud.client("acm", hidden=True)
    certificate = acm.request_certificate(DomainName="voting.example")["CertificateArn"]
    beneath = [*NETWORK, ALB, TARGETS]
    secure = replace(LISTENER, name="web_443", port=443, protocol="HTTPS", certificate=certificate)
    redirect = replace(LISTENER, target_group=None, depends_on=(secure.key,))
    account.up(*beneath, LISTENER)
    plain = account.id(LISTENER.key)
    account.up(*beneath, secure, redirect)
    assert account.id(redirect.key) == plain
    assert listens(account, plain) == ["HTTP", 80, "redirect"]
    assert listens(account, account.id(secure.key)) == ["HTTPS", 443, "target-group.web"]
    account.up(*beneath, LISTENER)
    assert listeners(account) == [plain] and listens(account, plain) == ["HTTP", 80, "target-group.web"]


def test_load_balancer_is_waited_for_but_holds_nobody_up(account: Account) -> None:
    account.up(*NETWORK)
    account.cloud.tempo(load_balancer=0.5)
    account.up(*NETWORK, ALB, TARGETS, LISTENER)
    calls = [str(call) for call in account.cloud.calls()]
    looks = [n for n, call in enumerate(calls) if call == "elbv2.DescribeLoadBalancers"]
    assert looks[-1] > calls.index("elbv2.CreateListener")
    assert account.state.records[ALB.key].status == "ready"


def test_names_within_the_limits(cloud: Cloud, account: Account, tmp_path: Any) -> None:
    """AWS takes 32 characters, letters, digits and hyphens, and keeps `internal-` for itself."""
    other = Account(cloud, tmp_path, stack="internal-" + "x" * 15)
    long = replace(ALB, name="y" * 32)
    other.up(*NETWORK, long, replace(TARGETS, name="y" * 32))
    (found,) = other.client("elbv2").describe_load_balancers()["LoadBalancers"]
    (group,) = other.client("elbv2").describe_target_groups()["TargetGroups"]
    for name in (found["LoadBalancerName"], group["TargetGroupName"]):
        assert len(name) <= 32 and name.replace("-", "").isalnum() and name.strip("-") == name
    assert not found["LoadBalancerName"].startswith("internal-")


def test_equal_words_make_different_names(account: Account, cloud: Cloud, tmp_path: Any) -> None:
    """Service `b-c` of stack `a` and service `c` of stack `a-b` live in one account."""
    names = []
    for stack, service in (("a", "b-c"), ("a-b", "c")):
        aws = Account(cloud, tmp_path, stack=stack).aws
        names.append(replace(TARGETS, name=service, vpc_id="vpc-1").elb_name(aws))
    assert len(set(names)) == 2


def test_reads_are_batched(account: Account) -> None:
    many = [replace(ALB, name=f"lb{n}") for n in range(21)]
    groups = [replace(TARGETS, name=f"tg{n}") for n in range(41)]
    doors = [replace(LISTENER, name=f"l{n}", port=1000 + n, load_balancer=many[0].ref()) for n in range(41)]
    doors = [replace(one, target_group=groups[0].ref()) for one in doors]
    wanted = [*NETWORK, *many, *groups, *doors]
    account.up(*wanted)
    account.cloud.forget_calls()
    assert account.plan(*wanted).idle
    counts = {name: account.count(f"elbv2.Describe{name}") for name in ("LoadBalancers", "TargetGroups", "Listeners")}
    assert counts == {"LoadBalancers": 2, "TargetGroups": 3, "Listeners": 3}


def test_one_that_is_gone_does_not_hide_the_others(account: Account) -> None:
    """AWS refuses the whole call for one unknown ARN."""
    two = replace(TARGETS, name="two")
    account.up(VPC, TARGETS, two)
    gone, kept = account.id(TARGETS.key), account.id(two.key)
    account.client("elbv2").delete_target_group(TargetGroupArn=gone)
    assert lasting(TargetGroup.read(account.aws, [gone, kept])) == {gone: None, kept: {}}
