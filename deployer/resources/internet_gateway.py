"""Internet gateway, attached to its VPC."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant, making
from deployer.resource import Made
from deployer.resources.ec2 import NOT_YET, Ec2Resource, in_use


@dataclass(frozen=True, kw_only=True)
class InternetGateway(Ec2Resource):
    type = "igw"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId", "internet-gateway-id",
        "internet-gateway",
    )  # fmt: skip
    replace_on = frozenset({"vpc_id"})
    retry_on = (*NOT_YET, *in_use())
    scans = (Grant("ec2:DescribeInternetGateways"),)
    grants = (
        *making("ec2:CreateInternetGateway", "ec2:internet-gateway/*"),
        Grant("ec2:AttachInternetGateway ec2:DetachInternetGateway", "ec2:internet-gateway/* ec2:vpc/*", (OWN,)),
        Grant("ec2:DeleteInternetGateway", "ec2:internet-gateway/*", (OWN,)),
    )

    vpc_id: str

    def create(self, aws: Aws) -> Made:
        gateway = aws.ec2.create_internet_gateway(TagSpecifications=self.tagged(aws))["InternetGateway"]
        return Made(gateway["InternetGatewayId"], {})

    def configure(self, aws: Aws, id: str) -> None:
        with ignoring("Resource.AlreadyAssociated"):
            aws.ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=self.vpc_id)

    def delete(self, aws: Aws, id: str) -> None:
        """Detaching is refused while anything in the VPC still has a public address."""
        with ignoring("InvalidInternetGatewayID.NotFound"):
            for gateway in self.describe(aws, self.id_filter, [id]):
                for attachment in gateway["Attachments"]:
                    with ignoring("Gateway.NotAttached"):
                        aws.ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=attachment["VpcId"])
            aws.ec2.delete_internet_gateway(InternetGatewayId=id)
