"""The ready queue: what begins when, what a failure holds up, and how waiting is done."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping

import pytest

from deployer.errors import DeployerError, Interrupted, StateError
from deployer.patience import Patience
from deployer.walk import Wait, Walk

Graph = Mapping[str, set[str]]
LONG = 10  # seconds, for what must not happen


def patience(seconds: float = 30) -> Patience:
    return Patience(time.monotonic() + seconds)


def walked(
    graph: Graph, begin: Callable[[str], Wait | None], *, parallel: int = 8, patient: Patience | None = None
) -> Walk:
    walk = Walk(graph, begin, patient or patience(), parallel)
    walk.run()
    return walk


def random_graph(random: random.Random) -> dict[str, set[str]]:
    keys = [f"k{number}" for number in range(random.randint(1, 25))]
    return {key: set(random.sample(keys[:at], random.randint(0, min(at, 3)))) for at, key in enumerate(keys)}


def descendants(graph: Graph, roots: set[str]) -> set[str]:
    found: set[str] = set()
    while more := {key for key, needs in graph.items() if needs & (roots | found)} - found:
        found |= more
    return found


@pytest.mark.parametrize("seed", range(200))
def test_every_key_begins_after_what_it_needs_and_a_failure_skips_exactly_its_descendants(seed: int) -> None:
    choose = random.Random(seed)
    graph = random_graph(choose)
    broken = {key for key in graph if choose.random() < 0.1}
    polled = {key: choose.random() < 0.5 for key in graph if choose.random() < 0.4}
    parallel = choose.randint(1, 6)
    done: set[str] = set()
    begun: list[str] = []
    running: set[str] = set()
    lock = threading.Lock()

    def begin(key: str) -> Wait | None:
        with lock:
            begun.append(key)
            running.add(key)
            assert len(running) <= parallel
            missing = {need for need in graph[key] if need not in done and polled.get(need) is not False}
            assert not missing, f"{key} began before {missing}"
            assert graph[key] <= done | set(begun)
        with lock:
            running.discard(key)
            if key in broken:
                raise DeployerError(f"{key} is broken")
            if key not in polled:
                done.add(key)
                return None

        def poll() -> None:
            with lock:
                done.add(key)

        return Wait(poll, holds=polled[key])

    walk = walked(graph, begin, parallel=parallel)
    unreached = descendants(graph, broken)
    assert set(walk.failed) == broken - unreached
    assert {str(error) for error in walk.failed.values()} == {f"{key} is broken" for key in walk.failed}
    assert set(walk.skipped) == unreached
    assert done == set(graph) - broken - unreached
    assert sorted(begun) == sorted(set(graph) - unreached)


def test_a_long_one_holds_up_only_its_own_dependents() -> None:
    """`slow` ends only after the whole of the other chain has: waves would never finish."""
    graph = {"slow": set(), "after-slow": {"slow"}, "a": set(), "b": {"a"}, "c": {"b"}}
    chain = threading.Event()
    begun = []

    def begin(key: str) -> None:
        begun.append(key)
        if key == "c":
            chain.set()
        if key == "slow":
            assert chain.wait(LONG)

    assert not walked(graph, begin).failed
    assert begun[-1] == "after-slow"


def test_as_many_as_allowed_run_at_once_and_never_more() -> None:
    together = threading.Barrier(3)
    running: list[str] = []
    most = []

    def begin(key: str) -> None:
        running.append(key)
        most.append(len(running))
        together.wait(LONG)  # broken unless three are there at the same time
        running.remove(key)

    walk = walked({f"k{number}": set() for number in range(9)}, begin, parallel=3)
    assert not walk.failed
    assert max(most) <= 3


def test_what_does_not_hold_its_dependents_is_waited_for_beside_them() -> None:
    begun = threading.Event()

    def begin(key: str) -> Wait | None:
        if key == "after":
            begun.set()
            return None
        return Wait(lambda: None if begun.is_set() else "busy", holds=False)

    walk = walked({"balancer": set(), "after": {"balancer"}}, begin)
    assert not walk.failed and not walk.skipped


def test_what_holds_its_dependents_is_usable_before_they_begin() -> None:
    order: list[str] = []
    answers = iter(["busy", None])

    def poll() -> str | None:
        answer = next(answers)
        order.append(f"polled: {answer}")
        return answer

    def begin(key: str) -> Wait | None:
        order.append(key)
        return Wait(poll) if key == "a" else None

    walked({"a": set(), "b": {"a"}}, begin)
    assert order == ["a", "polled: busy", "polled: None", "b"]


def test_waiting_takes_no_thread() -> None:
    """Forty wait for the last one with two threads: it would never begin if each kept one."""
    keys = [f"k{number}" for number in range(40)]
    begun: set[str] = set()

    def begin(key: str) -> Wait:
        begun.add(key)
        return Wait(lambda: None if len(begun) == len(keys) else "busy")

    walk = walked({key: set() for key in keys}, begin, parallel=2)
    assert not walk.failed and begun == set(keys)


def test_what_is_awaited_is_told_when_it_changes_and_only_then() -> None:
    answers = iter(["one", "one", "two", None])
    told: list[tuple[str, str]] = []
    wait = Wait(lambda: next(answers))
    Walk({"a": set()}, lambda key: wait, patience(), 2, lambda *what: told.append(what)).run()
    assert told == [("a", "one"), ("a", "two")]


def test_a_wait_that_fails_skips_its_dependents() -> None:
    def poll() -> str | None:
        raise DeployerError("never")

    walk = walked({"a": set(), "b": {"a"}, "c": set()}, lambda key: Wait(poll) if key == "a" else None)
    assert list(walk.failed) == ["a"] and walk.skipped == ["b"]


def test_a_wait_that_fails_beside_its_dependents_skips_none_of_them() -> None:
    begun = threading.Event()

    def poll() -> str | None:
        assert begun.wait(LONG)
        raise DeployerError("never")

    def begin(key: str) -> Wait | None:
        if key == "a":
            return Wait(poll, holds=False)
        begun.set()
        return None

    walk = walked({"a": set(), "b": {"a"}}, begin)
    assert list(walk.failed) == ["a"] and not walk.skipped


def test_a_verb_that_ends_its_thread_is_a_failure_and_not_a_hang() -> None:
    def begin(key: str) -> None:
        raise SystemExit(3)

    assert list(walked({"a": set(), "b": {"a"}}, begin).failed) == ["a"]


def test_once_stopped_what_runs_is_finished_and_nothing_begins_not_even_what_was_ready() -> None:
    """Eight are ready at once for one thread; the first one is running when the user stops."""
    patient, begun = patience(), []

    def begin(key: str) -> None:
        begun.append(key)
        patient.stop.set()

    graph: Graph = {f"k{number}": set() for number in range(8)} | {"after": {"k0"}}
    walk = walked(graph, begin, parallel=1, patient=patient)
    assert len(begun) == 1
    assert not walk.failed
    assert sorted([*begun, *walk.skipped]) == sorted(graph)


def test_once_stopped_nothing_is_waited_for_any_more() -> None:
    patient = patience()

    def poll() -> str:
        patient.stop.set()
        return "busy"

    walk = walked({"a": set(), "b": {"a"}}, lambda key: Wait(poll), patient=patient)
    assert isinstance(walk.failed["a"], Interrupted) and walk.skipped == ["b"]


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("answer", [None, "busy", DeployerError("refused")])
def test_a_look_that_was_under_way_when_the_user_stopped_still_counts(
    holds: bool, answer: str | DeployerError | None
) -> None:
    patient, looking, given_up = patience(), threading.Event(), threading.Event()

    def poll() -> str | None:
        if threading.current_thread() is threading.main_thread():
            raise AssertionError("polls belong to the pool")
        looking.set()
        assert given_up.wait(LONG)
        if isinstance(answer, DeployerError):
            raise answer
        return answer

    def begin(key: str) -> Wait | None:
        if key == "a":
            return Wait(poll, holds)
        assert looking.wait(LONG)
        patient.stop.set()  # seen by the walk when this one's end is; the look goes on for a while
        threading.Timer(0.05, given_up.set).start()
        return None

    walk = walked({"a": set(), "other": set()}, begin, patient=patient)
    if answer is None:
        assert not walk.failed and not walk.skipped
    else:
        assert isinstance(walk.failed["a"], Interrupted if answer == "busy" else DeployerError)
        assert list(walk.failed) == ["a"]


def test_when_the_time_is_up_the_failure_names_what_was_awaited() -> None:
    walk = walked({"a": set(), "b": {"a"}}, lambda key: Wait(lambda: "2 of 3 tasks running"), patient=patience(0.3))
    error = walk.failed["a"]
    assert isinstance(error, DeployerError)
    assert "a: the time is up" in error.message and "2 of 3 tasks running" in error.message
    assert "--timeout" in error.hint
    assert walk.skipped == ["b"]


def test_when_the_time_is_up_before_something_could_begin_that_is_a_failure_too() -> None:
    """Otherwise the run would say that something was skipped, and not why."""
    walk = walked({"a": set(), "b": {"a"}}, lambda key: time.sleep(0.1), patient=patience(0.05))
    assert not walk.skipped
    assert list(walk.failed) == ["b"] and "time is up" in str(walk.failed["b"])


def test_what_cannot_be_recorded_stops_everything() -> None:
    begun = []

    def begin(key: str) -> None:
        begun.append(key)
        raise StateError("the disk is full")

    walk = walked({f"k{number}": set() for number in range(8)}, begin, parallel=1)
    assert begun == list(walk.failed) == ["k0"]
    assert len(walk.skipped) == 7
