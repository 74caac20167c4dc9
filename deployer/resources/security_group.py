"""Security group. Its rules are a type of their own, since groups refer to each other in circles."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring
from deployer.resource import Made
from deployer.resources.ec2 import NOT_YET, Ec2Resource, in_use


@dataclass(frozen=True, kw_only=True)
class SecurityGroup(Ec2Resource):
    type = "group"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_security_groups", "SecurityGroups", "GroupId", "group-id", "security-group"
    )  # fmt: skip
    replace_on = frozenset({"vpc_id", "description"})
    retry_on = (*NOT_YET, *in_use())
    exists_on = ("InvalidGroup.Duplicate",)

    vpc_id: str
    description: str

    def create(self, aws: Aws) -> Made:
        group = aws.ec2.create_security_group(
            GroupName=self.physical_name(aws, 255),
            Description=self.description,
            VpcId=self.vpc_id,
            TagSpecifications=self.tagged(aws),
        )
        return Made(group["GroupId"], {})

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidGroup.NotFound", "InvalidGroupId.Malformed"):
            aws.ec2.delete_security_group(GroupId=id)
