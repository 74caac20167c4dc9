"""What was replaced and still stands, beside its successor: recorded under the key with a mark, `nat.a~1`."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.plan import Action, Plan, Step
from deployer.resource import TYPES, Resource
from deployer.state import Record

Records = Mapping[str, Record]


def replaced_by(records: Records, resource: Resource) -> dict[str, Record]:
    """What was set aside under this resource's key; former revisions stay what they are."""
    aside = records.items()
    return {} if resource.revisions else {key: one for key, one in aside if one.base == resource.key != key}


def replaced(records: Records, plan: Plan) -> dict[str, Record]:
    """What was set aside under any key that the plan wants."""
    wanted = {step.key for step in plan.steps}
    return {
        key: record
        for key, record in records.items()
        if record.base != key and record.base in wanted and not TYPES[record.type].revisions
    }


def removals(records: Records, plan: Plan) -> list[Step]:
    """The plan's, and those of what this very run has set aside."""
    listed = {step.key for step in plan.removals}
    fresh = [
        Step(Action.DELETE, key, "replaced", record=record, routine=True)
        for key, record in replaced(records, plan).items()
        if key not in listed
    ]
    return [*plan.removals, *fresh]
