"""No faster than AWS takes it: steps of a type with a `rate` begin one after the other once its burst is used up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.plan import Action, Step
from deployer.resource import TYPES, Rate


@dataclass
class Pace:
    """A token bucket for each rate, full at the start of a run. AWS's own may be emptier: then it throttles, and the
    refused call is made again."""

    clock: Callable[[], float] = time.monotonic
    _next: dict[Rate, float] = field(default_factory=dict)

    def before(self, step: Step) -> float:
        """Takes the step's turn; for how many seconds it has to be waited for."""
        rate = TYPES[step.key.partition(".")[0]].rate
        if rate is None or step.action is Action.KEEP:
            return 0.0
        if step.action is Action.DELETE:  # two calls: no more tasks and away, deregistered and deleted
            self.turn(rate)
        return self.turn(rate)

    def turn(self, rate: Rate) -> float:
        """As `before`, for any step of this rate."""
        now = self.clock()
        full = now - (rate.burst - 1) / rate.per_second
        turn = max(self._next.get(rate, full), full)
        self._next[rate] = turn + 1 / rate.per_second
        return max(turn - now, 0.0)
