"""Route table; its routes and associations are types of their own."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring
from deployer.resource import Made
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

    vpc_id: str

    def create(self, aws: Aws) -> Made:
        table = aws.ec2.create_route_table(VpcId=self.vpc_id, TagSpecifications=self.tagged(aws))["RouteTable"]
        return Made(table["RouteTableId"], {})

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
