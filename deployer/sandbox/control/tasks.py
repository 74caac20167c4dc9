"""A service's deployment and its tasks, as DescribeServices and DescribeTasks show them."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ecs.models import TaskDefinition
from moto.elbv2.models import elbv2_backends
from moto.utilities.utils import get_partition


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
    launch_type: str | None = "FARGATE"
    platform_family: str = "Linux"
    created_at: datetime = field(default_factory=utcnow)
    updated_at: datetime = field(default_factory=utcnow)
    setbacks: int = 0  # tasks that ended by themselves, also later
    not_before: float = 0.0  # no task is started earlier: the back-off after failures
    breaker: dict[str, Any] = field(default_factory=dict)
    capacity_provider_strategy: list[dict[str, Any]] | None = None
    revision: Any = None  # the service revision that it brings

    def __post_init__(self) -> None:
        self.rollout_state_reason = self.rollout_state_reason or f"ECS deployment {self.id} in progress."


@dataclass(frozen=True)
class Start:
    """What RunTask or a deployment asks of a task."""

    network: dict[str, Any]
    load_balancers: list[dict[str, Any]]
    group: str
    started_by: str
    tags: list[dict[str, str]]
    overrides: dict[str, Any]
    exec: bool = False
    subnet: int = 0  # which of the subnets
    platform_version: str = "1.4.0"
    capacity_provider: str | None = None
    token: str | None = None  # RunTask's clientToken
    asked: str = ""  # what RunTask was asked with it


class EcsTask:
    """PROVISIONING, PENDING, RUNNING, then, when told, DEACTIVATING, STOPPING and STOPPED. A `Runtime` moves it on.

    `deployment` is None for a task of RunTask. `settled`: its targets and its own health checks are well.
    """

    ailment = ""  # why its target is unhealthy, in the load balancer's words

    def __init__(
        self, cluster: Any, definition: TaskDefinition, start: Start, deployment: Deployment | None = None
    ) -> None:
        self.definition, self.deployment = definition, deployment
        self.id = uuid.uuid4().hex
        self.cluster_name, self.cluster_arn = cluster.name, cluster.arn
        self.region_name, self.account_id = cluster.region_name, cluster.arn.split(":")[4]
        prefix = f"arn:{get_partition(self.region_name)}:ecs:{self.region_name}:{self.account_id}"
        self.task_arn = f"{prefix}:task/{self.cluster_name}/{self.id}"
        self.container_instance_arn = None
        self.resource_requirements = None
        self.task_definition_arn = definition.arn
        self.group, self.started_by, self.tags = start.group, start.started_by, start.tags
        self.desired_status, self.last_status = "RUNNING", "PROVISIONING"
        self.launch_type, self.platform_version, self.platform_family = "FARGATE", start.platform_version, "Linux"
        self.capacity_provider_name = start.capacity_provider
        self.client_token, self.client_request = start.token, start.asked
        self.ephemeral_storage = definition.ephemeral_storage or {"sizeInGiB": 20}
        self.cpu = start.overrides.get("cpu") or definition.cpu
        self.memory = start.overrides.get("memory") or definition.memory
        self.enable_execute_command = start.exec
        named = {each["name"]: each for each in start.overrides.get("containerOverrides", [])}
        each_container = [named.get(c["name"], {"name": c["name"]}) for c in definition.container_definitions]
        self.overrides = start.overrides | {"containerOverrides": each_container}
        self.health_status, self.version = "UNKNOWN", 1
        self.ip = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(4, 254)}"
        network = start.network["awsvpcConfiguration"]
        self.subnets: list[str] = network["subnets"]
        self.security_groups: list[str] = network["securityGroups"]
        self.public = network["assignPublicIp"] == "ENABLED"
        self.target_entries: list[dict[str, Any]] = start.load_balancers
        subnet = self.subnets[start.subnet % len(self.subnets)]
        self.availability_zone = self._zone(subnet)
        self.attachments = [self._interface(subnet)]
        self.containers = [self._container(each, prefix) for each in definition.container_definitions]
        self.created_at = utcnow()
        self.stopped_reason = ""
        self.stop_code: str | None = None
        self.born, self.ran, self.asked = now(), 0.0, 0.0
        self.settled = False
        self.failed = False  # by itself, so that the scheduler counts it

    def _zone(self, subnet: str) -> str | None:
        zones = ec2_backends[self.account_id][self.region_name].subnets
        return next((zone for zone, subnets in zones.items() if subnet in subnets), None)

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

    def targets(self) -> list[tuple[Any, int]]:
        """The target groups that the task belongs to, each with its port."""
        groups = elbv2_backends[self.account_id][self.region_name].target_groups
        wanted = [(groups.get(each.get("targetGroupArn")), each["containerPort"]) for each in self.target_entries]
        return [(group, port) for group, port in wanted if group is not None]

    def move(self, ip: str) -> None:
        """Its address, once the network has given one."""
        self.ip = ip
        for container in self.containers:
            container["networkInterfaces"][0]["privateIpv4Address"] = ip
        for detail in self.attachments[0]["details"]:
            if detail["name"] == "privateIPv4Address":
                detail["value"] = ip

    def run(self) -> None:
        """It runs: its targets are registered."""
        self.last_status, self.ran = "RUNNING", now()
        self.started_at = self.pull_stopped_at = utcnow()
        self.pull_started_at = self.connectivity_at = self.created_at
        self.connectivity = "CONNECTED"
        self.attachments[0]["status"] = "ATTACHED"
        for group, port in self.targets():
            group.register([{"Id": self.ip, "Port": port}])

    def fail(self, reason: str, code: str) -> None:
        self.failed = True
        self.stop(reason, code)

    def stop(self, reason: str, code: str) -> None:
        """No traffic from now on; the runtime ends it."""
        if not self.wanted:
            return
        self.desired_status, self.last_status = "STOPPED", "DEACTIVATING"
        self.stopped_reason, self.stop_code = reason, code
        self.stopping_at, self.asked = utcnow(), now()
        for group, _ in self.targets():
            group.targets.pop(self.ip, None)
            group.__dict__.get("health", {}).pop(self.ip, None)

    def wake(self) -> None:
        """In a new process, whose clock is another."""
        self.born = now()
        self.ran, self.asked = self.ran and self.born, self.asked and self.born

    def end(self) -> None:
        self.last_status = "STOPPED"
        self.stopped_at = self.execution_stopped_at = utcnow()
        self.attachments[0]["status"] = "DELETED"
        for container in self.containers:
            container["lastStatus"] = "STOPPED"


class Runtime(Protocol):
    """What tasks run on. Called often, under the lock: it must return at once."""

    def advance(self, task: EcsTask) -> None:
        """Moves a task on as far as it has come."""

    def rests(self, service: str | None) -> bool:
        """Whether the scheduler shall leave that service alone, or all (None)."""

    def missing(self) -> str:
        """Why no task can start; empty when tasks can."""
