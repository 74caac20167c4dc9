"""What is wanted, compared with what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from deployer import plan as planning
from deployer.errors import DeployerError, UsageError
from deployer.plan import Action, Plan
from deployer.resource import UNKNOWN, Join, Ref, Resource
from deployer.state import Record

from .imaginary import Plain, Revision, Store, Thing, outputs


def recorded(*things: Resource, **changes: Any) -> dict[str, Record]:
    """The record of a run in which all of these were made, each with the id `<name>-id`."""
    ids = {thing.key: f"{thing.name}-id" for thing in things}

    def lookup(ref: Ref) -> Any:
        return ids[ref.key] if ref.output == "id" else outputs(ids[ref.key])[ref.output]

    records = {}
    for thing in things:
        inputs, id = thing.resolved(lookup).inputs, ids[thing.key]
        records[thing.key] = Record(
            thing.key, thing.type, id, "ready", inputs, outputs(id), sorted(thing.needs())
        ).but(**changes)  # fmt: skip
    return records


def aside(record: Record, number: int, **changes: Any) -> dict[str, Record]:
    key = f"{record.key}~{number}"
    return {key: record.but(key=key, id=f"{record.id}-{number}", **changes)}


def actions(plan: Plan) -> dict[str, str]:
    return {step.key: step.action.value for step in plan.steps}


def removed(plan: Plan) -> list[str]:
    return [step.key for step in plan.removals if step.action is Action.DELETE]


def kept(plan: Plan) -> list[str]:
    return [step.key for step in plan.removals if step.action is Action.KEEP]


def test_what_is_not_recorded_is_created_after_what_it_needs() -> None:
    plan = planning.make([Thing(name="b", loose=Ref("thing.a")), Thing(name="a")], {})
    assert actions(plan) == {"thing.a": "create", "thing.b": "create"}
    assert list(actions(plan)) == ["thing.a", "thing.b"]
    assert not plan.asks and not plan.idle


def test_what_is_recorded_as_it_is_wanted_is_kept() -> None:
    things = [Thing(name="a", fixed=[1, {"x": (2,)}]), Thing(name="b", loose=Ref("thing.a", "arn"))]
    plan = planning.make(things, recorded(*things))
    assert set(actions(plan).values()) == {"keep"}
    assert plan.idle and not plan.changes


def test_a_change_that_can_be_made_in_place_is_an_update_and_says_what_changes() -> None:
    plan = planning.make([Thing(name="a", fixed=1, loose="new")], recorded(Thing(name="a", fixed=1, loose="old")))
    (step,) = plan.steps
    assert (step.action, step.reason) == (Action.UPDATE, "loose changed")
    assert [(change.field, change.old, change.new) for change in step.changes] == [("loose", "old", "new")]
    assert not plan.asks


def test_a_change_that_cannot_be_made_in_place_is_a_replacement_and_is_asked_about() -> None:
    plan = planning.make([Thing(name="a", fixed=2)], recorded(Thing(name="a", fixed=1)))
    (step,) = plan.steps
    assert (step.action, step.reason) == (Action.REPLACE, "fixed: cannot change in place")
    assert plan.asks == [step]


def test_a_replacement_reaches_exactly_those_whose_reference_cannot_change_in_place() -> None:
    def stack(fixed: int) -> list[Resource]:
        return [
            Thing(name="base", fixed=fixed),
            Thing(name="fixed-to-it", fixed=Ref("thing.base")),
            Thing(name="fixed-to-that", fixed={"deep": [Join(("x", Ref("thing.fixed-to-it")))]}),
            Thing(name="knows-it", loose=Ref("thing.base", "arn")),
            Thing(name="knows-that", fixed=Ref("thing.knows-it"), loose=[Ref("thing.fixed-to-it")]),
            Thing(name="knows-who-knows", fixed=Ref("thing.knows-it", "arn")),
            Thing(name="comes-after", depends_on=("thing.base",)),
            Thing(name="apart", fixed=1),
        ]

    plan = planning.make(stack(2), recorded(*stack(1)))
    assert actions(plan) == {
        "thing.base": "replace",
        "thing.fixed-to-it": "replace",
        "thing.fixed-to-that": "replace",
        "thing.knows-it": "update",
        "thing.knows-that": "update",
        "thing.knows-who-knows": "keep",
        "thing.comes-after": "keep",
        "thing.apart": "keep",
    }


def test_what_is_not_known_yet_equals_nothing_not_even_itself() -> None:
    assert UNKNOWN != UNKNOWN
    assert not planning.same(UNKNOWN, UNKNOWN)
    assert not planning.same([UNKNOWN], [UNKNOWN])
    assert not planning.same({"x": [UNKNOWN]}, {"x": [UNKNOWN]})
    assert planning.same({"x": [1, None]}, {"x": [1, None]})
    assert not planning.same({"x": 1}, {"x": 1, "y": 2})
    assert not planning.same([1], [1, 2])


def test_what_is_gone_from_the_account_is_created_and_what_depends_on_it_follows() -> None:
    things = [
        Thing(name="a"),
        Thing(name="b", loose=Ref("thing.a")),
        Thing(name="c", fixed=Ref("thing.a")),
        Thing(name="d"),
    ]
    plan = planning.make(things, recorded(*things), missing=frozenset({"thing.a"}))
    assert actions(plan) == {"thing.a": "create", "thing.b": "update", "thing.c": "replace", "thing.d": "keep"}
    assert plan.steps[0].reason == "gone from the account"


@pytest.mark.parametrize("status", ["unfinished", "deleting"])
def test_what_was_not_finished_is_updated_though_nothing_changed(status: str) -> None:
    plan = planning.make([Thing(name="a")], recorded(Thing(name="a"), status=status))
    assert actions(plan) == {"thing.a": "update"}
    assert plan.steps[0].reason


def test_what_has_no_id_is_created() -> None:
    plan = planning.make([Thing(name="a")], recorded(Thing(name="a"), status="creating", id=None))
    assert actions(plan) == {"thing.a": "create"}


def test_what_was_made_and_not_seen_usable_is_kept_and_waited_for() -> None:
    plan = planning.make([Thing(name="a")], recorded(Thing(name="a"), status="made"))
    assert actions(plan) == {"thing.a": "keep"}
    assert plan.steps[0].waits and not plan.idle and not plan.changes


def test_what_is_not_settled_any_more_is_kept_and_waited_for() -> None:
    plan = planning.make([Thing(name="a")], recorded(Thing(name="a"), outputs={"settled": False}))
    assert plan.steps[0].waits and not plan.idle


def test_an_input_that_the_record_has_never_heard_of_is_a_change() -> None:
    plan = planning.make([Thing(name="a")], recorded(Thing(name="a"), inputs={"fixed": None}))
    assert actions(plan) == {"thing.a": "update"}


def test_what_is_no_longer_wanted_goes_dependents_first() -> None:
    things = [
        Thing(name="a"),
        Thing(name="b", loose=Ref("thing.a")),
        Thing(name="c", fixed=Ref("thing.b")),
        Thing(name="d", depends_on=("thing.c",)),
    ]
    plan = planning.make([], recorded(*things))
    assert removed(plan) == ["thing.d", "thing.c", "thing.b", "thing.a"]
    assert len(plan.asks) == 4


def test_former_objects_go_in_the_order_of_what_they_stood_on() -> None:
    base, top = Thing(name="a"), Thing(name="b", fixed=Ref("thing.a"))
    records = recorded(base, top)
    former = aside(records["thing.a"], 1) | aside(records["thing.b"], 1) | aside(records["thing.b"], 2)
    plan = planning.make([base, top], former | records)
    assert removed(plan)[-1] == "thing.a~1"
    assert sorted(removed(plan)) == ["thing.a~1", "thing.b~1", "thing.b~2"]
    assert {step.reason for step in plan.removals} == {"replaced"}
    everything = removed(planning.make([], former | records))
    assert len(everything) == 5
    assert everything.index("thing.a~1") > everything.index("thing.b~2") < everything.index("thing.a")


def test_what_is_gone_already_is_removed_from_the_record_only() -> None:
    plan = planning.make([], recorded(Thing(name="a")), missing=frozenset({"thing.a"}))
    (step,) = plan.removals
    assert step.gone and step.reason == "gone already"


def test_a_change_of_what_has_revisions_is_an_update_that_nobody_is_asked_about() -> None:
    wanted = [Revision(name="a", fixed=2), Thing(name="b", loose=Ref("revision.a"))]
    plan = planning.make(wanted, recorded(Revision(name="a", fixed=1), Thing(name="b", loose=Ref("revision.a"))))
    assert actions(plan) == {"revision.a": "update", "thing.b": "update"}
    assert planning.renews(plan.steps[0]) and not plan.asks


def formers(*numbers: int) -> dict[str, Record]:
    record = recorded(Revision(name="a", fixed=1))["revision.a"]
    return {key: one for number in numbers for key, one in aside(record, number).items()}


def test_the_newest_former_revisions_are_kept_and_older_ones_go_without_asking() -> None:
    wanted = Revision(name="a", fixed=1)
    plan = planning.make([wanted], recorded(wanted) | formers(2, 9, 10, 11))
    assert sorted(removed(plan)) == ["revision.a~2", "revision.a~9"]
    assert all(step.routine and step.reason == "a former revision" for step in plan.removals)
    assert not plan.asks


def test_a_new_revision_takes_a_place_among_the_former_ones_in_the_same_run() -> None:
    plan = planning.make([Revision(name="a", fixed=2)], recorded(Revision(name="a", fixed=1)) | formers(1, 2))
    assert removed(plan) == ["revision.a~1"]


def test_all_former_revisions_go_with_what_they_were_revisions_of() -> None:
    plan = planning.make([], recorded(Revision(name="a", fixed=1)) | formers(1, 2))
    assert sorted(removed(plan)) == ["revision.a", "revision.a~1", "revision.a~2"]
    assert len(plan.asks) == 3


def test_what_holds_data_is_kept_with_everything_it_stands_on() -> None:
    things = [
        Thing(name="net"),
        Thing(name="subnet", fixed=Ref("thing.net")),
        Store(name="data", loose=Ref("thing.subnet")),
        Thing(name="reader", loose=Ref("store.data")),
        Thing(name="apart"),
    ]
    plan = planning.make([], recorded(*things))
    assert sorted(kept(plan)) == ["store.data", "thing.net", "thing.subnet"]
    assert sorted(removed(plan)) == ["thing.apart", "thing.reader"]
    assert {step.key: step.reason for step in plan.removals if step.action is Action.KEEP}["store.data"] == "holds data"
    agreed = planning.make([], recorded(*things), delete_data=True)
    assert len(removed(agreed)) == 5 and not kept(agreed)


def test_what_holds_data_keeps_the_former_object_that_it_still_stands_on() -> None:
    net, store = Thing(name="net", fixed=2), Store(name="data", loose=Ref("thing.net"))
    records = recorded(net, store)
    plan = planning.make([net], records | aside(records["thing.net"], 1))
    assert sorted(kept(plan)) == ["store.data", "thing.net~1"]


def test_what_holds_data_is_replaced_only_with_an_agreement() -> None:
    records = recorded(Store(name="data", fixed=1), Thing(name="net"))
    with pytest.raises(DeployerError, match=r"store\.data holds data.*fixed") as refused:
        planning.make([Store(name="data", fixed=2)], records)
    assert "--delete-data" in refused.value.hint
    assert actions(planning.make([Store(name="data", fixed=2)], records, delete_data=True)) == {"store.data": "replace"}
    assert actions(planning.make([Store(name="data", fixed=1, loose=2)], records)) == {"store.data": "update"}


def test_what_holds_data_is_not_replaced_because_of_what_it_stands_on_either() -> None:
    records = recorded(Thing(name="net", fixed=1), Store(name="data", fixed=Ref("thing.net")))
    with pytest.raises(DeployerError, match=r"store\.data holds data"):
        planning.make([Thing(name="net", fixed=2), Store(name="data", fixed=Ref("thing.net"))], records)


def test_only_the_chosen_keys_are_touched_and_nothing_is_removed() -> None:
    wanted = [Thing(name="a", loose=2), Thing(name="b", loose=2)]
    records = recorded(Thing(name="a"), Thing(name="b"), Thing(name="old"))
    plan = planning.make(wanted, records, only=frozenset({"thing.b"}))
    assert actions(plan) == {"thing.b": "update"} and not plan.removals


def test_a_circle_is_an_error_of_usage_that_names_its_members() -> None:
    with pytest.raises(UsageError, match=r"circle.*thing\.a.*thing\.b|circle.*thing\.b.*thing\.a"):
        planning.make(
            [Thing(name="a", loose=Ref("thing.b")), Plain(name="x"), Thing(name="b", fixed=Ref("thing.a"))], {}
        )


def test_counts_say_how_many_of_each() -> None:
    plan = planning.make([Thing(name="new"), Thing(name="a", loose=1)], recorded(Thing(name="a"), Thing(name="old")))
    assert plan.count() == {"create": 1, "update": 1, "delete": 1}


def test_a_plan_is_pure_it_makes_no_call_and_changes_nothing_that_it_was_given() -> None:
    """There is no account here at all, so a call would fail; the plan is the same however often it is made."""
    things = [Thing(name="a", fixed=2), Revision(name="r", fixed=Ref("thing.a")), Store(name="s")]
    records = recorded(Thing(name="a", fixed=1), Revision(name="r", fixed=1), Store(name="s"), Thing(name="old"))
    before = dict(records)
    first, second = (planning.make(things, records) for _ in range(2))
    assert records == before
    assert [(step.action, step.key, step.reason) for step in [*first.steps, *first.removals]] == [
        (step.action, step.key, step.reason) for step in [*second.steps, *second.removals]
    ]
