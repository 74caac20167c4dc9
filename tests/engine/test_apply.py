"""Plans carried out in the imaginary cloud: order, failure, resumption, lost answers, replacement, interruption."""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time
from typing import Any

import pytest

from deployer import plan as planning
from deployer.errors import AwsError, DeployerError, RolloutError, StateError
from deployer.events import Outcome
from deployer.prepare import prepare
from deployer.resource import Join, Ref, Resource

from .imaginary import Balancer, Named, Plain, Revision, Shared, Single, Store, Thing, lost, refusal
from .world import World, ended

LONG = 10  # seconds, for what must not happen


def created(world: World) -> list[str]:
    return [call.split()[1] for call in world.cloud.calls if call.startswith("create ")]


def failing(outcome: Outcome) -> list[str]:
    return sorted(outcome.failures)


# Creating.


def test_a_create_is_four_saves(world: World) -> None:
    seen: dict[str, tuple[str, bool]] = {}

    def watch(call: str) -> None:
        if call.endswith("thing.a"):
            record = world.recorded["thing.a"]
            seen[call] = (record.status, record.id is not None)

    world.cloud.watch = watch
    assert world.up(Thing(name="a", fixed=1)).ok
    assert seen == {
        "create thing.a": ("creating", False),
        "configure thing.a": ("unfinished", True),
        "pending thing.a": ("made", True),
    }
    assert world.statuses == {"thing.a": "ready"}
    world.check(Thing(name="a", fixed=1))


def test_what_is_recorded_before_the_call_is_enough_to_find_it_again(world: World) -> None:
    def watch(call: str) -> None:
        if call == "create thing.b":
            record = world.recorded["thing.b"]
            assert record.inputs == {"fixed": world.recorded["thing.a"].id, "loose": None}
            assert record.depends_on == ["thing.a"]

    world.cloud.watch = watch
    assert world.up(Thing(name="a"), Thing(name="b", fixed=Ref("thing.a"))).ok


def test_references_are_resolved_with_what_was_made(world: World) -> None:
    stack = [
        Thing(name="a"),
        Thing(name="b", fixed=[Ref("thing.a")], loose={"url": Join(("http://", Ref("thing.a", "arn"), ":80"))}),
    ]
    assert world.up(*stack).ok
    id = world.recorded["thing.a"].id
    assert world.recorded["thing.b"].inputs == {"fixed": [id], "loose": {"url": f"http://arn:{id}:80"}}


def test_the_stack_is_recorded_before_anything_is_made(world: World) -> None:
    there = []
    world.cloud.watch = lambda call: there.append(world.path.exists()) if call.startswith("create") else None
    assert world.up(Thing(name="a")).ok
    assert there == [True]


def test_a_second_run_does_nothing(world: World) -> None:
    stack = [
        Thing(name="a"), Revision(name="r", fixed=Ref("thing.a")), Single(name="s"), Named(name="n"),
        Shared(name="h"), Store(name="d"), Balancer(name="b"), Plain(name="p", depends_on=("thing.a",)),
    ]  # fmt: skip
    first = world.up(*stack)
    assert first.ok and first.done == {"created": 8}
    world.check(*stack)
    again = world.up(*stack)
    assert again.ok and again.done == {"unchanged": 8}
    assert not world.happened("started")


def test_dependents_wait_until_what_they_need_is_usable(world: World) -> None:
    looks = iter(["busy", None])
    order: list[str] = []
    world.cloud.awaits["thing.a"] = lambda: next(looks)
    world.cloud.watch = order.append
    assert world.up(Thing(name="a"), Thing(name="b", loose=Ref("thing.a"))).ok
    assert order.count("pending thing.a") == 2
    assert order.index("create thing.b") > max(at for at, call in enumerate(order) if call == "pending thing.a")
    assert [event.message for event in world.events if event.event == "progress"] == ["busy"]


def test_what_nobody_waits_for_does_not_hold_its_dependents(world: World) -> None:
    """The balancer becomes usable only once its dependent has been made."""
    made = threading.Event()
    world.cloud.after["create thing.b"] = [made.set]
    world.cloud.awaits["balancer.a"] = lambda: None if made.is_set() else "provisioning"
    assert world.up(Balancer(name="a"), Thing(name="b", loose=Ref("balancer.a")), seconds=LONG).ok
    assert world.statuses == {"balancer.a": "ready", "thing.b": "ready"}


