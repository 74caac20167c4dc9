"""What AWS refuses to delete: who holds it is said, what goes by itself is waited for, the rest is given up soon."""

from __future__ import annotations

import time

import pytest

from deployer import removal
from deployer.errors import AwsError
from deployer.hold import Hold
from deployer.resource import Retry
from tests.engine.imaginary import Thing, refusal
from tests.engine.world import World

LEFT = Hold(("thing.a",), "eni-1", "ELB app/gone/1 (eni-1)", "AWS takes up to 20 minutes", kind="passing")
THEIRS = Hold(("thing.a",), "eni-2", "bastion (eni-2)", "delete it", "2026-11-01 10:00")
HELD = refusal("DependencyViolation", "thing.a has a dependent object.")


class Held(Thing):
    retry_on = (Retry("DependencyViolation", seconds=1200),)


def leaving(world: World, *holds: Hold, refusals: int = 1000) -> removal.Removal:
    world.cloud.before["delete thing.a"] = [HELD] * refusals
    return removal.Removal(
        world.aws("1"), "thing.a", Held(name="a"), "a-1", lambda verb, retry=(): verb(), lambda key: list(holds)
    )


def ago(one: removal.Removal, seconds: float) -> removal.Removal:
    one.held = time.monotonic() - seconds
    return one


def test_what_aws_still_holds_is_named_with_how_long_and_waited_for(world: World) -> None:
    one = leaving(world, LEFT, refusals=3)
    assert one.poll() == "held by ELB app/gone/1 (eni-1); AWS takes up to 20 minutes"
    assert one.poll() == "held by ELB app/gone/1 (eni-1); AWS takes up to 20 minutes", "no line again"
    assert ago(one, 150).poll() == "held by ELB app/gone/1 (eni-1), 2 min so far; AWS takes up to 20 minutes"
    assert one.poll() is None


def test_what_goes_by_itself_is_waited_for_as_long_as_the_type_says_then_named(world: World) -> None:
    assert ago(leaving(world, LEFT), 1190).poll()
    with pytest.raises(AwsError, match=r"held by ELB app/gone/1 \(eni-1\), for 20 min by now") as given_up:
        ago(leaving(world, LEFT), 1201).poll()
    assert given_up.value.code == "DependencyViolation" and "run the command again" in given_up.value.hint


def test_what_somebody_else_holds_is_given_up_soon_with_what_to_do(world: World) -> None:
    assert leaving(world, THEIRS).poll() == "held by bastion (eni-2); delete it"
    with pytest.raises(AwsError, match=r"Deleting thing.a: AWS refuses it, since it is held by bastion") as given_up:
        ago(leaving(world, THEIRS), removal.STRANGERS + 1).poll()
    assert given_up.value.hint.startswith("Delete it.\n")
    both = ago(leaving(world, THEIRS, LEFT), removal.STRANGERS + 1).poll()
    assert both == "held by ELB app/gone/1 (eni-1) and 1 more; AWS takes up to 20 minutes", "the one will go"


def test_where_nobody_can_be_named_aws_has_the_word(world: World) -> None:
    assert ago(leaving(world), 1190).poll() == "thing.a has a dependent object."
    with pytest.raises(type(HELD)):
        ago(leaving(world), 1201).poll()


def test_another_refusal_is_none_of_this(world: World) -> None:
    one = leaving(world)
    world.cloud.before["delete thing.a"] = [refusal("AccessDenied", "no")]
    with pytest.raises(type(HELD), match="AccessDenied"):
        one.poll()
