"""Subnet. It never gives public addresses by itself (EC2.15): Fargate looks at the service's own setting only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant, making
from deployer.resource import SEEN, Made, Outputs
from deployer.resources.ec2 import NOT_YET, Ec2Resource, in_use


@dataclass(frozen=True, kw_only=True)
class Subnet(Ec2Resource):
    type = "subnet"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_subnets", "Subnets", "SubnetId", "subnet-id", "subnet"
    )  # fmt: skip
    replace_on = frozenset({"vpc_id", "cidr", "zone"})
    retry_on = (*NOT_YET, *in_use())
    scans = (Grant("ec2:DescribeSubnets"),)
    grants = (
        *making("ec2:CreateSubnet", "ec2:subnet/*"),
        Grant("ec2:CreateSubnet", "ec2:vpc/*", (OWN,)),
        Grant("ec2:ModifySubnetAttribute ec2:DeleteSubnet", "ec2:subnet/*", (OWN,)),
    )

    vpc_id: str
    cidr: str
    zone: str

    def create(self, aws: Aws) -> Made:
        subnet = aws.ec2.create_subnet(
            VpcId=self.vpc_id, CidrBlock=self.cidr, AvailabilityZone=self.zone, TagSpecifications=self.tagged(aws)
        )["Subnet"]
        return Made(subnet["SubnetId"], {})

    def update(self, aws: Aws, id: str, old: Subnet) -> None:
        aws.ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": False})

    def expected(self) -> dict[str, Any]:
        return {"map public ip on launch": False}

    @classmethod
    def outputs_of(cls, item: dict[str, Any]) -> Outputs:
        return {SEEN: {"map public ip on launch": item.get("MapPublicIpOnLaunch", False)}}

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidSubnetID.NotFound", "InvalidSubnetId.NotFound"):
            aws.ec2.delete_subnet(SubnetId=id)
