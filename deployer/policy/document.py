"""From grants to an IAM policy of one stack: the same input, the same text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deployer.grants import Condition, Grant
from deployer.policy.commands import COMMANDS, READING, needs
from deployer.resource import TYPES, Resource
from deployer.resources.load_balancer import PROTECTION

VERSION = "2012-10-17"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; blanks do not count
LIMIT = 6144  # characters of a managed policy
GLOBAL = ("iam",)  # services whose ARNs carry no region

Statement = dict[str, Any]
Given = tuple[Grant, dict[str, str]]


@dataclass(frozen=True)
class Site:
    """Where the stack stands. `account` is `*` while it is not known."""

    stack: str
    account: str
    region: str
    partition: str

    def arn(self, end: str) -> str:
        """Of `ec2:vpc/*`; what is an ARN already, or `*`, stays as it is."""
        if end == "*" or end.startswith("arn:"):
            return end
        service, _, resource = end.partition(":")
        region = "" if service in GLOBAL else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"


def policy(resources: Iterable[Resource], commands: Iterable[str], site: Site) -> dict[str, Any]:
    """What these commands need for these resources (the Refs in them need not be resolved).

    Services are named each for itself, unless that takes more documents: then by the stack's name alone."""
    wanted, chosen = list(resources), list(commands)
    exact, wide = (_document(_statements(wanted, chosen, site, wide)) for wide in (False, True))
    return exact if _takes(exact) <= _takes(wide) else wide


def documents(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The policy in as many documents as the limit asks for; all together allow what the one does."""
    parts: list[list[Statement]] = [[]]
    for statement in whole["Statement"]:
        if parts[-1] and size(_document([*parts[-1], statement])) > LIMIT:
            parts.append([])
        parts[-1].append(statement)
    return [_document(part) for part in parts]


def _takes(whole: dict[str, Any]) -> int:
    parts = documents(whole)
    return len(parts) if all(size(part) <= LIMIT for part in parts) else len(whole["Statement"]) + 1


def size(document: dict[str, Any]) -> int:
    """As IAM counts: without blanks."""
    return len(json.dumps(document, separators=(",", ":")))


def _document(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": statements}


def _statements(resources: list[Resource], commands: list[str], site: Site, wide: bool) -> list[Statement]:
    """One for each service and set of conditions: an action meets only the kinds of resources that it knows. What looks
    and what changes stand apart, since one may look further."""

    def kind(action: str, anywhere: bool, when: list[Condition]) -> tuple[Any, ...]:
        # The calls that make something are listed in one condition.
        alike = sorted((op, key, "" if key.endswith(":CreateAction") else value) for op, key, value in when)
        return action.partition(":")[0], bool(READING.search(action)), anywhere, tuple(alike)

    return merged(_grants(resources, commands, site, wide), site, kind)


def merged(grants: Iterable[Given], site: Site, kind: Callable[..., tuple[Any, ...]]) -> list[Statement]:
    """A statement for each `kind` of action, of whether it is allowed anywhere, and of conditions."""
    merged: dict[tuple[Any, ...], tuple[set[str], set[str], set[Condition]]] = {}
    for grant, words in grants:
        arns = [site.arn(end) for end in grant.on.format(**words).split()]
        when = [(operator, key, value.format(**words)) for operator, key, value in grant.when]
        for action in grant.actions.split():
            alike = kind(action, arns == ["*"], when)
            actions, addressed, conditions = merged.setdefault(alike, (set(), set(), set()))
            actions.add(action)
            addressed.update(arns)
            conditions.update(when)
    return [_statement(*merged[alike]) for alike in sorted(merged)]


def _statement(actions: set[str], arns: set[str], conditions: Iterable[Condition]) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": _one(_narrowed(arns))}
    grouped: dict[str, dict[str, list[str]]] = {}
    for operator, key, value in sorted(conditions):
        grouped.setdefault(operator, {}).setdefault(key, []).append(value)
    if grouped:
        statement["Condition"] = {op: {key: _one(found) for key, found in keys.items()} for op, keys in grouped.items()}
    return statement


def _narrowed(arns: set[str]) -> list[str]:
    """Without those that another one, ending in `*`, holds already."""
    covering = [arn[:-1] for arn in arns if arn.endswith("*")]
    return sorted(arn for arn in arns if not any(arn.startswith(part) and arn != f"{part}*" for part in covering))


def _one(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _grants(resources: list[Resource], commands: list[str], site: Site, wide: bool) -> Iterator[Given]:
    general = _words(site, None, wide)
    for command in (COMMANDS[name] for name in commands):
        yield from ((grant, general) for type in TYPES.values() for grant in type.scans)
        yield from ((grant, general) for grant in command.grants)
        for resource in resources:
            besides = [grant for type, grant in command.besides if type == resource.type]
            yield from given(resource, besides, site, wide)
            for grant in (*resource.scans, *resource.grants):
                part = needs(command, resource.type, grant)
                if grant is PROTECTION and command.shrinks and not command.only:
                    part = grant
                yield from given(resource, [part] if part else [], site, wide)


def given(resource: Resource, grants: Iterable[Grant], site: Site, wide: bool = False) -> Iterator[Given]:
    """Those for which the resource has what they are for, each with what its texts may hold."""
    words = _words(site, resource, wide) if grants else {}
    for grant in grants:
        if not grant.given:
            yield grant, words
        elif value := getattr(resource, grant.given):
            yield grant, words | {grant.given: value}


def _words(site: Site, resource: Resource | None, wide: bool) -> dict[str, str]:
    """What a grant's texts may hold. A part's name is its service's up to an underscore, which that cannot hold."""
    words = {"name": "*", "member": "*", "elb": f"{_elb(site.stack)}-*"}
    if resource is not None:
        words |= {field: value for field, value in resource.inputs.items() if isinstance(value, str)}
        if not wide:
            member = resource.name.partition("_")[0]
            words |= {"name": resource.name, "member": member, "elb": f"{_elb(f'{site.stack}-{member}')}-*"}
        elif "group" in words:
            words["group"] = words["group"].rpartition("/")[0] + "/"
    place = {"partition": site.partition, "region": site.region, "cluster": site.arn(f"ecs:cluster/{site.stack}")}
    return words | place | {"stack": site.stack}


def _elb(name: str) -> str:
    """As `ElbResource.elb_name` begins: 32 characters, 7 of them for the hash."""
    name = f"x{name[1:]}" if name.startswith("internal-") else name
    return name[:25].rstrip("-")
