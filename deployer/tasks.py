"""ECS tasks as ListTasks and DescribeTasks tell of them."""

from __future__ import annotations

from typing import Any

from deployer.aws import Aws, batches
from deployer.ecs import cluster_of


def arns_of_service(aws: Aws, service: str, status: str = "RUNNING", most: int | None = None) -> list[str]:
    """Of the service with this ARN. `status`: the desired one, RUNNING or STOPPED; ECS forgets those after an hour."""
    pages = aws.ecs.get_paginator("list_tasks").paginate(
        cluster=cluster_of(service), serviceName=task_id(service), desiredStatus=status,
        PaginationConfig={"MaxItems": most},
    )  # fmt: skip
    return [arn for page in pages for arn in page["taskArns"]]


def described(aws: Aws, cluster: str, arns: list[str]) -> list[dict[str, Any]]:
    """Without those that ECS does not know, or not yet."""
    found: list[dict[str, Any]] = []
    for batch in batches(arns, 100):
        found += aws.ecs.describe_tasks(cluster=cluster, tasks=batch)["tasks"]
    return found


def task_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def container(task: dict[str, Any], name: str) -> dict[str, Any]:
    """Its container of that name; empty if there is none."""
    return next((one for one in task.get("containers", []) if one["name"] == name), {})


def reason_of(task: dict[str, Any]) -> str:
    """Why it stopped: the task's reason, its containers' own, and their exit codes; empty if nothing is said."""
    parts = [task.get("stoppedReason", "")]
    for one in task.get("containers", []):
        parts.append(one.get("reason", ""))
        if one.get("exitCode") is not None:
            parts.append(f"exit code {one['exitCode']}")
    return ", ".join(dict.fromkeys(part.strip().rstrip(".") for part in parts if part.strip()))
