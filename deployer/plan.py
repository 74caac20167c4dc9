"""What is wanted, compared with what is recorded: pure data, no calls.

No record: create. A change in an input that AWS cannot change in place: replace. Another change, a record that was not
finished, or drift: update. Else keep. The outputs of what will be made are UNKNOWN, which equals nothing, so a
replacement reaches exactly those whose reference to it sits in `replace_on`; the others are updated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from deployer.drift import strays
from deployer.errors import DeployerError, UsageError
from deployer.resource import TYPES, UNKNOWN, Ref, Resource, Unknown
from deployer.state import Record


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    KEEP = "keep"


@dataclass(frozen=True)
class Change:
    """One input that differs."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Step:
    """What happens to one key. `routine`: a removal nobody needs to be asked about; `gone`: it is not there;
    `drift`: what was changed in the account and is put back, field by field."""

    action: Action
    key: str
    reason: str = ""
    changes: tuple[Change, ...] = ()
    resource: Resource | None = None
    record: Record | None = None
    routine: bool = False
    gone: bool = False
    drift: tuple[str, ...] = ()

    @property
    def type(self) -> type[Resource]:
        return TYPES[self.key.partition(".")[0]]

    @property
    def waits(self) -> bool:
        """Kept as it is, but not seen usable, or not any more."""
        return self.action is Action.KEEP and self.record is not None and not self.record.usable


@dataclass(frozen=True)
class Plan:
    """`steps`: what is wanted, dependencies first; `removals`: what goes, dependents first."""

    steps: list[Step] = field(default_factory=list)
    removals: list[Step] = field(default_factory=list)

    @property
    def changes(self) -> list[Step]:
        return [step for step in [*self.steps, *self.removals] if step.action is not Action.KEEP]

    @property
    def asks(self) -> list[Step]:
        """The steps that destroy something: somebody has to agree."""
        return [step for step in self.changes if step.action in (Action.DELETE, Action.REPLACE) and not step.routine]

    @property
    def forward(self) -> list[Step]:
        """Services that `deployer rollback` took back from the very revision that this would bring again."""
        return [step for step in self.steps if _taken_back(step)]

    @property
    def idle(self) -> bool:
        return not self.changes and not any(step.waits for step in self.steps)

    def count(self) -> Counter[str]:
        return Counter(step.action.value for step in [*self.steps, *self.removals])


def _taken_back(step: Step) -> bool:
    newest = step.record.inputs.get("taken_back") if step.record else None
    return newest is not None and any(one.field == "task_definition" and one.new == newest for one in step.changes)


def make(
    wanted: Iterable[Resource],
    recorded: Mapping[str, Record],
    *,
    missing: frozenset[str] = frozenset(),
    delete_data: bool = False,
    only: frozenset[str] | None = None,
) -> Plan:
    """The plan that turns `recorded` into `wanted`. `missing`: recorded, but no longer in the account.

    `only`: the keys that may be touched (others are left out, removals too). Raises DeployerError when something that
    holds data would be replaced without `delete_data`.
    """
    resources = {resource.key: resource for resource in wanted}
    steps: dict[str, Step] = {}
    for key in order(resources):
        if only is not None and key not in only:
            continue
        record = recorded.get(key)
        steps[key] = decide(resources[key], record, lambda ref: _output(ref, steps, recorded), key in missing)
        if steps[key].action is Action.REPLACE and steps[key].type.holds_data and not delete_data:
            raise DeployerError(
                f"{key} holds data and would have to be replaced ({steps[key].reason}).",
                "Undo that change, or agree to lose the data with --delete-data and --yes.",
            )
    renewed = {key for key, step in steps.items() if step.action is not Action.CREATE and renews(step)}
    gone = [] if only is not None else _removals(resources, recorded, missing, delete_data, renewed)
    return Plan(list(steps.values()), gone)


def decide(resource: Resource, record: Record | None, lookup: Any, missing: bool = False) -> Step:
    """What to do with one resource, and why."""
    wanted = resource.resolved(lookup)
    if record is None or record.id is None:
        return Step(Action.CREATE, resource.key, "not there yet", resource=resource, record=record)
    if missing:
        return Step(Action.CREATE, resource.key, "gone from the account", resource=resource, record=record)
    changes = tuple(_changes(wanted.inputs, record.inputs))
    fixed = [change.field for change in changes if change.field in resource.replace_on]
    action, reason = Action.KEEP, ""
    if fixed:
        action = Action.UPDATE if resource.revisions else Action.REPLACE
        kind = "new revision" if resource.revisions else "cannot change in place"
        kind = "runs again" if resource.deed else kind
        reason = f"{', '.join(fixed)}: {kind}"
    elif changes:
        action, reason = Action.UPDATE, f"{', '.join(change.field for change in changes)} changed"
    elif record.status in ("unfinished", "creating"):
        action, reason = Action.UPDATE, "was not finished"
    elif record.status == "deleting":
        action, reason = Action.UPDATE, "its removal was begun"
    drift = () if fixed else strays(record)
    if drift:
        said = f"changed in the account: {'; '.join(drift)}"
        action, reason = Action.UPDATE, f"{reason}; {said}" if reason else said
    elif action is Action.KEEP and not record.usable:
        reason = "not usable at the moment"
    return Step(action, resource.key, reason, changes, resource, record, drift=drift)


