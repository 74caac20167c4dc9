"""ECS cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, batches, ignoring, tag_dict, tag_list
from deployer.ecs import LINKED_ROLE
from deployer.grants import IN_CLUSTER, OWN, Grant, linked_role, making, retagging
from deployer.resource import SEEN, Found, Made, Outputs, Resource, Retry, bearing

GONE = "ClusterNotFoundException"
CLUSTER = "ecs:cluster/{stack}"


@dataclass(frozen=True, kw_only=True)
class Cluster(Resource):
    """`insights`: CloudWatch Container Insights."""

    type = "cluster"
    look_first = True  # CreateCluster answers with an existing cluster of that name
    scans = (Grant("ecs:DescribeClusters", CLUSTER),)
    grants = (
        *making("ecs:CreateCluster", "*", made=CLUSTER),
        Grant("ecs:UpdateCluster ecs:DeleteCluster", CLUSTER, (OWN,)),
        Grant("ecs:ListTasks", when=(IN_CLUSTER,)),
        Grant("ecs:DescribeTasks ecs:StopTask", "ecs:task/{stack}/*"),
        retagging(CLUSTER),
        *linked_role("ecs.amazonaws.com"),
    )
    retry_on = (
        LINKED_ROLE,
        Retry("ClusterContainsServicesException", seconds=600),
        Retry("ClusterContainsTasksException", seconds=600),
        Retry("UpdateInProgressException", seconds=600),
    )

    insights: bool

    def _settings(self) -> list[dict[str, str]]:
        return [{"name": "containerInsights", "value": self.expected()["insights"]}]

    def expected(self) -> dict[str, Any]:
        return {"insights": "enabled" if self.insights else "disabled"}

    def create(self, aws: Aws) -> Made:
        cluster = aws.ecs.create_cluster(
            clusterName=aws.stack,
            settings=self._settings(),
            tags=tag_list(aws.tags(self.key, self.fingerprint), "key", "value"),
        )["cluster"]
        return Made(cluster["clusterArn"], {})

    def update(self, aws: Aws, id: str, old: Cluster) -> None:
        aws.ecs.update_cluster(cluster=id, settings=self._settings())

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        active = [cluster for batch in batches(ids, 100) for cluster in _active(aws, batch)]
        seen = {cluster["clusterArn"]: _outputs(cluster) for cluster in active if aws.owns(_tags(cluster))}
        return {id: seen.get(id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        found = [aws.found(item["clusterArn"], _tags(item)) for item in _active(aws, [aws.stack])]
        return [one for one in found if one]

    def account_name(self, aws: Aws) -> str:
        return aws.stack

    @classmethod
    def taken(cls, aws: Aws, names: list[str]) -> set[str]:
        return {item["clusterName"] for item in _active(aws, names)}

    @classmethod
    def named(cls, aws: Aws) -> list[Found]:
        return [bearing(cls.type, item["clusterArn"], _tags(item)) for item in _active(aws, [aws.stack])]

    def find(self, aws: Aws) -> str | None:
        for item in _active(aws, [aws.stack]):
            return aws.claim(self.key, item["clusterArn"], _tags(item))
        return None

    def tag(self, aws: Aws, id: str) -> None:
        aws.ecs.tag_resource(resourceArn=id, tags=tag_list(aws.tags(self.key, self.fingerprint), "key", "value"))

    def delete(self, aws: Aws, id: str) -> None:
        """Tasks of `deployer run` are of no service: they end here, and DeleteCluster is tried until they have.
        Another's are left alone, and AWS refuses as long as they run."""
        with ignoring(GONE):
            pages = aws.ecs.get_paginator("list_tasks").paginate(cluster=id, desiredStatus="RUNNING")
            for batch in batches((arn for page in pages for arn in page["taskArns"]), 100):
                for task in aws.ecs.describe_tasks(cluster=id, tasks=batch, include=["TAGS"])["tasks"]:
                    if aws.owns(_tags(task)):
                        with ignoring("InvalidParameterException"):
                            aws.ecs.stop_task(cluster=id, task=task["taskArn"], reason="The stack is taken down")
            aws.ecs.delete_cluster(cluster=id)


def _active(aws: Aws, names: list[str]) -> list[dict[str, Any]]:
    """Deleted clusters stay describable as INACTIVE for a while; unknown ones are no error."""
    clusters = aws.ecs.describe_clusters(clusters=names, include=["TAGS", "SETTINGS"])["clusters"]
    return [cluster for cluster in clusters if cluster["status"] != "INACTIVE"]


def _outputs(cluster: dict[str, Any]) -> Outputs:
    settings = {one["name"]: one["value"] for one in cluster.get("settings", ())}
    return {SEEN: {"insights": settings["containerInsights"]} if "containerInsights" in settings else {}}


def _tags(item: dict[str, Any]) -> dict[str, str]:
    return tag_dict(item.get("tags"), "key", "value")
