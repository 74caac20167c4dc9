"""The causes that are recognised, the precise ones first; the first that fits is the verdict.

What a task died of counts more than why another could not be placed; a hint in the log more than an exit code.
"""

from __future__ import annotations

from deployer.verdict.causes import exits, health, images, placement, programs, starts
from deployer.verdict.causes.cause import Cause, Finding
from deployer.verdict.evidence import Evidence

TAKEN_AWAY = placement.CAUSES[:5]  # they also stop tasks
CAUSES: tuple[Cause, ...] = (
    exits.OUT_OF_MEMORY,
    *TAKEN_AWAY,
    *images.CAUSES,
    *starts.CAUSES,
    *programs.CAUSES,
    *exits.CAUSES,
    *health.CAUSES,
    *placement.CAUSES[len(TAKEN_AWAY) :],
)


def find(evidence: Evidence) -> Finding | None:
    """The first cause that fits tamed evidence."""
    return next((found for cause in CAUSES if (found := cause.look(evidence))), None)
