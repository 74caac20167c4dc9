"""Load balancers as AWS has them: names that are unique, listeners that are too, protection, provisioning, health."""

from __future__ import annotations

import copy
import time
from typing import Any

from moto.elbv2 import models
from moto.elbv2.exceptions import (
    DuplicateListenerError,
    ELBClientError,
    ListenerNotFoundError,
    LoadBalancerNotFoundError,
    TargetGroupNotFoundError,
)
from moto.elbv2.models import ELBv2Backend as Backend
from moto.elbv2.models import FakeHealthStatus, FakeListener, FakeLoadBalancer, FakeTargetGroup

from .tempo import TEMPO

LAYER4 = {"TCP", "TLS", "UDP", "TCP_UDP"}
CREATE_BALANCER, CREATE_GROUP, CREATE_LISTENER = (
    Backend.create_load_balancer,
    Backend.create_target_group,
    Backend.create_listener,
)
DELETE_BALANCER, SET_GROUPS, SET_SUBNETS = (
    Backend.delete_load_balancer,
    Backend.set_security_groups,
    Backend.set_subnets,
)
DESCRIBE_BALANCERS, DESCRIBE_LISTENERS, DESCRIBE_TAGS = (
    Backend.describe_load_balancers,
    Backend.describe_listeners,
    Backend.describe_tags,
)
HEALTH, MAKE_ARN = FakeTargetGroup.health_for, models.make_arn_for_load_balancer


SUFFIX = ""  # of host names that lead to this machine, where there are fronts


def create_load_balancer(self: Backend, name: str, **given: Any) -> FakeLoadBalancer:
    kind = given.get("loadbalancer_type") or "application"
    scheme = given["scheme"] = given.get("scheme") or "internet-facing"
    subnet_ids = [*(given.get("subnet_ids") or []), *(each["SubnetId"] for each in given.get("subnet_mappings") or [])]
    for existing in self.load_balancers.values():
        if existing.name == name:
            same = (existing.type, existing.scheme) == (kind, scheme)
            same = same and {subnet.id for subnet in existing.subnets} == set(subnet_ids)
            if same and set(existing.asked_groups) == set(given.get("security_groups") or []):
                return existing
            raise ELBClientError(
                "DuplicateLoadBalancerName",
                f"A load balancer with the same name '{name}' exists, but with different settings",
            )
    subnets = [self.ec2_backend.get_subnet(each) for each in subnet_ids]
    zones = {subnet.availability_zone for subnet in subnets}
    if subnets and kind == "application" and len(zones) < 2:
        raise ELBClientError(
            "ValidationError", "At least two subnets in two different Availability Zones must be specified"
        )
    if len(zones) < len(subnets):
        raise ELBClientError(
            "InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same zone"
        )
    if subnets and scheme == "internet-facing":
        vpc = subnets[0].vpc_id
        gateways = self.ec2_backend.internet_gateways.values()
        if not any(gateway.vpc and gateway.vpc.id == vpc for gateway in gateways):
            raise ELBClientError("InvalidSubnet", f"VPC {vpc} has no internet gateway")
    asked = list(given.get("security_groups") or [])
    for group in asked:
        if self.ec2_backend.get_security_group_from_id(group) is None:
            raise ELBClientError("InvalidSecurityGroup", f"Security group '{group}' does not exist")
    if kind == "application" and not asked and subnets:
        default = self.ec2_backend.get_security_group_by_name_or_id("default", vpc_id=subnets[0].vpc_id)
        given["security_groups"] = [default.id]
    models.make_arn_for_load_balancer = lambda **parts: MAKE_ARN(**parts).replace(
        ":loadbalancer/app/", ":loadbalancer/net/" if kind == "network" else ":loadbalancer/app/"
    )
    balancer = CREATE_BALANCER(self, name, **given)
    balancer.asked_groups, balancer.born = asked, time.monotonic()
    if SUFFIX:
        balancer.dns_name = f"{name}.{self.region_name}.{SUFFIX}"
    return balancer


def activate(self: FakeLoadBalancer) -> None:
    there = getattr(self, "fronted", False) or time.monotonic() >= self.born + TEMPO.load_balancer
    if self.state == "provisioning" and there:
        self.state = "active"


def describe_load_balancers(self: Backend, arns: list[str] | None, names: list[str] | None) -> list[FakeLoadBalancer]:
    known = {each.name for each in self.load_balancers.values()}
    if set(arns or []) - set(self.load_balancers) or set(names or []) - known:
        raise ELBClientError("LoadBalancerNotFound", "One or more load balancers not found")
    found: list[FakeLoadBalancer] = DESCRIBE_BALANCERS(self, arns, names)
    return found


def delete_load_balancer(self: Backend, arn: str) -> None:
    balancer = self.load_balancers.get(arn)
    if balancer and str(balancer.attrs.get("deletion_protection.enabled")).lower() == "true":
        raise ELBClientError(
            "OperationNotPermitted", f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        )
    DELETE_BALANCER(self, arn)


def set_security_groups(self: Backend, arn: str, sec_groups: list[str]) -> None:
    balancer = self.load_balancers.get(arn)
    if balancer and balancer.type == "network" and not (balancer.security_groups and sec_groups):
        raise ELBClientError(
            "InvalidConfigurationRequest",
            "Security groups of a network load balancer can only be changed from some to some: "
            "it was created without, or none were given",
        )
    SET_GROUPS(self, arn, sec_groups)
    if balancer:
        balancer.asked_groups = list(sec_groups)


