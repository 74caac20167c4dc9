"""The network of a stack: VPC, subnets, ways out, and the log of what was refused."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from deployer.config import Config
from deployer.place import VPC, WORLD, Place, allow
from deployer.resource import Join, Resource, to
from deployer.resources.default_group import DefaultGroup
from deployer.resources.elastic_ip import ElasticIp
from deployer.resources.flow_log import FlowLog
from deployer.resources.iam_role import IamRole
from deployer.resources.internet_gateway import InternetGateway
from deployer.resources.log_group import LogGroup, own
from deployer.resources.nat_gateway import NatGateway
from deployer.resources.route import Route
from deployer.resources.route_table import RouteTable
from deployer.resources.route_table_association import RouteTableAssociation
from deployer.resources.s3_endpoint import S3Endpoint
from deployer.resources.subnet import Subnet
from deployer.resources.vpc import Vpc


def network(config: Config, place: Place) -> list[Resource]:
    ranges = list(IPv4Network(config.network.cidr).subnets(prefixlen_diff=4))
    zones = list(zip(place.letters, place.zones, strict=True))
    parts: list[Resource] = [
        Vpc(name="main", cidr=config.network.cidr),
        DefaultGroup(name="main", vpc_id=VPC, description="default"),
        InternetGateway(name="main", vpc_id=VPC),
        *_flow_log(config, place),
        RouteTable(name="public", vpc_id=VPC),
        _route("public", gateway=to("igw.main")),
    ]
    for index, (letter, zone) in enumerate(zones):
        parts += _subnet(f"public-{letter}", str(ranges[index]), zone, "public")
    if config.network.nat == "none":
        return parts
    shared = config.network.nat == "single"
    for index, (letter, zone) in enumerate(zones):
        table = "private" if shared else f"private-{letter}"
        if index == 0 or not shared:
            parts += _nat(letter, table)
        parts += _subnet(f"private-{letter}", str(ranges[8 + index]), zone, table)
    tables = sorted({part.key for part in parts if isinstance(part, RouteTable) and part.name != "public"})
    parts.append(S3Endpoint(name="main", vpc_id=VPC, table_ids=[to(key) for key in tables]))
    return parts


def _flow_log(config: Config, place: Place) -> list[Resource]:
    group = LogGroup(
        name="flow_log", group=own(config.stack, "flow_log"), retention=config.logs.retention, kms_key=config.kms_key
    )
    streams = Join((group.ref("arn"), ":*"))
    role = IamRole(
        name="flow_log",
        service="vpc-flow-logs.amazonaws.com",
        source=place.arn("ec2", "vpc-flow-log/*"),
        description=f"Lets VPC flow logs of {config.stack} write their log group",
        statements=[
            allow(
                ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"], [group.ref("arn"), streams]
            ),
            allow(["logs:DescribeLogGroups"], "*"),
        ],
    )
    log = FlowLog(name="main", vpc_id=VPC, log_group=group.ref(), role_arn=role.ref("arn"))
    return [group, role, log]


def _subnet(name: str, cidr: str, zone: str, table: str) -> list[Resource]:
    subnet = Subnet(name=name, vpc_id=VPC, cidr=cidr, zone=zone)
    table_id = to(f"route-table.{table}")
    # A subnet does not change over to a table that leads nowhere yet.
    route = () if table == "public" else (f"route.{table}-out",)
    return [subnet, RouteTableAssociation(name=name, table_id=table_id, subnet_id=subnet.ref(), depends_on=route)]


def _route(table: str, gateway: Any = None, nat: Any = None) -> Route:
    table_id = to(f"route-table.{table}")
    return Route(name=f"{table}-out", table_id=table_id, cidr=WORLD, gateway_id=gateway, nat_id=nat)


def _nat(letter: str, table: str) -> list[Resource]:
    """An address and a public gateway both need the internet gateway to be attached first."""
    subnet = to(f"subnet.public-{letter}")
    address = ElasticIp(name=letter, subnet_id=subnet, depends_on=("igw.main",))
    gateway = NatGateway(
        name=letter,
        subnet_id=subnet,
        allocation_id=address.ref(),
        depends_on=("igw.main", "route.public-out", f"association.public-{letter}"),
    )
    return [address, gateway, RouteTable(name=table, vpc_id=VPC), _route(table, nat=gateway.ref())]
