"""Target group of a service's tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, describe, ignoring
from deployer.grants import OWN, Grant, making, retagging
from deployer.resource import SEEN, Made, Outputs, Retry
from deployer.resources.elb import NamedElb, attributes_of

GONE = "TargetGroupNotFound"
GROUP = "elasticloadbalancing:targetgroup/{elb}/*"


@dataclass(frozen=True, kw_only=True)
class TargetGroup(NamedElb):
    """`health`: CreateTargetGroup's own arguments; `balancer`: what replaces the load balancer, since a target group
    cannot serve two and so is replaced with its own."""

    type = "target-group"
    operation, listing, id_field, name_field = (
        "describe_target_groups", "TargetGroups", "TargetGroupArn", "TargetGroupName"
    )  # fmt: skip
    replace_on = frozenset({"vpc_id", "port", "protocol", "balancer"})
    look_first = True
    exists_on = ("DuplicateTargetGroupName",)
    scans = (Grant("elasticloadbalancing:DescribeTargetGroups elasticloadbalancing:DescribeTags"),)
    grants = (
        *making("elasticloadbalancing:CreateTargetGroup", GROUP),
        Grant("elasticloadbalancing:ModifyTargetGroup elasticloadbalancing:ModifyTargetGroupAttributes", GROUP, (OWN,)),
        Grant("elasticloadbalancing:DeleteTargetGroup", GROUP, (OWN,)),
        Grant("elasticloadbalancing:DescribeTargetGroupAttributes"),
        retagging(GROUP),
    )
    # A VPC made a moment ago is "not found" here (the words: ansible/ansible#31919).
    retry_on = (Retry("ResourceInUse", seconds=300), Retry(GONE), Retry("ValidationError", "VPC ID"))

    vpc_id: str
    port: int
    protocol: str
    balancer: list[Any]
    health: dict[str, Any]
    attributes: dict[str, str]

    def create(self, aws: Aws) -> Made:
        group = aws.elbv2.create_target_group(
            Name=self.elb_name(aws),
            VpcId=self.vpc_id,
            Port=self.port,
            Protocol=self.protocol,
            TargetType="ip",
            Tags=self.elb_tags(aws),
            **self.health,
        )["TargetGroups"][0]
        return Made(group["TargetGroupArn"], {})

    def configure(self, aws: Aws, id: str) -> None:
        attributes = [{"Key": name, "Value": value} for name, value in sorted(self.attributes.items())]
        aws.elbv2.modify_target_group_attributes(TargetGroupArn=id, Attributes=attributes)

    def update(self, aws: Aws, id: str, old: TargetGroup) -> None:
        aws.elbv2.modify_target_group(TargetGroupArn=id, **self.health)
        self.configure(aws, id)

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        items = describe(
            lambda batch: aws.elbv2.describe_target_groups(TargetGroupArns=batch)["TargetGroups"], ids, 20, (GONE,)
        )
        seen = {item["TargetGroupArn"]: {SEEN: _health(item)} for item in items}
        return {id: seen.get(id) for id in ids}

    def expected(self) -> dict[str, Any]:
        return _health(self.health) | self.attributes

    @classmethod
    def inspect(cls, aws: Aws, ids: list[str]) -> dict[str, dict[str, Any]]:
        return attributes_of(aws.elbv2.describe_target_group_attributes, "TargetGroupArn", ids)

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring(GONE):
            aws.elbv2.delete_target_group(TargetGroupArn=id)


def _health(settings: dict[str, Any]) -> dict[str, Any]:
    """`HealthCheckPath: /` as `health check path: /`; whatever else a target group is described by is left out."""
    health = {name: value for name, value in settings.items() if name.startswith(("Health", "Unhealthy"))}
    if settings.get("Matcher", {}).get("HttpCode"):
        health["HealthCheckMatcher"] = settings["Matcher"]["HttpCode"]
    return {re.sub("(?<!^)([A-Z])", r" \1", name).lower(): value for name, value in health.items()}
