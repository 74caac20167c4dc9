"""What all EC2 types share: described by filters in batches, tagged in the creating call, found by their tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from deployer.aws import Aws, batches, tag_dict, tag_list
from deployer.resource import Found, Outputs, Resource, Retry

# An id that a creating call has just returned may be unknown to the next call (DescribeVpcs may already list it).
NOT_YET = tuple(
    Retry(f"Invalid{what}.NotFound")
    for what in ("VpcID", "SubnetID", "InternetGatewayID", "RouteTableID", "RouteTableId", "AllocationID", "Group",
                 "SecurityGroupID", "AssociationID")
)  # fmt: skip


def in_use(seconds: float = 1200) -> tuple[Retry, ...]:
    """Network interfaces outlive their owners by minutes, and EC2 refuses to delete what they hold."""
    return Retry("DependencyViolation", seconds=seconds), Retry("InvalidGroup.InUse", seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class Ec2Resource(Resource):
    operation: ClassVar[str]  # of boto3's client
    listing: ClassVar[str]
    id_field: ClassVar[str]
    id_filter: ClassVar[str]
    tag_type: ClassVar[str]
    filter_argument: ClassVar[str] = "Filters"
    gone_states: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def describe(cls, aws: Aws, name: str, values: list[str]) -> Iterator[dict[str, Any]]:
        """Every living object for which the filter `name` has one of `values` (200 a call at most)."""
        for batch in batches(values, 200):
            arguments = {cls.filter_argument: [{"Name": name, "Values": batch}]}
            ask = partial(cls._items, aws, arguments)
            items = aws.shared.read((cls.operation, name, *batch), ask) if aws.shared else ask()
            yield from (item for item in items if item.get("State") not in cls.gone_states)

    @classmethod
    def _items(cls, aws: Aws, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        return [item for page in cls.pages(aws, arguments) for item in page[cls.listing]]

    @classmethod
    def pages(cls, aws: Aws, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if aws.ec2.can_paginate(cls.operation):
            yield from aws.ec2.get_paginator(cls.operation).paginate(**arguments)
        else:
            yield getattr(aws.ec2, cls.operation)(**arguments)

    @classmethod
    def outputs_of(cls, item: dict[str, Any]) -> Outputs:
        return {}

    @classmethod
    def ours(cls, aws: Aws, item: dict[str, Any]) -> bool:
        """What does not carry our id is as good as gone: it is never changed or deleted."""
        return aws.owns(tag_dict(item.get("Tags")))

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        items = cls.describe(aws, cls.id_filter, ids)
        seen = {item[cls.id_field]: cls.outputs_of(item) for item in items if cls.ours(aws, item)}
        return {id: seen.get(id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        name, value = ("tag:deployer:id", aws.stack_id) if aws.stack_id else ("tag:deployer:stack", aws.stack)
        items = cls.describe(aws, name, [value])
        found = (aws.found(item[cls.id_field], tag_dict(item.get("Tags"))) for item in items)
        return [one for one in found if one and one.key.startswith(f"{cls.type}.")]

    def tagged(self, aws: Aws) -> list[dict[str, Any]]:
        return [{"ResourceType": self.tag_type, "Tags": tag_list(aws.tags(self.key, self.fingerprint))}]

    def tag(self, aws: Aws, id: str) -> None:
        aws.ec2.create_tags(Resources=[id], Tags=tag_list(aws.tags(self.key, self.fingerprint)))
