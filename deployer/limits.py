"""AWS's quotas that a large stack meets, told before anything is made. They are an account's usual ones (VPC, ELB and
ECS quotas; an account may have been granted more), so they are warnings."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from deployer.checks import Finding, texts

if TYPE_CHECKING:
    from deployer.model import Config, Service
    from deployer.tree import Where

RULES = 60  # of a security group, in each direction
BALANCERS = 50  # of each type, in a region
RESERVED = 5  # addresses of each subnet that AWS keeps (VPC user guide, "Subnet sizing")
OF_BALANCER = 8  # free addresses that an application load balancer wants in each of its subnets
SUBNETS = 16  # equal parts of the VPC's range, of which a zone takes one or two


def warnings(config: Config) -> Iterator[Finding]:
    """What of the stack does not fit into an account with the usual quotas."""
    yield from rules(config)
    yield from balancers(config)
    yield from addresses(config)


def rules(config: Config) -> Iterator[Finding]:
    """A service's groups have a rule for each service that refers to it; with `egress` listed, one or two for each that
    it refers to."""
    refers = {name: referred(("services", name), service) for name, service in config.services.items()}
    for name, service in config.services.items():
        where: Where = ("services", name)
        callers = sum(name in others for others in refers.values())
        if callers + len(_inner(service)) > RULES:
            message = f"{callers} services refer to it, each with a rule of its security group; AWS allows {RULES}"
            yield Finding(where, f"{message} unless the account has been granted more")
        count = 0 if service.egress == "all" else len(service.egress) + 2 * len(refers[name])
        if count > RULES:
            message = f"its listed ports and references need {count} outbound rules; AWS allows {RULES}"
            yield Finding((*where, "egress"), f"{message}; write `egress: all`")


def referred(where: Where, service: Service) -> set[str]:
    return {reference.service for _, text in texts(where, service) for reference in text.references}


def _inner(service: Service) -> set[int]:
    """The ports on which its load balancer reaches it."""
    balancer = service.load_balancer
    return {service.port or 0, balancer.health.port or service.port or 0} if balancer else set()


def balancers(config: Config) -> Iterator[Finding]:
    for type in ("application", "network"):
        count = sum(bool(each.load_balancer and each.load_balancer.type == type) for each in config.services.values())
        if count > BALANCERS:
            message = f"{count} services have {type} load balancers; AWS allows {BALANCERS} in a region"
            yield Finding(("services",), f"{message} unless the account has been granted more")


def addresses(config: Config) -> Iterator[Finding]:
    """Every task has an address of its own, and a rollout runs the old and the new ones side by side."""
    network, zones = IPv4Network(config.network.cidr), config.network.zones
    tasks = 2 * sum(service.count for service in config.services.values())
    fronts = [each.load_balancer for each in config.services.values() if each.load_balancer]
    beside = [one for one in fronts if config.network.nat == "none" or one.scheme == "internal"]
    needed = tasks + zones * OF_BALANCER * len(beside)
    there = zones * (network.num_addresses // SUBNETS - RESERVED)
    if needed > there:
        message = f"leaves {there} addresses for tasks and load balancers, and a rollout of all takes up to {needed}"
        yield Finding(("network", "cidr"), f"{message}; choose a larger range")
