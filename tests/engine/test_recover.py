"""A lost record, made again from the tags in the account."""

from __future__ import annotations

import pytest

from deployer import recover
from deployer.errors import DeployerError, NotDeployedError
from deployer.resource import Ref, Resource
from deployer.state import State

from .imaginary import Balancer, Named, Plain, Revision, Shared, Single, Store, Thing, outputs
from .world import World


def stack(number: int = 1) -> list[Resource]:
    return [
        Thing(name="a", fixed=number, loose={"x": [1, 2]}),
        Named(name="n", fixed=Ref("thing.a")),
        Shared(name="h", loose=Ref("named.n", "arn")),
        Single(name="s", fixed=Ref("thing.a")),
        Revision(name="r", fixed=[number, Ref("thing.a")]),
        Balancer(name="b", loose=[Ref("single.s"), Ref("revision.r")]),
        Store(name="d", fixed=1),
        Plain(name="p", depends_on=("named.n",)),
    ]


def lose(world: World) -> None:
    """The record is gone; the calls so far do not count."""
    world.path.unlink()
    world.forget_calls()


def rebuilt(world: World, *wanted: Resource) -> int:
    aws, state = world.open()
    return recover.rebuild(aws, state, lambda: list(wanted))


def test_a_lost_record_is_made_again_and_the_next_run_changes_nothing(world: World) -> None:
    world.up(*stack())
    before = world.recorded
    id = world.state.id
    lose(world)
    assert rebuilt(world, *stack()) == len(before)
    assert not world.cloud.changes
    assert world.recorded == before
    assert world.state.id == id
    assert world.up(*stack()).done == {"unchanged": len(before)}
    world.check(*stack())


def test_where_nothing_carries_the_name_there_is_nothing_to_rebuild(world: World) -> None:
    with pytest.raises(NotDeployedError, match="carries the name voting") as nothing:
        rebuilt(world, *stack())
    assert nothing.value.exit_code == 4
    assert not world.path.exists()


def test_two_stacks_of_the_name_are_an_error_that_names_both_and_changes_nothing(world: World) -> None:
    world.up(Thing(name="a"))
    first = world.state.id
    lose(world)
    world.up(Thing(name="a"))
    second = world.state.id
    lose(world)
    with pytest.raises(DeployerError) as two:
        rebuilt(world, Thing(name="a"))
    assert first in two.value.message and second in two.value.message
    assert not world.path.exists() and not world.cloud.changes
    assert len(world.standing) == 2


def test_another_stacks_objects_are_not_ours(world: World) -> None:
    world.up(Thing(name="a"))
    tags = {"deployer:stack": "voting-prod", "deployer:id": "x", "deployer:key": "thing.b"}
    world.cloud.put("theirs-1", {"id": "theirs-1", "fixed": None, "tags": tags})
    lose(world)
    assert rebuilt(world, Thing(name="a"), Thing(name="b")) == 1
    assert list(world.recorded) == ["thing.a"]


def test_what_differs_is_recorded_as_unfinished_and_mended_by_the_next_run(world: World) -> None:
    world.up(Thing(name="a", fixed=1, loose=1), Thing(name="b", fixed=1), Thing(name="c"))
    lose(world)
    wanted = [Thing(name="a", fixed=1, loose=2), Thing(name="b", fixed=2), Thing(name="c")]
    rebuilt(world, *wanted)
    assert world.statuses == {"thing.a": "unfinished", "thing.b": "unfinished", "thing.c": "ready"}
    assert world.up(*wanted).done == {"updated": 1, "replaced": 1, "unchanged": 1, "deleted": 1}
    world.check(*wanted)


