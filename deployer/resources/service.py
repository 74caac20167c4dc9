"""ECS service on Fargate, rolled with the circuit breaker on. Done is only: its own new deployment, healthy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, batches, ignoring, tag_dict, tag_list
from deployer.errors import RolloutError
from deployer.resource import Found, Made, Outputs, Resource, Retry
from deployer.resources.cluster import LINKED_ROLE

UNSEEN_SECONDS = 15.0
_ASKED: dict[str, str] = {}  # service -> the deployment that this run has asked for
_SIGHT: dict[str, float] = {}  # service -> when it was seen last, on the monotonic clock
GONE = ("ServiceNotFoundException", "ClusterNotFoundException", "ServiceNotActiveException")


@dataclass(frozen=True, kw_only=True)
class Service(Resource):
    """`grace`: seconds for which failing health checks do not count; `kind`: of its load balancer, or None."""

    type = "service"
    replace_on = frozenset({"cluster"})
    exists_on = ("InvalidParameterException",)
    holds_dependents = False
    retry_on = (
        LINKED_ROLE,
        Retry("ClusterNotFoundException", seconds=240),
        Retry("InvalidParameterException", "does not have an associated load balancer", 240),
        Retry("InvalidParameterException", "service role being passed", 240),
        Retry("InvalidParameterException", "still Draining", 900),
        Retry("InvalidParameterException", "deployments are active", 900),
        Retry("InvalidParameterException", "security group"),
        Retry("InvalidParameterException", "subnet"),
        Retry("ServiceNotActiveException", seconds=60),
    )

    cluster: str
    task_definition: str
    count: int
    subnets: list[str]
    groups: list[str]
    public_ip: bool
    target_group: str | None
    port: int | None
    kind: str | None
    grace: int | None

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "taskDefinition": self.task_definition,
            "desiredCount": self.count,
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            },
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": self.subnets,
                    "securityGroups": self.groups,
                    "assignPublicIp": "ENABLED" if self.public_ip else "DISABLED",
                }
            },
            "loadBalancers": [
                {"targetGroupArn": self.target_group, "containerName": self.name, "containerPort": self.port}
            ]
            if self.target_group
            else [],
            "propagateTags": "SERVICE",
            "enableECSManagedTags": True,
        }
        if self.grace is not None:
            settings["healthCheckGracePeriodSeconds"] = self.grace
        return settings

    def create(self, aws: Aws) -> Made:
        _ASKED.pop(aws.arn("ecs", f"service/{self.cluster.rpartition('/')[2]}/{self.name}"), None)
        service = aws.ecs.create_service(
            cluster=self.cluster,
            serviceName=self.name,
            launchType="FARGATE",
            tags=tag_list(aws.tags(self.key, self.fingerprint), "key", "value"),
            **self._settings(),
        )["service"]
        _ask_for(service)
        return Made(service["serviceArn"], {"task_definition": self.task_definition, "count": self.count})

    def update(self, aws: Aws, id: str, old: Service) -> None:
        """A deployment that has failed does not begin again by itself."""
        failed = any(
            deployment.get("rolloutState") == "FAILED" and deployment["taskDefinition"] == self.task_definition
            for service in describe_services(aws, [id])
            for deployment in service["deployments"]
        )
        _ASKED.pop(id, None)
        answer = aws.ecs.update_service(
            cluster=self.cluster, service=id, forceNewDeployment=failed, **self._changed_settings(old)
        )
        _ask_for(answer["service"])

    def _changed_settings(self, old: Service) -> dict[str, Any]:
        """Network and load balancer only where they differ: each of them starts a deployment (API_UpdateService)."""
        settings = self._settings()
        if old != self:  # else an unfinished update, of which nothing is known
            if (self.subnets, self.groups, self.public_ip) == (old.subnets, old.groups, old.public_ip):
                del settings["networkConfiguration"]
            if (self.target_group, self.port) == (old.target_group, old.port):
                del settings["loadBalancers"]
        return settings

    def pending(self, aws: Aws, id: str) -> str | None:
        """Raises RolloutError with ECS's reason: the deployment failed, was rolled back, or is no longer wanted."""
        services = [service for service in describe_services(aws, [id]) if service["status"] == "ACTIVE"]
        if not services:
            return "the service is not visible yet"
        service = services[0]
        mine = self._deployment(service)
        if mine is None and not _lost_sight(service):
            return "the new deployment is not visible yet"
        if mine is None or mine["status"] != "PRIMARY":
            raise self._failed(aws, service, said_of_failure(service) or "another revision took its place")
        _SIGHT[id] = time.monotonic()
        if mine.get("rolloutState") == "FAILED":
            raise self._failed(aws, service, mine.get("rolloutStateReason", ""))
        running, desired = mine["runningCount"], mine["desiredCount"]
        if mine.get("rolloutState") != "COMPLETED" or running < self.count:
            return f"{running} of {desired} tasks running{self._network_note()}{_last_words(service)}"
        healthy = self._healthy(aws)
        return None if healthy >= self.count else f"{healthy} of {self.count} targets healthy{self._network_note()}"

    def _deployment(self, service: dict[str, Any]) -> dict[str, Any] | None:
        """The deployment that this run has asked for; in a later run, the one of our task definition."""
        asked = _ASKED.get(service["serviceArn"])
        if asked:
            return next((one for one in service["deployments"] if one["id"] == asked), None)
        same = [one for one in service["deployments"] if one["taskDefinition"] == self.task_definition]
        same.sort(key=lambda one: one["status"] != "PRIMARY")
        return same[0] if same else None

    def _network_note(self) -> str:
        return ", a network load balancer's first health checks take 2 to 5 minutes" if self.kind == "network" else ""

    def _healthy(self, aws: Aws) -> int:
        if not self.target_group:
            return self.count
        answer = aws.elbv2.describe_target_health(TargetGroupArn=self.target_group)
        return sum(one["TargetHealth"]["State"] == "healthy" for one in answer["TargetHealthDescriptions"])

    def _failed(self, aws: Aws, service: dict[str, Any], reason: str) -> RolloutError:
        primary = next((one for one in service["deployments"] if one["status"] == "PRIMARY"), None)
        revision, reason = _revision(self.task_definition), reason.rstrip(".") or "no reason given"
        said = [f"{self.key}: the rollout of {revision} failed: {reason}."]
        said += [f"A task stopped: {text}." for text in stop_reasons(aws, service)[:2]]
        if primary and primary["taskDefinition"] != self.task_definition:
            said.append(f"ECS goes on with {_revision(primary['taskDefinition'])}.")
        return RolloutError(" ".join(said), "See the service's log, mend the cause, and run `deployer up` again.")

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        """With `settled: False` while a service is not at its desired count: then `up` waits for it, or says why."""
        described = describe_services(aws, ids)
        active = [one for one in described if one["status"] == "ACTIVE" and aws.owns(_tags(one))]
        seen: dict[str, Outputs] = {item["serviceArn"]: _outputs(item) for item in active}
        return {id: seen.get(id) for id in ids}

    def strays(self, outputs: Outputs) -> str:
        """Another revision, or another number of tasks, is asked of ECS than was recorded."""
        if outputs.get("task_definition", self.task_definition) != self.task_definition:
            return f"{_revision(outputs['task_definition'])} is what ECS runs"
        count = outputs.get("count", self.count)
        return f"ECS is to run {count} tasks" if count != self.count else ""

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        with ignoring("ClusterNotFoundException"):
            pages = aws.ecs.get_paginator("list_services").paginate(cluster=aws.stack)
            arns = [arn for page in pages for arn in page["serviceArns"]]
            items = [item for item in describe_services(aws, arns) if item["status"] == "ACTIVE"]
            found = [aws.found(item["serviceArn"], _tags(item)) for item in items]
            return [one for one in found if one]
        return []

    def find(self, aws: Aws) -> str | None:
        with ignoring("ClusterNotFoundException"):
            answer = aws.ecs.describe_services(cluster=self.cluster, services=[self.name], include=["TAGS"])
            for item in answer["services"]:
                if item["status"] == "ACTIVE":
                    return aws.claim(self.key, item["serviceArn"], _tags(item))
        return None

    def tag(self, aws: Aws, id: str) -> None:
        aws.ecs.tag_resource(resourceArn=id, tags=tag_list(aws.tags(self.key, self.fingerprint), "key", "value"))

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring(*GONE):
            aws.ecs.delete_service(cluster=cluster_of(id), service=id, force=True)

    def leaving(self, aws: Aws, id: str) -> str | None:
        for service in describe_services(aws, [id]):
            if service["status"] != "INACTIVE":
                return f"the service is {service['status'].lower()}, {service['runningCount']} tasks still running"
        return None


