"""What a run tells while it goes on, and what it says at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from deployer.errors import DeployerError

ING = {"create": "Creating", "update": "Updating", "replace": "Replacing", "delete": "Deleting", "keep": "Waiting for"}


@dataclass(frozen=True)
class Event:
    """Something happened to `key`; `seconds` since its step began."""

    event: Literal["started", "progress", "done", "failed"]
    key: str
    type: str
    action: str
    seconds: float
    message: str = ""


Listen = Callable[[Event], None]


@dataclass
class Outcome:
    """What was done. `failures` are causes only: what they held up is in `skipped`. `left`: removals for which
    services that nobody waited for would have had to be settled; the next run makes them."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, DeployerError] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    interrupted: bool = False
    left: int = 0

    @property
    def ok(self) -> bool:
        return not (self.failures or self.skipped or self.interrupted)
