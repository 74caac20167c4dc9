"""No faster than AWS takes it, and nothing else is held up by that."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from deployer.pace import Pace
from deployer.patience import Patience
from deployer.plan import Action, Step
from deployer.resource import Rate
from deployer.resources.task_definition import TaskDefinition
from deployer.walk import Wait, Walk

RATE = Rate(burst=3, per_second=2)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_goes_at_once_and_what_follows_keeps_the_distance() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert [pace.turn(RATE) for _ in range(6)] == [0, 0, 0, 0.5, 1.0, 1.5]
    clock.now += 1.5
    assert pace.turn(RATE) == 0.5
    clock.now += 60
    assert [pace.turn(RATE) for _ in range(4)] == [0, 0, 0, 0.5], "more than the burst was saved up"


def test_each_rate_has_its_own_turns() -> None:
    pace = Pace(Clock())
    for _ in range(4):
        pace.turn(RATE)
    assert pace.turn(RATE._replace(per_second=5)) == 0


def test_what_is_kept_takes_no_turn() -> None:
    pace, step = Pace(Clock()), Step(Action.KEEP, "task-definition.web")
    assert TaskDefinition.rate
    for _ in range(1000):
        assert pace.before(step) == 0
    changed = replace(step, action=Action.CREATE)
    waits = [pace.before(changed) for _ in range(100)]
    assert waits[: TaskDefinition.rate.burst] == [0] * TaskDefinition.rate.burst
    assert waits[-1] == pytest.approx((100 - TaskDefinition.rate.burst) / TaskDefinition.rate.per_second)


def test_ecs_is_never_asked_for_more_than_its_bucket_holds() -> None:
    """The buckets of Amazon ECS's request throttling: 20 and 1 a second for task definitions, 50 and 5 for services.
    A removal takes two calls."""
    kinds = ("task-definition", 20, 1.0), ("service", 50, 5.0)
    for action, calls in ((Action.CREATE, 1), (Action.DELETE, 2)):
        for type, burst, refill in kinds:
            asked(Step(action, f"{type}.web"), calls, burst, refill)


def asked(step: Step, calls: int, burst: int, refill: float) -> None:
    clock, tokens, before = Clock(), float(burst), 1000.0
    pace = Pace(clock)
    for _ in range(300):
        moment = 1000.0 + pace.before(step)
        tokens = min(burst, tokens + (moment - before) * refill) - calls
        before = moment
        assert tokens > -1e-6


def test_a_paced_key_holds_up_neither_threads_nor_others() -> None:
    begun: list[str] = []
    lock = threading.Lock()

    def begin(key: str) -> Wait | None:
        with lock:
            begun.append(key)
        return None

    graph = {"slow": set(), "quick": set(), "later": {"quick"}, "last": {"slow"}}
    pauses = {"slow": 0.3}
    walk = Walk(graph, begin, Patience(time.monotonic() + 30), 1, pause=lambda key: pauses.get(key, 0.0))
    walk.run()
    assert begun == ["quick", "later", "slow", "last"]
    assert not walk.failed and not walk.skipped


def test_what_has_not_had_its_turn_when_the_user_stops_is_skipped() -> None:
    patience = Patience(time.monotonic() + 30)

    def begin(key: str) -> Wait | None:
        patience.stop.set()
        return None

    walk = Walk({"now": set(), "never": set()}, begin, patience, 4, pause=lambda key: 20.0 if key == "never" else 0.0)
    began = time.monotonic()
    walk.run()
    assert walk.skipped == ["never"] and time.monotonic() - began < 10


def test_many_that_wait_are_asked_less_often_each() -> None:
    polls: dict[int, int] = {}
    for waiting in (1, 60):
        asked: list[str] = []
        until = time.monotonic() + 1.5

        def poll(asked: list[str] = asked, until: float = until) -> str | None:
            asked.append("")
            return "it" if time.monotonic() < until else None

        walk = Walk({str(n): set() for n in range(waiting)}, lambda key: Wait(poll), Patience(until + 60), 8)
        walk.run()
        polls[waiting] = len(asked)
    assert polls[60] <= 60 * 2, "60 services were asked one by one again and again within two seconds"
    assert polls[1] >= 3
