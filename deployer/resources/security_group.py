"""Security group. Its rules are a type of their own, since groups refer to each other in circles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deployer.aws import Aws, ignoring, tag_dict
from deployer.grants import OWN, Grant, making
from deployer.resource import Made
from deployer.resources.ec2 import NOT_YET, Ec2Resource, in_use

EVERYTHING = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@dataclass(frozen=True, kw_only=True)
class SecurityGroup(Ec2Resource):
    type = "group"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_security_groups", "SecurityGroups", "GroupId", "group-id", "security-group"
    )  # fmt: skip
    replace_on = frozenset({"vpc_id", "description"})
    retry_on = (*NOT_YET, *in_use())
    exists_on = ("InvalidGroup.Duplicate",)
    scans = (Grant("ec2:DescribeSecurityGroups"),)
    grants: ClassVar[tuple[Grant, ...]] = (
        *making("ec2:CreateSecurityGroup", "ec2:security-group/*"),
        Grant("ec2:CreateSecurityGroup", "ec2:vpc/*", (OWN,)),
        Grant("ec2:RevokeSecurityGroupEgress ec2:DeleteSecurityGroup", "ec2:security-group/*", (OWN,)),
    )

    vpc_id: str
    description: str

    def group_name(self, aws: Aws) -> str:
        """`sg-` is AWS's own beginning."""
        name = self.physical_name(aws, 254)
        return f"x{name}" if name.startswith("sg-") else name

    def create(self, aws: Aws) -> Made:
        group = aws.ec2.create_security_group(
            GroupName=self.group_name(aws),
            Description=self.description,
            VpcId=self.vpc_id,
            TagSpecifications=self.tagged(aws),
        )
        return Made(group["GroupId"], {})

    def configure(self, aws: Aws, id: str) -> None:
        """AWS lets a new group reach everything. Its rules may not be listed yet, so this one is revoked unseen."""
        with ignoring("InvalidPermission.NotFound"):
            aws.ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[EVERYTHING])

    def find(self, aws: Aws) -> str | None:
        """A name is unique in its VPC."""
        filters = {"vpc-id": self.vpc_id, "group-name": self.group_name(aws)}
        for page in self.pages(aws, {"Filters": [{"Name": name, "Values": [filters[name]]} for name in filters]}):
            for group in page["SecurityGroups"]:
                return aws.claim(self.key, group["GroupId"], tag_dict(group.get("Tags")))
        return None

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidGroup.NotFound", "InvalidGroupId.Malformed"):
            aws.ec2.delete_security_group(GroupId=id)