def test_what_does_not_depend_on_each_other_is_made_at_the_same_time(world: World) -> None:
    together = threading.Barrier(3)
    for name in "abc":
        world.cloud.before[f"create thing.{name}"] = [lambda: together.wait(LONG)]
    assert world.up(*[Thing(name=name) for name in "abc"]).ok


# Changing.


def test_a_change_in_place_is_made_without_a_second_object_and_renews_the_tags(world: World) -> None:
    world.up(Thing(name="a", loose=1))
    world.forget_calls()
    outcome = world.up(Thing(name="a", loose=2))
    assert outcome.done == {"updated": 1}
    assert world.cloud.changes == ["update thing.a", "tag thing.a"]
    world.check(Thing(name="a", loose=2))


def test_what_might_have_changed_and_has_not_is_left_alone(world: World) -> None:
    """`b` is planned as an update, since `a` is; at its turn everything it refers to is as it was."""

    def stack(loose: int) -> list[Resource]:
        return [Revision(name="a", fixed=Ref("thing.base")), Thing(name="b", loose=Ref("revision.a")),
                Thing(name="base", fixed=1, loose=loose)]  # fmt: skip

    world.up(*stack(1))
    plan = world.plan(*stack(2))
    gone = world.recorded["thing.base"]
    assert planning.make(stack(2), world.state.records, missing=frozenset({gone.key})).count() == {
        "create": 1, "update": 2,
    }  # fmt: skip
    world.forget_calls()
    records = world.state.records
    doubtful = [planning.decide(one, records[one.key], lambda ref: planning.UNKNOWN) for one in stack(2)]
    outcome = world.run(planning.Plan([step for step in doubtful if step.key != "thing.base"] + plan.steps[:1]))
    assert outcome.done == {"unchanged": 2, "updated": 1}
    assert world.cloud.changes == ["update thing.base", "tag thing.base"]
    world.check(*stack(2))


def test_a_changed_order_without_data_is_recorded_without_a_call(world: World) -> None:
    world.up(Thing(name="a"), Thing(name="b"))
    world.forget_calls()
    assert world.up(Thing(name="a"), Thing(name="b", depends_on=("thing.a",))).done == {"unchanged": 2}
    assert not world.cloud.changes
    assert world.recorded["thing.b"].depends_on == ["thing.a"]


def test_what_is_gone_from_the_account_is_made_again_and_its_dependents_follow(world: World) -> None:
    stack = [Thing(name="a"), Thing(name="b", loose=Ref("thing.a")), Thing(name="c", fixed=Ref("thing.a")),
             Thing(name="d")]  # fmt: skip
    world.up(*stack)
    world.cloud.remove(str(world.recorded["thing.a"].id))
    outcome = world.up(*stack)
    assert outcome.done == {"created": 1, "updated": 1, "replaced": 1, "unchanged": 1, "deleted": 1}
    world.check(*stack)


def test_replacing_puts_the_new_beside_the_old_and_removes_the_old_at_the_end(world: World) -> None:
    def stack(fixed: int) -> list[Resource]:
        return [Thing(name="a", fixed=fixed), Thing(name="b", fixed=Ref("thing.a")),
                Thing(name="c", loose=Ref("thing.b"))]  # fmt: skip

    world.up(*stack(1))
    world.forget_calls()
    beside = []
    world.cloud.watch = lambda call: beside.append(len(world.standing)) if call == "update thing.c" else None
    outcome = world.up(*stack(2))
    assert outcome.done == {"replaced": 2, "updated": 1, "deleted": 2}
    assert beside == [5]
    # The old `b` stood on the old `a`.
    assert world.cloud.changes == [
        "create thing.a", "configure thing.a", "create thing.b", "configure thing.b", "update thing.c", "tag thing.c",
        "delete thing.b", "delete thing.a",
    ]  # fmt: skip
    world.check(*stack(2))


