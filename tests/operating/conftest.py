from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.whole.conftest import project, warm  # noqa: F401  fixtures
from tests.whole.project import Project

from .between import Between


@dataclass
class Scene:
    """The voting app deployed, with ECS and CloudWatch Logs behind a go-between that a test may teach."""

    project: Project
    between: Between

    @property
    def cloud(self) -> Cloud:
        return self.project.cloud

    @property
    def env(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL_ECS": self.between.url, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.between.url}

    def run(self, *args: str, **env: str) -> Any:
        return self.project.run(*args, env=self.env | env)

    def begin(self, *args: str, **how: Any) -> Any:
        return self.project.begin(*args, env=self.env | how.pop("env", {}), **how)

    def task(self, service: str = "web") -> str:
        """The id of its one task."""
        ecs = self.cloud.client("ecs", hidden=True)
        return str(ecs.list_tasks(cluster="voting", serviceName=service)["taskArns"][0].rpartition("/")[2])

    def write(self, *messages: str, service: str = "web", task: str = "", at: float = 0.0) -> str:
        """As the container's log driver does. `at`: seconds since the epoch; gives the task's id."""
        logs, id = self.cloud.client("logs", hidden=True), task or self.task(service)
        where = {"logGroupName": f"/deployer/voting/{service}", "logStreamName": f"task/{service}/{id}"}
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(**where)
        first = int((at or time.time()) * 1000)
        events = [{"timestamp": first + index, "message": message} for index, message in enumerate(messages)]
        logs.put_log_events(**where, logEvents=events)
        return id

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        """Those that RunTask has started."""
        ecs = self.cloud.client("ecs", hidden=True)
        arns = ecs.list_tasks(cluster="voting", startedBy="deployer", desiredStatus=status)["taskArns"]
        return list(ecs.describe_tasks(cluster="voting", tasks=arns, include=["TAGS"])["tasks"]) if arns else []


@pytest.fixture
def between(cloud: Cloud) -> Iterator[Between]:
    server = Between(cloud.url)
    yield server
    server.close()


@pytest.fixture
def scene(project: Project, between: Between) -> Scene:  # noqa: F811
    project.up().ended(0)
    return Scene(project, between)
