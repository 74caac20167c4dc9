"""The ECS API's calls about service deployments and service revisions, which moto lacks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException, InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend as Backend
from moto.ecs.models import ServiceNotFoundException
from moto.ecs.responses import EC2ContainerServiceResponse as Response

from .answers import active_cluster, page
from .breaker import ASKED
from .rollouts import ServiceDeployment
from .services import RollingService

MOST = 20  # ARNs in one call
ARN = re.compile(r"arn:[\w-]+:ecs:[\w-]+:\d{12}:(service-deployment|service-revision)/([\w-]+)/([\w-]+)/[\w-]+")


def list_service_deployments(self: Response) -> ActionResult:
    backend = self.ecs_backend
    cluster = active_cluster(backend, self._get_param("cluster") or "default")
    service = backend._get_service(cluster.name, self._get_param("service"))
    if service.status == "INACTIVE":
        raise ServiceNotFoundException
    most = self._get_param("maxResults")
    if most is not None and not 1 <= int(most) <= 100:
        raise InvalidParameterException("maxResults must be between 1 and 100.")
    wanted, when = self._get_param("status") or [], self._get_param("createdAt") or {}
    after, before = _moment(when.get("after"), datetime.min), _moment(when.get("before"), datetime.max)
    found = [
        each
        for each in getattr(service, "rollouts", [])
        if (not wanted or each.status in wanted) and after < each.created_at < before
    ]
    return page(self, "serviceDeployments", found, 20)


def _moment(given: Any, default: datetime) -> datetime:
    """Naive and in UTC, as moto's times are."""
    if given is None:
        return default
    made = given if isinstance(given, datetime) else datetime.fromtimestamp(float(given), UTC)
    return made.astimezone(UTC).replace(tzinfo=None) if made.tzinfo else made


def describe_service_deployments(self: Response) -> ActionResult:
    arns = self._get_param("serviceDeploymentArns") or []
    found, missing = _look_up(self.ecs_backend, arns, "service-deployment", "rollouts", "service_deployment_arn")
    return ActionResult({"serviceDeployments": found, "failures": missing})


def describe_service_revisions(self: Response) -> ActionResult:
    arns = self._get_param("serviceRevisionArns") or []
    found, missing = _look_up(self.ecs_backend, arns, "service-revision", "revisions", "service_revision_arn")
    return ActionResult({"serviceRevisions": found, "failures": missing})


def _look_up(backend: Backend, arns: list[str], kind: str, kept: str, name: str) -> tuple[list[Any], list[Any]]:
    """Those that are known, and a failure for each of the others."""
    if not arns:
        raise InvalidParameterException(f"{kind} ARNs cannot be empty.")
    if len(arns) > MOST:
        raise InvalidParameterException(f"{kind} ARNs cannot have more than {MOST} elements.")
    found, missing = [], []
    for arn in arns:
        known = {getattr(each, name): each for each in getattr(_service_of(backend, arn, kind), kept, [])}
        if arn in known:
            found.append(known[arn])
        else:
            missing.append({"arn": arn, "reason": "MISSING"})
    return found, missing


def _service_of(backend: Backend, arn: str, kind: str) -> RollingService | None:
    parts = ARN.fullmatch(arn)
    if parts is None or parts.group(1) != kind:
        raise InvalidParameterException(f"Invalid {kind} ARN: {arn}")
    found: RollingService | None = backend.services.get(f"{parts.group(2)}:{parts.group(3)}")
    return found


def stop_service_deployment(self: Response) -> ActionResult:
    """Asks for it; the scheduler does it at its next look."""
    arn, kind = self._get_param("serviceDeploymentArn"), self._get_param("stopType") or "ROLLBACK"
    if kind not in ("ROLLBACK", "ABORT"):
        raise InvalidParameterException(f"Invalid stop type: {kind}")
    service = _service_of(self.ecs_backend, arn, "service-deployment")
    known = {each.service_deployment_arn: each for each in getattr(service, "rollouts", [])}
    if arn not in known:
        raise ECSException("ServiceDeploymentNotFoundException", f"Service deployment not found: {arn}")
    _ask(known[arn], kind)
    return ActionResult({"serviceDeploymentArn": arn})


def _ask(rollout: ServiceDeployment, kind: str) -> None:
    if rollout.over:
        raise ECSException(
            "ConflictException", f"The service deployment cannot be stopped: its status is {rollout.status}."
        )
    if rollout.status == "STOP_REQUESTED":
        return
    if kind == "ABORT":
        rollout.turn("STOP_REQUESTED", f"Service deployment stopped {ASKED}")
    elif not rollout.status.startswith("ROLLBACK"):
        rollout.turn("ROLLBACK_REQUESTED", f"Service deployment rolled back {ASKED}")
