"""Whether waiting for a rollout makes sense: what cannot get better is told now, not after the circuit breaker."""

from __future__ import annotations

from deployer.verdict.causes import find
from deployer.verdict.evidence import Evidence, StoppedTask


def hopeless(evidence: Evidence) -> str | None:
    """Why not to wait, as a sentence; None as long as it may become well."""
    evidence = evidence.tamed()
    found = find(evidence)
    again = _same_twice(evidence.failed)
    outlook = found.outlook if found else "doubtful"
    if outlook == "passing" or (outlook == "twice" and not again):
        return None
    if found and outlook in ("hopeless", "twice"):
        return found.sentence
    if again and evidence.serving is None:
        return found.sentence if found else f"Two tasks stopped alike: {evidence.failed[0].stopped_reason}"
    return None


def _same_twice(failed: tuple[StoppedTask, ...]) -> bool:
    """Two tasks, the newest among them, ended with the same exit codes for the same reason."""
    return any(_end(task) == _end(failed[0]) for task in failed[1:])


def _end(task: StoppedTask) -> tuple[object, ...]:
    """Without what differs from task to task: ids and the like stand in long reasons."""
    containers = tuple((one.name, one.exit_code, one.reason[:120]) for one in task.containers)
    return task.stop_code, task.stopped_reason[:120], containers
