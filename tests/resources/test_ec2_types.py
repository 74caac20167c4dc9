"""The network's types."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.resource import Join
from deployer.resources.default_group import DefaultGroup
from deployer.resources.elastic_ip import ElasticIp
from deployer.resources.flow_log import FlowLog
from deployer.resources.iam_role import IamRole
from deployer.resources.internet_gateway import InternetGateway
from deployer.resources.log_group import LogGroup
from deployer.resources.nat_gateway import NatGateway
from deployer.resources.route import Route
from deployer.resources.route_table import RouteTable
from deployer.resources.route_table_association import RouteTableAssociation
from deployer.resources.s3_endpoint import S3Endpoint
from deployer.resources.security_group import SecurityGroup
from deployer.resources.security_group_rules import SecurityGroupRules, rule
from deployer.resources.subnet import Subnet
from deployer.resources.vpc import Vpc
from tests.cloud import Cloud
from tests.resources.lifecycle import OURS, Account, Case, Change, LifeCycle, Tags, flat, pages

VPC = Vpc(name="main", cidr="10.0.0.0/16")
OTHER_VPC = Vpc(name="other", cidr="10.1.0.0/16")
IGW = InternetGateway(name="main", vpc_id=VPC.ref())
SUBNET = Subnet(name="a", vpc_id=VPC.ref(), cidr="10.0.0.0/20", zone="us-east-1a")
SUBNET_B = Subnet(name="b", vpc_id=VPC.ref(), cidr="10.0.16.0/20", zone="us-east-1b")
TABLE = RouteTable(name="one", vpc_id=VPC.ref())
TABLE_2 = RouteTable(name="two", vpc_id=VPC.ref())
OTHER_TABLE = RouteTable(name="other", vpc_id=OTHER_VPC.ref())
EIP = ElasticIp(name="a", subnet_id=SUBNET.ref(), depends_on=(IGW.key,))
EIP_B = ElasticIp(name="b", subnet_id=SUBNET_B.ref(), depends_on=(IGW.key,))
NAT = NatGateway(name="a", subnet_id=SUBNET.ref(), allocation_id=EIP.ref(), depends_on=(IGW.key,))
GROUP = SecurityGroup(name="web", vpc_id=VPC.ref(), description="Tasks of voting web")
CLIENT = SecurityGroup(name="client", vpc_id=VPC.ref(), description="Tasks of voting client")
LOG = LogGroup(name="flow_log", group="/deployer/voting/flow_log", retention=30, kms_key=None)
LOG_2 = LogGroup(name="flow_log_2", group="/deployer/voting/flow_log_2", retention=30, kms_key=None)
ROLE = IamRole(
    name="flow_log",
    service="vpc-flow-logs.amazonaws.com",
    source="arn:aws:ec2:us-east-1:123456789012:vpc-flow-log/*",
    description="Writes the flow log",
    statements=[{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": Join((LOG.ref("arn"), ":*"))}],
)
WORLD = "0.0.0.0/0"


def ids(operation: str, listing: str, id_field: str, **arguments: Any) -> Any:
    def look(account: Account) -> list[str]:
        items = pages(account.client("ec2"), operation, listing, **arguments)
        alive = [item for item in items if item.get("State") not in ("deleting", "deleted")]
        return sorted(item[id_field] for item in alive if not item.get("IsDefault") and not _main(item))

    return look


def _main(item: dict[str, Any]) -> bool:
    """What AWS makes with a VPC of its own accord."""
    return item.get("GroupName") == "default" or any(link.get("Main") for link in item.get("Associations", []))


def tags(account: Account, id: str) -> Tags:
    return flat(account.client("ec2").describe_tags(Filters=[{"Name": "resource-id", "Values": [id]}])["Tags"])


def tables(account: Account) -> list[dict[str, Any]]:
    return [table for table in pages(account.client("ec2"), "describe_route_tables", "RouteTables") if not _main(table)]


def routes(account: Account) -> list[str]:
    return [
        f"{table['RouteTableId']}|{route['DestinationCidrBlock']}"
        for table in tables(account)
        for route in table["Routes"]
        if route.get("GatewayId") != "local"
    ]


def route_leads_to(account: Account, id: str) -> str:
    for table in tables(account):
        for route in table["Routes"]:
            if f"{table['RouteTableId']}|{route['DestinationCidrBlock']}" == id:
                target = route.get("NatGatewayId") or route["GatewayId"]
                return next(key for key, each in account.state.records.items() if each.id == target)
    return "nowhere"


def associations(account: Account) -> list[str]:
    return [
        link["RouteTableAssociationId"]
        for table in tables(account)
        for link in table["Associations"]
        if link.get("SubnetId")
    ]


def rules_of(account: Account, id: str) -> list[str]:
    found = []
    filters = [{"Name": "group-id", "Values": [id]}]
    for item in pages(account.client("ec2"), "describe_security_group_rules", "SecurityGroupRules", Filters=filters):
        peer = item.get("CidrIpv4") or item["ReferencedGroupInfo"]["GroupId"]
        name = next((key for key, each in account.state.records.items() if each.id == peer and "group" in key), peer)
        ports = f"{item['IpProtocol']} {item.get('FromPort')}-{item.get('ToPort')}"
        found.append(f"{'out' if item['IsEgress'] else 'in'} {ports} {name}")
    return sorted(found)


def rule_tags(account: Account, id: str) -> Tags:
    """What all rules of the group carry."""
    filters = [{"Name": "group-id", "Values": [id]}]
    items = pages(account.client("ec2"), "describe_security_group_rules", "SecurityGroupRules", Filters=filters)
    common = set.intersection(*(set(flat(item.get("Tags")).items()) for item in items))
    return dict(common)


def groups_with_rules(account: Account) -> list[str]:
    items = pages(account.client("ec2"), "describe_security_groups", "SecurityGroups")
    own = [item for item in items if item["GroupName"] != "default"]
    return [item["GroupId"] for item in own if _tagged(account, item["GroupId"])]


def _tagged(account: Account, id: str) -> bool:
    filters = [{"Name": "group-id", "Values": [id]}]
    items = pages(account.client("ec2"), "describe_security_group_rules", "SecurityGroupRules", Filters=filters)
    return any(item.get("Tags") for item in items)


def drop(operation: str, argument: str, many: bool = False) -> Any:
    return lambda account, id: getattr(account.client("ec2"), operation)(**{argument: [id] if many else id})


def drop_gateway(account: Account, id: str) -> None:
    ec2 = account.client("ec2")
    ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=account.id(VPC.key))
    ec2.delete_internet_gateway(InternetGatewayId=id)


def drop_route(account: Account, id: str) -> None:
    table, _, cidr = id.partition("|")
    account.client("ec2").delete_route(RouteTableId=table, DestinationCidrBlock=cidr)


def endpoint_tables(account: Account, id: str) -> list[str]:
    (endpoint,) = account.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"]
    return sorted(key for key, each in account.state.records.items() if each.id in endpoint["RouteTableIds"])


CASES = [
    Case(
        VPC,
        "ec2.CreateVpc",
        ids("describe_vpcs", "Vpcs", "VpcId"),
        tags=tags,
        replaced={"cidr": "10.2.0.0/16"},
        spoil=drop("delete_vpc", "VpcId"),
    ),
    Case(
        SUBNET,
        "ec2.CreateSubnet",
        ids("describe_subnets", "Subnets", "SubnetId", Filters=[{"Name": "default-for-az", "Values": ["false"]}]),
        beneath=(VPC,),
        tags=tags,
        replaced={"cidr": "10.0.32.0/20"},
        spoil=drop("delete_subnet", "SubnetId"),
    ),
    Case(
        IGW,
        "ec2.CreateInternetGateway",
        ids("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        beneath=(VPC, OTHER_VPC),
        tags=tags,
        replaced={"vpc_id": OTHER_VPC.ref()},
        spoil=drop_gateway,
    ),
    Case(
        TABLE,
        "ec2.CreateRouteTable",
        ids("describe_route_tables", "RouteTables", "RouteTableId"),
        beneath=(VPC, OTHER_VPC),
        tags=tags,
        replaced={"vpc_id": OTHER_VPC.ref()},
        spoil=drop("delete_route_table", "RouteTableId"),
    ),
    Case(
        RouteTableAssociation(name="a", table_id=TABLE.ref(), subnet_id=SUBNET.ref()),
        "ec2.AssociateRouteTable",
        associations,
        beneath=(VPC, SUBNET, TABLE, TABLE_2),
        replaced={"table_id": TABLE_2.ref()},
        spoil=drop("disassociate_route_table", "AssociationId"),
    ),
    Case(
        Route(name="out", table_id=TABLE.ref(), cidr=WORLD, gateway_id=IGW.ref(), nat_id=None),
        "ec2.CreateRoute",
        routes,
        beneath=(VPC, IGW, SUBNET, EIP, NAT, TABLE, TABLE_2),
        change=Change({"gateway_id": None, "nat_id": NAT.ref()}, route_leads_to, IGW.key, NAT.key),
        replaced={"table_id": TABLE_2.ref()},
        spoil=drop_route,
    ),
    Case(
        EIP,
        "ec2.AllocateAddress",
        ids("describe_addresses", "Addresses", "AllocationId"),
        beneath=(VPC, IGW, SUBNET, SUBNET_B),
        tags=tags,
        replaced={"subnet_id": SUBNET_B.ref()},
        spoil=drop("release_address", "AllocationId"),
    ),
    Case(
        NAT,
        "ec2.CreateNatGateway",
        ids("describe_nat_gateways", "NatGateways", "NatGatewayId"),
        beneath=(VPC, IGW, SUBNET, SUBNET_B, EIP, EIP_B),
        tags=tags,
        replaced={"subnet_id": SUBNET_B.ref(), "allocation_id": EIP_B.ref()},
        spoil=drop("delete_nat_gateway", "NatGatewayId"),
    ),
    Case(
        S3Endpoint(name="main", vpc_id=VPC.ref(), table_ids=[TABLE.ref()]),
        "ec2.CreateVpcEndpoint",
        ids("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
        beneath=(VPC, TABLE, TABLE_2, OTHER_VPC, OTHER_TABLE),
        tags=tags,
        change=Change({"table_ids": [TABLE_2.ref()]}, endpoint_tables, [TABLE.key], [TABLE_2.key]),
        replaced={"vpc_id": OTHER_VPC.ref(), "table_ids": [OTHER_TABLE.ref()]},
        spoil=drop("delete_vpc_endpoints", "VpcEndpointIds", many=True),
    ),
    Case(
        FlowLog(name="main", vpc_id=VPC.ref(), log_group=LOG.ref(), role_arn=ROLE.ref("arn")),
        "ec2.CreateFlowLogs",
        ids("describe_flow_logs", "FlowLogs", "FlowLogId"),
        beneath=(VPC, LOG, LOG_2, ROLE),
        tags=tags,
        replaced={"log_group": LOG_2.ref()},
        spoil=drop("delete_flow_logs", "FlowLogIds", many=True),
    ),
    Case(
        GROUP,
        "ec2.CreateSecurityGroup",
        ids("describe_security_groups", "SecurityGroups", "GroupId"),
        beneath=(VPC,),
        tags=tags,
        replaced={"description": "Tasks of voting"},
        spoil=drop("delete_security_group", "GroupId"),
        foreign=True,
    ),
    Case(
        SecurityGroupRules(
            name="web",
            group_id=GROUP.ref(),
            rules=[rule("ingress", 8080, CLIENT.ref(), "from client"), rule("egress", 443, WORLD, "out")],
        ),
        "ec2.AuthorizeSecurityGroupIngress",
        groups_with_rules,
        beneath=(VPC, GROUP, CLIENT),
        tags=rule_tags,
        change=Change(
            {"rules": [rule("ingress", 9090, CLIENT.ref(), "from client"), rule("egress", None, WORLD, "out")]},
            rules_of,
            ["in tcp 8080-8080 group.client", "out tcp 443-443 0.0.0.0/0"],
            ["in tcp 9090-9090 group.client", "out -1 -1--1 0.0.0.0/0"],
        ),
        replaced={"group_id": CLIENT.ref()},
        repeated=True,
    ),
]


class TestLifeCycle(LifeCycle):
    pass


@pytest.fixture
def ec2(account: Account) -> Any:
    return account.client("ec2")


def default_rules(ec2: Any, vpc: str) -> list[Any]:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    return [*group["IpPermissions"], *group["IpPermissionsEgress"]]


def test_default_group_loses_its_rules_and_goes_with_its_vpc(account: Account, ec2: Any) -> None:
    default = DefaultGroup(name="main", vpc_id=VPC.ref(), description="default")
    account.up(VPC)
    assert default_rules(ec2, account.id(VPC.key))
    account.up(VPC, default)
    assert not default_rules(ec2, account.id(VPC.key))
    assert not account.plan(VPC, default).changes
    resource = account.concrete(default)
    assert resource.find(account.seen_by(OURS)) == account.id(default.key)
    resource.delete(account.aws, account.id(default.key))
    account.up()
    assert account.cloud.is_empty()


def test_default_group_that_is_not_listed_yet_is_waited_for(account: Account) -> None:
    account.up(VPC)
    missing = account.concrete(DefaultGroup(name="main", vpc_id="vpc-00000000", description="default"))
    with pytest.raises(ClientError) as caught:
        missing.create(account.aws)
    error = caught.value.response["Error"]
    assert any(retry.code == error["Code"] for retry in DefaultGroup.retry_on)


def test_route_of_somebody_else_in_its_place_is_given_our_target(account: Account, ec2: Any) -> None:
    """As it is when a NAT gateway was deleted and has left its route as a black hole."""
    beneath = [VPC, IGW, SUBNET, EIP, NAT, TABLE]
    account.up(*beneath)
    table = account.id(TABLE.key)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=WORLD, NatGatewayId=account.id(NAT.key))
    ours = Route(name="out", table_id=TABLE.ref(), cidr=WORLD, gateway_id=IGW.ref(), nat_id=None)
    account.up(*beneath, ours)
    assert route_leads_to(account, f"{table}|{WORLD}") == IGW.key


def test_gateway_that_failed_is_told_and_made_anew(account: Account, ec2: Any) -> None:
    beneath = [VPC, IGW, SUBNET, EIP]
    account.up(*beneath, NAT)
    first = account.id(NAT.key)
    ec2.delete_nat_gateway(NatGatewayId=first)
    account.up(*beneath, NAT)
    assert account.id(NAT.key) != first
    states = {nat["NatGatewayId"]: nat["State"] for nat in pages(ec2, "describe_nat_gateways", "NatGateways")}
    assert states[account.id(NAT.key)] == "available"


def test_rules_made_by_hand_go_with_the_next_change(account: Account, ec2: Any) -> None:
    wanted = SecurityGroupRules(name="web", group_id=GROUP.ref(), rules=[rule("ingress", 80, WORLD, "from the world")])
    account.up(VPC, GROUP, wanted)
    id = account.id(GROUP.key)
    by_hand = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 23, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=by_hand)
    more = replace(wanted, rules=[*wanted.rules, rule("ingress", 443, WORLD, "from the world")])
    account.up(VPC, GROUP, more)
    assert rules_of(account, id) == [f"in tcp {port}-{port} {WORLD}" for port in (443, 80)]


def test_groups_that_refer_to_each_other_can_be_removed(account: Account) -> None:
    circle = [
        SecurityGroupRules(name=one.name, group_id=one.ref(), rules=[rule("ingress", 80, other.ref(), "from it")])
        for one, other in ((GROUP, CLIENT), (CLIENT, GROUP))
    ]
    account.up(VPC, GROUP, CLIENT, *circle)
    account.up()
    assert account.cloud.is_empty()


def test_group_of_a_stack_called_sg(cloud: Cloud, account: Account, tmp_path: Path) -> None:
    """AWS keeps names that begin with `sg-` for itself."""
    other = Account(cloud, tmp_path, stack="sg-x")
    other.up(VPC, GROUP)
    (group,) = other.client("ec2").describe_security_groups(GroupIds=[other.id(GROUP.key)])["SecurityGroups"]
    assert not group["GroupName"].startswith("sg-")
    assert other.concrete(GROUP).find(other.seen_by(OURS)) == group["GroupId"]


def test_reads_are_batched(account: Account, ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ours = SUBNET.tagged(account.aws)
    made = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone="us-east-1a", TagSpecifications=ours
        )
        for number in range(250)
    ]
    ids = [each["Subnet"]["SubnetId"] for each in made]
    stranger = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.255.0/24")["Subnet"]["SubnetId"]
    assert Subnet.read(account.aws, [stranger]) == {stranger: None}
    account.cloud.forget_calls()
    seen = Subnet.read(account.aws, [*ids, "subnet-00000000"])
    assert all(seen[id] is not None for id in ids) and seen["subnet-00000000"] is None
    assert account.count("ec2.DescribeSubnets") == len(account.cloud.calls()) == 2


def test_reads_of_what_a_stack_has_take_one_call_a_listing(account: Account) -> None:
    groups = [SecurityGroup(name=f"group-{n}", vpc_id=VPC.ref(), description="A group") for n in range(30)]
    rules = [SecurityGroupRules(name=each.name, group_id=each.ref(), rules=[]) for each in groups]
    account.up(VPC, *groups, *rules)
    account.cloud.forget_calls()
    assert account.plan(VPC, *groups, *rules).idle
    assert sorted(map(str, account.cloud.calls())) == [
        "ec2.DescribeSecurityGroups",
        "ec2.DescribeVpcs",
    ]


def test_a_gateway_that_was_detached_or_moved_is_attached_again(account: Account, ec2: Any) -> None:
    account.up(VPC, OTHER_VPC, IGW)
    gateway, vpc, other = account.id(IGW.key), account.id(VPC.key), account.id(OTHER_VPC.key)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    (step,) = account.plan(VPC, OTHER_VPC, IGW).changes
    assert step.drift == (f"attached to: {vpc} was removed",)
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=other)
    (step,) = account.plan(VPC, OTHER_VPC, IGW).changes
    assert step.drift == (f"attached to: {other} was added, {vpc} was removed",)
    account.up(VPC, OTHER_VPC, IGW)
    (found,) = ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"]
    assert [one["VpcId"] for one in found["Attachments"]] == [vpc]
