"""Where a stack stands, and the words that its parts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.config import Config, LoadBalancer, Reference, Service
from deployer.resource import to

WORLD = "0.0.0.0/0"
VPC = to("vpc.main")


@dataclass(frozen=True)
class Place:
    """Where the stack stands. `zones`: names of availability zones, one for each letter of a subnet."""

    account: str
    region: str
    partition: str
    zones: list[str]
    directory: Path
    stack_id: str
    environ: Mapping[str, str]
    images: Mapping[str, str] = field(default_factory=dict)  # service -> reference that `--image` asks for
    build: bool = True

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    @property
    def letters(self) -> list[str]:
        """One for each availability zone: a, b, ..."""
        return [chr(ord("a") + index) for index, _ in enumerate(self.zones)]


@dataclass(frozen=True)
class Member:
    """One service as a part of its stack."""

    config: Config
    place: Place
    name: str

    @property
    def service(self) -> Service:
        return self.config.services[self.name]

    @property
    def refers_to(self) -> list[str]:
        return referred(self.service)

    @property
    def referred_by(self) -> list[str]:
        return [name for name, service in self.config.services.items() if self.name in referred(service)]

    @property
    def inner_ports(self) -> list[int]:
        """Where its load balancer reaches the tasks: traffic, and health checks if they have a port of their own."""
        lb, port = self.service.load_balancer, self.service.port
        if lb is None or port is None:
            return []
        return sorted({port, lb.health.port or port})

    def subnets(self, *, public: bool = False) -> Any:
        """Where tasks and internal load balancers stand, or the public ones."""
        tier = "public" if public or self.config.network.nat == "none" else "private"
        return [to(f"subnet.{tier}-{letter}") for letter in self.place.letters]


def allow(actions: list[str], resources: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def referred(service: Service) -> list[str]:
    """The services to which this one refers, in the order of its text."""
    texts = [*service.environment.values(), *(service.command or ()), *(service.entrypoint or ()),
             *(service.release or ())]  # fmt: skip
    return list(dict.fromkeys(part.service for text in texts for part in text.parts if isinstance(part, Reference)))


def listener_name(service: str, port: int) -> str:
    return f"{service}_{port}"


def scheme(lb: LoadBalancer) -> str:
    if lb.type == "network":
        return "tls" if lb.certificate else "tcp"
    return "https" if lb.certificate else "http"


def port_suffix(lb: LoadBalancer) -> str:
    return "" if (scheme(lb), lb.port) in (("http", 80), ("https", 443)) else f":{lb.port}"