def test_what_cannot_stand_side_by_side_is_removed_first_and_seen_gone(world: World) -> None:
    world.up(Single(name="a", fixed=1))
    world.forget_calls()
    looks = iter(["leaving", None])
    world.cloud.awaits["leaving single.a"] = lambda: next(looks)
    assert world.up(Single(name="a", fixed=2)).done == {"replaced": 1}
    assert [call for call in world.cloud.calls if "single.a" in call] == [
        "delete single.a", "leaving single.a", "leaving single.a", "create single.a",
        "configure single.a", "pending single.a",
    ]  # fmt: skip
    del world.cloud.awaits["leaving single.a"]
    world.check(Single(name="a", fixed=2))


def test_revisions_stay_a_few_at_a_time_and_each_second_run_does_nothing(world: World) -> None:
    for number in range(6):
        assert world.up(Revision(name="a", fixed=number)).ok
        world.check(Revision(name="a", fixed=number))
        assert len(world.standing) == min(number + 1, 3)
    kept = {record.inputs["fixed"] for record in world.recorded.values()}
    assert kept == {3, 4, 5}
    assert world.down().ok and not world.standing


def test_what_holds_data_is_replaced_with_an_agreement(world: World) -> None:
    world.up(Store(name="a", fixed=1))
    with pytest.raises(DeployerError):
        world.up(Store(name="a", fixed=2))
    assert world.up(Store(name="a", fixed=2), delete_data=True).ok
    world.check(Store(name="a", fixed=2))


# Growing, then shrinking.


def test_what_is_no_longer_wanted_goes_at_the_end_dependents_first(world: World) -> None:
    world.up(Thing(name="old"), Thing(name="older", fixed=Ref("thing.old")))
    world.forget_calls()
    outcome = world.up(Thing(name="new"))
    assert outcome.done == {"created": 1, "deleted": 2}
    assert world.cloud.changes == ["create thing.new", "configure thing.new", "delete thing.older", "delete thing.old"]
    world.check(Thing(name="new"))


def test_nothing_is_removed_after_a_failure(world: World) -> None:
    world.up(Thing(name="a", fixed=1), Thing(name="old"))
    world.cloud.before["create thing.new"] = [refusal("Denied", "no")]
    outcome = world.up(Thing(name="a", fixed=2), Thing(name="new"))
    assert failing(outcome) == ["thing.new"]
    assert "thing.old" in world.standing and world.standing.count("thing.a") == 2
    assert set(world.recorded) >= {"thing.a", "thing.a~1", "thing.old"}
    assert world.up(Thing(name="a", fixed=2), Thing(name="new")).done["deleted"] == 2
    world.check(Thing(name="a", fixed=2), Thing(name="new"))


def test_down_leaves_nothing_and_is_repeatable(world: World) -> None:
    world.up(Thing(name="a"), Revision(name="b", fixed=Ref("thing.a")), Single(name="c", loose=Ref("revision.b")))
    world.up(Thing(name="a"), Revision(name="b", fixed=[Ref("thing.a")]), Single(name="c", loose=Ref("revision.b")))
    world.forget_calls()
    assert world.down().done == {"deleted": 4}
    assert world.cloud.changes[0] == "delete single.c" and world.cloud.changes[-1] == "delete thing.a"
    assert not world.standing and not world.recorded
    assert world.down().ok


def test_down_keeps_what_holds_data_and_what_it_stands_on(world: World) -> None:
    world.up(Thing(name="net"), Store(name="data", fixed=Ref("thing.net")), Thing(name="web", loose=Ref("store.data")))
    outcome = world.down()
    assert outcome.ok and outcome.done == {"deleted": 1, "unchanged": 2}
    assert world.standing == ["thing.net", "store.data"]
    assert world.down(delete_data=True).ok and not world.standing


def test_a_removal_that_fails_keeps_what_it_stands_on_and_its_record(world: World) -> None:
    world.up(Thing(name="a"), Thing(name="b", loose=Ref("thing.a")), Thing(name="c"))
    world.cloud.before["delete thing.b"] = [refusal("Denied", "no")]
    outcome = world.down()
    assert failing(outcome) == ["thing.b"] and outcome.skipped == ["thing.a"]
    assert world.standing == ["thing.a", "thing.b"]
    assert world.statuses == {"thing.a": "ready", "thing.b": "deleting"}
    assert world.down().ok and not world.standing


