"""Plays the ECS scheduler: looks at every service and every task of RunTask, again and again."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import Any

from moto.ecs.models import ecs_backends

from . import rollouts
from .breaker import note_failure, note_health, threshold
from .events import tell
from .rolling import live, roll, stop
from .tasks import EcsTask, Runtime, now
from .tempo import LOCK, TEMPO

__all__ = ["SCHEDULER", "Scheduler", "count", "live", "threshold", "wake"]

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
            self._move(service, task)
        if service.status == "ACTIVE":
            roll(backend, service, self.runtime.missing())
        else:
            self._drain(service)
        self._count(service)
        self._forget_stopped(backend, service)

    def _move(self, service: Any, task: EcsTask) -> None:
        status, health = task.last_status, task.healthy
        self.runtime.advance(task)
        if task.last_status == "RUNNING" != status and task.target_entries:
            group = task.target_entries[0]["targetGroupArn"]
            tell(service, f"registered 1 targets in (target-group {group})")
        if task.healthy and not health:
            note_health(service, task)
        if task.failed and service.status == "ACTIVE" and task.deployment is service.deployments[0]:
            task.failed = False
            note_failure(service, task)
            self._clear(service)

    @staticmethod
    def _clear(service: Any) -> None:
        """Of a failed deployment only healthy tasks stay."""
        for task in live(service):
            deployment = task.deployment
            if task.wanted and not task.healthy and deployment and deployment.rollout_state == "FAILED":
                stop(service, task)

    @staticmethod
    def _drain(service: Any) -> None:
        for task in live(service):
            if task.wanted:
                stop(service, task)
        if now() >= service.drained and not live(service):
            service.status = "INACTIVE"
            service.deployments, service.rollouts, service.revisions = [], [], []

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
        rollouts.count(service)

    @staticmethod
    def _forget_stopped(backend: Any, service: Any) -> None:
        for task in [task for task in service.tasks if task.last_status == "STOPPED"][:-KEPT]:
            service.tasks.remove(task)
            backend.tasks[service.cluster_name].pop(task.task_arn, None)


def count(backend: Any, cluster: Any) -> None:
    """The cluster's numbers."""
    services = [each for each in backend.services.values() if each.cluster_name == cluster.name]
    plain = [each for each in services if not hasattr(each, "tasks")]
    tasks = [task for task in backend.tasks.get(cluster.name, {}).values() if isinstance(task, EcsTask)]
    running = sum(task.last_status == "RUNNING" for task in tasks)
    pending = sum(task.wanted and task.last_status != "RUNNING" for task in tasks)
    cluster.active_services_count = sum(each.status == "ACTIVE" for each in services)
    cluster.running_tasks_count = running + sum(max(each.running_count, 0) for each in plain)
    cluster.pending_tasks_count = pending + sum(max(each.pending_count, 0) for each in plain)


def wake(backend: Any) -> None:
    """After a restore: the moments that were read from the clock of another process begin anew."""
    for service in backend.services.values():
        if hasattr(service, "tasks"):
            service.drained = service.drained and now() + TEMPO.drain
            for deployment in {*service.deployments, *(task.deployment for task in service.tasks)}:
                deployment.not_before = 0.0
    for tasks in backend.tasks.values():
        for task in tasks.values():
            if isinstance(task, EcsTask):
                task.wake()


SCHEDULER = Scheduler()
