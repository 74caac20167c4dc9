"""AWS's manners: what it does on its worse days, each a small piece that is switched on by name, all off at first.

made.py          what a creating call has made; backends.py: moto's own objects
unseen.py        ids that are not known yet;  linked_role.py, roles.py: roles that cannot be assumed yet
throttling.py    calls that are too many, answers that are lost;  rates.py: ECS's buckets;  quotas.py
conflicts.py     two changes at once
slow.py          what only takes longer
gateways.py      NAT gateways;  balancers.py: load balancers, target groups, certificates;  services.py: ECS
interfaces.py    network interfaces that outlive their owners;  secrets.py: names that stay taken

Seconds stand for AWS's minutes. Not here, because the stacks have none: application auto scaling, Cloud Map, ACM
beyond a listener's certificate, RDS.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..manner import ACTIVE, Manner, known
from ..tempo import LOCK
from . import interfaces
from .balancers import Certificates, Provisioning, TargetGroups
from .conflicts import Conflicts
from .gateways import FailedNat, SlowNat
from .interfaces import Interfaces
from .linked_role import LinkedRole
from .quotas import Quotas
from .rates import Rates
from .roles import RoleArns, Unassumable
from .secrets import SecretNames
from .services import Draining, Forgotten, Unsuccessful
from .throttling import Lost, Throttling
from .unseen import Unseen

# In the order in which they have their say: the door first, then what is known, then what is done.
MANNERS: dict[str, type[Manner]] = {
    manner.name: manner
    for manner in (
        Throttling, Rates, Forgotten, Unseen, LinkedRole, Unassumable, RoleArns, Conflicts, Quotas, SlowNat, FailedNat,
        Provisioning, Certificates, TargetGroups, Interfaces, Draining, Unsuccessful, SecretNames, Lost,
    )
}  # fmt: skip


def switch(wanted: Mapping[str, float | None]) -> None:
    """These are on from now on, and no others; each begins anew. Raises ValueError for an unknown name."""
    known(wanted)
    with LOCK:
        off()
        ACTIVE[:] = [manner(wanted[name]) for name, manner in MANNERS.items() if name in wanted]
        for manner in ACTIVE:
            manner.begin()


def off() -> None:
    with LOCK:
        for manner in ACTIVE:
            manner.end()
        ACTIVE.clear()


def wake() -> None:
    """After a restore: of another process's manners nothing is left."""
    interfaces.clear()
