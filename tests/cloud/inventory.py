"""Everything in the account that a deployer could have made, told without random ids: equal runs, equal inventories."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

Inventory = dict[str, list[str]]
Clients = Callable[[str], Any]
RANDOM = [  # what is left of random ids in a text, and what stands for it
    (
        re.compile(r"\b(pl|vpc|subnet|sg|sgr|rtb|rtbassoc|igw|nat|eipalloc|eipassoc|vpce|fl|eni|acl)-[0-9a-f]{8,17}\b"),
        r"<\1>",
    ),
    (re.compile(r"(:secret:[^\s\"*]+)-[A-Za-z0-9]{6}\b"), r"\1-<random>"),
    (re.compile(r"/[0-9a-f]{16}\b"), "/<random>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
]


class Names:
    """Physical ids and ARNs, and the key (else the Name, else the given name) that stands for each."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.keys: dict[str, str] = {}  # of every id; empty for what carries none

    def learn(self, tags: Any, otherwise: str, *ids: str) -> str:
        if isinstance(tags, dict):
            pairs = tags
        else:
            pairs = {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in tags or []}
        name = str(pairs.get("deployer:key") or pairs.get("Name") or otherwise)
        for each in ids:
            self._names[each] = name
            self.keys[each] = str(pairs.get("deployer:key") or "")
        if stack := pairs.get("deployer:id"):
            self._names[str(stack)] = "<stack>"
        return name

    def note(self, *ids: str) -> None:
        """These exist, too."""
        self.keys.update(dict.fromkeys(ids, ""))

    def __getitem__(self, id_: str | None) -> str:
        return self._names.get(id_ or "", self.plain(id_ or "-"))

    def plain(self, text: str) -> str:
        """The text with every known id replaced by its name and every other by its kind."""
        for id_ in sorted(self._names, key=len, reverse=True):
            text = text.replace(id_, f"<{self._names[id_].strip('<>')}>")
        for pattern, stand_in in RANDOM:
            text = pattern.sub(stand_in, text)
        return text


