"""The association of a subnet with a route table: an id of its own, but no tags."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant
from deployer.resource import Made, Outputs, Resource
from deployer.resources.ec2 import NOT_YET
from deployer.resources.route_table import RouteTable


@dataclass(frozen=True, kw_only=True)
class RouteTableAssociation(Resource):
    type = "association"
    replace_on = frozenset({"table_id", "subnet_id"})
    retry_on = NOT_YET
    exists_on = ("Resource.AlreadyAssociated",)
    delete_first = True  # a subnet has exactly one
    grants = (
        Grant("ec2:DescribeRouteTables"),
        Grant("ec2:AssociateRouteTable ec2:DisassociateRouteTable", "ec2:route-table/* ec2:subnet/*", (OWN,)),
    )

    table_id: str
    subnet_id: str

    def create(self, aws: Aws) -> Made:
        answer = aws.ec2.associate_route_table(RouteTableId=self.table_id, SubnetId=self.subnet_id)
        return Made(answer["AssociationId"], {})

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        tables = RouteTable.describe(aws, "association.route-table-association-id", ids)
        seen = {item["RouteTableAssociationId"] for table in tables for item in table["Associations"]}
        return {id: {} if id in seen else None for id in ids}

    def find(self, aws: Aws) -> str | None:
        for table in RouteTable.describe(aws, "association.subnet-id", [self.subnet_id]):
            for item in table["Associations"]:
                if (table["RouteTableId"], item.get("SubnetId")) == (self.table_id, self.subnet_id):
                    return str(item["RouteTableAssociationId"])
        return None

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidAssociationID.NotFound"):
            aws.ec2.disassociate_route_table(AssociationId=id)
