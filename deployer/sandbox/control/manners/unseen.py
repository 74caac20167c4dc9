"""F1: for a while the id that a creating call has answered is not known to other calls, and not in any list."""

from __future__ import annotations

import json
import time
from typing import Any
from xml.etree import ElementTree

from ..manner import Answer, Manner, Refusal, Request
from .made import IDS, made

KINDS = {  # what EC2 says of an id that it does not know
    "vpc-": ("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "subnet-": ("InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    "igw-": ("InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist"),
    "rtb-": ("InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    "rtbassoc-": ("InvalidAssociationID.NotFound", "The association ID '{}' does not exist"),
    "eipalloc-": ("InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"),
    "sg-": ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "nat-": ("InvalidNatGatewayID.NotFound", "The natGateway ID '{}' does not exist"),
    "vpce-": ("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist"),
    "fl-": ("InvalidFlowLogId.NotFound", "The flow log ID '{}' does not exist"),
}
ELB = {
    "subnet-": ("SubnetNotFound", "The subnet ID '{}' does not exist"),
    "sg-": ("InvalidSecurityGroup", "The security group '{}' does not exist"),
    "vpc-": ("ValidationError", "The VPC ID '{}' is not found"),
    ":loadbalancer/": ("LoadBalancerNotFound", "One or more load balancers not found"),
    ":targetgroup/": ("TargetGroupNotFound", "One or more target groups not found"),
    ":listener/": ("ListenerNotFound", "One or more listeners not found"),
}
ECS = {
    "sg-": ("InvalidParameterException", "Error retrieving security group information for [{0}]: The security group "
            "'{0}' does not exist (ErrorCode: InvalidGroup.NotFound)"),
    "subnet-": ("InvalidParameterException", "Error retrieving subnet information for [{0}]: The subnet ID '{0}' does "
                "not exist (ErrorCode: InvalidSubnetID.NotFound)"),
    ":targetgroup/": ("InvalidParameterException", "The target group with targetGroupArn {} does not have an "
                      "associated load balancer."),
    ":service/": ("ServiceNotFoundException", "Service not found."),
    ":task/": ("InvalidParameterException", "The referenced task was not found."),
    "": ("ClusterNotFoundException", "Cluster not found."),
}  # fmt: skip
OTHERS = {
    "iam": {"": ("NoSuchEntity", "The role with name {} cannot be found.")},
    "ecr": {"": ("RepositoryNotFoundException", "The repository with name '{}' does not exist in the registry")},
    "logs": {"": ("ResourceNotFoundException", "The specified log group does not exist.")},
    "secretsmanager": {"": ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")},
}
FAMILIES = {"ec2": KINDS, "elbv2": ELB, "ecs": ECS, **OTHERS}
# How a list names its members. AWS answers for ids that are asked for in a list of these with an error, or MISSING.
LISTS = {
    "ec2.DescribeVpcs": "vpcId",
    "ec2.DescribeSubnets": "subnetId",
    "ec2.DescribeInternetGateways": "internetGatewayId",
    "ec2.DescribeRouteTables": "routeTableId",
    "ec2.DescribeAddresses": "allocationId",
    "ec2.DescribeSecurityGroups": "groupId",
    "ec2.DescribeSecurityGroupRules": "groupId",
    "ec2.DescribeNatGateways": "natGatewayId",
    "ec2.DescribeVpcEndpoints": "vpcEndpointId",
    "ec2.DescribeFlowLogs": "flowLogId",
    "elbv2.DescribeLoadBalancers": "LoadBalancerArn",
    "elbv2.DescribeTargetGroups": "TargetGroupArn",
    "elbv2.DescribeListeners": "ListenerArn",
    "iam.ListRoles": "RoleName",
    "ecr.DescribeRepositories": "repositoryName",
    "logs.DescribeLogGroups": "logGroupName",
    "secretsmanager.ListSecrets": "ARN",
    "ecs.DescribeClusters": "clusterArn",
    "ecs.DescribeServices": "serviceArn",
    "ecs.DescribeTasks": "taskArn",
    "ecs.ListServices": "",
    "ecs.ListTasks": "",
}
FAILING = ("ecs.DescribeClusters", "ecs.DescribeServices", "ecs.DescribeTasks")  # 200, with the reason MISSING


class Unseen(Manner):
    name, default = "unseen", 0.3
    about = "F1: ids just made are unknown to other calls, and missing from lists, for so many seconds"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._made: dict[tuple[str, str], tuple[float, set[str]]] = {}  # (service, id): since when, its names

    def before(self, request: Request) -> Refusal | None:
        if request.removing or str(request) in FAILING:
            return None
        for service, id, names in self._young():
            here = names if service == request.service and f"{service}.{request.operation}" not in IDS else {id}
            if (here | {id}) & request.texts:
                return _refused(request, service, id)
        return None

    def after(self, request: Request, answer: Answer) -> Answer:
        if (new := made(request, answer)) and (request.service, new[0]) not in self._made:
            self._made[request.service, new[0]] = (time.monotonic(), new[1])
        tag = LISTS.get(str(request))
        hidden = {id for service, id, _ in self._young() if service == request.service}
        if tag is None or not hidden or answer[0] != 200:
            return answer
        clean = _without_json if answer[2].lstrip().startswith(b"{") else _without_xml
        return answer[0], answer[1], clean(answer[2], tag, hidden)

    def _young(self) -> list[tuple[str, str, set[str]]]:
        oldest = time.monotonic() - self.number
        return [(service, id, names) for (service, id), (since, names) in self._made.items() if since > oldest]


def _refused(request: Request, service: str, id: str) -> Refusal | None:
    """In the words of the service that is asked: it may know nothing of what another service has made."""
    for mark, (code, message) in FAMILIES.get(request.service, {}).items():
        if id.startswith(mark) if mark.endswith("-") else (mark in id if mark else service == request.service):
            if code == "InvalidNatGatewayID.NotFound" and request.operation == "DescribeNatGateways":
                code = "NatGatewayNotFound"
            return Refusal(code, message.format(id))
    return None


def _without_json(content: bytes, tag: str, hidden: set[str]) -> bytes:
    answer: dict[str, Any] = json.loads(content)
    for key, members in answer.items():
        if isinstance(members, list) and key != "failures":
            gone = [one for one in members if (one.get(tag) if isinstance(one, dict) else one) in hidden]
            answer[key] = [one for one in members if one not in gone]
            if "failures" in answer:
                answer["failures"] += [{"arn": one[tag], "reason": "MISSING"} for one in gone]
    return json.dumps(answer).encode()


def _without_xml(content: bytes, tag: str, hidden: set[str]) -> bytes:
    root = ElementTree.fromstring(content)
    for parent in root.iter():
        for member in list(parent):
            plain = member.tag.rpartition("}")[2]
            named = (child.text for child in member if child.tag.rpartition("}")[2] == tag)
            if plain in ("item", "member") and any(text in hidden for text in named):
                parent.remove(member)
    return ElementTree.tostring(root)
