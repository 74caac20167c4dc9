"""Single tasks by RunTask: what they print, how they end, what they cannot get."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .faulty import CRASHES, DEAF, EATS, HANGS, PYTHON, Stack, service
from .house import House, until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


class Tasks:
    """Of task definitions that are registered here, in the cluster and network of a stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.ecs = stack, stack.house.client("ecs")
        service = stack.service()
        self.network = service["networkConfiguration"]
        known = self.ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        self.role = known["executionRoleArn"]
        self.logs = known["containerDefinitions"][0]["logConfiguration"]

    def define(self, code: str, **container: Any) -> str:
        made = {"name": "job", "image": PYTHON, "command": ["python3", "-uc", code], "essential": True,
                "logConfiguration": self.logs, **container}  # fmt: skip
        told = self.ecs.register_task_definition(
            family="job", containerDefinitions=[made], cpu="256", memory="512", networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"], executionRoleArn=self.role,
        )  # fmt: skip
        return str(told["taskDefinition"]["taskDefinitionArn"])

    def run(self, definition: str, **more: Any) -> str:
        (task,) = self.ecs.run_task(
            cluster=self.stack.name, taskDefinition=definition, launchType="FARGATE",
            networkConfiguration=self.network, **more,
        )["tasks"]  # fmt: skip
        return str(task["taskArn"])

    def look(self, task: str) -> dict[str, Any]:
        return dict(self.ecs.describe_tasks(cluster=self.stack.name, tasks=[task])["tasks"][0])

    def until(self, task: str, status: str, seconds: float = 20) -> dict[str, Any]:
        until(lambda: self.look(task)["lastStatus"] == status, seconds, status)
        return self.look(task)

    def printed(self, task: str) -> list[str]:
        logs = self.stack.house.client("logs")
        group, prefix = (self.logs["options"][f"awslogs-{name}"] for name in ("group", "stream-prefix"))
        stream = f"{prefix}/job/{task.rpartition('/')[2]}"
        return [each["message"] for each in logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]]


@pytest.fixture(scope="module")
def jobs(shared: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tasks]:
    stack = Stack(shared, tmp_path_factory.mktemp("t"), "jobs", web=service())
    stack.up().ended(0)
    yield Tasks(stack)
    stack.down()
    assert shared.left() == {}


def test_a_job_with_overrides_goes_all_the_way(jobs: Tasks) -> None:
    code = "import os, sys; print('told', os.environ['WHAT'], *sys.argv[1:]); sys.exit(7)"
    what = [{"name": "WHAT", "value": "it"}]
    change = {"name": "job", "command": ["python3", "-uc", code, "twice"], "environment": what}
    seen: list[str] = []
    task = jobs.run(jobs.define(CRASHES), overrides={"containerOverrides": [change]})
    deadline = time.monotonic() + 20
    while (not seen or seen[-1] != "STOPPED") and time.monotonic() < deadline:
        status = jobs.look(task)["lastStatus"]
        seen += [status] if status not in seen else []
    order = ["PROVISIONING", "PENDING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
    assert seen == [status for status in order if status in seen] and {"PENDING", "STOPPED"} <= set(seen), seen
    ended = jobs.look(task)
    assert (ended["stopCode"], ended["stoppedReason"]) == (
        "EssentialContainerExited", "Essential container in task exited")  # fmt: skip
    assert ended["containers"][0]["exitCode"] == 7
    assert ended["createdAt"] <= ended["startedAt"] <= ended["stoppedAt"]
    assert jobs.printed(task) == ["told it twice"]


@pytest.mark.parametrize(("name", "code"), [("deaf", DEAF), ("hangs", HANGS)])
def test_what_does_not_stop_is_killed_after_its_time(jobs: Tasks, name: str, code: str) -> None:
    task = jobs.run(jobs.define(code, stopTimeout=2))
    jobs.until(task, "RUNNING")
    until(lambda: jobs.printed(task), 10)
    began = time.monotonic()
    jobs.ecs.stop_task(cluster="jobs", task=task, reason="enough")
    ended = jobs.until(task, "STOPPED")
    assert 1.8 < time.monotonic() - began < 8
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "enough")
    assert ended["containers"][0]["exitCode"] == 137
    assert jobs.printed(task) == (["deaf"] if name == "deaf" else ["going", "stopping"])


