"""Which checks AWS makes of a call: the action, and others that it implies, on each resource that it addresses.

From the Service Authorization Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/), written
without looking at deployer's own grants. Where AWS's own words leave it open, the stricter reading is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .permissions import Check

Parameters = dict[str, Any]
Tags = Callable[[str], dict[str, str]]  # of what has this id or ARN

EC2_IDS = {
    "vpc": "vpc", "subnet": "subnet", "igw": "internet-gateway", "rtb": "route-table", "sg": "security-group",
    "eipalloc": "elastic-ip", "nat": "natgateway", "vpce": "vpc-endpoint", "fl": "vpc-flow-log",
}  # fmt: skip
EC2_MADE = {
    "CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateInternetGateway": "internet-gateway",
    "CreateRouteTable": "route-table", "CreateSecurityGroup": "security-group", "AllocateAddress": "elastic-ip",
    "CreateNatGateway": "natgateway", "CreateVpcEndpoint": "vpc-endpoint", "CreateFlowLogs": "vpc-flow-log",
    "AuthorizeSecurityGroupIngress": "security-group-rule", "AuthorizeSecurityGroupEgress": "security-group-rule",
}  # fmt: skip
# What these name beside the route table or the group is not checked.
EC2_UNCHECKED = {
    "CreateRoute": ("GatewayId", "NatGatewayId"), "ReplaceRoute": ("GatewayId", "NatGatewayId"),
    "AuthorizeSecurityGroupIngress": ("IpPermissions",), "AuthorizeSecurityGroupEgress": ("IpPermissions",),
    "RevokeSecurityGroupIngress": ("IpPermissions",), "RevokeSecurityGroupEgress": ("IpPermissions",),
}  # fmt: skip
PASSED = {"ec2": "vpc-flow-logs.amazonaws.com", "ecs": "ecs-tasks.amazonaws.com"}


class Account:
    """`tags`: of an id or an ARN; `found`: the ARN behind a name or an id."""

    def __init__(self, region: str, account: str, tags: Tags, found: Callable[[str, str], str]) -> None:
        self.region, self.account, self.tags, self.found = region, account, tags, found

    def arn(self, service: str, resource: str) -> str:
        region = "" if service == "iam" else self.region
        return resource if resource.startswith("arn:") else f"arn:aws:{service}:{region}:{self.account}:{resource}"

    def of(self, resource: str) -> dict[str, str]:
        return {f"aws:ResourceTag/{key}": value for key, value in self.tags(resource).items()}


def checks(service: str, operation: str, asked: Parameters, account: Account) -> list[Check]:
    """Raises NotImplementedError for a call of a service that is not modelled."""
    models = {"ec2": _ec2, "elbv2": _elb, "iam": _iam, "ecs": _ecs, "logs": _logs, "ecr": _ecr,
              "secretsmanager": _secrets, "servicequotas": _quotas, "sts": lambda *asked: iter(())}  # fmt: skip
    if service not in models:
        raise NotImplementedError(f"{service}.{operation}")
    return list(models[service](operation, asked, account))


def requested(asked: Parameters) -> dict[str, str]:
    """The tags in the request, as condition keys."""
    tags: dict[str, str] = {}
    for name, value in asked.items():
        if match := re.fullmatch(r"(.*Tags?(?:\.member)?\.\d+)\.Key", name):
            tags[value] = asked[f"{match[1]}.Value"]
        elif name in ("tags", "Tags"):
            pairs = value.items() if isinstance(value, dict) else [
                (one.get("key", one.get("Key")), one.get("value", one.get("Value"))) for one in value]  # fmt: skip
            tags |= dict(pairs)
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def _ec2(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    action, tags = f"ec2:{operation}", requested(asked)
    if operation.startswith("Describe"):
        yield Check(action, "*")
        return
    if made := EC2_MADE.get(operation):
        arn = account.arn("ec2", f"{made}/*")
        yield Check(action, arn, tags)
        if tags:
            yield Check("ec2:CreateTags", arn, {**tags, "ec2:CreateAction": operation})
    for name, value in asked.items():
        kind = EC2_IDS.get(str(value).partition("-")[0])
        if kind and re.fullmatch(r"[a-z]+-[0-9a-f]+", value) and not name.startswith(EC2_UNCHECKED.get(operation, ())):
            context = account.of(value) | (tags if operation == "CreateTags" else {})
            yield Check(action, account.arn("ec2", f"{kind}/{value}"), context)
    if operation == "DisassociateRouteTable":
        for id in account.found("association", asked["AssociationId"]).split():
            yield Check(action, account.arn("ec2", f"{EC2_IDS[id.partition('-')[0]]}/{id}"), account.of(id))
    if role := asked.get("DeliverLogsPermissionArn"):
        yield Check("iam:PassRole", role, {"iam:PassedToService": PASSED["ec2"]})


def _elb(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    prefix, tags = "elasticloadbalancing", requested(asked)
    action, adding = f"{prefix}:{operation}", {**tags, f"{prefix}:CreateAction": operation}
    if operation.startswith("Describe"):
        yield Check(action, "*")
    elif operation in ("CreateLoadBalancer", "CreateTargetGroup"):
        kind = {"network": "loadbalancer/net", "application": "loadbalancer/app"}.get(
            asked.get("Type", ""), "targetgroup"
        )
        arn = account.arn(prefix, f"{kind}/{asked['Name']}/*")
        yield Check(action, arn, tags)
        yield Check(f"{prefix}:AddTags", arn, adding)
    elif operation == "CreateListener":
        arn = asked["LoadBalancerArn"]
        yield Check(action, arn, tags | account.of(arn))
        yield Check(f"{prefix}:AddTags", arn.replace(":loadbalancer/", ":listener/") + "/*", adding)
    else:
        named = re.compile(r"(LoadBalancer|TargetGroup|Listener)Arn|ResourceArns\.member\.\d+")
        for arn in [value for name, value in asked.items() if named.fullmatch(name)]:
            yield Check(action, arn, tags | account.of(arn))


def _iam(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    tags = requested(asked)
    if operation == "CreateRole":
        arn = account.arn("iam", f"role{asked['Path']}{asked['RoleName']}")
        yield Check("iam:CreateRole", arn, tags)
        yield Check("iam:TagRole", arn, tags)
    elif operation == "CreateServiceLinkedRole":
        name = asked["AWSServiceName"]
        arn = account.arn("iam", f"role/aws-service-role/{name}/AWSServiceRoleFor")
        yield Check("iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": name})
    elif "RoleName" in asked:
        arn = account.found("role", asked["RoleName"]) or account.arn("iam", f"role/{asked['RoleName']}")
        yield Check(f"iam:{operation}", arn, tags | account.of(arn))
    else:
        yield Check(f"iam:{operation}", "*")


def _ecs(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    action, tags = f"ecs:{operation}", requested(asked)
    cluster = asked.get("cluster", asked.get("clusterName", "")).rpartition("/")[2]
    within = {"ecs:cluster": account.arn("ecs", f"cluster/{cluster}")} if cluster else {}

    def arn(kind: str, name: str) -> str:
        return account.arn("ecs", name if name.startswith("arn:") else f"{kind}/{cluster}/{name}")

    named: list[str] = []
    made = ""
    match operation:
        case "CreateCluster":
            made = account.arn("ecs", f"cluster/{cluster}")
        case "CreateService":
            made = arn("service", asked["serviceName"])
            named = [made]
        case "RegisterTaskDefinition":
            made = account.arn("ecs", f"task-definition/{asked['family']}:*")
        case "RunTask":
            made = arn("task", "*")
            named = [account.arn("ecs", asked["taskDefinition"])]
        case "UpdateCluster" | "DeleteCluster":
            named = [account.arn("ecs", f"cluster/{cluster}")]
        case "DescribeClusters":
            named = [account.arn("ecs", f"cluster/{one.rpartition('/')[2]}") for one in asked["clusters"]]
        case "UpdateService" | "DeleteService" | "ListServiceDeployments":
            named = [arn("service", asked["service"])]
        case "DescribeServices":
            named = [arn("service", one) for one in asked["services"]]
        case "DescribeServiceDeployments" | "DescribeServiceRevisions":
            named = asked.get("serviceDeploymentArns") or asked["serviceRevisionArns"]
        case "StopServiceDeployment":
            named = [asked["serviceDeploymentArn"]]
        case "DescribeTasks":
            named = [arn("task", one) for one in asked["tasks"]]
        case "StopTask":
            named = [arn("task", asked["task"])]
        case "ExecuteCommand":
            named = [arn("task", asked["task"]), account.arn("ecs", f"cluster/{cluster}")]
        case "DeleteTaskDefinitions":
            named = asked["taskDefinitions"]
        case "TagResource":
            named = [asked["resourceArn"]]
    for one in named or ["*"]:
        yield Check(action, one, within | tags | (account.of(one) if one != made else {}))
    if made and tags:
        yield Check("ecs:TagResource", made, {**tags, "ecs:CreateAction": operation})
    for role in filter(None, (asked.get("executionRoleArn"), asked.get("taskRoleArn"))):
        yield Check("iam:PassRole", role, {"iam:PassedToService": PASSED["ecs"]})


def _logs(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    action, tags = f"logs:{operation}", requested(asked)
    group = f"log-group:{asked.get('logGroupName', '')}"
    if operation == "DescribeLogGroups":
        yield Check(action, "*")
    elif "resourceArn" in asked:
        yield Check(action, asked["resourceArn"], tags)
    elif operation == "GetLogEvents":
        yield Check(action, account.arn("logs", f"{group}:log-stream:{asked['logStreamName']}"))
    else:
        yield Check(action, account.arn("logs", f"{group}:*"))
        if tags:
            yield Check("logs:TagResource", account.arn("logs", group), tags)
            yield Check("logs:TagResource", account.arn("logs", f"{group}:*"), tags)


def _ecr(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    tags = requested(asked)
    if operation == "GetAuthorizationToken":
        yield Check("ecr:GetAuthorizationToken", "*")
        return
    names = asked.get("repositoryNames") or [asked.get("repositoryName", "*")]
    arn = account.arn("ecr", asked.get("resourceArn", f"repository/{names[0]}"))
    for one in [account.arn("ecr", f"repository/{name}") for name in names] if len(names) > 1 else [arn]:
        yield Check(f"ecr:{operation}", one, tags | account.of(one))
    if operation == "CreateRepository":
        yield Check("ecr:TagResource", arn, tags)


def _secrets(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    action, tags = f"secretsmanager:{operation}", requested(asked)
    if operation == "CreateSecret":
        arn = account.arn("secretsmanager", f"secret:{asked['Name']}")
        yield Check(action, arn, tags)
        yield Check("secretsmanager:TagResource", arn, tags)
    elif name := asked.get("SecretId"):
        arn = account.found("secret", name) or name  # of one that is not there the bare name is all there is
        yield Check(action, arn, tags | account.of(arn))
    else:
        yield Check(action, "*")
    if key := asked.get("KmsKeyId"):
        yield Check("kms:GenerateDataKey", key)
        yield Check("kms:Decrypt", key)


def _quotas(operation: str, asked: Parameters, account: Account) -> Iterator[Check]:
    yield Check(f"servicequotas:{operation}", "*")