def test_what_is_wanted_again_after_its_removal_was_begun_is_mended(world: World) -> None:
    world.up(Thing(name="a"))
    world.cloud.before["delete thing.a"] = [refusal("Denied", "no")]
    world.down()
    assert world.up(Thing(name="a")).done == {"updated": 1}
    world.check(Thing(name="a"))


def test_without_waiting_what_is_slow_is_left_and_so_are_the_removals(world: World) -> None:
    world.up(Thing(name="old"), Balancer(name="a"))
    world.cloud.awaits["balancer.a"] = lambda: "provisioning"
    outcome = world.up(Balancer(name="a", loose=1), Thing(name="b", loose=Ref("balancer.a")), wait=False)
    assert outcome.ok and outcome.done == {"created": 1, "updated": 1} and outcome.left == 1
    assert world.statuses == {"balancer.a": "made", "thing.b": "ready", "thing.old": "ready"}
    del world.cloud.awaits["balancer.a"]
    assert world.up(Balancer(name="a", loose=1), Thing(name="b", loose=Ref("balancer.a"))).done == {
        "unchanged": 2, "deleted": 1,
    }  # fmt: skip
    world.check(Balancer(name="a", loose=1), Thing(name="b", loose=Ref("balancer.a")))


def test_without_waiting_what_is_kept_for_its_data_is_not_counted_as_left(world: World) -> None:
    world.up(Store(name="data"), Balancer(name="a"))
    outcome = world.up(Balancer(name="a", loose=1), wait=False)
    assert outcome.ok and outcome.left == 0


# Failing.


def test_a_failure_stops_only_its_dependents_and_only_the_cause_is_told(world: World) -> None:
    stack = [
        Thing(name="a"),
        Thing(name="b", loose=Ref("thing.a")),
        Thing(name="c", loose=Ref("thing.b")),
        Thing(name="d", loose=Ref("thing.a")),
        Thing(name="e", loose=Ref("thing.d")),
    ]
    world.cloud.before["create thing.b"] = [refusal("Denied", "you may not")]
    outcome = world.up(*stack)
    assert failing(outcome) == ["thing.b"] and outcome.skipped == ["thing.c"]
    error = outcome.failures["thing.b"]
    assert isinstance(error, AwsError) and error.code == "Denied"
    assert "Creating thing.b" in error.message and "you may not" in error.message and error.hint
    assert sorted(world.standing) == ["thing.a", "thing.d", "thing.e"]
    assert world.statuses == {"thing.a": "ready", "thing.b": "creating", "thing.d": "ready", "thing.e": "ready"}
    assert world.happened("failed") == ["thing.b"]
    assert outcome.done == {"created": 3, "failed": 1}
    assert world.up(*stack).ok
    world.check(*stack)


@pytest.mark.parametrize("verb", ["configure", "pending"])
def test_what_was_made_and_failed_later_is_recorded_and_finished_next_time(world: World, verb: str) -> None:
    world.cloud.before[f"{verb} thing.a"] = [refusal("Denied", "no")]
    assert failing(world.up(Thing(name="a"))) == ["thing.a"]
    assert world.statuses == {"thing.a": "unfinished" if verb == "configure" else "made"}
    assert world.up(Thing(name="a")).ok
    assert created(world) == ["thing.a"]
    world.check(Thing(name="a"))


@pytest.mark.parametrize("verb", ["update", "tag"])
def test_an_update_that_fails_is_made_again_next_time(world: World, verb: str) -> None:
    world.up(Thing(name="a", loose=1))
    world.cloud.before[f"{verb} thing.a"] = [refusal("Denied", "no")]
    assert not world.up(Thing(name="a", loose=2)).ok
    assert world.statuses == {"thing.a": "unfinished"}
    assert world.recorded["thing.a"].inputs["loose"] == 1
    assert world.up(Thing(name="a", loose=2)).ok
    world.check(Thing(name="a", loose=2))