def test_a_deaf_container_does_not_hold_up_a_rollout_for_ever(jobs: Tasks) -> None:
    ecs = jobs.ecs
    ecs.create_service(
        cluster="jobs", serviceName="deaf", taskDefinition=jobs.define(DEAF, stopTimeout=2), desiredCount=1,
        launchType="FARGATE", networkConfiguration=jobs.network,
    )  # fmt: skip
    until(lambda: jobs.stack.service("deaf")["runningCount"] == 1, 20)
    (old,) = jobs.stack.tasks("RUNNING", "deaf")
    until(lambda: jobs.printed(old["taskArn"]) == ["deaf"], 10)
    ecs.update_service(cluster="jobs", service="deaf", taskDefinition=jobs.define(DEAF, stopTimeout=2))
    until(lambda: jobs.look(old["taskArn"])["lastStatus"] == "STOPPED", 30)
    assert jobs.look(old["taskArn"])["containers"][0]["exitCode"] == 137
    until(lambda: jobs.stack.service("deaf")["deployments"][0]["rolloutState"] == "COMPLETED", 10)
    ecs.delete_service(cluster="jobs", service="deaf", force=True)


def test_what_eats_its_memory(jobs: Tasks) -> None:
    ended = jobs.until(jobs.run(jobs.define(EATS)), "STOPPED")
    (container,) = ended["containers"]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert ended["stopCode"] == "EssentialContainerExited"


def test_a_secret_that_is_gone_and_a_key_that_is_not_in_it(jobs: Tasks) -> None:
    secrets = jobs.stack.house.client("secretsmanager")
    arn = secrets.create_secret(Name="pair", SecretString=json.dumps({"user": "ada"}))["ARN"]
    shows = "import os; print('hello', os.environ['WHO'])"
    well = jobs.run(jobs.define(shows, secrets=[{"name": "WHO", "valueFrom": f"{arn}:user::"}]))
    without = jobs.define(shows, secrets=[{"name": "WHO", "valueFrom": f"{arn}:name::"}])
    missing = jobs.until(jobs.run(without), "STOPPED")
    assert jobs.until(well, "STOPPED")["containers"][0]["exitCode"] == 0 and jobs.printed(well) == ["hello ada"]
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    gone = jobs.until(jobs.run(without), "STOPPED")
    for ended, words in ((missing, "did not contain json key name"), (gone, "ResourceNotFoundException")):
        assert ended["stopCode"] == "TaskFailedToStart"
        assert ended["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")
        assert words in ended["stoppedReason"]
        assert "exitCode" not in ended["containers"][0]


def test_a_log_group_that_is_gone(jobs: Tasks) -> None:
    logs = {**jobs.logs, "options": {**jobs.logs["options"], "awslogs-group": "/none"}}
    ended = jobs.until(jobs.run(jobs.define(CRASHES, logConfiguration=logs)), "STOPPED")
    assert ended["stoppedReason"].startswith("ResourceInitializationError: failed to validate logger args")


def test_an_image_removed_from_the_repository(jobs: Tasks) -> None:
    ecr = jobs.stack.house.client("ecr")
    uri = ecr.create_repository(repositoryName="empty")["repository"]["repositoryUri"]
    ended = jobs.until(jobs.run(jobs.define(CRASHES, image=f"{uri}:1")), "STOPPED")
    assert ended["stopCode"] == "TaskFailedToStart"
    assert ended["stoppedReason"].startswith("CannotPullContainerError: ") and "not found" in ended["stoppedReason"]
    assert ended["containers"][0]["reason"] == ended["stoppedReason"]


def test_stop_task_asks_politely(jobs: Tasks) -> None:
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye') or 0)); " \
        "print('here'); time.sleep(99)"
    task = jobs.run(jobs.define(code))
    jobs.until(task, "RUNNING")
    until(lambda: jobs.printed(task) == ["here"], 10)
    jobs.ecs.stop_task(cluster="jobs", task=task)
    ended = jobs.until(task, "STOPPED", 10)
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "Task stopped by user")
    assert ended["containers"][0]["exitCode"] == 0 and jobs.printed(task) == ["here", "bye"]
