"""Route table; its routes and associations are types of their own."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant, making
from deployer.resource import Made
from deployer.resources.ec2 import NOT_YET, Ec2Resource, in_use


@dataclass(frozen=True, kw_only=True)
class RouteTable(Ec2Resource):
    type = "route-table"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_route_tables", "RouteTables", "RouteTableId", "route-table-id", "route-table"
    )  # fmt: skip
    replace_on = frozenset({"vpc_id"})
    retry_on = (*NOT_YET, *in_use(300))
    scans = (Grant("ec2:DescribeRouteTables"),)
    grants = (
        *making("ec2:CreateRouteTable", "ec2:route-table/*"),
        Grant("ec2:CreateRouteTable", "ec2:vpc/*", (OWN,)),
        Grant("ec2:DeleteRouteTable", "ec2:route-table/*", (OWN,)),
    )

    vpc_id: str

    def create(self, aws: Aws) -> Made:
        table = aws.ec2.create_route_table(VpcId=self.vpc_id, TagSpecifications=self.tagged(aws))["RouteTable"]
        return Made(table["RouteTableId"], {})

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"):
            aws.ec2.delete_route_table(RouteTableId=id)