def test_a_rollout_that_fails_is_rolled_out_again_next_time(world: World) -> None:
    world.cloud.before["pending thing.a"] = [RolloutError("it was rolled back")]
    outcome = world.up(Thing(name="a"))
    assert outcome.failures["thing.a"].message == "it was rolled back"
    assert world.statuses == {"thing.a": "unfinished"}
    world.forget_calls()
    assert world.up(Thing(name="a")).ok
    assert world.cloud.changes == ["update thing.a"]


def test_when_the_time_is_up_what_was_awaited_is_named_and_the_next_run_goes_on_waiting(world: World) -> None:
    world.cloud.awaits["thing.a"] = lambda: "1 of 2 tasks running"
    stack = [Thing(name="a"), Thing(name="b", loose=Ref("thing.a"))]
    outcome = world.up(*stack, seconds=0.3)
    assert "1 of 2 tasks running" in outcome.failures["thing.a"].message
    assert outcome.skipped == ["thing.b"] and not outcome.interrupted
    assert world.statuses == {"thing.a": "made"}
    del world.cloud.awaits["thing.a"]
    world.forget_calls()
    assert world.up(*stack).done == {"unchanged": 1, "created": 1}
    assert world.cloud.changes == ["create thing.b", "configure thing.b"]
    world.check(*stack)


def test_when_the_time_is_up_before_something_began_that_is_said(world: World) -> None:
    world.cloud.after["create plain.a"] = [lambda: time.sleep(0.3)]
    outcome = world.up(Plain(name="a"), Plain(name="b", loose=Ref("plain.a")), seconds=0.2)
    assert failing(outcome) == ["plain.b"] and not outcome.skipped
    assert "time is up" in outcome.failures["plain.b"].message
    assert world.statuses == {"plain.a": "ready"}


# Trying again.


def test_what_was_throttled_is_called_again(world: World) -> None:
    for verb in ("create", "configure", "pending"):
        world.cloud.before[f"{verb} thing.a"] = [refusal("Throttling", "Rate exceeded")]
    assert world.up(Thing(name="a")).ok
    assert created(world) == ["thing.a", "thing.a"]
    world.check(Thing(name="a"))


@pytest.mark.parametrize("verb", ["create", "configure", "update", "tag", "delete", "pending", "leaving"])
def test_what_the_type_says_is_a_matter_of_time_is_called_again(world: World, verb: str) -> None:
    world.cloud.before[f"{verb} thing.a"] = [refusal("NotYet", "it is settling")]
    assert world.up(Thing(name="a", loose=1)).ok
    assert world.up(Thing(name="a", loose=2)).ok
    world.check(Thing(name="a", loose=2))
    assert world.down().ok and not world.standing
    assert world.cloud.calls.count(f"{verb} thing.a") >= 2


@pytest.mark.parametrize("error", [refusal("NotYet", "something else"), refusal("Other", "settling")])
def test_nothing_else_is_called_again(world: World, error: Exception) -> None:
    world.cloud.before["create thing.a"] = [error]
    assert failing(world.up(Thing(name="a"))) == ["thing.a"]
    assert created(world) == ["thing.a"]


@pytest.mark.parametrize("error", [lost(), refusal("InternalFailure", "", 500), refusal("Unavailable", "", 503)])
@pytest.mark.parametrize("kind", [Thing, Named, Shared, Revision, Single])
def test_what_a_lost_answer_made_is_found_again_and_never_made_twice(
    world: World, kind: type[Thing], error: Exception
) -> None:
    thing = kind(name="a", fixed=1)
    world.cloud.after[f"create {thing.key}"] = [error]
    assert world.up(thing).done == {"created": 1}
    assert created(world) == [thing.key] and world.standing == [thing.key]
    world.check(thing)


@pytest.mark.parametrize("kind", [Thing, Named, Shared, Revision, Single])
def test_what_was_not_made_when_the_answer_was_lost_is_made_once(world: World, kind: type[Thing]) -> None:
    thing = kind(name="a", fixed=1)
    world.cloud.before[f"create {thing.key}"] = [lost()]
    assert world.up(thing).done == {"created": 1}
    assert created(world) == [thing.key] * 2 and world.standing == [thing.key]
    world.check(thing)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", [Thing, Named, Shared, Revision, Single])