def set_subnets(self: Backend, arn: str, subnets: list[str], subnet_mappings: list[dict[str, Any]]) -> Any:
    balancer = self.load_balancers.get(arn)
    wanted = [*(subnets or []), *(each["SubnetId"] for each in subnet_mappings or [])]
    if balancer and balancer.type == "network" and len(wanted) == 1:
        balancer.subnets = [self.ec2_backend.get_subnet(wanted[0])]
        return balancer.availability_zones
    return SET_SUBNETS(self, arn, subnets or [], subnet_mappings or [])


def create_target_group(self: Backend, name: str, **given: Any) -> FakeTargetGroup:
    asked = copy.deepcopy({key: value for key, value in given.items() if key != "tags"})
    for existing in self.target_groups.values():
        if existing.name == name:
            if existing.asked == asked:
                return existing
            raise ELBClientError(
                "DuplicateTargetGroupName",
                f"A target group with the same name '{name}' exists, but with different settings",
            )
    group = CREATE_GROUP(self, name, **given)
    group.asked = asked
    return group


def create_listener(self: Backend, load_balancer_arn: str, protocol: str, port: Any, **given: Any) -> FakeListener:
    balancer = self.load_balancers.get(load_balancer_arn)
    actions = given.get("actions") or []
    asked = copy.deepcopy([protocol, actions, given.get("ssl_policy"), given.get("certificate")])
    for existing in balancer.listeners.values() if balancer else []:
        if int(existing.port) == int(port):
            if existing.asked == asked:
                return existing
            raise DuplicateListenerError
    for arn in [arn for action in actions for arn in self._get_target_group_arns_from(action)]:
        group = self.target_groups.get(arn)
        if group and balancer and (group.protocol in LAYER4) != (balancer.type == "network"):
            raise ELBClientError(
                "IncompatibleProtocols",
                f"Listener protocol '{protocol}' is not supported with a target group with protocol '{group.protocol}'",
            )
        others = [each for each in self.load_balancers.values() if each is not balancer]
        if any(arn in targets_of(self, listener) for other in others for listener in other.listeners.values()):
            raise ELBClientError(
                "TargetGroupAssociationLimit",
                f"The following target groups cannot be associated with more than one load balancer: {arn}",
            )
    listener = CREATE_LISTENER(self, load_balancer_arn, protocol, port, **given)
    listener.asked = asked
    return listener


def targets_of(backend: Backend, listener: FakeListener) -> set[str]:
    actions = [action for rule in listener.rules.values() for action in rule.actions]
    return {arn for action in actions for arn in backend._get_target_group_arns_from(action.data)}


def describe_listeners(self: Backend, load_balancer_arn: str | None, listener_arns: list[str]) -> list[FakeListener]:
    known = {arn for balancer in self.load_balancers.values() for arn in balancer.listeners}
    if set(listener_arns or []) - known:
        raise ListenerNotFoundError
    found: list[FakeListener] = DESCRIBE_LISTENERS(self, load_balancer_arn, listener_arns)
    return found


def describe_tags(self: Backend, resource_arns: list[str]) -> dict[str, Any]:
    listeners = {arn for balancer in self.load_balancers.values() for arn in balancer.listeners}
    for arn in resource_arns:
        if ":loadbalancer/" in arn and arn not in self.load_balancers:
            raise LoadBalancerNotFoundError
        if ":targetgroup/" in arn and arn not in self.target_groups:
            raise TargetGroupNotFoundError
        if ":listener/" in arn and arn not in listeners:
            raise ListenerNotFoundError
    tags: dict[str, Any] = DESCRIBE_TAGS(self, resource_arns)
    return tags


def health_for(self: FakeTargetGroup, target: dict[str, Any], ec2_backend: Any) -> FakeHealthStatus:
    """What the scheduler said of the target; unused while no listener forwards to the group."""
    status = HEALTH(self, target, ec2_backend)
    if target["Id"] in self.targets:
        backend = models.elbv2_backends[self.account_id][self.region_name]
        if not backend._any_listener_using(self.arn):
            told = ("unused", "Target.NotInUse", "Target group is not configured to receive traffic")
        else:
            told = self.__dict__.get("health", {}).get(target["Id"], (status.status, status.reason, status.description))
        status.status, status.reason, status.description = told
    return status


def users_of_group(account: str, region: str, group_id: str) -> list[str]:
    return [each.name for each in _balancers(account, region) if group_id in each.security_groups]


def users_of_subnet(account: str, region: str, subnet_id: str) -> list[str]:
    return [each.name for each in _balancers(account, region) if subnet_id in [subnet.id for subnet in each.subnets]]


def users_of_vpc(account: str, region: str, vpc_id: str, public: bool = False) -> list[str]:
    found = [each for each in _balancers(account, region) if each.vpc_id == vpc_id]
    return [each.name for each in found if not public or each.scheme == "internet-facing"]


def _balancers(account: str, region: str) -> list[FakeLoadBalancer]:
    return list(models.elbv2_backends[account][region].load_balancers.values())


def install(suffix: str = "") -> None:
    global SUFFIX
    SUFFIX = suffix
    for replacement in (
        create_load_balancer,
        describe_load_balancers,
        delete_load_balancer,
        set_security_groups,
        set_subnets,
        create_target_group,
        create_listener,
        describe_listeners,
        describe_tags,
    ):
        setattr(Backend, replacement.__name__, replacement)
    FakeLoadBalancer.activate = activate
    FakeTargetGroup.health_for = health_for
