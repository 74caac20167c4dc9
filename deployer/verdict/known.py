"""What the account says of a service, where deploy.yaml need not be at hand: for the verdict's facts."""

from __future__ import annotations

from typing import Any

from deployer.aws import Aws
from deployer.verdict.evidence import Facts


def facts(aws: Aws, service: dict[str, Any], task_definition: str) -> tuple[Facts, str | None]:
    """The facts, and the log group. `service`: as DescribeServices gives it. Raises what AWS refuses."""
    definition = aws.ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
    container: dict[str, Any] = definition["containerDefinitions"][0]
    options = (container.get("logConfiguration") or {}).get("options") or {}
    network = (service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    limits = service.get("deploymentConfiguration") or {}
    public = network.get("assignPublicIp") == "ENABLED"
    ports = [one["containerPort"] for one in container.get("portMappings") or []]
    found = Facts(
        port=ports[0] if ports else None,
        grace=service.get("healthCheckGracePeriodSeconds"),
        architecture="arm64" if _machine(definition) == "ARM64" else "x86_64",
        public_ip=public,
        nat="none" if public else _nat(aws, network.get("subnets") or []),
        cpu=int(definition.get("cpu") or 0),
        memory=int(definition.get("memory") or 0),
        count=service["desiredCount"],
        secrets={one["name"]: one["valueFrom"] for one in container.get("secrets") or []},
        command=tuple(container["command"]) if container.get("command") else None,
        user=container.get("user"),
        read_only=bool(container.get("readonlyRootFilesystem")),
        minimum_percent=limits.get("minimumHealthyPercent", 100),
        maximum_percent=limits.get("maximumPercent", 200),
        capacity_provider=_provider(service),
        **_health(aws, service),
    )
    return found, options.get("awslogs-group")


def _nat(aws: Aws, subnets: list[str]) -> str:
    """Whether the private network that the tasks stand in has a way out."""
    found = aws.ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"]
    filters = [{"Name": "vpc-id", "Values": [one["VpcId"] for one in found]}]
    pages = aws.ec2.get_paginator("describe_nat_gateways").paginate(Filters=filters)
    states = [one["State"] for page in pages for one in page["NatGateways"]]
    return "single" if "available" in states else "none"


def _provider(service: dict[str, Any]) -> str:
    strategy = service.get("capacityProviderStrategy") or []
    return str(strategy[0]["capacityProvider"]) if strategy else "FARGATE"


def _machine(definition: dict[str, Any]) -> str:
    return str((definition.get("runtimePlatform") or {}).get("cpuArchitecture", ""))


def _health(aws: Aws, service: dict[str, Any]) -> dict[str, Any]:
    arns = [one["targetGroupArn"] for one in service.get("loadBalancers", []) if one.get("targetGroupArn")]
    if not arns:
        return {}
    group = aws.elbv2.describe_target_groups(TargetGroupArns=arns[:1])["TargetGroups"][0]
    return {
        "health_path": group.get("HealthCheckPath"),
        "health_interval": group["HealthCheckIntervalSeconds"],
        "health_timeout": group["HealthCheckTimeoutSeconds"],
        "unhealthy": group["UnhealthyThresholdCount"],
        "balancer": "application" if group["Protocol"] in ("HTTP", "HTTPS") else "network",
    }
