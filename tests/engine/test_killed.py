"""`kill -9` at every call: the next `up` finishes, or `down` leaves nothing. Nothing twice, nothing forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.resource import Ref, Resource

from .imaginary import Balancer, Named, Plain, Revision, Shared, Single, Thing, changes, kill, refusal
from .world import World, ended, killed


def stack(fixed: int) -> list[Resource]:
    """One of every kind; another number replaces each, but for what only knows of them."""
    return [
        Thing(name="a", fixed=fixed),
        Named(name="n", fixed=fixed),
        Shared(name="h", fixed=fixed),
        Single(name="s", fixed=Ref("thing.a")),
        Revision(name="r", fixed=[fixed, Ref("thing.a")]),
        Balancer(name="b", loose=[Ref("single.s"), Ref("revision.r")]),
        Plain(name="p", loose=fixed, depends_on=("named.n",)),
    ]


def at_the(number: int, do: Callable[[], None]) -> Callable[[str], None]:
    """Calls `do` at the call of this number that changes something."""
    left = [number]

    def watch(call: str) -> None:
        left[0] -= changes(call)
        if left[0] < 0:
            do()

    return watch


SCENARIOS: dict[str, tuple[list[list[Resource]], list[Resource]]] = {
    "creating": ([], stack(1)),
    "replacing": ([stack(1)], stack(2)),
    "replacing back": ([stack(1), stack(2)], stack(1)),
    "taking back what failed": ([stack(1), stack(2)], stack(1)),
    "removing": ([stack(1), stack(2)], []),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_any_call_the_next_up_finishes_and_down_leaves_nothing(
    tmp_path: Path, scenario: str, when: str
) -> None:
    former, wanted = SCENARIOS[scenario]
    start = World.at(tmp_path / "start")
    if scenario == "taking back what failed":  # so both the old and the new stand when it begins
        start.cloud.before["update balancer.b"] = [refusal("Denied", "no")]
    for stage in former:
        assert start.up(*stage).ok or stage == former[-1]
    start.forget_calls()
    for number in range(100):
        world = start.copy(tmp_path / f"{number}")
        if when == "before":
            world.cloud.watch = at_the(number, kill)
        else:
            world.cloud.watch_after = at_the(number, kill)
        before = world.cloud.changes
        code = ended(lambda world=world: world.up(*wanted, parallel=1))
        if code == 0:
            break
        assert len(world.cloud.changes) > len(before) + number
        world = World.at(world.cloud.root.parent)
        other = world.copy(tmp_path / f"{number}-down")

        outcome = world.up(*wanted)
        assert outcome.ok, (number, world.cloud.calls, outcome)
        world.check(*wanted)
        if wanted:
            bases = {record.base for record in world.recorded.values()}
            assert bases == {thing.key for thing in wanted}
            twice = [key for key in world.recorded if "~" in key]
            assert all(key.startswith("revision.") for key in twice)

        assert other.down().ok
        assert not other.standing and not other.recorded
        assert other.down().ok
    assert number > 6, "it was never killed"


@pytest.mark.parametrize("kind", [Thing, Named, Shared, Revision, Single])
def test_killed_between_setting_the_old_aside_and_intending_the_new(tmp_path: Path, kind: type[Thing]) -> None:
    world = World.at(tmp_path / "world")
    world.up(kind(name="a", fixed=1))
    _, state = world.open()
    state.rename(state.records[f"{kind.type}.a"], f"{kind.type}.a~1")
    other = world.copy(tmp_path / "other")
    assert world.up(kind(name="a", fixed=2)).ok
    world.check(kind(name="a", fixed=2))
    assert len(world.standing) == (2 if kind is Revision else 1)
    assert other.down().ok and not other.standing


def test_killed_again_and_again_it_ends_with_one_of_each(tmp_path: Path) -> None:
    """Each run is killed one call further on than the last."""
    world = World.at(tmp_path / "world")
    for number in range(8):
        for fixed in (1, 2):
            world.cloud.watch_after = at_the(number, kill)
            ended(lambda fixed=fixed: world.up(*stack(fixed)))
    world.cloud.watch_after = lambda call: None
    assert world.up(*stack(3)).ok
    world.check(*stack(3))
    assert {record.base for record in world.recorded.values()} == {thing.key for thing in stack(3)}
    assert world.down().ok and not world.standing


def test_killed_while_it_waits_the_next_run_goes_on_waiting(world: World) -> None:
    world.cloud.awaits["thing.a"] = kill
    killed(lambda: world.up(Thing(name="a")))
    assert world.statuses == {"thing.a": "made"}
    del world.cloud.awaits["thing.a"]
    world.forget_calls()
    assert world.up(Thing(name="a")).done == {"unchanged": 1}
    assert not world.cloud.changes
    world.check(Thing(name="a"))
