"""Reading ECS services: what DescribeServices tells, and how its ARNs are made."""

from __future__ import annotations

from typing import Any

from deployer.aws import Aws, batches, ignoring
from deployer.resource import Retry

# The first use of ECS in an account makes its service-linked role, which takes a while to be usable.
LINKED_ROLE = Retry("InvalidParameterException", "service linked role", 240)


def cluster_of(arn: str) -> str:
    """`arn:...:service/<cluster>/<service>` (the long form; the short one is refused for tags)."""
    return arn.split("/")[-2]


def revision(arn: str) -> str:
    """`voting-web:7` of a task definition's ARN."""
    return arn.rpartition("/")[2]


def moment(time: Any) -> float | None:
    """Seconds since the epoch of a time that AWS has told, None of one that it has not."""
    return float(time.timestamp()) if hasattr(time, "timestamp") else time


def describe_services(aws: Aws, arns: list[str]) -> list[dict[str, Any]]:
    """Ten a call; unknown ones are no error, an unknown cluster is."""
    by_cluster: dict[str, list[str]] = {}
    for arn in arns:
        by_cluster.setdefault(cluster_of(arn), []).append(arn)
    services: list[dict[str, Any]] = []
    for cluster, members in by_cluster.items():
        for batch in batches(members, 10):
            with ignoring("ClusterNotFoundException"):
                answer = aws.ecs.describe_services(cluster=cluster, services=batch, include=["TAGS"])
                services += answer["services"]
    return services


def primary(service: dict[str, Any]) -> dict[str, Any]:
    """The deployment that ECS is to bring about; empty if there is none."""
    return next((one for one in service.get("deployments", []) if one["status"] == "PRIMARY"), {})


def settled(service: dict[str, Any]) -> bool:
    return primary(service).get("rolloutState") == "COMPLETED" and service["runningCount"] >= service["desiredCount"]


def said_of_failure(service: dict[str, Any]) -> str:
    """ECS's own words of a rollback; events are newest first."""
    events = [str(event["message"]) for event in service.get("events", [])[:20]]
    said = [text for words in ("deployment failed", "rolling back") for text in events if words in text]
    return said[0] if said else ""


def last_words(service: dict[str, Any]) -> str:
    """What ECS said last, if it is not that all is well."""
    said = next((str(event["message"]) for event in service.get("events", [])), "")
    usual = ("steady state", "has started", "registered", "has stopped", "begun draining", "deployment completed")
    return "" if any(words in said for words in usual) else said
