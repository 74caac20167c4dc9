"""What creating calls have made: their answers read, whatever the protocol."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

from ..manner import Answer, Request

IDS = {  # creating call: where its answer tells the id
    "ec2.CreateVpc": "vpcId",
    "ec2.CreateSubnet": "subnetId",
    "ec2.CreateInternetGateway": "internetGatewayId",
    "ec2.CreateRouteTable": "routeTableId",
    "ec2.AssociateRouteTable": "associationId",
    "ec2.AllocateAddress": "allocationId",
    "ec2.CreateSecurityGroup": "groupId",
    "ec2.CreateNatGateway": "natGatewayId",
    "ec2.CreateVpcEndpoint": "vpcEndpointId",
    "ec2.CreateFlowLogs": "item",
    "elbv2.CreateLoadBalancer": "LoadBalancerArn",
    "elbv2.CreateTargetGroup": "TargetGroupArn",
    "elbv2.CreateListener": "ListenerArn",
    "iam.CreateRole": "RoleName",
    "ecr.CreateRepository": "repositoryName",
    "logs.CreateLogGroup": "logGroupName",
    "secretsmanager.CreateSecret": "ARN",
    "ecs.CreateCluster": "clusterArn",
    "ecs.CreateService": "serviceArn",
    "ecs.RunTask": "taskArn",
}
NAMES = ("Name", "RoleName", "repositoryName", "logGroupName", "clusterName")  # by which it may be asked for as well


def made(request: Request, answer: Answer) -> tuple[str, set[str]] | None:
    """The id of what the call has made, and its names in its own service; None if it made nothing."""
    tag = IDS.get(str(request))
    if tag is None or answer[0] != 200:
        return None
    names = {value for name, value in request.params.items() if name in NAMES}
    if id := told(answer[2], tag) or request.params.get(tag):
        return str(id), {str(id)} | (names if request.service != "ec2" else set())
    return None


def told(content: bytes, tag: str) -> str | None:
    """The first text under that name, in XML or JSON."""
    text = content.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return _within(json.loads(text), tag)
    found = re.search(rf"<{tag}>([^<]+)</{tag}>", text)
    return unescape(found.group(1)) if found else None


def _within(value: Any, tag: str) -> str | None:
    if isinstance(value, dict):
        if isinstance(value.get(tag), str):
            return str(value[tag])
        value = list(value.values())
    inner = (_within(item, tag) for item in value) if isinstance(value, list) else iter(())
    return next((found for found in inner if found), None)
