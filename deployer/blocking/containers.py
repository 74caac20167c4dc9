"""Guests in our cluster, those who run our images, and instance profiles that hold our roles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deployer.aws import batches, ignoring, tag_dict
from deployer.blocking.ours import Ours
from deployer.ecs import describe_services
from deployer.grants import Grant
from deployer.hold import Hold
from deployer.resources.iam_role import ROLE

HELD = Grant("iam:ListInstanceProfilesForRole", ROLE)
IN_USE = Grant("ecs:ListClusters ecs:ListTasks ecs:DescribeTasks")  # in whatever cluster
CLUSTERS = 20  # others' clusters that are looked into for those who run our images
GONE = ("ClusterNotFoundException",)


def guests(ours: Ours) -> Iterator[Hold]:
    """A cluster cannot go while it has services or tasks; what is not ours is not stopped."""
    for cluster, key in ours.ids("cluster").items():
        with ignoring(*GONE):
            pages = ours.aws.ecs.get_paginator("list_services").paginate(cluster=cluster)
            listed = {arn for page in pages for arn in page["serviceArns"]} - set(ours.ids("service"))
            for service in describe_services(ours.aws, sorted(listed)):
                if not ours.aws.owns(tag_dict(service.get("tags"), "key", "value")):
                    name = service["serviceName"]
                    yield Hold((key,), service["serviceArn"], f"the service {name}, which is not this stack's",
                               "delete it, or move it to another cluster")  # fmt: skip
            for task in strangers(ours, cluster):
                began = task.get("startedAt") or task.get("createdAt")
                what = f"a task of {task['taskDefinitionArn'].rpartition('/')[2]}, which is not this stack's"
                yield Hold((key, *_subnets(ours, task)), task["taskArn"], what, "stop it, or wait for its end",
                           f"{began:%Y-%m-%d %H:%M}" if began else "")  # fmt: skip


def _subnets(ours: Ours, task: dict[str, Any]) -> list[str]:
    details = [detail for one in task.get("attachments", []) for detail in one.get("details", [])]
    keys = ours.ids("subnet")
    return [keys[detail["value"]] for detail in details if detail["name"] == "subnetId" and detail["value"] in keys]


def strangers(ours: Ours, cluster: str) -> list[dict[str, Any]]:
    """Running tasks of no service that do not carry our tags."""
    tasks = _running(ours, cluster)
    return [
        task for task in tasks
        if not task.get("group", "").startswith("service:")
        and not ours.aws.owns(tag_dict(task.get("tags"), "key", "value"))
    ]  # fmt: skip


def _running(ours: Ours, cluster: str) -> Iterator[dict[str, Any]]:
    pages = ours.aws.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="RUNNING")
    for batch in batches((arn for page in pages for arn in page["taskArns"]), 100):
        yield from ours.aws.ecs.describe_tasks(cluster=cluster, tasks=batch, include=["TAGS"])["tasks"]


def users(ours: Ours) -> Iterator[Hold]:
    """ECR does not refuse to delete an image that runs somewhere: its tasks could only never start again."""
    uris = {one.outputs["uri"]: key for key, one in ours.records.items()
            if one.type == "repository" and one.outputs.get("uri")}  # fmt: skip
    if not uris:
        return
    pages = ours.aws.ecs.get_paginator("list_clusters").paginate()
    clusters = [arn for page in pages for arn in page["clusterArns"] if arn not in ours.ids("cluster")]
    for cluster in clusters[:CLUSTERS]:
        with ignoring(*GONE):
            yield from _users(ours, cluster, uris)


def _users(ours: Ours, cluster: str, uris: dict[str, str]) -> Iterator[Hold]:
    told = set()
    for task in _running(ours, cluster):
        for image in (container.get("image", "") for container in task.get("containers", [])):
            key = uris.get(image.partition("@")[0].rpartition(":")[0]) or uris.get(image.partition("@")[0])
            who = task.get("group") or task["taskArn"].rpartition("/")[2]
            if key and (key, who) not in told:
                told.add((key, who))
                what = f"{who} in the cluster {cluster.rpartition('/')[2]}, which runs its image"
                yield Hold((key,), task["taskArn"], what, "give it another image: it cannot start again without",
                           kind="harm")  # fmt: skip


def profiles(ours: Ours) -> Iterator[Hold]:
    """IAM refuses to delete a role that an instance profile holds (DeleteConflict)."""
    for role, key in ours.ids("role").items():
        with ignoring("NoSuchEntity"):
            for page in ours.aws.iam.get_paginator("list_instance_profiles_for_role").paginate(RoleName=role):
                for profile in page["InstanceProfiles"]:
                    name = profile["InstanceProfileName"]
                    yield Hold((key,), name, f"the instance profile {name}", "take the role out of it")
