"""Joins the three: tasks that the scheduler wants run as containers; the load balancers say when they are well."""

from __future__ import annotations

import logging
import platform
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends
from moto.elbv2.models import elbv2_backends

from .containers import Containers, Seen, TaskSpec
from .containers.reasons import ENDED, LOST
from .control import ecr
from .control.tasks import EcsTask, now
from .fronts import Fronts
from .registry import Registry

log = logging.getLogger("deployer.sandbox")
STEADY = 3.0  # seconds that a task without any check must run to count as well
SILENT = 0.3  # seconds after which no front sends a deregistered target anything more
LAYER4_DRAIN = 2.0  # seconds that open connections through a network load balancer are given; on AWS the whole delay
DEFAULT_GRACE, SHORT_GRACE = (60.0, 300.0), 20.0  # of an application and a network load balancer; instead of them
IDLE_NETWORK = 2.0
NO_ENGINE = "the services are registered and not running: {why}"


class Running:
    """The scheduler's `Runtime`. Called under the lock; nothing in here waits."""

    def __init__(self, containers: Containers, fronts: Fronts, registry: Registry) -> None:
        self.containers, self.fronts, self.registry = containers, fronts, registry
        self.adopting = True  # until the containers that an earlier process left are found, no task is judged
        self._leaving: set[str] = set()
        self._used: dict[str, float] = {}  # networks by their VPC, and when a task was last seen in them
        self._released: dict[str, float] = {}

    def rests(self, service: str | None) -> bool:
        return False

    def missing(self) -> str:
        why = self.containers.available()
        return NO_ENGINE.format(why=why) if why else ""

    def advance(self, task: EcsTask) -> None:
        if self.adopting:
            return
        seen = self.containers.look(task.id)
        self._used[vpc_of(task)] = now()
        if seen is None:
            self._begin(task)
            return
        _show(task, seen)
        if not task.wanted:
            self._leave(task, seen)
        elif seen.phase in ("STOPPING", "STOPPED"):
            task.failed = seen.stopped_reason not in (ENDED, LOST)  # no fault of the task's
            task.stop(seen.stopped_reason, seen.stop_code)
        elif seen.phase == "RUNNING":
            if task.last_status != "RUNNING":
                task.move(seen.ip)
                task.run()
            self._judge(task)
        else:
            task.last_status = seen.phase

    def _begin(self, task: EcsTask) -> None:
        """Nothing is known of it: it is new, or it was lost with the engine or the sandbox."""
        if not task.wanted:
            task.end()
        elif task.last_status not in ("PROVISIONING", "PENDING"):
            task.stop(ENDED, "TaskFailedToStart")
        elif reason := self._unpullable(task):
            task.fail(reason, "TaskFailedToStart")
        else:
            self.containers.run(spec_of(task))

    def _unpullable(self, task: EcsTask) -> str:
        for container in task.containers:
            if reason := self.unpullable(container["image"]):
                container["reason"] = reason
                return reason
        return ""

    def unpullable(self, image: str) -> str:
        """Why an image of the registry cannot be pulled; empty for others."""
        return (self.registry.address and ecr.cannot_pull(self.registry, image)) or ""

    def _judge(self, task: EcsTask) -> None:
        told = [_health(group, task.ip) for group, _ in task.targets()]
        states = [state for state, _ in told]
        for (group, _), (state, why) in zip(task.targets(), told, strict=True):
            if state == "unhealthy" and now() - task.ran >= _grace(task):
                task.ailment = why
                task.fail(f"Task failed ELB health checks in (target-group {group.arn})", "ServiceSchedulerInitiated")
                return
        checked = [each["healthStatus"] for each in task.containers if _has_check(task, each["name"])]
        if states or checked:
            task.settled = all(one == "healthy" for one in states) and all(one == "HEALTHY" for one in checked)
        else:
            task.settled = now() - task.ran >= STEADY

    def _leave(self, task: EcsTask, seen: Seen) -> None:
        if seen.phase == "STOPPED":
            self._leaving.discard(task.id)
            task.end()
        elif task.id not in self._leaving and self._drained(task, seen):
            self._leaving.add(task.id)
            task.last_status = "STOPPING"
            self.containers.stop(task.id)

    def _drained(self, task: EcsTask, seen: Seen) -> bool:
        """Deregistered first, then left alone until nothing is under way or its time is over."""
        waited, groups = now() - task.asked, task.targets()
        if seen.phase != "RUNNING" or not groups:
            return True
        delay = max(_delay(group) for group, _ in groups)
        busy = any(self.fronts.busy(task.ip, port) for _, port in groups)
        return waited >= delay or (waited >= min(SILENT, delay) and not busy)

    def gone(self, there: set[str]) -> list[str]:
        """The networks in use whose VPC is not `there` any more."""
        gone = [vpc for vpc in list(self._used) if vpc not in there]
        for vpc in gone:
            del self._used[vpc]
        return gone

    def tidy(self) -> None:
        """Networks that no task has needed for a while. Not under the lock: Docker takes its time."""
        for vpc, last in list(self._used.items()):
            if now() - last > IDLE_NETWORK and not self.containers.available():
                self._used.pop(vpc, None)
                self.release(vpc)
        for vpc, last in list(self._released.items()):
            if vpc in self._used:
                self._released.pop(vpc, None)
            elif now() - last > IDLE_NETWORK and not self.containers.available():
                self._released.pop(vpc, None)
                self.containers.release(vpc)

    def release(self, vpc: str) -> None:
        """The network goes. Once more a little later: the engine may have been away."""
        self._released[vpc] = now()
        self.containers.release(vpc)


