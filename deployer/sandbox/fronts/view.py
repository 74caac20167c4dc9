"""What the fronts know of the account: moto's objects, copied and frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Address = tuple[str, int]
Reach = Callable[[str, int], Address | None]
Told = tuple[str, str | None, str | None]  # state, reason, description: as DescribeTargetHealth gives them

LAYER4 = {"TCP", "TLS", "UDP", "TCP_UDP"}
SECURE = {"HTTPS", "TLS"}


@dataclass(frozen=True)
class Target:
    """`address` and `check_address`: where it is reached from here; None while it is not."""

    id: str
    port: int
    address: Address | None = None
    check_address: Address | None = None


@dataclass(frozen=True)
class Check:
    protocol: str
    path: str
    codes: str
    port: int | None  # None: the one that gets the traffic
    interval: float
    timeout: float
    healthy: int
    unhealthy: int


@dataclass(frozen=True)
class Group:
    arn: str
    protocol: str
    check: Check
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Forward:
    weights: tuple[tuple[str, int], ...]  # target group ARN, weight


@dataclass(frozen=True)
class Redirect:
    status: int
    protocol: str
    host: str
    port: str
    path: str
    query: str


@dataclass(frozen=True)
class Fixed:
    status: int
    content_type: str
    body: str


Action = Forward | Redirect | Fixed


@dataclass(frozen=True)
class Condition:
    field: str
    values: tuple[str, ...]
    header: str = ""


@dataclass(frozen=True)
class Rule:
    conditions: tuple[Condition, ...]
    action: Action


@dataclass(frozen=True)
class Listener:
    """`rules` by priority, the default one last. `bound`: the port it had when it was last open."""

    arn: str
    port: int
    protocol: str
    rules: tuple[Rule, ...]
    bound: int | None = None
    certificate: tuple[bytes, bytes] | None = field(default=None, repr=False)  # certificate with chain, private key

    @property
    def door(self) -> object:
        """What cannot change while it is open."""
        return self.arn, self.port, self.protocol, self.certificate

    @property
    def groups(self) -> tuple[str, ...]:
        forwards = [rule.action for rule in self.rules if isinstance(rule.action, Forward)]
        return tuple(dict.fromkeys(arn for action in forwards for arn, _ in action.weights))


@dataclass(frozen=True)
class Balancer:
    arn: str
    name: str
    dns_name: str
    kind: str
    number: int
    vpc_id: str
    idle: float
    listeners: tuple[Listener, ...]


@dataclass(frozen=True)
class View:
    """`groups`: only those that a listener or rule forwards to."""

    balancers: tuple[Balancer, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
