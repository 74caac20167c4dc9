"""The rules of one security group, as a set: what is missing is authorised; what is too much is revoked in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, batches, ignoring, tag_list
from deployer.grants import OWN, Grant, making
from deployer.resource import SEEN, Made, Outputs, Resource, Retry
from deployer.resources.ec2 import NOT_YET
from deployer.resources.security_group import SecurityGroup

Rule = dict[str, Any]
Identity = tuple[str, int | str | None, str]
# In DescribeSecurityGroups, and as DescribeSecurityGroupRules names the same
PEERS = (("IpRanges", "CidrIp", "CidrIpv4"), ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
         ("PrefixListIds", "PrefixListId", "PrefixListId"))  # fmt: skip


def rule(direction: str, port: int | None, source: Any, description: str) -> Rule:
    """One rule on one TCP port, never a range (`port` None: everything). `source`: a CIDR, or a group's id."""
    return {"direction": direction, "port": port, "source": source, "description": description}


def _allowed(side: str) -> tuple[Grant, ...]:
    """The group decides; a rule is a resource too, but only of the call that makes it."""
    authorize, revoke = f"ec2:AuthorizeSecurityGroup{side}", f"ec2:RevokeSecurityGroup{side}"
    _, tags = making(authorize, "ec2:security-group-rule/*")
    return (
        Grant(f"{authorize} {revoke}", "ec2:security-group/*", (OWN,)),
        Grant(authorize, "ec2:security-group-rule/*"),
        tags,
    )


@dataclass(frozen=True, kw_only=True)
class SecurityGroupRules(Resource):
    """`rules`: as made by `rule`. Identified by the group, which is its id."""

    type = "rules"
    replace_on = frozenset({"group_id"})
    grants = (
        Grant("ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups"),
        *_allowed("Ingress"),
        *_allowed("Egress"),
    )
    # One that is a duplicate, or gone, fails the whole batch: read again and send the difference.
    retry_on = (
        *NOT_YET,
        Retry("InvalidPermission.Duplicate", seconds=60),
        Retry("InvalidPermission.NotFound", seconds=60),
        Retry("InvalidSecurityGroupRuleId.NotFound", seconds=60),
    )

    group_id: str
    rules: list[Rule]

    def create(self, aws: Aws) -> Made:
        return Made(self.group_id, {})

    def expected(self) -> dict[str, Any]:
        return {"rules": words(map(_identity, self.rules))}

    def configure(self, aws: Aws, id: str) -> None:
        """What runs now may need the former rules until it is replaced: they are revoked by `trim`."""
        present = _present(aws, [id]).get(id, {})
        for egress in (False, True):
            missing = [_permission(rule) for rule in self._side(egress) if _identity(rule) not in present]
            if missing:
                self._authorize(aws, id, missing, egress)

    def trim(self, aws: Aws, id: str) -> None:
        wanted = set(map(_identity, self.rules))
        extra = {identity: one for identity, one in _present(aws, [id]).get(id, {}).items() if identity not in wanted}
        for egress in (False, True):
            ids = [one for identity, one in extra.items() if (identity[0] == "egress") == egress]
            if ids:
                _revoke(aws, id, ids, egress)

    def _side(self, egress: bool) -> list[Rule]:
        return [rule for rule in self.rules if (rule["direction"] == "egress") == egress]

    def _authorize(self, aws: Aws, id: str, permissions: list[dict[str, Any]], egress: bool) -> None:
        call = aws.ec2.authorize_security_group_egress if egress else aws.ec2.authorize_security_group_ingress
        tags = [{"ResourceType": "security-group-rule", "Tags": tag_list(aws.tags(self.key, self.fingerprint))}]
        call(GroupId=id, IpPermissions=permissions, TagSpecifications=tags)

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        """With the rules that stand there, by whomever."""
        found = SecurityGroup.describe(aws, "group-id", ids)
        seen: dict[str, Outputs] = {
            group["GroupId"]: {SEEN: {"rules": words(identities(group))}}
            for group in found
            if SecurityGroup.ours(aws, group)
        }
        return {id: seen.get(id) for id in ids}

    def find(self, aws: Aws) -> str | None:
        return self.group_id if self.read(aws, [self.group_id])[self.group_id] is not None else None

    def delete(self, aws: Aws, id: str) -> None:
        """Groups that refer to each other can only be deleted once the rules are gone."""
        with ignoring("InvalidGroup.NotFound"):
            present = _present(aws, [id]).get(id, {})
            for egress in (False, True):
                ids = [rule_id for identity, rule_id in present.items() if (identity[0] == "egress") == egress]
                if ids:
                    _revoke(aws, id, ids, egress)