def renews(step: Step) -> bool:
    """Whether the step ends with another physical id than the one that is recorded."""
    if step.action in (Action.CREATE, Action.REPLACE):
        return True
    return bool(step.type.revisions) and any(change.field in step.type.replace_on for change in step.changes)


def known(ref: Ref, recorded: Mapping[str, Record], plan: Plan) -> Any:
    """What is known of an output before anything is done."""
    return _output(ref, {step.key: step for step in plan.steps}, recorded)


def _output(ref: Ref, steps: Mapping[str, Step], recorded: Mapping[str, Record]) -> Any:
    step, record = steps.get(ref.key), recorded.get(ref.key)
    if record is None or (step is not None and renews(step)):
        return UNKNOWN
    return record.id if ref.output == "id" else record.outputs.get(ref.output, UNKNOWN)


def _changes(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterable[Change]:
    for name, value in new.items():
        if name not in old or not same(value, old[name]):
            yield Change(name, old.get(name), value)


def same(new: Any, old: Any) -> bool:
    """Equality with UNKNOWN equal to nothing (a list compares identical members by identity first)."""
    if isinstance(new, Unknown):
        return False
    if isinstance(new, dict) and isinstance(old, dict):
        return new.keys() == old.keys() and all(same(new[name], old[name]) for name in new)
    if isinstance(new, list) and isinstance(old, list):
        return len(new) == len(old) and all(map(same, new, old))
    return bool(new == old)


def order(resources: Mapping[str, Resource]) -> list[str]:
    """The keys, dependencies first, otherwise as given. Raises UsageError for a circle."""
    graph = {key: sorted(need for need in resource.needs() if need in resources) for key, resource in resources.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise UsageError(f"These depend on each other in a circle: {' -> '.join(error.args[1])}.") from error


def _removals(
    wanted: Mapping[str, Resource],
    recorded: Mapping[str, Record],
    missing: frozenset[str],
    delete_data: bool,
    renewed: set[str],
) -> list[Step]:
    going = {key: record for key, record in recorded.items() if key not in wanted}
    for key in _former_to_keep(wanted, going, renewed):
        del going[key]
    held = set() if delete_data else _held(going)
    steps = []
    for key in removal_order(going):
        record = going[key]
        if key in held:
            steps.append(Step(Action.KEEP, key, held_because(record), record=record))
            continue
        former = record.base in wanted and bool(TYPES[record.type].revisions)
        # Of what was replaced the going was agreed to already.
        routine = record.base in wanted or not TYPES[record.type].own_object
        reason = "gone already" if key in missing else "no longer wanted"
        if record.base in wanted:
            reason = "a former revision" if former else "replaced"
        steps.append(Step(Action.DELETE, key, reason, record=record, routine=routine, gone=key in missing))
    return steps


def held_because(record: Record) -> str:
    return "holds data" if TYPES[record.type].holds_data else "what is kept needs it"


def _former_to_keep(wanted: Mapping[str, Resource], going: Mapping[str, Record], renewed: set[str]) -> list[str]:
    """Former revisions that a rollback may need: the newest few of each, newest first by their mark `~<n>`.

    What this run renews takes the first place, so that the next run finds nothing to do."""
    kept: list[str] = []
    for base in {record.base for record in going.values()} & wanted.keys():
        former = [key for key, record in going.items() if record.base == base and TYPES[record.type].revisions]
        former.sort(key=lambda key: int(key.partition("~")[2] or 0), reverse=True)
        kept += former[: wanted[base].revisions - (base in renewed)]
    return kept


def _held(going: Mapping[str, Record]) -> set[str]:
    """What holds data, and everything that it stands on."""
    held: set[str] = set()
    queue = [key for key, record in going.items() if TYPES[record.type].holds_data]
    while queue:
        key = queue.pop()
        if key not in held:
            held.add(key)
            needs = {need.partition("~")[0] for need in going[key].depends_on}
            queue += [other for other, record in going.items() if record.base in needs]
    return held


def removal_order(going: Mapping[str, Record]) -> list[str]:
    return list(TopologicalSorter(dependents(going)).static_order())


def dependents(going: Mapping[str, Record]) -> dict[str, set[str]]:
    """For each key the keys that must go before it: those that depend on it, or on what it has replaced."""
    by_base: dict[str, list[str]] = {}
    for key, record in going.items():
        by_base.setdefault(record.base, []).append(key)
    before: dict[str, set[str]] = {key: set() for key in going}
    for key, record in going.items():
        for need in record.depends_on:
            for stood_on in by_base.get(need.partition("~")[0], ()):
                if going[stood_on].base != record.base:
                    before[stood_on].add(key)
    return before
