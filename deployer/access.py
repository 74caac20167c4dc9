"""Who may talk to whom: the rules of the security groups. No rule opens a range of ports."""

from __future__ import annotations

from deployer.place import WORLD, Member
from deployer.resource import to
from deployer.resources.security_group_rules import Rule, rule


def task_rules(member: Member) -> list[Rule]:
    """A service admits its own port from its load balancer and from the services that refer to it, nothing else."""
    service = member.service
    rules = [
        rule("ingress", port, to(f"group.{member.name}_lb"), "from its load balancer") for port in member.inner_ports
    ]
    if service.port:
        rules += [rule("ingress", service.port, to(f"group.{other}"), f"from {other}") for other in member.referred_by]
    if service.egress == "all":
        rules.append(rule("egress", None, WORLD, "to anywhere"))
    else:
        rules += [rule("egress", port, WORLD, "to the internet and AWS") for port in service.egress]
    for other in member.refers_to:
        rules += _towards(member, other)
    return list({(one["direction"], one["port"], one["source"]): one for one in rules}.values())


def _towards(member: Member, other: str) -> list[Rule]:
    service = member.config.services[other]
    lb = service.load_balancer
    assert lb is not None  # config refuses a reference to a service without one
    if lb.scheme == "public":  # it answers on public addresses, which no group matches
        return [] if member.service.egress == "all" else [rule("egress", lb.port, WORLD, f"to {other}")]
    return [
        rule("egress", lb.port, to(f"group.{other}_lb"), f"to the load balancer of {other}"),
        rule("egress", service.port, to(f"group.{other}"), f"to {other}"),
    ]


def balancer_rules(member: Member, ports: list[int]) -> list[Rule]:
    """`ports`: on which the load balancer listens. An internal one admits the services that refer to it."""
    lb = member.service.load_balancer
    assert lb is not None
    if lb.scheme == "public":
        rules = [rule("ingress", port, WORLD, "from the internet") for port in ports]
    else:
        rules = [
            rule("ingress", port, to(f"group.{other}"), f"from {other}")
            for port in ports
            for other in member.referred_by
        ]
    return rules + [
        rule("egress", port, to(f"group.{member.name}"), f"to {member.name}") for port in member.inner_ports
    ]