def _identity(rule: Rule) -> Identity:
    """Two rules that differ only in their description are duplicates to AWS."""
    return rule["direction"], rule["port"], rule["source"]


def _permission(rule: Rule) -> dict[str, Any]:
    about = {"Description": rule["description"]}
    if rule["source"].startswith("sg-"):
        peers: dict[str, Any] = {"UserIdGroupPairs": [{"GroupId": rule["source"], **about}]}
    else:
        peers = {"IpRanges": [{"CidrIp": rule["source"], **about}]}
    if rule["port"] is None:
        return {"IpProtocol": "-1", **peers}
    return {"IpProtocol": "tcp", "FromPort": rule["port"], "ToPort": rule["port"], **peers}


def words(identities: Iterable[Identity]) -> list[str]:
    """Each rule as `0.0.0.0/0 on tcp 22` or, outwards, `to 0.0.0.0/0 on everything`; sorted."""
    return sorted(
        f"{'to ' if direction == 'egress' else ''}{source} on "
        f"{'everything' if port is None else f'tcp {port}' if isinstance(port, int) else port}"
        for direction, port, source in identities
    )


def _present(aws: Aws, ids: list[str]) -> dict[str, dict[Identity, str]]:
    """The rules of these groups as they are in the account: group -> identity -> rule id."""
    present: dict[str, dict[Identity, str]] = {}
    paginator = aws.ec2.get_paginator("describe_security_group_rules")
    for batch in batches(ids, 200):
        for page in paginator.paginate(Filters=[{"Name": "group-id", "Values": batch}]):
            for item in page["SecurityGroupRules"]:
                present.setdefault(item["GroupId"], {})[identity_of(item)] = item["SecurityGroupRuleId"]
    return present


def identity_of(item: dict[str, Any]) -> Identity:
    """What AWS tells of a rule, in our own terms; anything that we never make is like none of ours."""
    port: Any = item.get("FromPort")
    if item["IpProtocol"] == "-1":
        port = None
    elif item["IpProtocol"] != "tcp" or port != item.get("ToPort"):
        port = f"{item['IpProtocol']} {port}-{item.get('ToPort')}"
    group = item.get("ReferencedGroupInfo", {}).get("GroupId")
    source = item.get("CidrIpv4") or group or item.get("CidrIpv6") or item.get("PrefixListId")
    return "egress" if item["IsEgress"] else "ingress", port, str(source)


def identities(group: dict[str, Any]) -> Iterator[Identity]:
    """DescribeSecurityGroups merges rules of the same ports; here each is one again."""
    for listing, egress in (("IpPermissions", False), ("IpPermissionsEgress", True)):
        for permission in group.get(listing, ()):
            one = {**permission, "IsEgress": egress}
            for peers, name, as_rule in PEERS:
                for peer in permission.get(peers, ()):
                    yield identity_of({**one, as_rule: peer[name]})
            for pair in permission.get("UserIdGroupPairs", ()):
                yield identity_of({**one, "ReferencedGroupInfo": pair})


def _revoke(aws: Aws, id: str, rule_ids: list[str], egress: bool) -> None:
    call = aws.ec2.revoke_security_group_egress if egress else aws.ec2.revoke_security_group_ingress
    call(GroupId=id, SecurityGroupRuleIds=rule_ids)
