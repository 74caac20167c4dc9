"""ECS service on Fargate, rolled with the circuit breaker on. Done is only: its own new deployment, healthy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.asked import ASKED, asked_for
from deployer.aws import Aws, ignoring, tag_dict, tag_list
from deployer.ecs import LINKED_ROLE, cluster_of, describe_services, primary, revision, settled
from deployer.grants import IN_CLUSTER, OWN, Grant, making, retagging
from deployer.resource import SEEN, Found, Made, Outputs, Rate, Resource, Retry
from deployer.rollout import Rollout

BREAKER = {"type": "COUNT", "value": 3}  # failed tasks until ECS gives up; by itself it would be half of those wanted
SERVICE = "ecs:service/{stack}/{member}"
GONE = ("ServiceNotFoundException", "ClusterNotFoundException", "ServiceNotActiveException")


@dataclass(frozen=True, kw_only=True)
class Service(Resource):
    """`grace`: seconds for which failing health checks do not count; `kind`: of its load balancer, or None."""

    type = "service"
    replace_on = frozenset({"cluster"})
    rate = Rate(burst=50, per_second=5)  # ECS's bucket for changes of services, as that of task definitions
    scans = (
        Grant("ecs:ListServices", when=(IN_CLUSTER,)),
        Grant("ecs:DescribeServices", "ecs:service/{stack}/*"),
    )
    grants = (
        *making("ecs:CreateService", SERVICE),
        Grant("ecs:UpdateService ecs:DeleteService", SERVICE, (OWN,)),
        retagging(SERVICE),
    )
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
    exec: bool = False

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "taskDefinition": self.task_definition,
            "desiredCount": self.count,
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {
                    "enable": True,
                    "rollback": True,
                    "thresholdConfiguration": BREAKER,
                    "resetOnHealthyTask": False,  # else what is well for a while and then ends is never given up
                },
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
            "enableExecuteCommand": self.exec,
        }
        if self.grace is not None:
            settings["healthCheckGracePeriodSeconds"] = self.grace
        return settings

    def create(self, aws: Aws) -> Made:
        ASKED.pop(aws.arn("ecs", f"service/{self.cluster.rpartition('/')[2]}/{self.name}"), None)
        answer = aws.ecs.create_service(
            cluster=self.cluster,
            serviceName=self.name,
            launchType="FARGATE",
            tags=tag_list(aws.tags(self.key, self.fingerprint), "key", "value"),
            **self._settings(),
        )
        asked_for(answer)
        return Made(answer["service"]["serviceArn"], {})

    def update(self, aws: Aws, id: str, old: Service) -> None:
        """A deployment that has failed does not begin again by itself."""
        before = describe_services(aws, [id])
        failed = any(
            deployment.get("rolloutState") == "FAILED" and deployment["taskDefinition"] == self.task_definition
            for service in before
            for deployment in service["deployments"]
        )
        ASKED.pop(id, None)
        answer = aws.ecs.update_service(
            cluster=self.cluster, service=id, forceNewDeployment=failed, **self._changed_settings(old, before)
        )
        there = "".join(str(primary(service).get("id", "")) for service in before)
        asked_for(answer, before=there)

    def _changed_settings(self, old: Service, now: list[dict[str, Any]]) -> dict[str, Any]:
        """Network and load balancer only where they differ from what was recorded, or from what the account has now:
        each of them starts a deployment (API_UpdateService)."""
        settings, expected, seen = self._settings(), self.expected(), _seen(now[0]) if now else {}
        network = (self.subnets, self.groups, self.public_ip) == (old.subnets, old.groups, old.public_ip)
        if network and all(seen.get(name) == expected[name] for name in ("subnets", "groups", "public ip")):
            del settings["networkConfiguration"]
        front = (self.target_group, self.port) == (old.target_group, old.port)
        if front and seen.get("load balancer") == expected["load balancer"]:
            del settings["loadBalancers"]
        return settings

    def pending(self, aws: Aws, id: str) -> str | None:
        """Raises RolloutError with the verdict: the deployment failed, was rolled back, or is no longer wanted."""
        rollout = Rollout(self.key, id, self.task_definition, self.count, self.target_group, self.kind)
        return rollout.pending(aws)

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        """With `settled: False` while a service is not at its desired count: then `up` waits for it, or says why."""
        described = describe_services(aws, ids)
        active = [one for one in described if one["status"] == "ACTIVE" and aws.owns(_tags(one))]
        seen: dict[str, Outputs] = {item["serviceArn"]: _outputs(item) for item in active}
        return {id: seen.get(id) for id in ids}

    def expected(self) -> dict[str, Any]:
        balanced = [_fronted(one) for one in self._settings()["loadBalancers"]]
        grace = {} if self.grace is None else {"grace": self.grace}
        return {
            "revision": revision(self.task_definition),
            "count": self.count,
            "subnets": sorted(self.subnets),
            "groups": sorted(self.groups),
            "public ip": self.public_ip,
            "load balancer": balanced,
            "exec": self.exec,
            "circuit breaker": True,
            "rollback": True,
            **grace,
        }

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


def _outputs(service: dict[str, Any]) -> Outputs:
    outputs = {SEEN: _seen(service)}
    return outputs if settled(service) else {**outputs, "settled": False}


def _seen(service: dict[str, Any]) -> dict[str, Any]:
    """What the answer does not hold is not told."""
    network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    breaker = service.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
    seen = {
        "revision": revision(service["taskDefinition"]),
        "count": service["desiredCount"],
        "subnets": sorted(network["subnets"]) if "subnets" in network else None,
        "groups": sorted(network["securityGroups"]) if "securityGroups" in network else None,
        "public ip": network["assignPublicIp"] == "ENABLED" if "assignPublicIp" in network else None,
        "load balancer": [_fronted(one) for one in service["loadBalancers"]] if "loadBalancers" in service else None,
        "exec": service.get("enableExecuteCommand"),
        "circuit breaker": breaker.get("enable"),
        "rollback": breaker.get("rollback"),
        "grace": service.get("healthCheckGracePeriodSeconds"),
    }
    return {name: value for name, value in seen.items() if value is not None}


def _fronted(balancer: dict[str, Any]) -> str:
    group = str(balancer.get("targetGroupArn")).partition("targetgroup/")[2]
    return f"{group} to {balancer.get('containerName')}:{balancer.get('containerPort')}"
