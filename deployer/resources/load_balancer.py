"""Load balancer, network or application. It need not be active before its listener is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, describe, ignoring
from deployer.errors import AwsError
from deployer.grants import OWN, Grant, linked_role, making, retagging
from deployer.resource import SEEN, Made, Outputs, Retry
from deployer.resources.elb import NamedElb, attributes_of

GONE = "LoadBalancerNotFound"
BALANCER = "elasticloadbalancing:loadbalancer/*/{elb}/*"
PROTECTION = Grant("elasticloadbalancing:ModifyLoadBalancerAttributes", BALANCER, (OWN,))  # `delete` takes it off


@dataclass(frozen=True, kw_only=True)
class LoadBalancer(NamedElb):
    """`kind`: network or application; `attributes`: AWS's own names and values. A network load balancer always gets
    a security group, since one made without can never get one later.

    `pinned`: the subnets again, for a network load balancer: it cannot exchange them, so it is replaced.
    """

    type = "load-balancer"
    operation, listing, id_field, name_field = (
        "describe_load_balancers", "LoadBalancers", "LoadBalancerArn", "LoadBalancerName"
    )  # fmt: skip
    replace_on = frozenset({"vpc_id", "scheme", "kind", "pinned"})
    look_first = True  # the same name with the same settings answers with what exists
    exists_on = ("DuplicateLoadBalancerName",)
    holds_dependents = False
    scans = (Grant("elasticloadbalancing:DescribeLoadBalancers elasticloadbalancing:DescribeTags"),)
    grants = (
        *making("elasticloadbalancing:CreateLoadBalancer", BALANCER),
        Grant("elasticloadbalancing:SetSubnets elasticloadbalancing:SetSecurityGroups", BALANCER, (OWN,)),
        Grant("elasticloadbalancing:DeleteLoadBalancer", BALANCER, (OWN,)),
        PROTECTION,
        Grant("elasticloadbalancing:DescribeLoadBalancerAttributes"),
        retagging(BALANCER),
        *linked_role("elasticloadbalancing.amazonaws.com"),
    )
    retry_on = (
        Retry(GONE), Retry("SubnetNotFound"), Retry("InvalidSubnet"), Retry("InvalidSecurityGroup"),
        Retry("InvalidConfigurationRequest", "Access Denied for bucket"),
        Retry("OperationNotPermitted", "provisioning", 600), Retry("ResourceInUse"),
    )  # fmt: skip

    vpc_id: str
    scheme: str
    kind: str
    pinned: list[str]
    subnets: list[str]
    groups: list[str]
    attributes: dict[str, str]

    def create(self, aws: Aws) -> Made:
        balancer = aws.elbv2.create_load_balancer(
            Name=self.elb_name(aws),
            Type=self.kind,
            Scheme=self.scheme,
            Subnets=self.subnets,
            SecurityGroups=self.groups,
            Tags=self.elb_tags(aws),
        )["LoadBalancers"][0]
        return Made(balancer["LoadBalancerArn"], _outputs(balancer))

    def configure(self, aws: Aws, id: str) -> None:
        attributes = [{"Key": name, "Value": value} for name, value in sorted(self.attributes.items())]
        aws.elbv2.modify_load_balancer_attributes(LoadBalancerArn=id, Attributes=attributes)

    def update(self, aws: Aws, id: str, old: LoadBalancer) -> None:
        """From what it is now: somebody may have changed it."""
        now = next((_seen(item) for item in _describe(aws, [id])), {})
        if self.kind == "application" and now.get("subnets") != sorted(self.subnets):
            aws.elbv2.set_subnets(LoadBalancerArn=id, Subnets=self.subnets)
        if now.get("groups") != sorted(self.groups):
            aws.elbv2.set_security_groups(LoadBalancerArn=id, SecurityGroups=self.groups)
        self.configure(aws, id)

    def expected(self) -> dict[str, Any]:
        """A network load balancer cannot give its subnets back."""
        subnets = {"subnets": sorted(self.subnets)} if self.kind == "application" else {}
        return {"groups": sorted(self.groups), **subnets, **self.attributes}

    @classmethod
    def inspect(cls, aws: Aws, ids: list[str]) -> dict[str, dict[str, Any]]:
        return attributes_of(aws.elbv2.describe_load_balancer_attributes, "LoadBalancerArn", ids)

    def pending(self, aws: Aws, id: str) -> str | None:
        for balancer in _describe(aws, [id]):
            state, reason = balancer["State"]["Code"], balancer["State"].get("Reason", "")
            if state == "failed":
                raise AwsError(f"{self.key}: the load balancer {id} failed: {reason}.",
                               "`deployer down` and `deployer up` make it anew.", "failed", reason)  # fmt: skip
            return None if state != "provisioning" else "the load balancer is provisioning (1 to 4 minutes on AWS)"
        return "the load balancer is not visible yet"

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        seen = {item["LoadBalancerArn"]: _outputs(item) | {SEEN: _seen(item)} for item in _describe(aws, ids)}
        return {id: seen.get(id) for id in ids}

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring(GONE):
            if self.attributes is None or self.attributes.get("deletion_protection.enabled") == "true":
                off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
                aws.elbv2.modify_load_balancer_attributes(LoadBalancerArn=id, Attributes=off)
            aws.elbv2.delete_load_balancer(LoadBalancerArn=id)

    def leaving(self, aws: Aws, id: str) -> str | None:
        return "the load balancer is still listed" if _describe(aws, [id]) else None


def _describe(aws: Aws, arns: list[str]) -> list[dict[str, Any]]:
    return describe(
        lambda batch: aws.elbv2.describe_load_balancers(LoadBalancerArns=batch)["LoadBalancers"], arns, 20, (GONE,)
    )


def _outputs(balancer: dict[str, Any]) -> Outputs:
    """`door`: the port by which it is reached from here, where an emulator's name carries one."""
    host, _, door = balancer["DNSName"].partition(":")
    return {"host": host, "door": door} if door else {"host": host}


def _seen(balancer: dict[str, Any]) -> dict[str, Any]:
    """What the answer does not hold is not told."""
    subnets = [zone["SubnetId"] for zone in balancer.get("AvailabilityZones", ())]
    seen = {"groups": sorted(balancer.get("SecurityGroups", ())), "subnets": sorted(subnets)}
    return {name: value for name, value in seen.items() if value}
