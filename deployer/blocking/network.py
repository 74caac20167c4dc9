"""Network interfaces and whatever else stands in our VPC, and rules elsewhere that refer to our groups.

A network interface outlives its owner by minutes. AWS's own carry the owner in their description:
`ELB app/<name>/<id>`, `ELB net/...`, `Interface for NAT Gateway <id>`, and of a Fargate task the ARN of its attachment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from deployer.aws import batches, tag_dict
from deployer.blocking.ours import Ours
from deployer.grants import Grant
from deployer.hold import Hold

Item = dict[str, Any]
# The rest is what resource types list, too.
LISTED = Grant("ec2:DescribeNetworkInterfaces ec2:DescribeNetworkAcls")
BALANCER, NAT = "ELB ", "Interface for NAT Gateway "
GOING = {
    "load balancer": "AWS takes up to 20 minutes to remove it",
    "NAT gateway": "it goes with the gateway, within minutes",
    "task": "AWS removes it within minutes of the task's end",
}


class Kind(NamedTuple):
    """What else may stand in a VPC: how it is listed, and what of it is AWS's own."""

    what: str
    operation: str
    listing: str
    id_field: str
    type: str
    vpc_filter: str = "vpc-id"
    argument: str = "Filters"


KINDS = (
    Kind("the subnet", "describe_subnets", "Subnets", "SubnetId", "subnet"),
    Kind("the security group", "describe_security_groups", "SecurityGroups", "GroupId", "group"),
    Kind("the route table", "describe_route_tables", "RouteTables", "RouteTableId", "route-table"),
    Kind("the network ACL", "describe_network_acls", "NetworkAcls", "NetworkAclId", ""),
    Kind("the VPC endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "s3-endpoint"),
    Kind("the NAT gateway", "describe_nat_gateways", "NatGateways", "NatGatewayId", "nat", argument="Filter"),
    Kind("the internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId", "igw",
         "attachment.vpc-id"),
)  # fmt: skip
GONE = ("deleting", "deleted", "failed")


def interfaces(ours: Ours) -> Iterator[Hold]:
    """Load balancers of others, and every network interface: ours are passing."""
    vpcs = list(ours.ids("vpc"))
    if not vpcs:
        return
    known = {arn.partition(":loadbalancer/")[2] for arn in ours.ids("load-balancer")}
    others = {}
    for page in ours.aws.elbv2.get_paginator("describe_load_balancers").paginate():
        for balancer in page["LoadBalancers"]:
            name = balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]
            if balancer["VpcId"] in vpcs and name not in known:
                others[name] = balancer
    for name, balancer in others.items():
        yield _balancer(ours, name, balancer)
    gateways = _gateways(ours, vpcs)
    for item in _listed(ours, "describe_network_interfaces", "NetworkInterfaces", "vpc-id", vpcs):
        owner = _owner(ours, item, gateways)
        if _about(item).partition(BALANCER)[2] in others or owner == "another's NAT gateway":
            continue  # told of as what it is
        yield _interface(ours, item, owner)


def _listed(ours: Ours, operation: str, listing: str, name: str, values: list[str],
            argument: str = "Filters") -> Iterator[Item]:  # fmt: skip
    for batch in batches(values, 200):
        filters = {argument: [{"Name": name, "Values": batch}]}
        for page in ours.aws.ec2.get_paginator(operation).paginate(**filters):
            yield from page[listing]


def _about(item: Item) -> str:
    return str(item.get("Description") or "")


def _gateways(ours: Ours, vpcs: list[str]) -> dict[str, str]:
    """Interface -> NAT gateway."""
    items = _listed(ours, "describe_nat_gateways", "NatGateways", "vpc-id", vpcs, "Filter")
    addresses = ((one, item["NatGatewayId"]) for item in items for one in item.get("NatGatewayAddresses", []))
    return {one["NetworkInterfaceId"]: gateway for one, gateway in addresses if one.get("NetworkInterfaceId")}


def _owner(ours: Ours, item: Item, gateways: dict[str, str]) -> str:
    """Whose it is, if it goes by itself; `another's NAT gateway`; else empty."""
    about = _about(item)
    if about.startswith(BALANCER):
        return "load balancer"  # ours, or one that is gone: others' that stand are told of before
    nat = gateways.get(item["NetworkInterfaceId"]) or about.partition(NAT)[2]
    if nat:
        return "NAT gateway" if nat in ours.ids("nat") else "another's NAT gateway"
    groups = {group["GroupId"] for group in item.get("Groups", [])}
    managed = item.get("RequesterManaged") or (":ecs:" in about and ":attachment/" in about)
    return "task" if managed and groups and groups <= set(ours.ids("group")) else ""


