"""Route table; its routes and associations are types of their own.

Routes that somebody has added (to a peered VPC, a VPN) are left alone, but not another way to the internet: it would
make private subnets public.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant, making
from deployer.resource import SEEN, Made, Outputs
from deployer.resources.ec2 import NOT_YET, Ec2Resource, in_use
from deployer.resources.subnet import Subnet


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

    def update(self, aws: Aws, id: str, old: RouteTable) -> None:
        for table in self.describe(aws, self.id_filter, [id]):
            for name, destination in _side_doors(table):
                with ignoring("InvalidRoute.NotFound"):
                    aws.ec2.delete_route(RouteTableId=id, **{name: destination})

    def expected(self) -> dict[str, Any]:
        return {"other ways to the internet": []}

    @classmethod
    def outputs_of(cls, item: dict[str, Any]) -> Outputs:
        return {SEEN: {"other ways to the internet": [destination for _, destination in _side_doors(item)]}}

    def delete(self, aws: Aws, id: str) -> None:
        """With associations that the record does not know; another's subnet keeps its own."""
        with ignoring("InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"):
            for table in self.describe(aws, self.id_filter, [id]):
                links = {link["SubnetId"]: link["RouteTableAssociationId"] for link in table["Associations"]
                         if link.get("SubnetId")}  # fmt: skip
                for subnet in Subnet.describe(aws, Subnet.id_filter, list(links)):
                    if not Subnet.ours(aws, subnet):
                        del links[subnet["SubnetId"]]
                for link in links.values():
                    with ignoring("InvalidAssociationID.NotFound"):
                        aws.ec2.disassociate_route_table(AssociationId=link)
            aws.ec2.delete_route_table(RouteTableId=id)

EVERYWHERE = "0.0.0.0/0"


def _side_doors(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Routes to an internet gateway besides the `Route` that we make: (how DeleteRoute names it, destination)."""
    for route in table.get("Routes", ()):
        if str(route.get("GatewayId")).startswith("igw-") and route.get("DestinationCidrBlock") != EVERYWHERE:
            for name in ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"):
                if route.get(name):
                    yield name, route[name]