def test_a_lost_answer_in_a_replacement_never_means_the_object_that_is_being_replaced(
    world: World, kind: type[Thing], when: str
) -> None:
    def stack(fixed: int) -> list[Resource]:
        return [kind(name="a", fixed=fixed), Thing(name="b", loose=Ref(f"{kind.type}.a"))]

    world.up(*stack(1))
    old = world.recorded[f"{kind.type}.a"].id
    getattr(world.cloud, when)[f"create {kind.type}.a"] = [lost()]
    assert world.up(*stack(2)).ok
    assert world.recorded[f"{kind.type}.a"].id != old
    world.check(*stack(2))
    assert len(world.standing) == (3 if kind is Revision else 2)


def test_a_lost_answer_of_a_repeatable_call_is_asked_for_again(world: World) -> None:
    world.cloud.after["configure thing.a"] = [lost()]
    world.cloud.after["delete thing.a"] = [lost()]
    assert world.up(Thing(name="a")).ok
    world.check(Thing(name="a"))
    assert world.down().ok and not world.standing


# What is there already.


def foreign(world: World, thing: Thing, stack: str = "other", stack_id: str = "0ther1d") -> dict[str, Any]:
    """An object that another stack, or nobody, has made under the same name."""
    tags = {"deployer:stack": stack, "deployer:id": stack_id, "deployer:key": thing.key} if stack_id else {}
    item = {"id": "foreign-1", "fixed": thing.fixed, "loose": "theirs", "tags": {"deployer:key": thing.key} | tags}
    world.cloud.put("foreign-1", item)
    return item


@pytest.mark.parametrize("kind", [Named, Shared])
@pytest.mark.parametrize(("stack", "stack_id"), [("other", "0ther1d"), ("voting", "0ther1d"), ("", "")])
def test_what_stands_in_the_way_and_is_not_ours_is_an_error_and_stays_as_it_is(
    world: World, kind: type[Thing], stack: str, stack_id: str
) -> None:
    thing = kind(name="a", fixed=1)
    item = foreign(world, thing, stack, stack_id)
    outcome = world.up(thing)
    message = outcome.failures[thing.key].message
    assert "foreign-1 exists already" in message and world.state.id in message
    assert (stack_id or "nobody") in message
    assert world.cloud.objects() == [item]
    assert world.down().ok
    assert world.cloud.objects() == [item]


@pytest.mark.parametrize("kind", [Named, Shared])
def test_what_stands_in_the_way_and_is_ours_is_adopted_and_configured(world: World, kind: type[Thing]) -> None:
    thing = kind(name="a", fixed=1, loose="ours")
    _, state = world.open()
    state.save()
    foreign(world, thing, "voting", state.id)
    assert world.up(thing).ok
    assert [(item["id"], item["loose"]) for item in world.cloud.objects()] == [("foreign-1", "ours")]
    assert world.recorded[thing.key].id == "foreign-1"


def test_what_would_quietly_answer_with_another_ones_object_is_looked_for_first(world: World) -> None:
    world.up(Shared(name="a"))
    order = [call for call in world.cloud.calls if call.endswith("shared.a")]
    assert order[:2] == ["find shared.a", "create shared.a"]


@pytest.mark.parametrize("kind", [Thing, Named, Shared, Revision, Single])
def test_a_replacement_that_was_not_finished_and_is_taken_back_ends_with_one_object(
    world: World, kind: type[Thing]
) -> None:
    """The new one is made, something else fails, so the old one stays; then the change is undone."""

    def stack(fixed: int) -> list[Resource]:
        return [kind(name="a", fixed=fixed), Thing(name="b", loose=Ref(f"{kind.type}.a"))]

    world.up(*stack(1))
    world.cloud.before["update thing.b"] = [refusal("Denied", "no")]
    assert failing(world.up(*stack(2))) == ["thing.b"]
    assert world.up(*stack(1)).ok
    world.check(*stack(1))
    if kind is not Revision:
        assert sorted(world.standing) == sorted([f"{kind.type}.a", "thing.b"])
    assert world.down().ok and not world.standing


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", [Thing, Named, Shared, Revision, Single])
def test_a_lost_answer_while_a_replacement_is_taken_back_leaves_nothing_unrecorded(
    world: World, kind: type[Thing], when: str
) -> None:
    """What was set aside is just like what is made again: only one of them is the lost one."""
    world.up(kind(name="a", fixed=1))
    world.cloud.before[f"configure {kind.type}.a"] = [refusal("Denied", "no")]
    assert failing(world.up(kind(name="a", fixed=2))) == [f"{kind.type}.a"]
    getattr(world.cloud, when)[f"create {kind.type}.a"] = [lost()]
    assert world.up(kind(name="a", fixed=1)).ok
    world.check(kind(name="a", fixed=1))
    assert world.down().ok and not world.standing


