"""The evidence is fetched from a cloud that plays AWS, and survives what it refuses."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from deployer.aws import Aws
from deployer.verdict.evidence import Evidence, Facts, StoppedTask
from deployer.verdict.gather import gather
from deployer.verdict.verdict import judge
from tests.cloud import Cloud
from tests.test_cloud import BREAKER, World, until

FACTS = Facts(port=80, balancer="application", health_path="/")


@dataclass
class Rollout(World):
    """A service of which a rollout fails."""

    started: float = field(default_factory=lambda: time.time() - 1)

    @property
    def aws(self) -> Aws:
        return Aws(boto3.Session(), "main", "id", "123456789012", "us-east-1", "aws", attempts=1)

    def look(self, definition: str, group: str | None = "main") -> Evidence:
        return gather(self.aws, self.service(), definition, FACTS, group, self.started)

    def failed(self, mode: str = "crash", first: bool = False, **more: Any) -> str:
        """The task definition of the failed rollout."""
        more |= {"deploymentConfiguration": BREAKER}
        self.cloud.tempo(task=0.05)
        if first:
            self.cloud.scheduler(mode)
            definition = str(self.new_service(**more)["taskDefinition"])
            until(lambda: self.primary()["rolloutState"] == "FAILED")
            return definition
        self.new_service(**more)
        self.steady()
        self.cloud.scheduler(mode)
        definition = self.new_definition()
        self.ecs.update_service(cluster="main", service="web", taskDefinition=definition)
        until(lambda: self.service()["taskDefinition"] != definition)
        return definition

    def write_log(self, definition: str, *lines: str) -> None:
        """As the awslogs driver does, for every stopped task."""
        self.logs.create_log_group(logGroupName="main")
        now = int(time.time() * 1000)
        for task in self.tasks("STOPPED"):
            stream = f"task/web/{task['taskArn'].rpartition('/')[2]}"
            self.logs.create_log_stream(logGroupName="main", logStreamName=stream)
            entries = [{"timestamp": now + number, "message": text} for number, text in enumerate(lines)]
            self.logs.put_log_events(logGroupName="main", logStreamName=stream, logEvents=entries)


@pytest.fixture
def world(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    for name, value in cloud.env().items():
        if name.startswith("AWS_") or name.lower() == "no_proxy":
            monkeypatch.setenv(name, value)
    return Rollout(cloud)


def test_a_crash_is_rolled_back(world: Rollout) -> None:
    definition = world.failed()
    world.write_log(definition, *[f"line {number}" for number in range(30)], "ModuleNotFoundError: No module named 'x'")
    seen = world.look(definition)
    assert (seen.service, seen.revision, seen.image) == ("web", "web:2", "nginx")
    assert seen.serving and (seen.serving.revision, seen.serving.running) == ("web:1", 2)
    assert len(seen.failed) >= 3 and all(task.containers[0].exit_code == 1 for task in seen.failed)
    assert seen.rollout and any("deployment failed" in text for text in seen.events)
    assert len(seen.log) == len(seen.log_times) == 20 and seen.log[-1].startswith("ModuleNotFound") and not seen.notes
    found = judge(seen)
    assert found.cause == "module-missing" and "web:1" in found.lines()[0]


def test_a_first_deployment_leaves_nothing(world: Rollout) -> None:
    seen = world.look(world.failed(first=True))
    assert seen.serving is None and "nothing serves" in judge(seen).lines()[0]
    assert judge(seen).cause == "exit-code" and seen.log == ()


def test_unhealthy_targets(world: Rollout) -> None:
    seen = world.look(world.failed("unhealthy", first=True, loadBalancers=world.balanced()))
    assert judge(seen).cause == "nobody-listens"
    assert any("failed ELB health checks" in task.stopped_reason for task in seen.failed)


def test_a_refused_log_hides_nothing_else(world: Rollout) -> None:
    definition = world.failed()
    world.write_log(definition, "a line")
    world.cloud.fault("error", "logs", "get_log_events", code="AccessDeniedException", message="not authorized")
    seen = world.look(definition)
    assert seen.log == () and seen.failed and seen.events and seen.serving
    assert seen.notes == ("the log could not be read: AccessDeniedException: not authorized",)
    assert "note: the log could not be read" in "\n".join(judge(seen).lines())


@pytest.mark.parametrize(("service", "operation", "what"), [
    ("ecs", "list_tasks", "the stopped tasks"), ("elbv2", "describe_target_health", "the targets' health"),
    ("ecs", "describe_task_definition", "the task definition"),
])  # fmt: skip
def test_each_part_survives_the_others(world: Rollout, service: str, operation: str, what: str) -> None:
    definition = world.failed(loadBalancers=world.balanced())
    world.cloud.fault("throttle", service, operation)
    seen = world.look(definition, group=None)
    assert [note.partition(" could")[0] for note in seen.notes] == [what]
    assert seen.serving and seen.rollout and judge(seen).cause != "throttled"


def test_without_the_running_tasks_the_deployments_tell_who_serves(world: Rollout) -> None:
    definition = world.failed()
    until(lambda: world.primary()["runningCount"] == 2)
    world.cloud.fault("500", "ecs", "list_tasks", nth=2)
    seen = world.look(definition)
    assert seen.serving and seen.serving.revision == "web:1" and seen.notes


def test_tasks_of_another_revision_are_left_out(world: Rollout) -> None:
    definition = world.failed()
    world.ecs.update_service(cluster="main", service="web", desiredCount=0)
    until(lambda: any(task["taskDefinitionArn"] != definition for task in world.tasks("STOPPED")))
    mine = {task["taskArn"][-32:] for task in world.tasks("STOPPED") if task["taskDefinitionArn"] == definition}
    assert {task.id[-32:] for task in world.look(definition).tasks} == mine


def test_old_events_are_left_out(world: Rollout) -> None:
    definition = world.failed()
    world.started = time.time() + 60
    assert world.look(definition).events == () and world.look(definition).failed


def test_an_inactive_task_definition_is_noted(world: Rollout) -> None:
    world.cloud.scheduler("stuck")
    definition = str(world.new_service()["taskDefinition"])
    world.ecs.deregister_task_definition(taskDefinition=definition)
    assert judge(world.look(definition)).cause == "task-definition-inactive"


def test_a_task_as_describe_tasks_gives_it() -> None:
    from datetime import UTC, datetime

    moment = datetime(2026, 11, 21, tzinfo=UTC)
    given = {"taskArn": "arn:aws:ecs:us-east-1:1:task/main/0a1b", "stopCode": "EssentialContainerExited",
             "stoppedReason": "Essential container in task exited", "stoppedAt": moment,
             "containers": [{"name": "web", "exitCode": 137, "healthStatus": "UNKNOWN",
                             "reason": "OutOfMemoryError: Container killed due to memory usage"}]}  # fmt: skip
    task = StoppedTask.of(given)
    assert (task.id, task.stopped_at, task.started_at) == ("0a1b", moment.timestamp(), None)
    assert judge(Evidence("web", "web:1", tasks=(task,))).cause == "out-of-memory"
    assert StoppedTask.of({"taskArn": "arn:aws:ecs:us-east-1:1:task/main/0a1b"}).containers == ()
