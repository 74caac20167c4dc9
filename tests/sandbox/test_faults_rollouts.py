"""Deployments whose containers fail, through the command line: what ECS says, what `up` says, what goes on serving."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import docker
import pytest

from .engine import saved_image
from .faulty import CRASHES, EATS, Stack, load, service
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


def test_a_broken_image_over_a_running_service_is_not_noticed_outside(shared: House, tmp_path: Path) -> None:
    stack = Stack(shared, tmp_path, "over", web=service(TEXT="old"))
    url = url_of(stack.up().ended(0))
    stack.write(web=service(CRASHES))
    with load(url) as requests:
        run = stack.up().ended(1)
    assert "exit code 3" in run.text and "over-web:1" in run.text
    answers = requests.stop()
    assert len(answers) > 10 and set(answers) == {(200, "old")}, set(answers)
    primary = until(lambda: (told := stack.service()["deployments"][0])["rolloutState"] == "COMPLETED" and told, 20)
    assert primary["taskDefinition"].endswith("over-web:1")
    assert any("rolling back to deployment" in event for event in stack.events())
    ecs = shared.client("ecs")
    told = ecs.list_service_deployments(cluster="over", service="web")["serviceDeployments"]
    assert [each["status"] for each in told] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    stack.write(web=service(TEXT="new"))
    stack.up().ended(0)
    assert get(url) == (200, "new")
    stack.down()


def test_what_eats_its_memory_is_named(shared: House, tmp_path: Path) -> None:
    stack = Stack(shared, tmp_path, "eats", web=service(EATS))
    run = stack.up().ended(1)
    assert "OutOfMemoryError" in run.text
    container = stack.failed()[0]["containers"][0]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert "OutOfMemoryError" in stack.status.out
    stack.down()


def test_an_image_for_the_other_architecture_and_one_that_is_not_there(shared: House, tmp_path: Path) -> None:
    client, other = docker.from_env(), "deployer-test-other:1"
    other_kind = "arm64" if client.version()["Arch"] == "amd64" else "amd64"
    client.images.load(saved_image(other, other_kind))
    kind = "x86_64" if other_kind == "arm64" else "arm64"
    stack = Stack(shared, tmp_path, "pulls", web=service(architecture=kind))
    try:
        run = stack.up("--image", f"web={other}").ended(1)
        assert "CannotPullContainerError" in run.text and "descriptor matching platform" in run.text
    finally:
        client.images.remove(other, force=True)
    task = stack.failed()[0]
    assert task["stopCode"] == "TaskFailedToStart" and "exitCode" not in task["containers"][0]
    assert task["containers"][0]["reason"].startswith("CannotPullContainerError: ")
    run = stack.up("--image", "web=localhost:1/none:1").ended(1)
    assert "CannotPullContainerError" in run.text and "localhost:1/none" in run.text
    assert "CannotPullContainerError" in stack.status.out
    stack.up().ended(0)
    stack.down()


def test_health_checks_that_fail(shared: House, tmp_path: Path) -> None:
    """Three tasks at once, of which each counts. One service has its grace: its target is sick, its task lives."""
    patient = service(STATUS="404")
    patient["load_balancer"] |= {"grace": 60}
    waits = Stack(shared, tmp_path, "waits", web=patient)
    waits.up("--no-wait").ended(0)
    bad = {"elsewhere": service(port=8091, count=3, PORT="9090"), "sick": service(port=8092, count=3, STATUS="500")}
    stack = Stack(shared, tmp_path, "unwell", **bad)
    run = stack.up().ended(1)
    assert run.text.count("Task failed ELB health checks") >= 2, run.text
    assert "codes: [500]" in run.text, run.text
    for name, reason in {"elsewhere": "", "sick": " with these codes: [500]"}.items():
        task = stack.failed(name)[0]
        assert task["stoppedReason"].startswith("Task failed ELB health checks in (target-group arn:aws:elastic")
        assert task["stopCode"] == "ServiceSchedulerInitiated"
        told = [event for event in stack.events(name) if "is unhealthy in (target-group" in event]
        assert len(told) == 3, told
        assert all(event.endswith(f"due to (reason Health checks failed{reason}).") for event in told), told
    stack.down()
    status = waits.status
    assert "1/1 running" in status.out and "targets 0/1 healthy" in status.out
    assert "Health checks failed with these codes: [404]" in status.text
    waits.down()


def test_none_and_two_again_and_a_forced_deployment(shared: House, tmp_path: Path) -> None:
    stack = Stack(shared, tmp_path, "counts", web=service(count=1))
    url = url_of(stack.up().ended(0))
    stack.write(web=service(count=0))
    stack.up().ended(0)
    assert stack.tasks("RUNNING") == []
    until(lambda: get(url)[0] == 503, 5)
    until(lambda: shared.containers() == [], 10)
    stack.write(web=service(count=2))
    stack.up().ended(0)
    first = {task["taskArn"] for task in stack.tasks("RUNNING")}
    assert len(first) == 2 and len(shared.containers()) == 2
    ecs = shared.client("ecs")
    with load(url) as requests:
        ecs.update_service(cluster="counts", service="web", forceNewDeployment=True)
        until(lambda: len(stack.service()["deployments"]) == 1 and stack.service()["runningCount"] == 2, 30)
    second = {task["taskArn"] for task in stack.tasks("RUNNING")}
    assert len(second) == 2 and not first & second
    assert {code for code, _ in requests.stop()} == {200}
    assert json.loads(stack.run("status", "--json").ended(0).out)["healthy"]
    stack.down()
