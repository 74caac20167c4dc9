"""Deployments whose containers fail, through the command line: what ECS says, what `up` says, what goes on serving."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from .faulty import CRASHES, Stack, load, service
from .house import House, get, until, url_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


def test_a_first_deployment_that_crashes_at_once(shared: House, tmp_path: Path) -> None:
    stack = Stack(shared, tmp_path, "crash", web=service(CRASHES))
    stack.up("--no-wait").ended(0)
    (deployment,) = until(lambda: (told := stack.service()["deployments"])[0]["rolloutState"] == "FAILED" and told, 20)
    assert deployment["failedTasks"] == 3
    assert deployment["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    tasks = stack.failed()
    assert [task["stopCode"] for task in tasks] == ["EssentialContainerExited"] * 3
    assert {task["stoppedReason"] for task in tasks} == {"Essential container in task exited"}
    assert [task["containers"][0]["exitCode"] for task in tasks] == [3] * 3
    assert {task["lastStatus"] for task in tasks} == {"STOPPED"}
    waits = [(later["createdAt"] - task["stoppingAt"]).total_seconds() for task, later in pairwise(tasks)]
    assert waits[1] > 0.9, f"the second replacement has to wait: {waits}"
    assert any("deployment failed: tasks failed to start." in event for event in stack.events())
    run = stack.up().ended(1)
    assert "exit code 3" in run.text and "the rollout of crash-web:1 failed" in run.text
    assert "Essential container in task exited" in run.text and "no database" in run.text
    assert "not healthy" in stack.status.out and "exit code 3" in stack.status.out
    stack.write(web=service())
    assert get(url_of(stack.up().ended(0))) == (200, "one")
    assert stack.status.ended(0).out.splitlines()[0].endswith("  healthy")
    stack.down()


def test_none_and_two_again_and_a_forced_deployment(shared: House, tmp_path: Path) -> None:
    stack = Stack(shared, tmp_path, "counts", web=service(count=1))
    url = url_of(stack.up().ended(0))
    stack.write(web=service(count=0))
    stack.up().ended(0)
    assert stack.tasks("RUNNING") == []
    until(lambda: get(url)[0] == 503, 15)
    until(lambda: shared.containers() == [], 30)
    stack.write(web=service(count=2))
    stack.up().ended(0)
    first = {task["taskArn"] for task in stack.tasks("RUNNING")}
    assert len(first) == 2 and len(shared.containers()) == 2
    ecs = shared.client("ecs")
    with load(url) as requests:
        ecs.update_service(cluster="counts", service="web", forceNewDeployment=True)
        until(lambda: len(stack.service()["deployments"]) == 1 and stack.service()["runningCount"] == 2, 60)
    second = {task["taskArn"] for task in stack.tasks("RUNNING")}
    assert len(second) == 2 and not first & second
    assert {code for code, _ in requests.stop()} == {200}
    assert json.loads(stack.run("status", "--json").ended(0).out)["healthy"]
    stack.down()
