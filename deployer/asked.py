"""What this run has asked of ECS: which deployment it was, and the service deployment that carries it out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from deployer import aws as door
from deployer import ecs
from deployer.aws import Aws

SLACK = 2.0  # seconds by which the times of a deployment and of its service deployment may differ
DEAF = 3  # refusals after which an endpoint is taken not to know service deployments
GOING = ("PENDING", "IN_PROGRESS")


@dataclass
class Asked:
    """What this run has asked of ECS. `since`: seconds since the epoch, by AWS's clock."""

    deployment: str
    rollout: str  # ARN of the service deployment, where it is known
    since: float
    made: float = 0.0  # when the deployment was made; older than `since` where only the number of tasks changes
    seen: float = field(default_factory=time.monotonic)  # when the deployment was seen last
    failures: int = 0
    looked: float = field(default_factory=time.monotonic)
    deaf: int = 0


ASKED: dict[str, Asked] = {}  # by service


def asked_for(answer: dict[str, Any], before: str = "") -> None:
    """Remembers which deployment the call has started, or found to be right.

    `answer`: of Create- or UpdateService; `before`: the deployment that was there already, if it is known. Moments are
    AWS's: the clock here may be another, and jump."""
    service = answer["service"]
    deployment = ecs.primary(service)
    if deployment:
        made = since = deployment["createdAt"].timestamp() if "createdAt" in deployment else 0.0
        if deployment["id"] == before:  # only another number of tasks is asked for
            since = _moment_of(answer)
        rollout = service.get("currentServiceDeployment", "")
        ASKED[service["serviceArn"]] = Asked(deployment["id"], rollout, since, made)


def _moment_of(answer: dict[str, Any]) -> float:
    """Just after AWS answered, in seconds since the epoch; 0 where it does not say. It counts whole seconds."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(date).timestamp() + 1
    except ValueError:
        return 0.0


def service_deployment(aws: Aws, service: str, asked: Asked) -> dict[str, Any] | None:
    """None where the endpoint, or our permissions, know none; and as long as it is not visible."""
    if asked.deaf >= DEAF:
        return None
    try:
        asked.rollout = asked.rollout or _listed(aws, service, asked)
        if not asked.rollout:
            return None
        answer = aws.ecs.describe_service_deployments(serviceDeploymentArns=[asked.rollout])
    except Exception as error:
        if counts(error):
            raise
        asked.deaf += 1 if door.fault(error) == "lost" else DEAF
        return None
    found = next(iter(answer["serviceDeployments"]), None)
    if found is None:
        return None
    made = found["createdAt"].timestamp()
    if made < asked.made - SLACK:  # UpdateService's answer may still name the one before: not to be stopped
        asked.rollout = ""
        return None
    return None if found["status"] not in GOING and made < asked.since - SLACK else dict(found)


def _listed(aws: Aws, service: str, asked: Asked) -> str:
    """The first service deployment since ours was made; later ones are somebody else's."""
    answer = aws.ecs.list_service_deployments(
        service=service, cluster=ecs.cluster_of(service), createdAt={"after": asked.made - SLACK}
    )
    found = sorted(answer["serviceDeployments"], key=lambda one: one["createdAt"])
    return str(found[0]["serviceDeploymentArn"]) if found else ""


def counts(error: Exception) -> bool:
    """Not so a refusal: the endpoint, or our permissions, may know no service deployments."""
    return door.fault(error) == "throttled" or door.code(error) in door.EXPIRED
