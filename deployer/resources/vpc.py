"""VPC. Nobody waits until it is `available`: that takes a second, and what comes too early is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant, making
from deployer.resource import Made
from deployer.resources.ec2 import NOT_YET, Ec2Resource, in_use


@dataclass(frozen=True, kw_only=True)
class Vpc(Ec2Resource):
    """`cidr`: canonical IPv4 range, /16 to /28."""

    type = "vpc"
    operation, listing, id_field, id_filter, tag_type = "describe_vpcs", "Vpcs", "VpcId", "vpc-id", "vpc"
    replace_on = frozenset({"cidr"})
    retry_on = (*NOT_YET, *in_use(300))
    scans = (Grant("ec2:DescribeVpcs"),)
    grants = (
        *making("ec2:CreateVpc", "ec2:vpc/*"),
        Grant("ec2:ModifyVpcAttribute ec2:DeleteVpc", "ec2:vpc/*", (OWN,)),
        Grant("ec2:DescribeVpcAttribute"),
    )

    cidr: str

    def create(self, aws: Aws) -> Made:
        vpc = aws.ec2.create_vpc(CidrBlock=self.cidr, TagSpecifications=self.tagged(aws))["Vpc"]
        return Made(vpc["VpcId"], {})

    def configure(self, aws: Aws, id: str) -> None:
        aws.ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": True})

    def update(self, aws: Aws, id: str, old: Vpc) -> None:
        """Host names need the resolver first, and a call changes one of the two."""
        aws.ec2.modify_vpc_attribute(VpcId=id, EnableDnsSupport={"Value": True})
        self.configure(aws, id)

    def expected(self) -> dict[str, Any]:
        return {"dns support": True, "dns host names": True}

    @classmethod
    def inspect(cls, aws: Aws, ids: list[str]) -> dict[str, dict[str, Any]]:
        return {id: {"dns support": _is_on(aws, id, "enableDnsSupport"),
                     "dns host names": _is_on(aws, id, "enableDnsHostnames")} for id in ids}  # fmt: skip

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidVpcID.NotFound"):
            aws.ec2.delete_vpc(VpcId=id)


def _is_on(aws: Aws, id: str, attribute: str) -> bool:
    name = attribute[0].upper() + attribute[1:]
    return bool(aws.ec2.describe_vpc_attribute(VpcId=id, Attribute=attribute)[name]["Value"])
