"""The load balancer of a service: its group, itself, the target group and the listeners."""

from __future__ import annotations

from typing import Any

from deployer.access import balancer_rules
from deployer.config import LoadBalancer as Wanted
from deployer.place import VPC, Member, listener_name
from deployer.resource import Resource, to
from deployer.resources.listener import Listener
from deployer.resources.load_balancer import LoadBalancer
from deployer.resources.security_group import SecurityGroup
from deployer.resources.security_group_rules import SecurityGroupRules
from deployer.resources.target_group import TargetGroup

# ECS registers each task with its container's own port: this one is never used, and so need never change.
TARGET_PORT = 80
DRAIN_SECONDS = "20"  # AWS's default of 300 is what makes deployments slow


def balancing(member: Member) -> list[Resource]:
    """Nothing for a service without a load balancer."""
    wanted = member.service.load_balancer
    if wanted is None:
        return []
    name, stack, public = member.name, member.config.stack, wanted.scheme == "public"
    subnets = member.subnets(public=public)
    pinned = subnets if wanted.type == "network" else []
    group = SecurityGroup(name=f"{name}_lb", vpc_id=VPC, description=f"Load balancer of {stack} {name}")
    balancer = LoadBalancer(
        name=name,
        vpc_id=VPC,
        scheme="internet-facing" if public else "internal",
        kind=wanted.type,
        subnets=subnets,
        pinned=pinned,
        groups=[group.ref()],
        attributes=_attributes(wanted),
        depends_on=("igw.main",) if public else (),
    )
    listeners = _listeners(name, wanted, balancer)
    rules = balancer_rules(member, sorted(listener.port for listener in listeners))
    return [
        group,
        SecurityGroupRules(name=group.name, group_id=group.ref(), rules=rules),
        balancer,
        _target_group(member, wanted, [wanted.type, wanted.scheme, *pinned]),
        *listeners,
    ]


def _target_group(member: Member, wanted: Wanted, balancer: list[Any]) -> TargetGroup:
    protocol = wanted.backend.upper() if wanted.type == "application" else "TCP"
    attributes = {"deregistration_delay.timeout_seconds": DRAIN_SECONDS}
    if wanted.type == "network":
        attributes["deregistration_delay.connection_termination.enabled"] = "true"
    return TargetGroup(
        name=member.name,
        vpc_id=VPC,
        port=TARGET_PORT,
        protocol=protocol,
        balancer=balancer,
        health=_health(wanted, protocol),
        attributes=attributes,
    )


def _listeners(name: str, wanted: Wanted, balancer: LoadBalancer) -> list[Listener]:
    """Each is named after its port and so never moves: of two, neither could take the other's while it stands."""
    plain, secure = ("HTTP", "HTTPS") if wanted.type == "application" else ("TCP", "TLS")
    main = Listener(
        name=listener_name(name, wanted.port),
        load_balancer=balancer.ref(),
        port=wanted.port,
        protocol=secure if wanted.certificate else plain,
        target_group=to(f"target-group.{name}"),
        certificate=wanted.certificate,
    )
    if (main.protocol, main.port) != ("HTTPS", 443):
        return [main]
    redirect = Listener(
        name=listener_name(name, 80),
        load_balancer=balancer.ref(),
        port=80,
        protocol="HTTP",
        target_group=None,
        certificate=None,
        depends_on=(main.key,),
    )
    return [main, redirect]


def _attributes(wanted: Wanted) -> dict[str, str]:
    attributes = {
        "deletion_protection.enabled": str(wanted.protect).lower(),
        "access_logs.s3.enabled": str(bool(wanted.access_logs)).lower(),
    }
    if wanted.access_logs:
        attributes["access_logs.s3.bucket"] = wanted.access_logs
    if wanted.type == "application":
        attributes["routing.http.drop_invalid_header_fields.enabled"] = "true"
        attributes["routing.http.desync_mitigation_mode"] = "defensive"
    else:
        attributes["load_balancing.cross_zone.enabled"] = "true"
    return attributes


def _health(wanted: Wanted, protocol: str) -> dict[str, Any]:
    """All of it, explicitly: AWS's defaults differ by protocol."""
    checks = wanted.health
    health: dict[str, Any] = {
        "HealthCheckProtocol": protocol if wanted.type == "application" else ("HTTP" if checks.path else "TCP"),
        "HealthCheckPort": str(checks.port or "traffic-port"),
        "HealthCheckIntervalSeconds": checks.interval,
        "HealthCheckTimeoutSeconds": min(5, checks.interval - 1),
        "HealthyThresholdCount": checks.healthy,
        "UnhealthyThresholdCount": checks.unhealthy,
    }
    if checks.path:
        health |= {"HealthCheckPath": checks.path, "Matcher": {"HttpCode": "200-399"}}
    return health
