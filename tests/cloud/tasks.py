"""A service's deployment and its tasks."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow
from moto.ecs.models import TaskDefinition
from moto.elbv2.models import elbv2_backends

from .tempo import TEMPO

UNHEALTHY = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
STARTING = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY = ("healthy", None, None)


CANNOT_PULL: Callable[[str], str | None] = lambda image: None  # noqa: E731 - ecr.py knows better


def now() -> float:
    return time.monotonic()


@dataclass(eq=False)
class Deployment:
    """As DescribeServices shows it (moto writes out the attributes by name)."""

    task_definition: str
    network_configuration: dict[str, Any]
    load_balancers: list[dict[str, Any]]
    platform_version: str
    rollback: bool = False
    rollout_state_reason: str = ""
    id: str = field(default_factory=lambda: f"ecs-svc/{random.randrange(10**18, 10**19)}")
    status: str = "PRIMARY"
    rollout_state: str = "IN_PROGRESS"
    desired_count: int = 0
    running_count: int = 0
    pending_count: int = 0
    failed_tasks: int = 0
    launch_type: str = "FARGATE"
    platform_family: str = "Linux"
    created_at: datetime = field(default_factory=utcnow)
    updated_at: datetime = field(default_factory=utcnow)
    not_before: float = 0.0  # no task is started earlier: the back-off after failures

    def __post_init__(self) -> None:
        self.rollout_state_reason = self.rollout_state_reason or f"ECS deployment {self.id} in progress."


class ServiceTask:
    """A task of a service: PROVISIONING, PENDING, RUNNING, then, when told, DEACTIVATING and STOPPED."""

    def __init__(self, service: Any, deployment: Deployment, definition: TaskDefinition) -> None:
        self.service, self.deployment, self.definition = service, deployment, definition
        self.id = uuid.uuid4().hex
        self.cluster_name, self.cluster_arn = service.cluster_name, service.cluster_arn
        self.region_name, self.account_id = service.region_name, service._account_id
        prefix = f"arn:aws:ecs:{self.region_name}:{self.account_id}"
        self.task_arn = f"{prefix}:task/{self.cluster_name}/{self.id}"
        self.container_instance_arn = None
        self.resource_requirements = None
        self.task_definition_arn = definition.arn
        self.group, self.started_by = f"service:{service.name}", deployment.id
        self.desired_status, self.last_status = "RUNNING", "PROVISIONING"
        self.launch_type, self.platform_version, self.platform_family = "FARGATE", "1.4.0", "Linux"
        self.cpu, self.memory = definition.cpu, definition.memory
        self.enable_execute_command = service.enable_execute_command
        self.overrides = {"containerOverrides": [{"name": c["name"]} for c in definition.container_definitions]}
        self.health_status, self.version = "UNKNOWN", 1
        self.tags = self._tags()
        self.ip = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(4, 254)}"
        network = deployment.network_configuration["awsvpcConfiguration"]
        self.subnets: list[str] = network["subnets"]
        self.security_groups: list[str] = network["securityGroups"]
        self.public = network["assignPublicIp"] == "ENABLED"
        self.attachments = [self._interface(self.subnets[len(service.tasks) % len(self.subnets)])]
        self.containers = [self._container(each, prefix) for each in definition.container_definitions]
        self.created_at = utcnow()
        self.born, self.ran, self.ends = now(), 0.0, 0.0
        self.settled = False  # it was healthy once: a later mode does not touch it
        self.failed = False

    def _tags(self) -> list[dict[str, str]]:
        source = {"SERVICE": self.service.tags, "TASK_DEFINITION": self.definition.tags}
        tags = list(source.get(self.service.propagate_tags, []))
        if self.service.enable_ecs_managed_tags:
            tags += [
                {"key": "aws:ecs:clusterName", "value": self.cluster_name},
                {"key": "aws:ecs:serviceName", "value": self.service.name},
            ]
        return tags

    def _interface(self, subnet: str) -> dict[str, Any]:
        details = {
            "subnetId": subnet,
            "networkInterfaceId": f"eni-{random.randrange(16**17):017x}",
            "macAddress": ":".join(f"{random.randrange(256):02x}" for _ in range(6)),
            "privateIPv4Address": self.ip,
        }
        named = [{"name": name, "value": value} for name, value in details.items()]
        kind = "ElasticNetworkInterface"
        return {"id": str(uuid.uuid4()), "type": kind, "status": "PRECREATED", "details": named}

    def _container(self, definition: dict[str, Any], prefix: str) -> dict[str, Any]:
        return {
            "containerArn": f"{prefix}:container/{self.cluster_name}/{self.id}/{uuid.uuid4()}",
            "taskArn": self.task_arn,
            "name": definition["name"],
            "image": definition["image"],
            "lastStatus": "PENDING",
            "healthStatus": "UNKNOWN",
            "cpu": str(definition.get("cpu") or 0),
            "networkInterfaces": [{"attachmentId": self.attachments[0]["id"], "privateIpv4Address": self.ip}],
        }

    @property
    def wanted(self) -> bool:
        return self.desired_status == "RUNNING"

    @property
    def healthy(self) -> bool:
        return self.wanted and self.last_status == "RUNNING" and self.settled

    def advance(self, mode: str) -> None:
        """Move on as far as the time and the mode let it."""
        moment = now()
        if not self.wanted:
            if self.last_status != "STOPPED" and moment >= self.ends:
                self._stopped()
        elif self.last_status in ("PROVISIONING", "PENDING"):
            if moment >= self.born + TEMPO.task and mode != "stuck":
                self._pull_and_run(moment)
            elif moment >= self.born + TEMPO.task / 2:
                self.last_status = "PENDING"
        elif not self.settled:
            age = moment - self.ran
            if mode == "crash" and age >= TEMPO.task / 4:
                self.fail("Essential container in task exited", "EssentialContainerExited", 1)
            elif mode == "unhealthy":
                self._set_health(UNHEALTHY)
                if age >= 5 * TEMPO.task and self.service.breaker["enable"] and self.deployment.load_balancers:
                    group = self.deployment.load_balancers[0]["targetGroupArn"]
                    self.fail(f"Task failed ELB health checks in (target-group {group})", "ServiceSchedulerInitiated")
            elif mode != "crash" and age >= TEMPO.task / 4:
                self.settled = True
                self._set_health(HEALTHY)

    def _pull_and_run(self, moment: float) -> None:
        for container in self.containers:
            if reason := CANNOT_PULL(container["image"]):
                container["reason"] = reason
                return self.fail(reason, "TaskFailedToStart")
        return self._run(moment)

    def _run(self, moment: float) -> None:
        self.last_status, self.ran = "RUNNING", moment
        self.started_at = self.pull_stopped_at = utcnow()
        self.pull_started_at = self.connectivity_at = self.created_at
        self.connectivity = "CONNECTED"
        self.attachments[0]["status"] = "ATTACHED"
        for container in self.containers:
            container.update(lastStatus="RUNNING", runtimeId=f"{self.id}-{random.randrange(10**9)}")
        for group, port in self._targets():
            group.register([{"Id": self.ip, "Port": port}])
        self._set_health(STARTING)

    def _set_health(self, health: tuple[str, str | None, str | None]) -> None:
        for group, _ in self._targets():
            group.__dict__.setdefault("health", {})[self.ip] = health
        state = {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}.get(health[0], "UNKNOWN")
        checked = {each["name"] for each in self.definition.container_definitions if each.get("healthCheck")}
        for container in self.containers:
            if container["name"] in checked:
                container["healthStatus"] = self.health_status = state

    def _targets(self) -> list[tuple[Any, int]]:
        groups = elbv2_backends[self.account_id][self.region_name].target_groups
        wanted = [(groups.get(each.get("targetGroupArn")), each["containerPort"]) for each in self.target_entries]
        return [(group, port) for group, port in wanted if group is not None]

    @property
    def target_entries(self) -> list[dict[str, Any]]:
        return self.deployment.load_balancers

    def fail(self, reason: str, code: str, exit_code: int | None = None) -> None:
        self.failed = True
        self.stop(reason, code, exit_code)

    def stop(self, reason: str, code: str, exit_code: int | None = None) -> None:
        if not self.wanted:
            return
        self.desired_status, self.last_status = "STOPPED", "DEACTIVATING"
        self.stopped_reason, self.stop_code = reason, code
        self.stopping_at = utcnow()
        self.ends = now() + TEMPO.task / 4
        for container in self.containers:
            if container["lastStatus"] == "RUNNING":
                container["exitCode"] = 143 if exit_code is None else exit_code
        for group, _ in self._targets():
            group.targets.pop(self.ip, None)
            group.__dict__.get("health", {}).pop(self.ip, None)

    def _stopped(self) -> None:
        self.last_status = "STOPPED"
        self.stopped_at = self.execution_stopped_at = utcnow()
        self.attachments[0]["status"] = "DELETED"
        for container in self.containers:
            container["lastStatus"] = "STOPPED"