def test_a_former_revision_that_comes_back_is_not_removed_with_its_old_record(world: World) -> None:
    """Content that was there before is the same object again."""

    def stack(fixed: int) -> Resource:
        return Once(name="a", fixed=fixed)

    class Once(Shared):
        type = "shared"
        revisions = 2

    planning.TYPES["shared"] = Once
    try:
        for fixed in (1, 2, 3, 1, 4, 5, 1):
            assert world.up(stack(fixed)).ok
            world.check(stack(fixed))
            assert len(world.recorded) <= 3
        assert world.down().ok and not world.standing
    finally:
        planning.TYPES["shared"] = Shared


# Before anything is made.


def test_everything_is_prepared_before_anything_is_made(world: World) -> None:
    plan = world.plan(Thing(name="a"), Thing(name="b", fixed=Ref("thing.a")))
    told: list[str] = []
    prepare(plan, world.aws(world.state.id), world.state, lambda key, text: told.append(key))
    assert sorted(world.cloud.calls) == ["prepare thing.a", "prepare thing.b"]
    assert not world.path.exists()


def test_what_is_kept_is_not_prepared(world: World) -> None:
    world.up(Thing(name="a"))
    plan = world.plan(Thing(name="a"), Thing(name="b"))
    world.forget_calls()
    prepare(plan, world.aws(world.state.id), world.state, lambda key, text: None)
    assert world.cloud.calls == ["prepare thing.b"]


def test_a_preparation_that_fails_leaves_everything_untouched(world: World) -> None:
    world.cloud.before["prepare thing.b"] = [DeployerError("the build failed")]
    plan = world.plan(Thing(name="a"), Thing(name="b"))
    with pytest.raises(DeployerError, match="the build failed"):
        prepare(plan, world.aws(world.state.id), world.state, lambda key, text: None)
    assert not world.cloud.changes and not world.path.exists()


# Interrupted.


def test_once_interrupted_what_has_begun_is_finished_and_nothing_new_starts(world: World) -> None:
    stack = [Plain(name="a"), Plain(name="b"), Plain(name="c", loose=Ref("plain.a")), Plain(name="d")]
    world.cloud.after["create plain.a"] = [lambda: world.patience.stop.set()]
    outcome = world.up(*stack, parallel=1)
    assert outcome.interrupted and not outcome.ok and not outcome.failures
    assert world.statuses == {"plain.a": "ready"}
    assert world.cloud.changes == ["create plain.a", "configure plain.a"]
    assert sorted(outcome.skipped) == ["plain.b", "plain.c", "plain.d"]
    assert world.up(*stack).ok
    assert created(world).count("plain.a") == 1
    world.check(*stack)


def test_once_interrupted_nothing_is_waited_for_and_the_next_run_goes_on(world: World) -> None:
    def stop() -> str:
        world.patience.stop.set()
        return "busy"

    world.cloud.awaits["thing.a"] = stop
    outcome = world.up(Thing(name="a"))
    assert outcome.interrupted and not outcome.failures
    assert world.statuses == {"thing.a": "made"}
    del world.cloud.awaits["thing.a"]
    assert world.up(Thing(name="a")).done == {"unchanged": 1}
    assert created(world) == ["thing.a"]


def test_interrupted_at_the_last_step_nothing_is_removed(world: World) -> None:
    world.up(Thing(name="old"))
    world.cloud.after["configure plain.a"] = [lambda: world.patience.stop.set()]
    outcome = world.up(Plain(name="a"))
    assert outcome.interrupted and world.standing == ["thing.old", "plain.a"]
    assert world.up(Plain(name="a")).ok
    world.check(Plain(name="a"))


