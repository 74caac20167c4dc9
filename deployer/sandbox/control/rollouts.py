"""What ECS remembers of a service: its revisions, and the service deployments that brought them."""

from __future__ import annotations

import copy
import random
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow
from moto.ecr.models import ecr_backends

from .tasks import Deployment, EcsTask

KEPT = 50  # service deployments of a service that are still told of
REVISION = (
    *("task_definition", "load_balancers", "network_configuration", "platform_version", "launch_type"),
    *("capacity_provider_strategy", "service_registries"),
)
NO_CANDIDATE = "No rollback candidate was found to run the rollback."


@dataclass(eq=False)
class Revision:
    """As DescribeServiceRevisions shows it (moto writes out the attributes by name)."""

    service_revision_arn: str
    service_arn: str
    cluster_arn: str
    task_definition: str
    load_balancers: list[dict[str, Any]]
    network_configuration: dict[str, Any]
    platform_version: str
    launch_type: str | None
    capacity_provider_strategy: list[dict[str, Any]] | None
    service_registries: list[dict[str, Any]]
    container_images: list[dict[str, str]]
    platform_family: str = "Linux"
    guard_duty_enabled: bool = False
    created_at: datetime = field(default_factory=utcnow)


@dataclass(eq=False)
class ServiceDeployment:
    """As DescribeServiceDeployments shows it. A rollback belongs to the one that is rolled back."""

    service_deployment_arn: str
    service_arn: str
    cluster_arn: str
    target_service_revision_arn: str
    deployment_configuration: dict[str, Any]
    deployment_circuit_breaker: dict[str, Any]
    source_service_revisions: list[dict[str, Any]]
    target_service_revision: dict[str, Any]
    status: str = "PENDING"
    status_reason: str | None = None
    lifecycle_stage: str | None = None
    rollback: dict[str, Any] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stopped_at: datetime | None = None
    created_at: datetime = field(default_factory=utcnow)
    updated_at: datetime = field(default_factory=utcnow)

    @property
    def over(self) -> bool:
        return self.finished_at is not None

    def turn(self, status: str, reason: str | None = None) -> None:
        self.status, self.updated_at = status, utcnow()
        self.status_reason = reason or self.status_reason
        if self.status == "IN_PROGRESS":
            self.started_at, self.lifecycle_stage = self.updated_at, "SCALE_UP"

    def clean_up(self) -> None:
        """The new tasks are well, the old ones go."""
        if not self.over:
            self.lifecycle_stage = "CLEAN_UP"

    def finish(self, status: str, reason: str | None = None) -> None:
        self.turn(status, reason)
        self.finished_at, self.lifecycle_stage = self.updated_at, None
        if status == "STOPPED":
            self.stopped_at = self.finished_at
        if self.deployment_circuit_breaker["status"] == "MONITORING":
            self.deployment_circuit_breaker["status"] = "MONITORING_COMPLETE"

    def roll_back(self, to: Revision, reason: str) -> None:
        self.turn("ROLLBACK_IN_PROGRESS", reason)
        self.started_at = self.started_at or self.updated_at
        self.rollback = {"reason": reason, "startedAt": self.updated_at, "serviceRevisionArn": to.service_revision_arn}


def revise(backend: Any, service: Any, definition: Any) -> Revision:
    """The revision that the service now has: a new one if something of it has changed."""
    wanted = {name: copy.deepcopy(getattr(service, name)) for name in REVISION} | {"task_definition": definition.arn}
    wanted["container_images"] = [_image(backend, each) for each in definition.container_definitions]
    former = service.deployments[0].revision if service.deployments else None
    if former and all(getattr(former, name) == value for name, value in wanted.items()):
        return former  # type: ignore[no-any-return]
    arn = f"{_prefix(service, 'service-revision')}/{random.randrange(10**18, 10**19)}"
    made = Revision(arn, service.arn, service.cluster_arn, **wanted)
    service.revisions = [*service.revisions, made][-2 * KEPT :]
    return made


def _prefix(service: Any, kind: str) -> str:
    """`arn:PARTITION:ecs:REGION:ACCOUNT:KIND/CLUSTER/SERVICE`"""
    return f"{service.cluster_arn.rpartition(':')[0]}:{kind}/{service.cluster_name}/{service.name}"


def _image(backend: Any, container: dict[str, Any]) -> dict[str, str]:
    """With its digest, where that is known: it is given, or the image is in a repository of this account."""
    found = {"containerName": container["name"], "image": container["image"]}
    path, _, digest = container["image"].partition("@")
    name, _, tag = path.rpartition(":") if ":" in path.rpartition("/")[2] else (path, "", "latest")
    for repository in ecr_backends[backend.account_id][backend.region_name].repositories.values():
        if repository.uri == name and not digest:
            tagged = [image for image in repository.images if tag in (image.image_tags or [])]
            digest = str(tagged[0].image_digest) if tagged else ""
    return found | ({"imageDigest": digest} if digest else {})


def begin(service: Any, deployment: Deployment) -> None:
    """A service deployment for that new PRIMARY deployment; the ones before it are to stop."""
    for former in service.rollouts:
        if not former.over:
            former.turn("STOP_REQUESTED", "Service deployment stopped because a newer service deployment was created.")
    target = deployment.revision
    running = [arn for arn in dict.fromkeys(map(_arn, _live(service))) if arn != target.service_revision_arn]
    state = "MONITORING" if service.breaker["enable"] else "DISABLED"
    made = ServiceDeployment(
        f"{_prefix(service, 'service-deployment')}/{secrets.token_urlsafe(16)[:21]}",
        service.arn,
        service.cluster_arn,
        target.service_revision_arn,
        copy.deepcopy(service.deployment_configuration),
        {"status": state, "failureCount": 0, "threshold": 0},
        [_summary(service, arn, 0) for arn in running],
        _summary(service, target.service_revision_arn, service.desired_count),
    )
    service.rollouts = [made, *service.rollouts][:KEPT]
    count(service)


def count(service: Any) -> None:
    """The numbers of tasks of the service's revisions; those of a service deployment that is over stay."""
    primary = service.deployments[0] if service.deployments else None
    if primary is None:
        service.current_service_revisions = []
        return
    wanted = primary.revision.service_revision_arn
    arns = dict.fromkeys([wanted, *map(_arn, _live(service))])
    now = {arn: _summary(service, arn, service.desired_count if arn == wanted else None) for arn in arns}
    service.current_service_revisions = list(now.values())
    current = service.rollouts[0]
    if not current.over:
        target = current.target_service_revision["arn"]
        current.target_service_revision = now.get(target) or _summary(service, target)
        sources = [each["arn"] for each in current.source_service_revisions]
        current.source_service_revisions = [now.get(arn) or _summary(service, arn) for arn in sources]


def _summary(service: Any, arn: str, requested: int | None = None) -> dict[str, Any]:
    tasks = [task for task in _live(service) if task.wanted and _arn(task) == arn]
    running = sum(task.last_status == "RUNNING" for task in tasks)
    return {
        "arn": arn,
        "requestedTaskCount": len(tasks) if requested is None else requested,
        "runningTaskCount": running,
        "pendingTaskCount": len(tasks) - running,
    }


def _live(service: Any) -> list[EcsTask]:
    return [task for task in service.tasks if task.last_status != "STOPPED"]


def _arn(task: EcsTask) -> str:
    return task.deployment.revision.service_revision_arn if task.deployment else ""
