"""Elastic IP address, for a NAT gateway."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant, making
from deployer.resource import Made, Retry
from deployer.resources.ec2 import NOT_YET, Ec2Resource


@dataclass(frozen=True, kw_only=True)
class ElasticIp(Ec2Resource):
    """`subnet_id`: of its NAT gateway. Another subnet means another gateway, which needs an address of its own."""

    type = "eip"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_addresses", "Addresses", "AllocationId", "allocation-id", "elastic-ip"
    )  # fmt: skip
    # Releasing an address that a NAT gateway still holds is "AuthFailure: You do not have permission to access the
    # specified resource", for minutes (terraform-provider-aws#13763); bad credentials are AuthFailure too.
    retry_on = (
        *NOT_YET,
        Retry("AuthFailure", "permission to access", 600),
        Retry("InvalidIPAddress.InUse", seconds=600),
    )

    replace_on = frozenset({"subnet_id"})
    scans = (Grant("ec2:DescribeAddresses"),)
    grants = (
        *making("ec2:AllocateAddress", "ec2:elastic-ip/*"),
        Grant("ec2:ReleaseAddress", "ec2:elastic-ip/*", (OWN,)),
    )

    subnet_id: str

    def create(self, aws: Aws) -> Made:
        address = aws.ec2.allocate_address(Domain="vpc", TagSpecifications=self.tagged(aws))
        return Made(address["AllocationId"], {})

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidAllocationID.NotFound"):
            aws.ec2.release_address(AllocationId=id)