def test_an_answer_that_is_lost_while_the_run_is_interrupted_is_found_by_the_next(world: World) -> None:
    def stop() -> None:
        world.patience.stop.set()
        raise lost()

    world.cloud.after["create thing.a"] = [stop]
    assert world.up(Thing(name="a")).interrupted
    assert world.standing == ["thing.a"]
    assert world.up(Thing(name="a")).ok
    assert created(world) == ["thing.a"]
    world.check(Thing(name="a"))


# The record that cannot be saved.


def unsaved(outcome: Outcome) -> str:
    (error,) = outcome.failures.values()
    assert isinstance(error, StateError)
    return error.message


def test_a_full_disk_is_said_before_anything_is_made(world: World) -> None:
    def work() -> None:
        plan = world.plan(Thing(name="a"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        try:
            world.run(plan)
        except StateError:
            os._exit(42 if not world.standing else 1)

    assert ended(work) == 42
    assert not created(world)


@pytest.mark.parametrize(("verb", "status"), [("create", "unfinished"), ("configure", "made"), ("pending", "ready")])
def test_a_record_that_cannot_be_saved_half_way_is_shown_and_nothing_more_is_started(
    world: World, verb: str, status: str
) -> None:
    """The directory of the state is suddenly a file: whoever runs this, nothing can be written there."""

    def break_it() -> None:
        world.path.parent.rename(world.path.parent.with_name("moved"))
        world.path.parent.write_text("in the way")

    stack = [Thing(name="a"), Thing(name="b", loose=Ref("thing.a")), *(Thing(name=f"c{n}") for n in range(5))]
    world.cloud.after[f"{verb} thing.a"] = [break_it]
    outcome = world.up(*stack, parallel=1)
    message = outcome.failures["thing.a"].message
    (item,) = [item for item in world.cloud.objects() if item["tags"]["deployer:key"] == "thing.a"]
    assert f'"status": "{status}"' in message and f'"id": "{item["id"]}"' in message
    assert "thing.b" not in world.standing and "thing.b" in outcome.skipped
    before = world.standing
    world.path.parent.unlink()
    world.path.parent.with_name("moved").rename(world.path.parent)
    assert world.up(*stack).ok
    assert world.standing[: len(before)] == before, "what was made is found, not made again"
    world.check(*stack)


def test_when_the_intent_cannot_be_saved_nothing_is_made(world: World) -> None:
    def break_it() -> None:
        shutil.rmtree(world.path.parent)
        world.path.parent.write_text("in the way")

    world.up(Thing(name="a", loose=1))
    world.cloud.watch = lambda call: break_it() if call == "read thing" else None
    outcome = world.up(Thing(name="a", loose=1), *(Thing(name=f"c{n}") for n in range(5)), parallel=1)
    assert '"creating"' in unsaved(outcome)
    assert world.standing == ["thing.a"]


# What is told.


def test_every_step_that_does_something_is_told_when_it_begins_and_when_it_ends(world: World) -> None:
    world.up(Thing(name="a", fixed=1), Thing(name="b"), Thing(name="old"))
    world.up(Thing(name="a", fixed=2), Thing(name="b", loose=Ref("thing.a")), Plain(name="c"))
    told = {(event.event, event.key, event.type, event.action) for event in world.events}
    assert told == {
        ("started", "thing.a", "thing", "replace"), ("done", "thing.a", "thing", "replace"),
        ("started", "thing.b", "thing", "update"), ("done", "thing.b", "thing", "update"),
        ("started", "plain.c", "plain", "create"), ("done", "plain.c", "plain", "create"),
        ("started", "thing.old", "thing", "delete"), ("done", "thing.old", "thing", "delete"),
        ("started", "thing.a~1", "thing", "delete"), ("done", "thing.a~1", "thing", "delete"),
    }  # fmt: skip


def test_an_output_that_is_needed_and_not_there_is_an_error(world: World) -> None:
    outcome = world.up(Thing(name="b", loose=Ref("thing.nowhere")))
    assert "thing.nowhere is needed and not there" in outcome.failures["thing.b"].message
