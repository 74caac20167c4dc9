"""A runtime that only plays tasks: they run when their time has come, or do what the mode says."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from deployer.sandbox.control.tasks import EcsTask, now
from deployer.sandbox.control.tempo import TEMPO

MODES = ("ok", "stuck", "crash", "unhealthy", "off")
UNHEALTHY = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
STARTING = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY = ("healthy", None, None)


class Play:
    """`cannot_pull` tells why a task cannot have an image, None when it can."""

    def __init__(self, cannot_pull: Callable[[str], str | None] = lambda image: None) -> None:
        self.cannot_pull = cannot_pull
        self._modes: dict[str | None, str] = {}
        self.oneoff: tuple[int, list[str]] | None = None  # how tasks of RunTask end: exit code and log

    def reset(self) -> None:
        self._modes.clear()
        self.oneoff = None

    def set_mode(self, mode: str, service: str | None = None) -> None:
        if mode not in MODES:
            raise ValueError(f"no mode {mode!r}; there are {', '.join(MODES)}")
        if service is None:
            self._modes.clear()
        self._modes[service] = mode

    def mode(self, service: str | None = None) -> str:
        return self._modes.get(service) or self._modes.get(None) or "ok"

    def rests(self, service: str | None) -> bool:
        return self.mode(service) == "off"

    def missing(self) -> str:
        return ""

    def advance(self, task: EcsTask) -> None:
        """Move on as far as the time and the mode let it. A task that was healthy once is left alone by later modes."""
        moment = now()
        good = task.deployment is None or task.deployment.rollback
        mode = "ok" if good else self.mode(task.group.partition(":")[2])
        if not task.wanted:
            if task.last_status != "STOPPED" and moment >= task.asked + TEMPO.task / 4:
                self._end(task)
        elif task.last_status in ("PROVISIONING", "PENDING"):
            if moment >= task.born + TEMPO.task and mode != "stuck":
                self._pull_and_run(task)
            elif moment >= task.born + TEMPO.task / 2:
                task.last_status = "PENDING"
        elif task.deployment is None and self.oneoff is not None:
            if moment >= task.ran + TEMPO.task / 4:
                self._run_out(task, *self.oneoff)
        elif not task.settled:
            self._settle(task, mode, moment - task.ran)

    def _run_out(self, task: EcsTask, code: int, lines: list[str]) -> None:
        from moto.logs.models import logs_backends

        logs = logs_backends[task.account_id][task.region_name]
        for container, defined in zip(task.containers, task.definition.container_definitions, strict=True):
            container["exitCode"] = code
            group = defined["logConfiguration"]["options"]["awslogs-group"]
            where, moment = (group, f"task/{container['name']}/{task.id}"), int(time.time() * 1000)
            logs.create_log_stream(*where)
            logs.put_log_events(*where, [{"timestamp": moment, "message": line} for line in lines])
        task.fail("Essential container in task exited", "EssentialContainerExited")

    def _settle(self, task: EcsTask, mode: str, age: float) -> None:
        if mode == "crash" and age >= TEMPO.task / 4:
            for container in task.containers:
                container["exitCode"] = 1
            task.fail("Essential container in task exited", "EssentialContainerExited")
        elif mode == "unhealthy":
            _tell_health(task, UNHEALTHY)
            if age >= 5 * TEMPO.task and task.target_entries and task.deployment and task.deployment.breaker["enable"]:
                group = task.target_entries[0]["targetGroupArn"]
                task.fail(f"Task failed ELB health checks in (target-group {group})", "ServiceSchedulerInitiated")
        elif mode != "crash" and age >= TEMPO.task / 4:
            task.settled = True
            _tell_health(task, HEALTHY)

    def _pull_and_run(self, task: EcsTask) -> None:
        for container in task.containers:
            if reason := self.cannot_pull(container["image"]):
                container["reason"] = reason
                return task.fail(reason, "TaskFailedToStart")
        task.run()
        for container in task.containers:
            container.update(lastStatus="RUNNING", runtimeId=f"{task.id}-{random.randrange(10**9)}")
        return _tell_health(task, STARTING)

    @staticmethod
    def _end(task: EcsTask) -> None:
        for container in task.containers:
            if container["lastStatus"] == "RUNNING":
                container.setdefault("exitCode", 143)
        task.end()


def _tell_health(task: EcsTask, health: tuple[str, str | None, str | None]) -> None:
    for group, _ in task.targets():
        group.__dict__.setdefault("health", {})[task.ip] = health
    state = {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}.get(health[0], "UNKNOWN")
    checked = {each["name"] for each in task.definition.container_definitions if each.get("healthCheck")}
    for container in task.containers:
        if container["name"] in checked:
            container["healthStatus"] = task.health_status = state
