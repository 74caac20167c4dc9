"""What several ECS calls have in common: whom they mean, and answers in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import ClusterNotFoundException, EcsClientException
from moto.ecs.models import EC2ContainerServiceBackend as Backend
from moto.ecs.responses import EC2ContainerServiceResponse as Response


def active_cluster(backend: Backend, name: str) -> Any:
    cluster = backend._get_cluster(name)
    if cluster.status != "ACTIVE":
        raise ClusterNotFoundException
    return cluster


def active_definition(backend: Backend, name: str) -> Any:
    definition = backend.describe_task_definition(name)
    if definition.status != "ACTIVE":
        raise EcsClientException("TaskDefinition is inactive")
    return definition


def page(self: Response, key: str, items: Sequence[Any], size: int) -> ActionResult:
    start = int(self._get_param("nextToken") or 0)
    end = start + min(int(self._get_param("maxResults") or size), 100)
    more = {"nextToken": str(end)} if end < len(items) else {}
    return ActionResult({key: items[start:end]} | more)
