"""Plays the ECS scheduler: keeps services at their desired count, rolls deployments, breaks circuits, tells events."""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
import uuid
from typing import Any

from moto.core.utils import utcnow
from moto.ecs.models import ecs_backends

from .tasks import Deployment, ServiceTask, now
from .tempo import LOCK, TEMPO

MODES = ("ok", "stuck", "crash", "unhealthy", "off")
FAILURES = 3  # of tasks, until a circuit breaker trips
KEPT = 20  # stopped tasks of a service that are still told of
TICK = 0.02


class Scheduler:
    def __init__(self) -> None:
        self._modes: dict[str | None, str] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def reset(self) -> None:
        self._modes.clear()

    def set_mode(self, mode: str, service: str | None = None) -> None:
        if mode not in MODES:
            raise ValueError(f"no mode {mode!r}; there are {', '.join(MODES)}")
        if service is None:
            self._modes.clear()
        self._modes[service] = mode

    def mode(self, service: str | None = None) -> str:
        return self._modes.get(service) or self._modes.get(None) or "ok"

    def _run(self) -> None:
        while True:
            time.sleep(TICK)
            try:
                with LOCK:
                    for regions in list(ecs_backends.values()):
                        for backend in list(regions.values()):
                            self._tick(backend)
            except Exception:
                print(traceback.format_exc(), file=sys.stderr, flush=True)

    def _tick(self, backend: Any) -> None:
        for service in backend.services.values():
            if hasattr(service, "tasks") and service.status != "INACTIVE" and self.mode(service.name) != "off":
                self.tend(backend, service)
        for cluster in backend.clusters.values():
            count(backend, cluster)

    def tend(self, backend: Any, service: Any) -> None:
        """One look at one service."""
        mode = self.mode(service.name)
        for task in live(service):
            health = task.healthy
            task.advance("ok" if task.deployment.rollback else mode)
            if task.failed and task.last_status != "STOPPED" and task.deployment is service.deployments[0]:
                task.failed = False
                self._failed(service, task)
            if task.healthy and not health and task.target_entries:
                group = task.target_entries[0]["targetGroupArn"]
                tell(service, f"registered 1 targets in (target-group {group})")
        if service.status == "ACTIVE":
            self._roll(backend, service)
        else:
            self._drain(service)
        self._count(service)
        self._forget_stopped(backend, service)

    def _roll(self, backend: Any, service: Any) -> None:
        primary, want = service.deployments[0], service.desired_count
        mine = [task for task in live(service) if task.wanted and task.deployment is primary]
        old = [task for task in live(service) if task.wanted and task.deployment is not primary]
        if primary.rollout_state == "FAILED":
            return
        limits = service.deployment_configuration
        room = math.floor(want * limits["maximumPercent"] / 100) - len(mine) - len(old)
        for task in mine[want:]:
            self._stop(service, task)
        if len(mine) < want and room > 0 and now() >= primary.not_before:
            self._start(backend, service, primary, min(want - len(mine), room))
        healthy = sum(task.healthy for task in mine)
        if healthy >= want:
            spare = len(old)
        elif room <= 0:
            floor = math.ceil(want * limits["minimumHealthyPercent"] / 100)
            spare = max(0, healthy + sum(task.healthy for task in old) - floor)
        else:
            spare = 0
        for task in old[:spare]:
            self._stop(service, task)
        if healthy == want == len([task for task in live(service) if task.wanted]):
            self._steady(service, primary)

    def _steady(self, service: Any, primary: Deployment) -> None:
        if primary.rollout_state == "IN_PROGRESS" and len(live(service)) == service.desired_count:
            primary.rollout_state = "COMPLETED"
            primary.rollout_state_reason = f"ECS deployment {primary.id} completed."
            primary.updated_at = utcnow()
            service.deployments = [primary]
            service.completed = primary
            tell(service, f"(deployment {primary.id}) deployment completed.")
        if primary.rollout_state == "COMPLETED" and not service.steady:
            service.steady = True
            tell(service, "has reached a steady state.")

    def _start(self, backend: Any, service: Any, deployment: Deployment, number: int) -> None:
        definition = backend.describe_task_definition(deployment.task_definition)
        for _ in range(number):
            task = ServiceTask(service, deployment, definition)
            service.tasks.append(task)
            backend.tasks.setdefault(service.cluster_name, {})[task.task_arn] = task
            tell(service, f"has started 1 tasks: (task {task.id}).")
        service.steady = False

    def _stop(self, service: Any, task: ServiceTask) -> None:
        if task.last_status == "RUNNING" and task.target_entries:
            group = task.target_entries[0]["targetGroupArn"]
            tell(service, f"deregistered 1 targets in (target-group {group})")
            tell(service, f"(task {task.id}) has begun draining connections on 1 tasks.")
        task.stop(
            f"Scaling activity initiated by (deployment {service.deployments[0].id})", "ServiceSchedulerInitiated"
        )
        tell(service, f"has stopped 1 running tasks: (task {task.id}).")
        service.steady = False

    def _failed(self, service: Any, task: ServiceTask) -> None:
        deployment = task.deployment
        service.steady = False
        if "health checks" in task.stopped_reason:
            group = task.target_entries[0]
            tell(
                service,
                f"(task {task.id}) (port {group['containerPort']}) is unhealthy in "
                f"(target-group {group['targetGroupArn']}) due to (reason Health checks failed).",
            )
        if deployment.rollout_state == "COMPLETED":
            return
        deployment.failed_tasks += 1
        deployment.not_before = now() + TEMPO.task * min(deployment.failed_tasks - 1, 10) / 2
        if deployment.failed_tasks < FAILURES:
            return
        if service.breaker["enable"] and deployment.rollout_state == "IN_PROGRESS":
            self._break(service, deployment)
        elif deployment.failed_tasks == FAILURES:
            tell(service, "is unable to consistently start tasks successfully.")

    def _break(self, service: Any, failed: Deployment) -> None:
        """The circuit breaker, and the rollback to the last deployment that was completed."""
        failed.rollout_state = "FAILED"
        failed.rollout_state_reason = "ECS deployment circuit breaker: tasks failed to start."
        failed.updated_at = utcnow()
        tell(service, f"(deployment {failed.id}) deployment failed: tasks failed to start.")
        for task in live(service):
            if task.deployment is failed:
                self._stop(service, task)
        good = service.completed
        if not service.breaker["rollback"] or good is None:
            return
        tell(service, f"rolling back to deployment {good.id}.")
        reason = f"ECS deployment circuit breaker: rolling back to deploymentId {good.id}."
        service.begin(
            Deployment(
                good.task_definition,
                good.network_configuration,
                good.load_balancers,
                good.platform_version,
                rollback=True,
                rollout_state_reason=reason,
            )
        )

    def _drain(self, service: Any) -> None:
        for task in live(service):
            if task.wanted:
                self._stop(service, task)
        if now() >= service.drained and not live(service):
            service.status = "INACTIVE"
            service.deployments = []

    @staticmethod
    def _count(service: Any) -> None:
        tasks = live(service)
        for deployment in service.deployments:
            own = [task for task in tasks if task.deployment is deployment and task.wanted]
            primary = deployment.status == "PRIMARY"
            deployment.desired_count = service.desired_count if primary else len(own)
            deployment.running_count = sum(task.last_status == "RUNNING" for task in own)
            deployment.pending_count = len(own) - deployment.running_count
        service.running_count = sum(task.last_status == "RUNNING" for task in tasks)
        service.pending_count = sum(task.wanted and task.last_status != "RUNNING" for task in tasks)

    @staticmethod
    def _forget_stopped(backend: Any, service: Any) -> None:
        for task in [task for task in service.tasks if task.last_status == "STOPPED"][:-KEPT]:
            service.tasks.remove(task)
            backend.tasks[service.cluster_name].pop(task.task_arn, None)


def live(service: Any) -> list[ServiceTask]:
    return [task for task in service.tasks if task.last_status != "STOPPED"]


def tell(service: Any, message: str) -> None:
    """An event; the newest is the first."""
    text = f"(service {service.name}) {message}"
    service.events.insert(0, {"id": str(uuid.uuid4()), "createdAt": utcnow(), "message": text})
    del service.events[100:]


def count(backend: Any, cluster: Any) -> None:
    services = [each for each in backend.services.values() if each.cluster_name == cluster.name]
    cluster.active_services_count = sum(each.status == "ACTIVE" for each in services)
    cluster.running_tasks_count = sum(max(each.running_count, 0) for each in services)
    cluster.pending_tasks_count = sum(max(each.pending_count, 0) for each in services)


SCHEDULER = Scheduler()