def _tags(item: dict[str, Any]) -> dict[str, str]:
    return tag_dict(item.get("tags"), "key", "value")


def _ask_for(service: dict[str, Any]) -> None:
    """Remembers which deployment the call has started, or found to be right."""
    primary = next((one for one in service.get("deployments", []) if one["status"] == "PRIMARY"), None)
    if primary:
        _ASKED[service["serviceArn"]] = primary["id"]
        _SIGHT.pop(service["serviceArn"], None)


def _lost_sight(service: dict[str, Any]) -> bool:
    """DescribeServices may answer with an older state for some seconds; what ECS says of a failure is no such thing."""
    id = service["serviceArn"]
    asked = _ASKED.get(id)
    if asked and any(asked in event["message"] and "failed" in event["message"] for event in service.get("events", [])):
        return True
    return time.monotonic() - _SIGHT.setdefault(id, time.monotonic()) > UNSEEN_SECONDS


def said_of_failure(service: dict[str, Any]) -> str:
    """ECS's own words of a rollback; events are newest first."""
    events = [str(event["message"]) for event in service.get("events", [])[:20]]
    said = [text for words in ("deployment failed", "rolling back") for text in events if words in text]
    return said[0] if said else ""


def _last_words(service: dict[str, Any]) -> str:
    """What ECS said last, if it is not that all is well."""
    said = next((str(event["message"]) for event in service.get("events", [])), "")
    return f"; ECS: {said}" if said and "steady state" not in said and "has started" not in said else ""


