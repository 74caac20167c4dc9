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

from .tasks import Deployment, EcsTask, Runtime, Start, now
from .tempo import LOCK, TEMPO

LEAST, MOST = 3, 200  # failed tasks until a circuit breaker trips: half of those wanted, within these
KEPT = 20  # stopped tasks of a service that are still told of
ENDED = 100  # stopped tasks of RunTask that are still told of
TICK = 0.02  # seconds


class Scheduler:
    runtime: Runtime

    def start(self, runtime: Runtime) -> None:
        self.runtime = runtime
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

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
            if hasattr(service, "tasks") and service.status != "INACTIVE" and not self.runtime.rests(service.name):
                self.tend(backend, service)
        for cluster in backend.clusters.values():
            self._tend_lone(backend, cluster)
            count(backend, cluster)

    def _tend_lone(self, backend: Any, cluster: Any) -> None:
        """The tasks of RunTask."""
        tasks = backend.tasks.get(cluster.name, {})
        lone = [task for task in tasks.values() if isinstance(task, EcsTask) and task.deployment is None]
        for task in lone:
            if task.last_status != "STOPPED":
                self.runtime.advance(task)
        for task in [task for task in lone if task.last_status == "STOPPED"][:-ENDED]:
            del tasks[task.task_arn]

    def tend(self, backend: Any, service: Any) -> None:
        """One look at one service."""
        for task in live(service):
            health = task.healthy
            self.runtime.advance(task)
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
            if missing := self.runtime.missing():
                self._tell_once(service, f"was unable to place a task. Reason: {missing}")
            else:
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
            cluster = backend.clusters[service.cluster_name]
            task = EcsTask(cluster, definition, start_of(service, deployment, definition), deployment)
            service.tasks.append(task)
            backend.tasks.setdefault(service.cluster_name, {})[task.task_arn] = task
            tell(service, f"has started 1 tasks: (task {task.id}).")
        service.steady = False

    def _stop(self, service: Any, task: EcsTask) -> None:
        if task.last_status == "RUNNING" and task.target_entries:
            group = task.target_entries[0]["targetGroupArn"]
            tell(service, f"deregistered 1 targets in (target-group {group})")
            tell(service, f"(task {task.id}) has begun draining connections on 1 tasks.")
        task.stop(
            f"Scaling activity initiated by (deployment {service.deployments[0].id})", "ServiceSchedulerInitiated"
        )
        tell(service, f"has stopped 1 running tasks: (task {task.id}).")
        service.steady = False

    def _failed(self, service: Any, task: EcsTask) -> None:
        deployment = service.deployments[0]
        service.steady = False
        if "health checks" in task.stopped_reason:
            group = task.target_entries[0]
            tell(
                service,
                f"(task {task.id}) (port {group['containerPort']}) is unhealthy in "
                f"(target-group {group['targetGroupArn']}) due to (reason Health checks failed).",
            )
        deployment.setbacks += 1
        deployment.not_before = now() + TEMPO.task * min(deployment.setbacks - 1, 10) / 2
        if deployment.rollout_state == "COMPLETED":
            return
        deployment.failed_tasks += 1
        if deployment.failed_tasks < threshold(service):
            return
        if service.breaker["enable"] and deployment.rollout_state == "IN_PROGRESS":
            self._break(service, deployment)
        elif deployment.failed_tasks == threshold(service):
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

    @staticmethod
    def _tell_once(service: Any, message: str) -> None:
        if not service.events or not service.events[0]["message"].endswith(message):
            tell(service, message)

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


def threshold(service: Any) -> int:
    """Failed tasks until the circuit breaker trips:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html"""
    return max(LEAST, min(MOST, math.ceil(int(service.desired_count) / 2)))


def start_of(service: Any, deployment: Deployment, definition: Any) -> Start:
    propagated = {"SERVICE": service.tags, "TASK_DEFINITION": definition.tags}
    tags = list(propagated.get(service.propagate_tags, []))
    if service.enable_ecs_managed_tags:
        tags += [
            {"key": "aws:ecs:clusterName", "value": service.cluster_name},
            {"key": "aws:ecs:serviceName", "value": service.name},
        ]
    return Start(
        network=deployment.network_configuration,
        load_balancers=deployment.load_balancers,
        group=f"service:{service.name}",
        started_by=deployment.id,
        tags=tags,
        overrides={},
        exec=service.enable_execute_command,
        subnet=len(service.tasks),
    )


def live(service: Any) -> list[EcsTask]:
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