def pages(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    if client.can_paginate(operation):
        return list(client.get_paginator(operation).paginate(**arguments).build_full_result().get(key, []))
    return list(getattr(client, operation)(**arguments)[key])


def batches(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def take(clients: Clients) -> tuple[Inventory, dict[str, str]]:
    """Everything, and the ids of it: each with the key in its tags, empty if it has none."""
    names = Names()
    network = _network(clients("ec2"), names)
    balancing = _balancing(clients("elbv2"), names)
    rest = _logs(clients("logs"), names) | _secrets(clients("secretsmanager"), names) | _ecr(clients("ecr"), names)
    rest |= _ecs(clients("ecs"), names)
    rest |= _iam(clients("iam"), names)
    return {kind: sorted(found) for kind, found in (network | balancing | rest).items()}, names.keys


def _network(ec2: Any, names: Names) -> Inventory:
    vpcs = [each for each in pages(ec2, "describe_vpcs", "Vpcs") if not each["IsDefault"]]
    ours = {each["VpcId"] for each in vpcs}
    subnets = [each for each in pages(ec2, "describe_subnets", "Subnets") if each["VpcId"] in ours]
    groups = pages(ec2, "describe_security_groups", "SecurityGroups")
    tables = [each for each in pages(ec2, "describe_route_tables", "RouteTables") if each["VpcId"] in ours]
    igws = pages(ec2, "describe_internet_gateways", "InternetGateways")
    eips = pages(ec2, "describe_addresses", "Addresses")
    nats = pages(ec2, "describe_nat_gateways", "NatGateways")
    nats = [each for each in nats if each["State"] not in ("deleted", "failed")]  # these go by themselves
    endpoints = [each for each in pages(ec2, "describe_vpc_endpoints", "VpcEndpoints") if each["State"] != "deleted"]
    flows = pages(ec2, "describe_flow_logs", "FlowLogs")
    for kind, found in {
        "VpcId": vpcs,
        "SubnetId": subnets,
        "GroupId": groups,
        "RouteTableId": tables,
        "InternetGatewayId": igws,
        "AllocationId": eips,
        "NatGatewayId": nats,
        "VpcEndpointId": endpoints,
        "FlowLogId": flows,
    }.items():
        for each in found:
            names.learn(each.get("Tags"), each.get("GroupName") or f"unnamed {kind.removesuffix('Id')}", each[kind])
    for table in tables:
        names.note(*(link["RouteTableAssociationId"] for link in table["Associations"]))
        names.note(*(f"{table['RouteTableId']}|{_destination(route)}" for route in table["Routes"]))
    defaults = [each for each in groups if each["GroupName"] == "default"]
    groups = [each for each in groups if each["GroupName"] != "default"]
    tables = [each for each in tables if not any(link.get("Main") for link in each["Associations"])]
    return {
        "vpcs": [f"{names[each['VpcId']]} {each['CidrBlock']}" for each in vpcs],
        "subnets": [
            f"{names[each['SubnetId']]} in {names[each['VpcId']]} {each['CidrBlock']} {each['AvailabilityZone']}"
            for each in subnets
        ],
        "internet_gateways": [
            f"{names[each['InternetGatewayId']]} at {', '.join(names[to['VpcId']] for to in each['Attachments'])}"
            for each in igws
        ],
        "addresses": [
            f"{names[each['AllocationId']]} {'in use' if each.get('AssociationId') else 'free'}" for each in eips
        ],
        "nat_gateways": [
            f"{names[each['NatGatewayId']]} in {names[each['SubnetId']]} {each['State']}" for each in nats
        ],
        "route_tables": [f"{names[each['RouteTableId']]} of {names[each['VpcId']]}" for each in tables],
        "routes": [
            f"{names[table['RouteTableId']]} {names.plain(_destination(route))} to {names[_target(route)]}"
            for table in tables
            for route in table["Routes"]
            if _target(route) != "local"
        ],
        "associations": [
            f"{names[table['RouteTableId']]} with {names[link['SubnetId']]}"
            for table in tables
            for link in table["Associations"]
            if link.get("SubnetId")
        ],
        "endpoints": [
            f"{names[each['VpcEndpointId']]} {each['VpcEndpointType']} {each['ServiceName']} of {names[each['VpcId']]}"
            for each in endpoints
        ],
        "flow_logs": [f"{names[each['FlowLogId']]} of {names[each['ResourceId']]}" for each in flows],
        "security_groups": [f"{names[each['GroupId']]} of {names[each['VpcId']]}" for each in groups],
        "rules": [f"{names[each['GroupId']]} {rule}" for each in groups for rule in _rules(each, names)],
        "default_group_rules": [
            f"default of {names[each['VpcId']]}: {count}"
            for each in defaults
            if each["VpcId"] in ours and (count := len(_rules(each, names)))
        ],
    }


def _destination(route: dict[str, Any]) -> str:
    fields = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    return next(str(route[field]) for field in fields if route.get(field))


def _target(route: dict[str, Any]) -> str:
    fields = ("GatewayId", "NatGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId")
    return next((str(route[field]) for field in fields if route.get(field)), "-")


def _rules(group: dict[str, Any], names: Names) -> list[str]:
    found = []
    for direction, key in (("in", "IpPermissions"), ("out", "IpPermissionsEgress")):
        for rule in group[key]:
            ports = f"{rule.get('FromPort', '*')}-{rule.get('ToPort', '*')}"
            peers = [each["CidrIp"] for each in rule.get("IpRanges", [])]
            peers += [each["CidrIpv6"] for each in rule.get("Ipv6Ranges", [])]
            peers += [each["PrefixListId"] for each in rule.get("PrefixListIds", [])]
            peers += [names[each["GroupId"]] for each in rule.get("UserIdGroupPairs", [])]
            found += [f"{direction} {rule['IpProtocol']} {ports} {peer}" for peer in peers]
    return found


def _balancing(elb: Any, names: Names) -> Inventory:
    balancers = pages(elb, "describe_load_balancers", "LoadBalancers")
    groups = pages(elb, "describe_target_groups", "TargetGroups")
    arns = [each["LoadBalancerArn"] for each in balancers] + [each["TargetGroupArn"] for each in groups]
    tags = {
        each["ResourceArn"]: each["Tags"]
        for batch in batches(arns, 20)
        for each in elb.describe_tags(ResourceArns=batch)["TagDescriptions"]
    }
    for each in balancers:
        arn = each["LoadBalancerArn"]
        names.learn(tags.get(arn), each["LoadBalancerName"], arn, each["DNSName"])
    for each in groups:
        names.learn(tags.get(each["TargetGroupArn"]), each["TargetGroupName"], each["TargetGroupArn"])
    listening = [
        each
        for balancer in balancers
        for each in pages(elb, "describe_listeners", "Listeners", LoadBalancerArn=balancer["LoadBalancerArn"])
    ]
    names.note(*(each["ListenerArn"] for each in listening))
    listeners = [
        f"{names[each['LoadBalancerArn']]} {each['Protocol']} {each['Port']} to "
        + ", ".join(names[action.get("TargetGroupArn")] for action in each["DefaultActions"])
        for each in listening
    ]
    return {
        "load_balancers": [
            f"{names[each['LoadBalancerArn']]} {each['Type']} {each['Scheme']} of {names[each['VpcId']]}"
            for each in balancers
        ],
        "target_groups": [
            f"{names[each['TargetGroupArn']]} {each['Protocol']} {each['Port']} {each['TargetType']}" for each in groups
        ],
        "listeners": listeners,
    }


def _iam(iam: Any, names: Names) -> Inventory:
    roles = pages(iam, "get_account_authorization_details", "RoleDetailList", Filter=["Role"])
    policies = pages(iam, "list_policies", "Policies", Scope="Local")

    def text(document: Any) -> str:
        return names.plain(json.dumps(document, sort_keys=True))

    described = []
    for role in roles:
        if role["Path"].startswith("/aws-service-role/"):
            continue
        name = names.learn(role.get("Tags"), role["RoleName"], role["Arn"])
        names.keys[role["RoleName"]] = names.keys[role["Arn"]]
        attached = sorted(each["PolicyName"] for each in role["AttachedManagedPolicies"])
        inline = sorted(f"{each['PolicyName']} {text(each['PolicyDocument'])}" for each in role["RolePolicyList"])
        described.append(f"{name} trusts {text(role['AssumeRolePolicyDocument'])} may {', '.join(attached + inline)}")
    return {"roles": described, "policies": [each["PolicyName"] for each in policies]}


def _logs(logs: Any, names: Names) -> Inventory:
    found = []
    for each in pages(logs, "describe_log_groups", "logGroups"):
        arn = each["arn"].removesuffix(":*")
        tags = logs.list_tags_for_resource(resourceArn=arn)["tags"]
        name = names.learn(tags, each["logGroupName"], arn, each["logGroupName"])
        found.append(f"{name} {each.get('retentionInDays', 'for ever')}")
    return {"log_groups": found}


def _secrets(manager: Any, names: Names) -> Inventory:
    found = []
    for each in pages(manager, "list_secrets", "SecretList"):
        if not each.get("DeletedDate"):
            name = names.learn(each.get("Tags"), each["Name"], each["ARN"])
            found.append(name)
    return {"secrets": found}


def _ecr(ecr: Any, names: Names) -> Inventory:
    found = []
    for each in pages(ecr, "describe_repositories", "repositories"):
        name, arn, uri = each["repositoryName"], each["repositoryArn"], each["repositoryUri"]
        tags = ecr.list_tags_for_resource(resourceArn=arn)["tags"]
        images = len(pages(ecr, "describe_images", "imageDetails", repositoryName=name))
        found.append(f"{names.learn(tags, name, arn, uri)} {images} images")
    return {"repositories": found}


def _ecs(ecs: Any, names: Names) -> Inventory:
    clusters: list[str] = []
    services: list[str] = []
    definitions: dict[str, str] = {}
    arns = pages(ecs, "list_task_definitions", "taskDefinitionArns")
    for arn in arns:
        tags = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]).get("tags")
        definitions[arn] = names.learn(tags, arn.rpartition("/")[2].rpartition(":")[0], arn)
    for batch in batches(pages(ecs, "list_clusters", "clusterArns"), 100):
        for cluster in ecs.describe_clusters(clusters=batch, include=["TAGS"])["clusters"]:
            if cluster["status"] != "ACTIVE":
                continue
            arn = cluster["clusterArn"]
            clusters.append(names.learn(cluster.get("tags"), cluster["clusterName"], arn))
            services += _services(ecs, arn, names, definitions)
    counted = Counter(definitions.values())
    revisions = [f"{name}: {count}" for name, count in counted.items()]
    return {"clusters": clusters, "services": services, "task_definitions": revisions}


def _services(ecs: Any, cluster: str, names: Names, definitions: dict[str, str]) -> list[str]:
    found = []
    for batch in batches(pages(ecs, "list_services", "serviceArns", cluster=cluster), 10):
        for each in ecs.describe_services(cluster=cluster, services=batch, include=["TAGS"])["services"]:
            if each["status"] != "INACTIVE":
                name = names.learn(each.get("tags"), each["serviceName"], each["serviceArn"])
                arn = each["taskDefinition"]
                family = definitions.get(arn, arn.rpartition("/")[2].rpartition(":")[0])
                draining = "" if each["status"] == "ACTIVE" else f" {each['status']}"
                found.append(f"{name} in {names[cluster]} runs {family} desired {each['desiredCount']}{draining}")
    return found
