"""Internet gateway, attached to its VPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant, making
from deployer.resource import SEEN, Made, Outputs
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

    def update(self, aws: Aws, id: str, old: InternetGateway) -> None:
        self._detach(aws, id, but=self.vpc_id)
        self.configure(aws, id)

    def expected(self) -> dict[str, Any]:
        return {"attached to": [self.vpc_id]}

    @classmethod
    def outputs_of(cls, item: dict[str, Any]) -> Outputs:
        return {SEEN: {"attached to": [one["VpcId"] for one in item.get("Attachments", ())]}}

    def _detach(self, aws: Aws, id: str, but: str = "") -> None:
        """Refused while anything in the VPC still has a public address."""
        for gateway in self.describe(aws, self.id_filter, [id]):
            for attachment in gateway["Attachments"]:
                if attachment["VpcId"] != but:
                    with ignoring("Gateway.NotAttached"):
                        aws.ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=attachment["VpcId"])

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidInternetGatewayID.NotFound"):
            self._detach(aws, id)
            aws.ec2.delete_internet_gateway(InternetGatewayId=id)
