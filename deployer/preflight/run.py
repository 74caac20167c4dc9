"""What a check sees of the run that is ahead, and what it may say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from deployer import plan as planning
from deployer.aws import Aws
from deployer.config import Config
from deployer.errors import DeployerError
from deployer.plan import Action, Plan
from deployer.resource import Resource
from deployer.state import Record
from deployer.tree import Where

Ask = Callable[[], Any]
Told = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A run that is ahead; `going`: it is not only planned.

    `line` puts `deploy.yaml:LINE: path:` before a message about a place in the file."""

    aws: Aws
    plan: Plan
    records: Mapping[str, Record]
    config: Config
    line: Callable[[Where, str], str]
    going: bool = False

    @cached_property
    def changed(self) -> list[Resource]:
        """What is to be made or changed, with what is known of its inputs by now; the rest is UNKNOWN."""
        steps = [step for step in self.plan.steps if step.action is not Action.KEEP]
        return [self.known(step.resource) for step in steps if step.resource is not None]

    @cached_property
    def made(self) -> list[Resource]:
        """Of these what is to be made, beside what stands there already or for the first time."""
        keys = {step.key for step in self.plan.steps if step.action in (Action.CREATE, Action.REPLACE)}
        return [resource for resource in self.changed if resource.key in keys]

    def known(self, resource: Resource) -> Resource:
        return resource.resolved(lambda ref: planning.known(ref, self.records, self.plan))

    def making(self, type: str) -> list[Any]:
        return [resource for resource in self.made if resource.type == type]


@dataclass(frozen=True)
class Warned:
    """What may go wrong later, and stops nothing."""

    message: str


@dataclass(frozen=True)
class Missing:
    """The linked role of `service` (such as `ecs.amazonaws.com`), which is not there and can be made."""

    service: str


Finding = DeployerError | Warned | Missing


class Check(Protocol):
    """`asks` are reads that do not need each other: those of all checks are made in one parallel round. What could
    not be asked (not permitted, not implemented, no answer) is None in `told`: unknown is no problem."""

    def asks(self, run: Run) -> Mapping[str, Ask]: ...

    def judge(self, run: Run, told: Told) -> Iterator[Finding]: ...
