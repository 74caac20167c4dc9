"""Names that are free or ours: what is in the way is told before anything is made, with its owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from deployer.aws import Aws
from deployer.errors import DeployerError
from deployer.preflight.run import Ask, Finding, Run, Told
from deployer.resource import Resource, Unknown


class Names:
    """One listing per type of what may bear a wanted name; only what does is looked at more closely."""

    def asks(self, run: Run) -> Mapping[str, Ask]:
        by_type: dict[type[Resource], dict[str, Resource]] = {}
        for one in run.made:
            fixed = [value for field, value in one.inputs.items() if field in one.replace_on]
            name = None if any(map(_unknown, fixed)) else one.account_name(run.aws)
            if name:
                by_type.setdefault(type(one), {})[name] = one
        return {kind.type: partial(_in_the_way, run.aws, kind, wanted) for kind, wanted in by_type.items()}

    def judge(self, run: Run, told: Told) -> Iterator[Finding]:
        for errors in told.values():
            yield from errors or ()


def _in_the_way(aws: Aws, kind: type[Resource], wanted: dict[str, Resource]) -> list[DeployerError]:
    taken = kind.taken(aws, list(wanted))
    errors = []
    for name in sorted(taken & wanted.keys()):
        try:
            wanted[name].claimed(aws)
        except DeployerError as error:
            errors.append(error)
    return errors


def _unknown(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_unknown, value))
    if isinstance(value, dict):
        return any(map(_unknown, value.values()))
    return isinstance(value, Unknown)
