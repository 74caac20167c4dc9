"""AWS answers in forms of its own and fills in what was left out: none of that is drift. No cloud, only answers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from deployer.documents import is_public, meaning
from deployer.drift import strays
from deployer.resource import SEEN, Resource
from deployer.resources.default_group import DefaultGroup
from deployer.resources.iam_role import IamRole
from deployer.resources.listener import TLS_POLICY, Listener
from deployer.resources.log_group import LogGroup
from deployer.resources.security_group_rules import SecurityGroupRules, rule
from deployer.resources.service import Service
from deployer.resources.target_group import TargetGroup
from deployer.state import Record

ELB = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
GROUP_ARN, BALANCER = f"{ELB}:targetgroup/web/1", f"{ELB}:loadbalancer/app/web/2"
CERTIFICATE = "arn:aws:acm:::certificate/3"
TAGS = [{"key": "deployer:stack", "value": "voting"}]


class Answers:
    """Clients that know one answer each, whatever they are asked; `ec2.describe_x` or a page of `ec2.describe_xs`."""

    stack, stack_id, region, account = "voting", "", "us-east-1", "123456789012"
    shared = None

    def __init__(self, service: str, operation: str, answer: dict[str, Any]) -> None:
        paginator = SimpleNamespace(paginate=lambda **asked: [answer])
        client = SimpleNamespace(get_paginator=lambda name: paginator if name == operation else empty())
        setattr(client, operation, lambda **asked: answer)
        client.can_paginate = lambda name: name == operation
        setattr(self, service, client)

    def owns(self, tags: dict[str, str]) -> bool:
        return True

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        place = self.region if region is None else region
        return f"arn:aws:{service}:{place}:{self.account}:{resource}"


def empty() -> Any:
    return SimpleNamespace(paginate=lambda **asked: [])


def drift(resource: Resource, id: str, *answer: Any, inspect: bool = False) -> tuple[str, ...]:
    aws: Any = Answers(*answer)
    outputs = {SEEN: type(resource).inspect(aws, [id])[id]} if inspect else type(resource).read(aws, [id])[id]
    assert outputs is not None and outputs[SEEN], "nothing was seen"
    return strays(Record(resource.key, resource.type, id, "ready", resource.inputs, outputs))


def listener(**changes: Any) -> Listener:
    inputs = {"load_balancer": BALANCER, "port": 80, "protocol": "HTTP", "target_group": None, "certificate": None}
    return Listener(name="web_80", **(inputs | changes))


STICKINESS = {"Enabled": False, "DurationSeconds": 3600}
FORWARD = {"Type": "forward", "TargetGroupArn": GROUP_ARN, "Order": 1, "ForwardConfig": {
    "TargetGroups": [{"TargetGroupArn": GROUP_ARN, "Weight": 1}],
    "TargetGroupStickinessConfig": STICKINESS}}  # fmt: skip
REDIRECT = {"Type": "redirect", "Order": 1, "RedirectConfig": {
    "Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}",
    "StatusCode": "HTTP_301"}}  # fmt: skip


@pytest.mark.parametrize(("resource", "answer"), [
    (listener(target_group=GROUP_ARN), {"DefaultActions": [FORWARD]}),
    (listener(), {"DefaultActions": [REDIRECT]}),
    (listener(port=443, protocol="HTTPS", target_group=GROUP_ARN, certificate=CERTIFICATE),
     {"Port": 443, "Protocol": "HTTPS", "DefaultActions": [FORWARD], "SslPolicy": TLS_POLICY, "AlpnPolicy": [],
      "Certificates": [{"CertificateArn": CERTIFICATE}], "MutualAuthentication": {"Mode": "off"}}),
], ids=["forward", "redirect", "https"])  # fmt: skip
def test_a_listener_reads_back_with_more_than_was_asked(resource: Listener, answer: dict[str, Any]) -> None:
    answer = {"ListenerArn": "arn", "Port": 80, "Protocol": "HTTP"} | answer
    assert drift(resource, "arn", "elbv2", "describe_listeners", {"Listeners": [answer]}) == ()
    other = answer | {"DefaultActions": [{**FORWARD, "ForwardConfig": {"TargetGroups": [
        {"TargetGroupArn": GROUP_ARN, "Weight": 1}, {"TargetGroupArn": f"{GROUP_ARN}0", "Weight": 9}]}}]}  # fmt: skip
    (said,) = drift(resource, "arn", "elbv2", "describe_listeners", {"Listeners": [other]})
    assert said.startswith("action: forward web/1 and web/10 instead of")


def test_a_target_group_reads_back_with_more_than_was_asked() -> None:
    health = {"HealthCheckProtocol": "TCP", "HealthCheckPort": "traffic-port", "HealthCheckIntervalSeconds": 10,
              "HealthCheckTimeoutSeconds": 5, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2}  # fmt: skip
    group = TargetGroup(
        name="redis", vpc_id="vpc-1", port=80, protocol="TCP", balancer=[], health=health, attributes={}
    )
    answer = {**health, "TargetGroupArn": "arn", "HealthCheckEnabled": True, "IpAddressType": "ipv4", "Matcher": {},
              "LoadBalancerArns": [BALANCER], "TargetType": "ip"}  # fmt: skip
    assert drift(group, "arn", "elbv2", "describe_target_groups", {"TargetGroups": [answer]}) == ()


def service(**changes: Any) -> Service:
    inputs: dict[str, Any] = {
        "cluster": "cluster/voting", "task_definition": "arn:aws:ecs:::task-definition/voting-web:1", "count": 1,
        "subnets": ["subnet-b", "subnet-a"], "groups": ["sg-1"], "public_ip": False, "target_group": None,
        "port": None, "kind": None, "grace": None, "exec": False,
    }  # fmt: skip
    return Service(name="web", **(inputs | changes))


def test_a_service_reads_back_in_another_order_and_with_more_than_was_asked() -> None:
    answer: dict[str, Any] = {
        "serviceArn": "arn:aws:ecs:::service/voting/web", "status": "ACTIVE", "desiredCount": 1, "runningCount": 1,
        "taskDefinition": "arn:aws:ecs:::task-definition/voting-web:1", "platformVersion": "1.4.0",
        "healthCheckGracePeriodSeconds": 0, "loadBalancers": [], "deployments": [], "tags": TAGS,
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}},
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True},
                                    "strategy": "ROLLING", "bakeTimeInMinutes": 0},
    }  # fmt: skip
    arn = answer["serviceArn"]
    assert drift(service(), arn, "ecs", "describe_services", {"services": [answer]}) == ()
    few = {name: answer[name] for name in ("serviceArn", "status", "desiredCount", "runningCount", "taskDefinition")}
    assert drift(service(), arn, "ecs", "describe_services", {"services": [few]}) == ()  # another endpoint tells less
    more = answer | {"desiredCount": 5}
    assert drift(service(), arn, "ecs", "describe_services", {"services": [more]}) == ("count: 5 instead of 1",)


def test_rules_read_back_without_ports_or_merged_are_the_same_rules() -> None:
    wanted = [rule("egress", None, "0.0.0.0/0", "to anywhere"),
              *(rule("ingress", 80, source, "from") for source in ("sg-1", "10.0.0.0/8", "10.1.0.0/16"))]  # fmt: skip
    ingress = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": "sg-1"}],
               "IpRanges": [{"CidrIp": "10.1.0.0/16", "Description": "from"}, {"CidrIp": "10.0.0.0/8"}]}  # fmt: skip
    egress = {"IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = {"GroupId": "sg-2", "IpPermissions": [ingress], "IpPermissionsEgress": [egress], "Ipv6Ranges": []}
    rules = SecurityGroupRules(name="web", group_id="sg-2", rules=wanted)
    assert drift(rules, "sg-2", "ec2", "describe_security_groups", {"SecurityGroups": [group]}) == ()


def test_every_rule_of_a_merged_permission_is_named() -> None:
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                  "Ipv6Ranges": [{"CidrIpv6": "::/0"}], "PrefixListIds": [{"PrefixListId": "pl-1"}],
                  "UserIdGroupPairs": [{"GroupId": "sg-1"}]}  # fmt: skip
    group = {"GroupId": "sg-2", "GroupName": "default", "IpPermissions": [permission], "IpPermissionsEgress": []}
    resource = DefaultGroup(name="main", vpc_id="vpc-1", description="default")
    (said,) = drift(resource, "sg-2", "ec2", "describe_security_groups", {"SecurityGroups": [group]})
    assert said == "rules: " + ", ".join(
        f"{source} on tcp 22 was added" for source in ("0.0.0.0/0", "::/0", "pl-1", "sg-1")
    )


STATEMENTS = [
    {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "arn:aws:logs:::a"},
    {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"},
]
ROLE = IamRole(name="web_exec", service="ecs-tasks.amazonaws.com", source="arn:aws:ecs:us-east-1:123456789012:*",
               statements=STATEMENTS, description="Starts")  # fmt: skip


def test_a_role_reads_back_in_another_order_and_one_item_as_a_list() -> None:
    policy = {"Statement": [
        {"Resource": ["*"], "Action": "ecr:GetAuthorizationToken", "Effect": "Allow"},
        {**STATEMENTS[0], "Action": ["logs:PutLogEvents", "logs:CreateLogStream"]},
    ], "Version": "2012-10-17"}  # fmt: skip
    role: dict[str, Any] = {"RoleName": "r", "Path": "/deployer/voting/", "AttachedManagedPolicies": [],
                            "RolePolicyList": [{"PolicyName": "deployer", "PolicyDocument": policy}]}  # fmt: skip
    page = {"RoleDetailList": [{"RoleName": "other"} | role | {"RoleName": "other"}, role]}
    assert drift(ROLE, "r", "iam", "get_account_authorization_details", page, inspect=True) == ()
    policy["Statement"][1]["Resource"] = "*"  # type: ignore[index]
    said = drift(ROLE, "r", "iam", "get_account_authorization_details", page, inspect=True)
    assert said == ("policy: differs",)
    trust = {"Roles": [{"RoleName": "r", "Arn": "arn", "AssumeRolePolicyDocument": quote(json.dumps(ROLE.trust()))}]}
    assert drift(ROLE, "r", "iam", "list_roles", trust) == ()


def test_a_log_group_that_never_forgets_is_named_so() -> None:
    log = LogGroup(name="web", group="/deployer/voting/web", retention=30, kms_key=None)
    answer = {"logGroups": [{"logGroupName": "/deployer/voting/web", "arn": "arn:...:*"}]}
    assert drift(log, log.group, "logs", "describe_log_groups", answer) == ("retention: never instead of 30 days",)


def test_a_record_of_another_version_or_of_what_was_not_finished_has_no_drift() -> None:
    seen = {SEEN: {"count": 5}}
    whole = service().inputs
    assert strays(Record("service.web", "service", "arn", "ready", whole, seen)) == ("count: 5 instead of 1",)
    assert strays(Record("service.web", "service", "arn", "unfinished", whole, seen)) == ()
    assert strays(Record("service.web~1", "service", "arn", "ready", whole, seen)) == ()
    older = {name: value for name, value in whole.items() if name != "exec"}
    assert strays(Record("service.web", "service", "arn", "ready", older, seen)) == ()


def test_documents_that_say_the_same_mean_the_same() -> None:
    document = {"Version": "2012-10-17", "Statement": STATEMENTS}
    assert meaning(quote(json.dumps(document, indent=2))) == meaning(document) == meaning(json.dumps(document))
    assert meaning(document) != meaning({**document, "Statement": STATEMENTS[:1]})
    assert meaning("no document") == "no document"


@pytest.mark.parametrize(("principal", "public"), [
    ("*", True), ({"AWS": "*"}, True), ({"AWS": ["*"]}, True), ({"AWS": "arn:aws:iam::1:root"}, False),
    ({"Service": "ecs-tasks.amazonaws.com"}, False),
])  # fmt: skip
def test_public_is_what_allows_everybody_without_a_condition(principal: Any, public: bool) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "*"}
    assert is_public(statement) is public
    assert not is_public({**statement, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}})
    assert not is_public({**statement, "Effect": "Deny"})