def _interface(ours: Ours, item: Item, owner: str) -> Hold:
    id, about, attached = item["NetworkInterfaceId"], _about(item), item.get("Attachment", {})
    what = f"{about} ({id})" if about else f"the network interface {id}"
    since = attached.get("AttachTime")
    instance = attached.get("InstanceId")
    if instance:
        what += f" of the instance {instance}"
    keys = _keys(ours, item)
    if owner:
        return Hold(keys, id, what, GOING[owner], f"{since:%Y-%m-%d %H:%M}" if since else "", "passing")
    advice = f"terminate {instance} or move it to another subnet" if instance else f"remove what uses {id}"
    if item.get("Status") == "available":
        advice = f"nobody uses it: `aws ec2 delete-network-interface --network-interface-id {id}` removes it"
    return Hold(keys, id, what, advice, f"{since:%Y-%m-%d %H:%M}" if since else "")


def _keys(ours: Ours, item: Item) -> tuple[str, ...]:
    """What an interface keeps from going: its subnet and groups, the gateway if it has a public address, the VPC."""
    ids = [item.get("SubnetId"), *(group["GroupId"] for group in item.get("Groups", []))]
    keys = ours.ids("subnet", "group")
    found = [keys[id] for id in ids if id in keys]
    public = item.get("Association", {})
    if public.get("PublicIp"):
        found += ours.ids("igw").values()
        found += [key for id, key in ours.ids("eip").items() if id == public.get("AllocationId")]
    vpc = ours.ids("vpc").get(str(item.get("VpcId")))
    return (*found, vpc) if vpc else tuple(found)


def _balancer(ours: Ours, name: str, balancer: Item) -> Hold:
    subnets = [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]
    keys = ours.ids("subnet", "group")
    found = [keys[id] for id in [*subnets, *balancer.get("SecurityGroups", [])] if id in keys]
    found += (ours.ids("vpc").get(balancer["VpcId"], ""),)
    made = balancer.get("CreatedTime")
    return Hold(tuple(filter(None, found)), balancer["LoadBalancerArn"], f"the load balancer {name}",
                "delete it, or move it to other subnets", f"{made:%Y-%m-%d %H:%M}" if made else "")  # fmt: skip


def strangers(ours: Ours) -> Iterator[Hold]:
    """What others have put into our VPC, and whatever AWS did not put there itself."""
    vpcs = ours.ids("vpc")
    for kind in KINDS if vpcs else ():
        known = ours.ids(kind.type)
        for item in _listed(ours, kind.operation, kind.listing, kind.vpc_filter, list(vpcs), kind.argument):
            tags = tag_dict(item.get("Tags"))
            if item[kind.id_field] in known or ours.aws.owns(tags) or _native(item):
                continue
            vpc = item.get("VpcId") or item["Attachments"][0]["VpcId"]
            name = f" {tags['Name']}" if tags.get("Name") else f" {item['GroupName']}" if "GroupName" in item else ""
            what = f"{kind.what}{name} ({item[kind.id_field]}), which is not this stack's"
            yield Hold((vpcs[vpc],), item[kind.id_field], what, "delete it first")


def _native(item: Item) -> bool:
    """AWS has made it with the VPC, or it is on its way out."""
    main = any(link.get("Main") for link in item.get("Associations", []))
    default = item.get("IsDefault") or item.get("GroupName") == "default"
    return bool(main or default or str(item.get("State")).lower() in GONE)


def references(ours: Ours) -> Iterator[Hold]:
    """A group cannot go while another's rule refers to it."""
    groups = ours.ids("group")
    told = set()
    for name in ("ip-permission.group-id", "egress.ip-permission.group-id") if groups else ():
        for item in _listed(ours, "describe_security_groups", "SecurityGroups", name, list(groups)):
            if item["GroupId"] in groups or item["GroupId"] in told or ours.aws.owns(tag_dict(item.get("Tags"))):
                continue
            told.add(item["GroupId"])
            rules = [*item.get("IpPermissions", []), *item.get("IpPermissionsEgress", [])]
            named = {pair.get("GroupId") for rule in rules for pair in rule.get("UserIdGroupPairs", [])}
            keys = tuple(key for id, key in groups.items() if id in named)
            what = f"a rule of the security group {item.get('GroupName', '')} ({item['GroupId']})"
            yield Hold(keys, item["GroupId"], what, "revoke the rule that refers to ours")