def spec_of(task: EcsTask) -> TaskSpec:
    overrides = {each["name"]: each for each in task.overrides["containerOverrides"]}
    described = task.definition.runtime_platform or {}
    machine = {"ARM64": "linux/arm64", "X86_64": "linux/amd64"}.get(described.get("cpuArchitecture", ""))
    return TaskSpec(
        id=task.id,
        vpc=vpc_of(task),
        name=task.group.partition(":")[2],
        containers=[_overridden(each, overrides[each["name"]]) for each in task.definition.container_definitions],
        volumes=list(task.definition.volumes or []),
        cpu=int(task.cpu or 256),
        memory=int(task.memory or 512),
        platform=machine or ("linux/arm64" if platform.machine() in ("aarch64", "arm64") else "linux/amd64"),
        hosts=_hosts(task),
    )


def _overridden(container: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    environment = {each["name"]: each["value"] for each in container.get("environment") or []}
    environment |= {each["name"]: each["value"] for each in override.get("environment") or []}
    changed = {key: override[key] for key in ("command", "cpu", "memory", "memoryReservation") if override.get(key)}
    pairs = [{"name": name, "value": value} for name, value in environment.items()]
    return {**container, **changed, "environment": pairs}


def vpc_of(task: EcsTask) -> str:
    return str(ec2_backends[task.account_id][task.region_name].get_subnet(task.subnets[0]).vpc_id)


def _hosts(task: EcsTask) -> dict[str, int]:
    """The load balancers in its network, by name."""
    balancers = elbv2_backends[task.account_id][task.region_name].load_balancers.values()
    ours = [each for each in balancers if each.vpc_id == vpc_of(task) and getattr(each, "number", None) is not None]
    return {each.dns_name.partition(":")[0]: each.number for each in ours}


def _show(task: EcsTask, seen: Seen) -> None:
    """What DescribeTasks tells of its containers, and when it was."""
    for name in ("pull_started_at", "pull_stopped_at", "started_at"):
        if moment := getattr(seen, name):
            setattr(task, name, datetime.fromtimestamp(moment, UTC).replace(tzinfo=None))
    for container in task.containers:
        one = seen.containers.get(container["name"])
        if one is None:
            continue
        container["lastStatus"], container["healthStatus"] = one.status, one.health
        told = {"exitCode": one.exit_code, "reason": one.reason, "runtimeId": one.runtime_id,
                "imageDigest": one.image_digest}  # fmt: skip
        container.update({key: value for key, value in told.items() if value not in (None, "")})
    checked = [each["healthStatus"] for each in task.containers if _has_check(task, each["name"])]
    worst = next((state for state in ("UNHEALTHY", "UNKNOWN") if state in checked), "HEALTHY")
    task.health_status = worst if checked else "UNKNOWN"


def _has_check(task: EcsTask, name: str) -> bool:
    definitions = task.definition.container_definitions
    return any(each["name"] == name and each.get("healthCheck") for each in definitions)


def _health(group: Any, ip: str) -> tuple[str, str]:
    """Its state as a target, and why."""
    state, _, why = group.__dict__.get("health", {}).get(ip) or ("initial", None, None)
    return str(state), str(why or "")


def _grace(task: EcsTask) -> float:
    """Seconds. deployer's own defaults leave room for AWS's first checks, which are slow; here they are not."""
    backend = ecs_backends[task.account_id][task.region_name]
    service = backend.services.get(f"{task.cluster_name}:{task.group.partition(':')[2]}")
    grace = float(getattr(service, "health_check_grace_period_seconds", 0) or 0)
    return SHORT_GRACE if grace in DEFAULT_GRACE else grace


def _delay(group: Any) -> float:
    delay = float(group.attributes.get("deregistration_delay.timeout_seconds", 300))
    return delay if group.protocol in ("HTTP", "HTTPS") else min(delay, LAYER4_DRAIN)
