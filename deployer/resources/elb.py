"""What load balancers, target groups and listeners share: no filter by tag, tags in batches of 20."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from deployer.aws import Aws, describe, ignoring, tag_dict, tag_list
from deployer.resource import Found, Resource

FEW = 5  # up to so many are asked for their attributes one by one; of more, these are not looked at
GONE = ("LoadBalancerNotFound", "TargetGroupNotFound", "ListenerNotFound")


@dataclass(frozen=True, kw_only=True)
class ElbResource(Resource):
    def elb_name(self, aws: Aws) -> str:
        """At most 32 characters; `internal-` is AWS's own beginning."""
        name = self.physical_name(aws, 32)
        return f"x{name[1:]}" if name.startswith("internal-") else name

    def elb_tags(self, aws: Aws) -> list[dict[str, str]]:
        return tag_list(aws.tags(self.key, self.fingerprint))

    def tag(self, aws: Aws, id: str) -> None:
        aws.elbv2.add_tags(ResourceArns=[id], Tags=self.elb_tags(aws))


class NamedElb(ElbResource):
    """Load balancers and target groups: a name is unique in the account and region."""

    operation: ClassVar[str]
    listing: ClassVar[str]
    id_field: ClassVar[str]
    name_field: ClassVar[str]

    def account_name(self, aws: Aws) -> str:
        return self.elb_name(aws)

    @classmethod
    def taken(cls, aws: Aws, names: list[str]) -> set[str]:
        """One name that is free would fail a call for several: all are listed."""
        return {item[cls.name_field] for item in cls.all(aws)} & set(names)

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        return found_among(aws, [item[cls.id_field] for item in cls.all(aws)], cls.type)

    @classmethod
    def all(cls, aws: Aws) -> Iterator[dict[str, Any]]:
        for page in aws.elbv2.get_paginator(cls.operation).paginate(PaginationConfig={"PageSize": 400}):
            yield from page[cls.listing]

    def find(self, aws: Aws) -> str | None:
        """Raises ForeignError naming both owners if it is not ours."""
        with ignoring(*GONE):
            for item in getattr(aws.elbv2, self.operation)(Names=[self.elb_name(aws)])[self.listing]:
                arn = item[self.id_field]
                return aws.claim(self.key, arn, tags_of(aws, [arn]).get(arn, {}))
        return None


def tags_of(aws: Aws, arns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Without what has gone meanwhile."""
    items = describe(
        lambda batch: aws.elbv2.describe_tags(ResourceArns=batch)["TagDescriptions"], list(arns), 20, GONE
    )
    return {item["ResourceArn"]: tag_dict(item["Tags"]) for item in items}


def found_among(aws: Aws, arns: list[str], type: str) -> list[Found]:
    found = [aws.found(arn, tags) for arn, tags in tags_of(aws, arns).items()]
    return [one for one in found if one and one.key.startswith(f"{type}.")]


def attributes_of(ask: Callable[..., Any], argument: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """AWS's own names and values, by ARN; a call for each."""
    seen: dict[str, dict[str, Any]] = {}
    for id in ids if len(ids) <= FEW else ():
        with ignoring(*GONE):
            seen[id] = {one["Key"]: one.get("Value", "") for one in ask(**{argument: id})["Attributes"]}
    return seen
