"""In which order the containers of a task start: `dependsOn`."""

from __future__ import annotations

from deployer.sandbox.containers.container import Container
from deployer.sandbox.containers.reasons import dependency


def free(container: Container, containers: dict[str, Container]) -> bool:
    """Whether all that it depends on is there. What cannot come any more ends the task."""
    return all(
        _reached(container, containers[each["containerName"]], each["condition"])
        for each in container.definition.get("dependsOn") or []
    )


def _reached(container: Container, other: Container, condition: str) -> bool:
    stopped = other.status == "STOPPED"
    if condition == "START":
        return other.status != "PENDING"
    if stopped and (condition == "HEALTHY" or (condition == "SUCCESS" and other.exit_code)):
        raise dependency(container.name, other.name, condition)
    return other.health == "HEALTHY" if condition == "HEALTHY" else stopped
