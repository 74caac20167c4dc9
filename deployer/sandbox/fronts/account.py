"""Moto's side: its objects are read, and told what became of them, under the lock."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from threading import RLock
from typing import Any

from deployer.sandbox.fronts.health import REGISTERING
from deployer.sandbox.fronts.reading import read
from deployer.sandbox.fronts.view import Address, Balancer, Check, Reach, Target, Told, View

LOG = logging.getLogger("deployer.sandbox")
LOCK_PATIENCE = 0.5


@dataclass(frozen=True)
class News:
    """`bound`: listener ARN -> its port here. `health`: (group ARN, target id) -> what the checks say."""

    bound: Mapping[str, int]
    health: Mapping[tuple[str, str], Told]


class Account:
    """All accounts and regions of the sandbox."""

    def __init__(self, lock: RLock, reach: Reach, backends: Any) -> None:
        self._lock, self._reach, self._backends = lock, reach, backends

    def exchange(self, news: News) -> View | None:
        """Tells moto the news and returns what it has; None when the lock could not be had in time."""
        if not self._lock.acquire(timeout=LOCK_PATIENCE):
            return None
        try:
            backends = [backend for regions in list(self._backends.values()) for backend in list(regions.values())]
            _number([balancer for backend in backends for balancer in backend.load_balancers.values()])
            view = read(backends)
            for backend in backends:
                _tell(backend, view, news)
        finally:
            self._lock.release()
        # Outside the lock: `reach` has locks of its own.
        located = {
            arn: replace(group, targets=tuple(self._located(each, group.check) for each in group.targets))
            for arn, group in view.groups.items()
        }
        return replace(view, groups=located)

    def _located(self, target: Target, check: Check) -> Target:
        address = self._locate(target.id, target.port)
        if check.port in (None, target.port):
            return replace(target, address=address, check_address=address)
        return replace(target, address=address, check_address=self._locate(target.id, check.port))

    def _locate(self, ip: str, port: int) -> Address | None:
        try:
            return self._reach(ip, port)
        except Exception:
            LOG.exception("Where %s:%s is could not be found out.", ip, port)
            return None


def _number(balancers: list[Any]) -> None:
    taken = {getattr(each, "number", 0) for each in balancers}
    for balancer in balancers:
        if not getattr(balancer, "number", 0):
            balancer.number = next(number for number in count(1) if number not in taken)
            taken.add(balancer.number)


def _tell(backend: Any, view: View, news: News) -> None:
    for arn, group in backend.target_groups.items():
        if arn not in view.groups:
            group.__dict__.pop("health", None)
            continue
        health = group.__dict__.setdefault("health", {})
        for gone in set(health) - set(group.targets):
            del health[gone]
        health.update({each: news.health.get((arn, each), REGISTERING) for each in group.targets})
    for seen in view.balancers:
        if seen.arn in backend.load_balancers:
            _tell_balancer(backend.load_balancers[seen.arn], seen, news)


def _tell_balancer(balancer: Any, seen: Balancer, news: News) -> None:
    """The address that DescribeLoadBalancers gives must lead here, whatever port the listener could have."""
    open_here = [each for each in seen.listeners if each.arn in news.bound]
    for listener in open_here:
        entry = balancer.listeners[listener.arn]
        entry.bound_port, entry.bound_for = news.bound[listener.arn], listener.port
        balancer.fronted = True
    main = min(open_here, key=lambda each: (not each.groups, each.port), default=None)
    if main:
        bound = news.bound[main.arn]
        balancer.dns_name = seen.dns_name if bound == main.port else f"{seen.dns_name}:{bound}"