def _outputs(service: dict[str, Any]) -> Outputs:
    outputs = {"task_definition": service["taskDefinition"], "count": service["desiredCount"]}
    return outputs if _settled(service) else outputs | {"settled": False}


def _settled(service: dict[str, Any]) -> bool:
    primary: dict[str, Any] = next((one for one in service["deployments"] if one["status"] == "PRIMARY"), {})
    return primary.get("rolloutState") == "COMPLETED" and service["runningCount"] >= service["desiredCount"]


def cluster_of(arn: str) -> str:
    """`arn:...:service/<cluster>/<service>` (the long form; the short one is refused for tags)."""
    return arn.split("/")[-2]


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


def stop_reasons(aws: Aws, service: dict[str, Any]) -> list[str]:
    """Why tasks of the service stopped lately, each reason once, newest first; ECS forgets them after an hour."""
    cluster = cluster_of(service["serviceArn"])
    arns = aws.ecs.list_tasks(cluster=cluster, serviceName=service["serviceName"], desiredStatus="STOPPED")["taskArns"]
    if not arns:
        return []
    tasks = aws.ecs.describe_tasks(cluster=cluster, tasks=arns[:100])["tasks"]
    tasks.sort(key=lambda task: str(task.get("stoppedAt", "")), reverse=True)
    reasons = dict.fromkeys(filter(None, map(_stop_reason, tasks)))
    return [reason for reason in reasons if not reason.startswith("Scaling activity initiated")]


def _stop_reason(task: dict[str, Any]) -> str:
    """The container's own reason is the real one; the task's is often only its consequence."""
    parts = [task.get("stoppedReason", "")]
    for container in task.get("containers", []):
        parts.append(container.get("reason", ""))
        if container.get("exitCode") is not None:
            parts.append(f"exit code {container['exitCode']}")
    return ", ".join(part.rstrip(".") for part in parts if part)


def _revision(arn: str) -> str:
    return arn.rpartition("/")[2]
