"""Target group of a service's tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, describe, ignoring
from deployer.resource import Found, Made, Outputs, Retry
from deployer.resources.elb import ElbResource, claim_named, found_among

GONE = "TargetGroupNotFound"


@dataclass(frozen=True, kw_only=True)
class TargetGroup(ElbResource):
    """`health`: CreateTargetGroup's own arguments; `balancer`: what replaces the load balancer, since a target group
    cannot serve two and so is replaced with its own."""

    type = "target-group"
    replace_on = frozenset({"vpc_id", "port", "protocol", "balancer"})
    look_first = True
    exists_on = ("DuplicateTargetGroupName",)
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
        seen = {item["TargetGroupArn"] for item in items}
        return {id: {} if id in seen else None for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        pages = aws.elbv2.get_paginator("describe_target_groups").paginate()
        return found_among(aws, [item["TargetGroupArn"] for page in pages for item in page["TargetGroups"]], cls.type)

    def find(self, aws: Aws) -> str | None:
        return claim_named(aws, self.key, "describe_target_groups", "TargetGroups", "TargetGroupArn",
                           self.elb_name(aws), GONE)  # fmt: skip

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring(GONE):
            aws.elbv2.delete_target_group(TargetGroupArn=id)