def test_former_revisions_are_recorded_in_their_order(world: World) -> None:
    """By number, not by letters: the tenth comes after the ninth."""
    world.up(Revision(name="a", fixed=1))
    (first,) = world.cloud.objects()
    world.cloud.remove(first["id"])
    aws = world.aws(world.state.id)
    for number in (8, 9, 10, 11):
        revision = Revision(name="a", fixed=number)
        tags = aws.tags(revision.key, revision.fingerprint)
        world.cloud.put(f"a-{number}", {"id": f"a-{number}", "fixed": number, "loose": None, "tags": tags})
    lose(world)
    wanted = Revision(name="a", fixed=11)
    assert rebuilt(world, wanted) == 4
    assert {key: record.id for key, record in world.recorded.items()} == {
        "revision.a": "a-11", "revision.a~1": "a-8", "revision.a~2": "a-9", "revision.a~3": "a-10",
    }  # fmt: skip
    assert world.up(wanted).done == {"unchanged": 1, "deleted": 1}
    assert [item["id"] for item in world.cloud.objects()] == ["a-9", "a-10", "a-11"]
    world.check(wanted)


def test_when_no_revision_matches_the_newest_is_the_one_to_go_on_from(world: World) -> None:
    world.up(Revision(name="a", fixed=1))
    aws = world.aws(world.state.id)
    world.cloud.remove(world.cloud.objects()[0]["id"])
    for number in (9, 10):
        tags = aws.tags("revision.a", f"other-{number}")
        world.cloud.put(f"a-{number}", {"id": f"a-{number}", "fixed": number, "loose": None, "tags": tags})
    lose(world)
    rebuilt(world, Revision(name="a", fixed=3))
    assert world.recorded["revision.a"].id == "a-10"
    assert world.recorded["revision.a~1"].id == "a-9"


def test_an_object_that_was_being_replaced_is_recorded_beside_the_new_one_and_goes(world: World) -> None:
    world.up(Thing(name="a", fixed=1))
    old = world.recorded["thing.a"].id
    world.cloud.before["delete thing.a"] = [RuntimeError("the run broke off here")]
    assert not world.up(Thing(name="a", fixed=2)).ok
    lose(world)
    assert rebuilt(world, Thing(name="a", fixed=2)) == 2
    assert world.recorded["thing.a~1"].id == old
    assert world.up(Thing(name="a", fixed=2)).done == {"unchanged": 1, "deleted": 1}
    world.check(Thing(name="a", fixed=2))


def test_what_the_file_no_longer_names_is_recorded_and_can_be_removed(world: World) -> None:
    world.up(Thing(name="a"), Thing(name="old"), Revision(name="older", fixed=1))
    world.up(Thing(name="a"), Thing(name="old"), Revision(name="older", fixed=2))
    lose(world)
    assert rebuilt(world, Thing(name="a")) == 4
    assert world.up(Thing(name="a")).done == {"unchanged": 1, "deleted": 3}
    world.check(Thing(name="a"))


def test_what_stands_on_something_that_is_gone_is_not_forgotten(world: World) -> None:
    wanted = [Thing(name="a"), Thing(name="b", fixed=Ref("thing.a")), Thing(name="c", loose=Ref("thing.a"))]
    world.up(*wanted)
    world.cloud.remove(str(world.recorded["thing.a"].id))
    lose(world)
    assert rebuilt(world, *wanted) == 2
    assert world.statuses == {"thing.b": "unfinished", "thing.c": "unfinished"}
    assert world.up(*wanted).ok
    world.check(*wanted)
    assert sorted(world.standing) == ["thing.a", "thing.b", "thing.c"]


def test_down_after_a_rebuild_leaves_nothing(world: World) -> None:
    world.up(*stack(1))
    world.up(*stack(2))
    lose(world)
    rebuilt(world, *stack(2)[:3])
    assert world.down(delete_data=True).ok
    assert not world.standing and not world.recorded


def test_the_outputs_are_read_from_the_account(world: World) -> None:
    world.up(Thing(name="a"))
    lose(world)
    rebuilt(world, Thing(name="a"))
    record = State.open(world.path, "voting", "123456789012", "eu-test-1").records["thing.a"]
    assert record.outputs == outputs(str(record.id))
