"""Moto's objects, read into ours. One that cannot be understood is left out, and does not hide the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from deployer.sandbox.fronts.actions import rules_of
from deployer.sandbox.fronts.view import SECURE, Balancer, Check, Group, Listener, Target, View

LOG = logging.getLogger("deployer.sandbox")
IDLE = 60.0

Read = TypeVar("Read")


def read(backends: list[Any]) -> View:
    balancers: list[Balancer] = []
    groups: dict[str, Group] = {}
    for backend in backends:
        here = [_balancer(backend, each) for each in backend.load_balancers.values()]
        used = {arn for balancer in here for listener in balancer.listeners for arn in listener.groups}
        wanted = [group for arn, group in backend.target_groups.items() if arn in used]
        groups |= {group.arn: group for group in _understood(wanted, _group)}
        balancers += here
    return View(tuple(balancers), groups)


def _understood(objects: Iterable[Any], reader: Callable[[Any], Read]) -> Iterator[Read]:
    for each in objects:
        try:
            yield reader(each)
        except Exception as error:
            _complain(each.arn, repr(error))


@lru_cache(maxsize=1000)
def _complain(arn: str, error: str) -> None:
    """Once; it is looked at ten times a second."""
    LOG.error("%s is left out, as it is not understood: %s", arn, error)


def _balancer(backend: Any, balancer: Any) -> Balancer:
    return Balancer(
        arn=balancer.arn,
        name=balancer.name,
        dns_name=balancer.dns_name.partition(":")[0],
        kind=balancer.type,
        number=balancer.number,
        vpc_id=balancer.vpc_id,
        idle=float(balancer.attrs.get("idle_timeout.timeout_seconds") or IDLE),
        listeners=tuple(_understood(balancer.listeners.values(), lambda each: _listener(backend, each))),
    )


def _listener(backend: Any, listener: Any) -> Listener:
    return Listener(
        arn=listener.arn,
        port=int(listener.port),
        protocol=listener.protocol,
        rules=rules_of(listener),
        bound=listener.bound_port if getattr(listener, "bound_for", None) == int(listener.port) else None,
        certificate=_certificate(backend, listener.certificate) if listener.protocol in SECURE else None,
    )


def _certificate(backend: Any, arn: str | None) -> tuple[bytes, bytes] | None:
    from moto.acm.models import acm_backends

    bundle = acm_backends[backend.account_id][backend.region_name]._certificates.get(arn)
    return (bundle.cert + b"\n" + bundle.chain, bundle.key) if bundle else None


def _group(group: Any) -> Group:
    port = group.health_check_port or "traffic-port"
    return Group(
        arn=group.arn,
        protocol=group.protocol,
        check=Check(
            protocol=group.health_check_protocol,
            path=group.health_check_path or "/",
            codes=(getattr(group, "matcher", None) or {}).get("HttpCode") or "200",
            port=None if port == "traffic-port" else int(port),
            interval=float(group.health_check_interval_seconds),
            timeout=float(group.health_check_timeout_seconds),
            healthy=int(group.healthy_threshold_count),
            unhealthy=int(group.unhealthy_threshold_count),
        ),
        targets=tuple(Target(each["Id"], int(each["Port"])) for each in group.targets.values()),
    )
