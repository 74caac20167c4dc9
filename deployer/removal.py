"""One object's way out: `delete` until AWS takes it, then until it has left. The walk polls it, without a thread.

EC2 refuses to delete what a network interface holds, for minutes after the interface's owner is gone, and never says
which interface it is (hashicorp/terraform#5762): `holders` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deployer import aws as door
from deployer.aws import Aws
from deployer.errors import AwsError
from deployer.hold import Hold, Holders, summed
from deployer.patience import Patience, allowance, delays
from deployer.resource import Progress, Resource
from deployer.walk import late

Call = Callable[..., Any]  # runs a verb with patience for throttling, lost answers and what is listed besides

STRANGERS = 20.0  # seconds for which what is held by somebody else alone is tried again: it does not go by itself
STEPS = (30, 20, 15, 10, 5, 2, 1)  # minutes at which the line says how long it has been
ADVICE = "Then run the command again: it goes on from here."


@dataclass
class Removal:
    """`key`: the record's; `held`: since when AWS refuses, on the monotonic clock."""

    aws: Aws
    key: str
    resource: Resource
    id: str
    call: Call
    holders: Holders = lambda key: []
    taken: bool = False
    held: float = field(default=0.0)

    def poll(self) -> str | None:
        """What AWS still holds, in words, or None once it is gone. Raises AwsError when waiting is of no use."""
        if not self.taken:
            try:
                self.call(lambda: self.resource.delete(self.aws, self.id))
            except Exception as error:
                return self._refused(error)
            self.taken = True
        awaited: str | None = self.call(lambda: self.resource.leaving(self.aws, self.id), self.resource.retry_on)
        return awaited

    def finish(self, patience: Patience, tell: Progress) -> None:
        """Waits for the end here and now: what comes next cannot stand beside it."""
        for pause in delays():
            if (awaited := self.poll()) is None:
                return
            if patience.over:
                raise late(self.key, f"while waiting: {awaited}")
            tell(awaited)
            patience.sleep(pause)

    def _refused(self, error: Exception) -> str:
        patient = allowance(door.fault(error), error, self.resource.retry_on)
        holds = self.holders(self.key) if door.fault(error) == "refused" else []
        if not patient and not holds:
            raise error
        now = time.monotonic()
        self.held = self.held or now
        passing = [hold for hold in holds if hold.passing]
        if now - self.held >= (patient if passing or not holds else min(patient, STRANGERS)):
            raise _given_up(self.key, error, holds, now - self.held) if holds else error
        if not holds:
            return door.said(error)
        first = (passing or holds)[0]
        rest = [hold for hold in holds if hold is not first]
        return f"{summed([first, *rest])}{_so_far(now - self.held)}; {first.advice}"


def _so_far(seconds: float) -> str:
    """In steps: where there is no terminal every change is a line."""
    minutes = next((step for step in STEPS if seconds >= step * 60), 0)
    return f", {minutes} min so far" if minutes else ""


def _given_up(key: str, error: Exception, holds: list[Hold], seconds: float) -> AwsError:
    """Names who holds it, and what to do about each."""
    strangers = [hold for hold in holds if not hold.passing] or holds
    waited = f", for {seconds / 60:.0f} min by now" if seconds >= 60 else ""
    said = " ".join(door.said(error).split()).rstrip(".")
    message = f"Deleting {key}: AWS refuses it, since it is {summed(strangers)}{waited} ({door.code(error)}: {said})."
    todo = strangers[0].advice
    if len(strangers) > 1:
        todo = "\n".join(f"{hold.line}: {hold.advice}" for hold in strangers)
    return AwsError(message, f"{todo[0].upper()}{todo[1:]}.\n{ADVICE}", door.code(error), door.said(error))
