"""A route of a route table. It has no id and no tags of its own: `<table>|<destination>` is its id here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring
from deployer.grants import OWN, Grant
from deployer.resource import SEEN, Made, Outputs, Resource, Retry
from deployer.resources.ec2 import NOT_YET
from deployer.resources.route_table import RouteTable


@dataclass(frozen=True, kw_only=True)
class Route(Resource):
    """Sends `cidr` to the internet gateway or the NAT gateway (one of the two)."""

    type = "route"
    replace_on = frozenset({"table_id", "cidr"})
    # A NAT gateway that just became available may still be unknown here.
    retry_on = (*NOT_YET, Retry("InvalidNatGatewayID.NotFound"), Retry("InvalidGatewayID.NotFound"))
    exists_on = ("RouteAlreadyExists",)
    grants = (
        Grant("ec2:DescribeRouteTables"),
        Grant("ec2:CreateRoute ec2:ReplaceRoute ec2:DeleteRoute", "ec2:route-table/*", (OWN,)),
    )

    table_id: str
    cidr: str
    gateway_id: str | None = None
    nat_id: str | None = None

    def expected(self) -> dict[str, Any]:
        return {"target": self.gateway_id or self.nat_id}

    @property
    def _target(self) -> dict[str, Any]:
        return {"GatewayId": self.gateway_id} if self.gateway_id else {"NatGatewayId": self.nat_id}

    def create(self, aws: Aws) -> Made:
        aws.ec2.create_route(RouteTableId=self.table_id, DestinationCidrBlock=self.cidr, **self._target)
        return Made(f"{self.table_id}|{self.cidr}", {})

    def configure(self, aws: Aws, id: str) -> None:
        """Another's route in its place, or one that leads nowhere any more, is given our own target."""
        for table in RouteTable.describe(aws, "route-table-id", [self.table_id]):
            for route in table["Routes"]:
                if route.get("DestinationCidrBlock") == self.cidr and not route.items() >= self._target.items():
                    aws.ec2.replace_route(RouteTableId=self.table_id, DestinationCidrBlock=self.cidr, **self._target)

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        tables = sorted({id.partition("|")[0] for id in ids})
        seen: dict[str, Outputs] = {
            f"{table['RouteTableId']}|{route.get('DestinationCidrBlock')}": {SEEN: {"target": _leads_to(route)}}
            for table in RouteTable.describe(aws, "route-table-id", tables)
            for route in table["Routes"]
        }
        return {id: seen.get(id) for id in ids}

    def find(self, aws: Aws) -> str | None:
        """By its place; whatever its target is, `configure` makes it ours."""
        id = f"{self.table_id}|{self.cidr}"
        return id if self.read(aws, [id])[id] is not None else None

    def delete(self, aws: Aws, id: str) -> None:
        table, _, cidr = id.partition("|")
        with ignoring("InvalidRoute.NotFound", "InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"):
            aws.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=cidr)


def _leads_to(route: dict[str, Any]) -> str:
    """AWS names the target by its kind; there is exactly one."""
    kinds = ("GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId")
    return next((str(route[kind]) for kind in kinds if route.get(kind)), "something else")
