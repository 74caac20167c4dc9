"""How long to try again, and when not to."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from deployer import patience as module
from deployer.errors import DeployerError, Interrupted
from deployer.patience import Patience, allowance, delays
from deployer.resource import Retry

from .imaginary import lost, refusal

URL = "https://imaginary.test"


def failing(*errors: Exception) -> Callable[[], str]:
    """Raises each of these in turn, then answers; `calls` tells how often it was called."""
    left = list(errors)

    def call() -> str:
        call.calls += 1  # type: ignore[attr-defined]
        if left:
            raise left.pop(0)
        return "answer"

    call.calls = 0  # type: ignore[attr-defined]
    return call


@pytest.fixture
def patient() -> Patience:
    return Patience(time.monotonic() + 30)


def test_waiting_is_quick_at_first_and_slower_later() -> None:
    pauses = list(itertools.islice(delays(), 20))
    assert pauses[0] == 0.2 and pauses == sorted(pauses) and pauses[-1] == 5.0


@pytest.mark.parametrize(
    "error",
    [
        refusal("Throttling", "Rate exceeded"),
        refusal("RequestLimitExceeded"),
        refusal("LimitExceededException", "Rate exceeded for this role"),
        refusal("InternalError", "try again", 500),
        refusal("ServiceUnavailable", "", 503),
        lost(),
        ReadTimeoutError(endpoint_url=URL),
    ],
)
def test_what_aws_could_not_answer_is_asked_again(patient: Patience, error: Exception) -> None:
    call = failing(error)
    assert patient.attempt(call) == "answer"
    assert call.calls == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "error",
    [
        refusal("AccessDenied", "no"),
        refusal("LimitExceededException", "too many roles in this account"),
        refusal("NotYet", "some other reason"),
        refusal("Other", "settling"),
        DeployerError("never"),
        ValueError("a mistake of ours"),
    ],
)
def test_a_refusal_is_final_unless_the_type_says_that_it_is_a_matter_of_time(
    patient: Patience, error: Exception
) -> None:
    call = failing(error)
    with pytest.raises(type(error)):
        patient.attempt(call, (Retry("NotYet", "settling", 5),))
    assert call.calls == 1  # type: ignore[attr-defined]


def test_a_refusal_in_the_words_that_the_type_lists_is_tried_again_and_told(patient: Patience) -> None:
    told: list[str] = []
    call = failing(refusal("NotYet", "still settling down"))
    assert patient.attempt(call, (Retry("NotYet", "settling", 5),), progress=told.append) == "answer"
    assert told == ["still settling down"]


def test_each_refusal_has_a_deadline_of_its_own() -> None:
    listed = (Retry("NotYet", "settling", 0.3), Retry("NotYet", "draining", 900), Retry("InUse", seconds=7))
    assert allowance("refused", refusal("NotYet", "settling"), listed) == 0.3
    assert allowance("refused", refusal("NotYet", "is draining"), listed) == 900
    assert allowance("refused", refusal("InUse", "whatever"), listed) == 7
    assert allowance("refused", refusal("NotYet", "else"), listed) == 0
    assert allowance("throttled", refusal("Throttling"), ()) == module.THROTTLE_SECONDS
    assert allowance("lost", lost(), ()) == module.LOST_SECONDS


def test_when_its_time_is_over_the_last_error_comes_through(patient: Patience) -> None:
    with pytest.raises(ClientError, match="settling"):
        patient.attempt(failing(*[refusal("NotYet", "settling")] * 50), (Retry("NotYet", "settling", 0.1),))


def test_when_the_time_of_the_run_is_up_nothing_is_tried_again() -> None:
    call = failing(lost())
    with pytest.raises(ConnectionClosedError):
        Patience(time.monotonic() - 1).attempt(call)
    assert call.calls == 1  # type: ignore[attr-defined]


def test_a_pause_ends_when_the_user_stops_the_run(patient: Patience) -> None:
    call = failing(*[refusal("Throttling")] * 50)
    threading.Timer(0.05, patient.stop.set).start()
    with pytest.raises(Interrupted):
        patient.attempt(call)


def test_what_a_lost_answer_made_is_looked_for_before_anything_is_repeated(patient: Patience) -> None:
    order: list[str] = []

    def call() -> str:
        order.append("call")
        raise lost()

    def recover(kind: str, error: Exception) -> str | None:
        order.append(f"look: {kind}")
        return "found" if order.count("look: lost") == 2 else None

    assert patient.attempt(call, recover=recover) == "found"
    assert order == ["call", "look: lost", "call", "look: lost"]


def test_the_pauses_never_go_beyond_the_deadline() -> None:
    """A pause of five minutes ends with the run's time, which is over at once."""
    began = time.monotonic()
    Patience(began + 0.05).sleep(300)
    assert time.monotonic() - began < 5


def test_what_a_verb_answers_is_given_back_as_it_is(patient: Patience) -> None:
    answer: Any
    for answer in (None, False, 0, "", {}):
        assert patient.attempt(lambda answer=answer: answer) is answer  # type: ignore[misc]
