"""NAT gateway. Creating it succeeds at once; it becomes `available`, or `failed`, minutes later."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring
from deployer.errors import FailedError
from deployer.grants import OWN, Grant, making
from deployer.resource import Made, Retry
from deployer.resources.ec2 import NOT_YET, Ec2Resource


@dataclass(frozen=True, kw_only=True)
class NatGateway(Ec2Resource):
    type = "nat"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_nat_gateways", "NatGateways", "NatGatewayId", "nat-gateway-id", "natgateway"
    )  # fmt: skip
    filter_argument = "Filter"
    # Deleted ones stay visible for about an hour; a failed one never recovers.
    gone_states = frozenset({"deleting", "deleted", "failed"})
    replace_on = frozenset({"subnet_id", "allocation_id"})
    retry_on = (*NOT_YET, Retry("Resource.AlreadyAssociated", seconds=300))
    scans = (Grant("ec2:DescribeNatGateways"),)
    grants = (
        *making("ec2:CreateNatGateway", "ec2:natgateway/*"),
        Grant("ec2:CreateNatGateway", "ec2:subnet/* ec2:elastic-ip/*", (OWN,)),
        Grant("ec2:DeleteNatGateway", "ec2:natgateway/*", (OWN,)),
    )

    subnet_id: str
    allocation_id: str

    def create(self, aws: Aws) -> Made:
        gateway = aws.ec2.create_nat_gateway(
            SubnetId=self.subnet_id, AllocationId=self.allocation_id, TagSpecifications=self.tagged(aws)
        )["NatGateway"]
        return Made(gateway["NatGatewayId"], {})

    def _now(self, aws: Aws, id: str) -> tuple[str, str]:
        filters = [{"Name": "nat-gateway-id", "Values": [id]}]
        for page in self.pages(aws, {"Filter": filters}):
            for gateway in page["NatGateways"]:
                return gateway["State"], gateway.get("FailureMessage", "")
        return "gone", ""

    def pending(self, aws: Aws, id: str) -> str | None:
        state, failure = self._now(aws, id)
        if state == "failed":
            raise FailedError(
                f"{self.key}: the NAT gateway {id} failed: {failure.rstrip('.')}.",
                "Mend that (an internet gateway, a free address) and run the command again.",
                code="NatGatewayFailed",
                said=failure,
            )
        return None if state == "available" else f"the NAT gateway is {state} (1 to 3 minutes on AWS)"

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("NatGatewayNotFound"):
            aws.ec2.delete_nat_gateway(NatGatewayId=id)

    def leaving(self, aws: Aws, id: str) -> str | None:
        state, _ = self._now(aws, id)
        return None if state in ("deleted", "failed", "gone") else f"the NAT gateway is {state} (minutes on AWS)"
