"""Failed tasks of a deployment: the back-off, the circuit breaker, the way back.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
"""

from __future__ import annotations

import math
from typing import Any

from moto.core.utils import utcnow

from .events import tell
from .rollouts import NO_CANDIDATE, ServiceDeployment
from .tasks import Deployment, EcsTask, now
from .tempo import TEMPO

LEAST, MOST = 3, 200  # failed tasks until a circuit breaker with a bounded percentage trips
DEFAULT: dict[str, Any] = {"type": "BOUNDED_PERCENT", "value": 50}
LONGEST = 100  # times the time that a task takes: the longest back-off
UNABLE = "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section."
TRIPPED = "because the circuit breaker threshold was exceeded."
ASKED = "because StopServiceDeployment was called."


def threshold(service: Any) -> int:
    """Failed tasks until the circuit breaker trips."""
    wanted = service.breaker.get("thresholdConfiguration") or DEFAULT
    if wanted["type"] == "COUNT":
        return max(1, int(wanted["value"]))
    share = math.ceil(int(service.desired_count) * int(wanted["value"]) / 100)
    return max(1, share) if wanted["type"] == "UNBOUNDED_PERCENT" else max(LEAST, min(MOST, share))


def note_health(service: Any, task: EcsTask) -> None:
    """A task is well: failures count from zero again, unless the service says otherwise."""
    deployment = task.deployment
    if deployment and deployment.rollout_state != "FAILED":
        deployment.setbacks, deployment.not_before = 0, 0.0
        if service.breaker.get("resetOnHealthyTask", True):
            deployment.failed_tasks = 0
        monitor(service)


def note_failure(service: Any, task: EcsTask) -> None:
    """A task of the PRIMARY deployment ended by itself."""
    deployment: Deployment = service.deployments[0]
    service.steady = False
    if "health checks" in task.stopped_reason and task.target_entries:
        group = task.target_entries[0]
        tell(
            service,
            f"(task {task.id}) (port {group['containerPort']}) is unhealthy in "
            f"(target-group {group['targetGroupArn']}) due to (reason {task.ailment or 'Health checks failed'}).",
        )
    _back_off(deployment, task)
    if deployment.rollout_state != "IN_PROGRESS":
        return
    deployment.failed_tasks += 1
    monitor(service)
    if deployment.failed_tasks >= threshold(service) and service.breaker["enable"]:
        _trip(service, deployment)
    elif deployment.failed_tasks == threshold(service):
        tell(service, UNABLE)


def _back_off(deployment: Deployment, task: EcsTask) -> None:
    """The second round of failures has to wait, the next ones each twice as long. Tasks that fail together are one."""
    if task.born >= deployment.not_before:
        deployment.setbacks += 1
        rounds = min(2 ** (deployment.setbacks - 2), LONGEST) if deployment.setbacks > 1 else 0
        deployment.not_before = now() + TEMPO.task * rounds


def monitor(service: Any) -> None:
    """What the service deployment tells of its circuit breaker."""
    rollout, deployment = service.rollouts[0], service.deployments[0]
    if not rollout.over and not deployment.rollback:
        rollout.deployment_circuit_breaker |= {
            "failureCount": deployment.failed_tasks,
            "threshold": threshold(service) if service.breaker["enable"] else 0,
        }


def _trip(service: Any, failed: Deployment) -> None:
    rollout: ServiceDeployment = service.rollouts[0]
    if rollout.deployment_circuit_breaker["status"] == "MONITORING":
        rollout.deployment_circuit_breaker["status"] = "TRIGGERED"
    fail(failed, "ECS deployment circuit breaker: tasks failed to start.")
    tell(service, f"(deployment {failed.id}) deployment failed: tasks failed to start.")
    if failed.rollback:
        rollout.finish("ROLLBACK_FAILED", NO_CANDIDATE)
    elif service.breaker["rollback"]:
        rollout.turn("ROLLBACK_REQUESTED", f"Service deployment rolled back {TRIPPED}")
        roll_back(service, rollout, "ECS deployment circuit breaker: rolling back to deploymentId {}.")
    else:
        rollout.finish("STOPPED", f"Service deployment stopped {TRIPPED}")


def fail(deployment: Deployment, reason: str) -> None:
    """From now on it starts no task."""
    deployment.rollout_state, deployment.rollout_state_reason = "FAILED", reason
    deployment.updated_at = utcnow()


def roll_back(service: Any, rollout: ServiceDeployment, reason: str) -> None:
    """To the last deployment that was completed, which is no candidate again until it is completed again."""
    good: Deployment | None = service.completed
    if good is None:
        return rollout.finish("ROLLBACK_FAILED", NO_CANDIDATE)
    service.completed = None
    tell(service, f"rolling back to deployment {good.id}.")
    rollout.roll_back(good.revision, rollout.status_reason or "")
    again = {name: getattr(good, name) for name in ("launch_type", "capacity_provider_strategy", "revision")}
    service.begin(
        Deployment(
            good.task_definition,
            good.network_configuration,
            good.load_balancers,
            good.platform_version,
            rollback=True,
            rollout_state_reason=reason.format(good.id),
            **again,
        )
    )
    return None
