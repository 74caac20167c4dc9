"""The VPC's default security group, left without rules (EC2.2). It comes and goes with the VPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from deployer.aws import Aws, unsuccessful
from deployer.grants import UNMARKED, Grant
from deployer.resource import SEEN, Found, Made, Outputs, Retry
from deployer.resources.security_group import SecurityGroup
from deployer.resources.security_group_rules import identities, words


@dataclass(frozen=True, kw_only=True)
class DefaultGroup(SecurityGroup):
    """`vpc_id`: whose default group; `description`: of no use here."""

    type = "default-group"
    grants: ClassVar[tuple[Grant, ...]] = (
        Grant("ec2:DescribeSecurityGroups"),
        # AWS tags no default group; revoking opens nothing.
        Grant("ec2:RevokeSecurityGroupIngress ec2:RevokeSecurityGroupEgress", "ec2:security-group/*", (UNMARKED,)),
    )
    # After a lost answer what was revoked is not there any more: read again and send what is left.
    retry_on = (*SecurityGroup.retry_on, Retry("InvalidPermission.NotFound", seconds=60))

    def create(self, aws: Aws) -> Made:
        """AWS has made it; identified by its parent."""
        if (id := self.find(aws)) is None:  # every VPC has one, but a new VPC's may not be listed at once
            self._not_yet()
        return Made(str(id), {})

    def _not_yet(self) -> None:
        error = {"Code": "InvalidGroup.NotFound", "Message": f"{self.vpc_id} has no default group yet"}
        unsuccessful([{"Error": error}], "DescribeSecurityGroups")

    def configure(self, aws: Aws, id: str) -> None:
        groups = list(self.describe(aws, "group-id", [id]))
        if not groups:
            self._not_yet()
        for group in groups:
            if group["IpPermissions"]:
                aws.ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=group["IpPermissions"])
            if group["IpPermissionsEgress"]:
                aws.ec2.revoke_security_group_egress(GroupId=id, IpPermissions=group["IpPermissionsEgress"])

    def expected(self) -> dict[str, Any]:
        return {"rules": []}

    @classmethod
    def outputs_of(cls, item: dict[str, Any]) -> Outputs:
        return {SEEN: {"rules": words(identities(item))}}

    @classmethod
    def ours(cls, aws: Aws, item: dict[str, Any]) -> bool:
        """It carries no tags; its VPC is ours."""
        return True

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        return []

    def find(self, aws: Aws) -> str | None:
        groups = self.describe(aws, "vpc-id", [self.vpc_id])
        return next((str(group["GroupId"]) for group in groups if group["GroupName"] == "default"), None)

    def delete(self, aws: Aws, id: str) -> None:
        """Goes with the VPC."""
