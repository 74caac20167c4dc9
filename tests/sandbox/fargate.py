"""A world that looks at service deployments and at tasks of RunTask, too."""

from __future__ import annotations

from typing import Any

from tests.test_cloud import World, until

WEB = {"cluster": "main", "service": "web"}
INVALID = "InvalidParameterException"


class Fargate(World):
    def __post_init__(self) -> None:
        self.cloud.tempo(task=0.1)
        super().__post_init__()

    def briefs(self, **more: Any) -> list[dict[str, Any]]:
        return list(self.ecs.list_service_deployments(**WEB, **more)["serviceDeployments"])

    def rollout(self, number: int = 0) -> dict[str, Any]:
        arn = self.briefs()[number]["serviceDeploymentArn"]
        found = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        assert found["failures"] == []
        return dict(found["serviceDeployments"][0])

    def revision(self, arn: str) -> dict[str, Any]:
        return dict(self.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0])

    def update(self, **more: Any) -> dict[str, Any]:
        return dict(self.ecs.update_service(**WEB, **more)["service"])

    def change(self, **more: Any) -> dict[str, Any]:
        return self.update(taskDefinition=self.new_definition(), **more)

    def ends(self, status: str, number: int = 0) -> dict[str, Any]:
        return dict(until(lambda: (found := self.rollout(number))["status"] == status and found))

    def said(self) -> list[str]:
        return [str(event["message"]) for event in self.service()["events"]]

    def run(self, **more: Any) -> list[dict[str, Any]]:
        self.ecs.create_cluster(clusterName="main")
        wanted = {"cluster": "main", "launchType": "FARGATE", "networkConfiguration": self.network} | more
        wanted["taskDefinition"] = more.get("taskDefinition") or self.new_definition()
        return list(self.ecs.run_task(**wanted)["tasks"])

    def described(self, *arns: str, **more: Any) -> list[dict[str, Any]]:
        return list(self.ecs.describe_tasks(cluster="main", tasks=arns, **more)["tasks"])

    def listed(self, **more: Any) -> list[str]:
        return list(self.ecs.list_tasks(cluster="main", **more)["taskArns"])


def limits(least: int, most: int) -> dict[str, Any]:
    return {"minimumHealthyPercent": least, "maximumPercent": most}
