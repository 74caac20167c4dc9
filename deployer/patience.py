"""How long to try again, and when not to: throttling, lost answers, and what a type says is a matter of time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from deployer import aws
from deployer.errors import Interrupted
from deployer.resource import Retry

T = TypeVar("T")
THROTTLE_SECONDS = 300.0
LOST_SECONDS = 60.0


def delays(first: float = 0.2, most: float = 5.0) -> Iterator[float]:
    """Quick at first and slower later, in seconds."""
    while True:
        yield first
        first = min(first * 1.5, most)


@dataclass
class Patience:
    """The patience of one run. `deadline` is on the monotonic clock; `stop` ends every wait."""

    deadline: float
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    def sleep(self, seconds: float) -> None:
        """Raises Interrupted when the user has asked to stop: nothing is lost, the last call was refused."""
        if self.stop.wait(min(seconds, max(self.deadline - time.monotonic(), 0))):
            raise Interrupted("Stopped.")

    def attempt(
        self,
        call: Callable[[], T],
        retry_on: tuple[Retry, ...] = (),
        recover: Callable[[aws.Fault, Exception], T | None] | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> T:
        """Calls until it works or there is no point in going on; then the last error comes through.

        `recover` is asked after a lost answer, and after any refusal, whether the wanted thing is there after all.
        """
        began, pause = time.monotonic(), delays()
        while True:
            try:
                return call()
            except Exception as error:
                kind = aws.fault(error)
                if recover is not None and (found := recover(kind, error)) is not None:
                    return found
                if self.over or time.monotonic() - began >= allowance(kind, error, retry_on):
                    raise
                progress(aws.said(error))
                self.sleep(next(pause) * random.uniform(0.8, 1.2))


def allowance(kind: aws.Fault, error: Exception, retry_on: tuple[Retry, ...]) -> float:
    """For how many seconds this error may be only a matter of time."""
    if kind == "throttled":
        return THROTTLE_SECONDS
    if kind == "lost":
        return LOST_SECONDS
    patient = [
        retry.seconds for retry in retry_on if retry.code == aws.code(error) and retry.fragment in aws.said(error)
    ]
    return max(patient, default=0.0)
