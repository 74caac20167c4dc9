"""How long things take in the cloud, and the one lock under which everything in it changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields

LOCK = threading.RLock()  # moto itself has none: calls and the scheduler take turns


@dataclass
class Tempo:
    """Seconds. `call` is the latency of every AWS call, spent before it is executed and outside the lock."""

    call: float = 0.0
    task: float = 0.2
    drain: float = 0.3
    nat: float = 0.2
    load_balancer: float = 0.0
    linger: float = 0.0  # network interfaces, after their owner has gone

    def change(self, **seconds: float | None) -> None:
        known = {field.name for field in fields(self)}
        if unknown := set(seconds) - known:
            raise ValueError(f"no such tempo: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        for name, value in seconds.items():
            if value is not None:
                setattr(self, name, float(value))

    def reset(self) -> None:
        self.change(**vars(Tempo()))


TEMPO = Tempo()
