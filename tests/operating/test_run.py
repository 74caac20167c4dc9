"""`run`: once and never twice, its log, its exit code, its end."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from typing import Any

import pytest

from tests.whole.project import IMAGES, until

from .between import Ask, Refused
from .conftest import Scene


def ends(scene: Scene, code: int | None = 0, after: float = 0.0, **more: Any) -> None:
    """The tasks that RunTask starts exit so, `after` seconds after they were seen first."""
    seen: dict[str, float] = {}

    def describe(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        answer = ask()
        for task in answer["tasks"]:
            if task.get("startedBy") != "deployer":
                continue
            if time.monotonic() - seen.setdefault(task["taskArn"], time.monotonic()) < after:
                continue
            task.update(lastStatus="STOPPED", stoppedReason=more.get("reason", "Essential container in task exited"))
            container = task["containers"][0]
            container.pop("exitCode", None)
            if code is None:
                task.pop("startedAt", None)
            else:
                container["exitCode"] = code
            if "container" in more:
                container["reason"] = more["container"]
        return answer

    scene.between.rules["DescribeTasks"] = describe


def failures(scene: Scene, *reasons: str) -> None:
    """RunTask answers 200 with these, one a call, and then goes through."""
    left = list(reasons)

    def run_task(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        return {"tasks": [], "failures": [{"reason": left.pop(0)}]} if left else ask()

    scene.between.rules["RunTask"] = run_task


@pytest.mark.parametrize("code", [0, 3, 137])
def test_its_exit_code_is_ours_and_its_log_our_output(scene: Scene, code: int) -> None:
    ends(scene, code)
    process = scene.begin("run", "web", "sh", "-c", "exit 3", "--json", "-f", "x")
    (task,) = until(scene.tasks)
    scene.write("one\ttwo", "\x1b[31mred", task=task["taskArn"].rpartition("/")[2])
    scene.write("of another task")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "one\ttwo\n\x1b[31mred\n")
    assert "stopped" in err
    assert task["overrides"]["containerOverrides"][0]["command"] == ["sh", "-c", "exit 3", "--json", "-f", "x"]


def test_it_runs_as_the_service_does(scene: Scene) -> None:
    run = scene.run("run", "web", "--detach", "--", "true").ended(0)
    (task,) = scene.tasks()
    assert run.out == task["taskArn"].rpartition("/")[2] + "\n"
    assert task["taskDefinitionArn"] == scene.project.record("task-definition.web")["id"]
    tags = {tag["key"]: tag["value"] for tag in task["tags"]}
    assert (tags["deployer:stack"], tags["deployer:id"]) == ("voting", scene.project.state["id"])
    ecs = scene.cloud.client("ecs", hidden=True)
    (own,) = ecs.describe_tasks(cluster="voting", tasks=[scene.task()])["tasks"]
    subnet = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}["subnetId"]
    assert subnet in scene.project.record("service.web")["inputs"]["subnets"] and own["group"] == "service:web"
    assert run.mutations == ["ecs.RunTask"]


def test_after_a_rollback_it_runs_what_ecs_runs(scene: Scene) -> None:
    scene.cloud.scheduler("crash", "web")
    scene.project.run("up", "--image", "web=registry.invalid/web:2", *IMAGES[2:]).ended(1)
    until(lambda: "voting-web:1" in scene.cloud.client("ecs", hidden=True).describe_services(
        cluster="voting", services=["web"])["services"][0]["taskDefinition"])  # fmt: skip
    scene.run("run", "web", "--detach", "true").ended(0)
    assert scene.tasks()[0]["taskDefinitionArn"].endswith("voting-web:1")


def test_json_is_a_line_an_event_and_a_summary(scene: Scene) -> None:
    ends(scene, 3)
    process = scene.begin("run", "web", "--json", "--", "false")
    (task,) = until(scene.tasks)
    id = scene.write("hello", task=task["taskArn"].rpartition("/")[2])
    out, _ = process.communicate(timeout=60)
    started, log, summary = map(json.loads, out.splitlines())
    assert process.returncode == 3
    assert (started["event"], started["task"]) == ("started", id)
    assert (log["event"], log["message"], log["task"]) == ("log", "hello", id)
    assert (summary["event"], summary["exit_code"], summary["task"]) == ("summary", 3, id)


def test_lines_that_arrive_late_are_waited_for_and_not_for_ever(scene: Scene) -> None:
    ends(scene)
    process = scene.begin("run", "web", "true")
    (task,) = until(scene.tasks)
    time.sleep(3.5)
    scene.write("late", task=task["taskArn"].rpartition("/")[2])
    out, _ = process.communicate(timeout=25)
    assert (process.returncode, out) == (0, "late\n")


def test_a_task_that_could_not_start_says_why(scene: Scene) -> None:
    ends(scene, None, reason="Task failed to start", container="CannotPullContainerError: no such image")
    run = scene.run("run", "web", "true").ended(1)
    assert "Task failed to start; CannotPullContainerError: no such image." in run.err


def test_a_task_that_is_killed_for_memory_says_so(scene: Scene) -> None:
    ends(scene, 137, container="OutOfMemoryError: Container killed due to memory usage")
    assert "OutOfMemoryError" in scene.run("run", "web", "true").ended(137).err


# --- starting


@pytest.mark.parametrize("kind", ["lost", "500", "throttle", "refuse"])
def test_a_lost_answer_does_not_start_it_twice(scene: Scene, kind: str) -> None:
    scene.cloud.fault(kind, operation="RunTask", times=2)
    run = scene.project.run("run", "web", "--detach", "true").ended(0)
    assert [call.operation for call in run.calls].count("RunTask") == 3
    (task,) = scene.tasks()
    assert run.out.strip() in task["taskArn"]


def test_missing_capacity_is_waited_for_with_another_token(scene: Scene) -> None:
    failures(scene, "Capacity is unavailable at this time. Please try again later", "RESOURCE:ENI")
    run = scene.run("run", "web", "--detach", "true").ended(0)
    assert "Capacity is unavailable" in run.err and len(scene.tasks()) == 1
    tokens = [asked["clientToken"] for asked in scene.between.asked["RunTask"]]
    assert len(set(tokens)) == len(tokens) == 3


def test_another_failure_is_an_error_at_once(scene: Scene) -> None:
    failures(scene, "MISSING", "MISSING")
    run = scene.run("run", "web", "true").ended(1)
    assert "MISSING" in run.err and len(scene.between.asked["RunTask"]) == 1


def test_what_aws_refuses_is_said(scene: Scene) -> None:
    def refuse(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        raise Refused("AccessDeniedException", "not authorized to perform: ecs:RunTask")

    scene.between.rules["RunTask"] = refuse
    run = scene.run("run", "web", "true").ended(1)
    assert "ecs:RunTask" in run.err and len(scene.between.asked["RunTask"]) == 1


@pytest.mark.parametrize("args", [("run",), ("run", "web"), ("run", "web", "--fly", "true"), ("run", "wbe", "true")])
def test_bad_usage_is_2(scene: Scene, args: tuple[str, ...]) -> None:
    assert scene.run(*args).ended(2).mutations == []


def test_a_command_that_is_too_long_is_refused_before_anything(scene: Scene) -> None:
    run = scene.run("run", "web", "--", "echo", "x" * 9000).ended(2)
    assert "8192" in run.err and run.mutations == []


@pytest.mark.parametrize("words", [
    ("--detach", "web", "echo", "--detach"), ("web", "--detach", "--", "echo", "--detach"),
    ("--detach", "--", "web", "echo", "--detach"), ("-f", "deploy.yaml", "web", "--detach", "echo", "--detach"),
])  # fmt: skip
def test_options_stand_before_the_command_and_its_own_are_its_own(scene: Scene, words: tuple[str, ...]) -> None:
    scene.run("run", *words).ended(0)
    assert scene.tasks()[0]["overrides"]["containerOverrides"][0]["command"] == ["echo", "--detach"]


# --- stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_task_and_says_so(scene: Scene, number: int) -> None:
    process = scene.begin("run", "web", "sleep", "1000")
    (task,) = until(scene.tasks)
    time.sleep(1)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "is being stopped" in err and task["taskArn"].rpartition("/")[2][:8] in err
    assert scene.tasks("STOPPED")[0]["stoppedReason"].startswith("Interrupted")


def test_ctrl_c_while_the_answer_is_lost_stops_what_was_started(scene: Scene) -> None:
    scene.cloud.fault("lost", operation="RunTask", times=3)
    process = scene.begin("run", "web", "sleep", "1000")
    until(lambda: any(call.operation == "RunTask" for call in scene.cloud.calls()))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(scene.tasks("STOPPED")) == 1 and not scene.tasks()


def test_ctrl_c_while_capacity_is_missing_starts_nothing(scene: Scene) -> None:
    failures(scene, *["Capacity is unavailable at this time"] * 50)
    process = scene.begin("run", "web", "true")
    until(lambda: scene.between.asked.get("RunTask"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "no task was started" in err and not scene.tasks()


def test_a_reader_that_has_gone_does_not_stop_the_task(scene: Scene) -> None:
    ends(scene, 3, after=3)
    process = scene.begin("run", "web", "true")
    assert process.stdout
    process.stdout.close()
    (task,) = until(scene.tasks)
    scene.write(*["x" * 1000] * 500, task=task["taskArn"].rpartition("/")[2])
    assert process.wait(40) == 3
    assert scene.tasks() and not scene.tasks("STOPPED")


def test_without_a_log_group_it_says_so_and_still_gives_the_exit_code(scene: Scene) -> None:
    scene.cloud.client("logs").delete_log_group(logGroupName="/deployer/voting/web")
    ends(scene, 4)
    assert "no log group" in " ".join(scene.run("run", "web", "true").ended(4).err.split())


def test_a_flood_is_shown_while_it_runs(scene: Scene) -> None:
    ends(scene, 0, after=10)
    process = scene.begin("run", "web", "true", stderr=subprocess.DEVNULL)
    (task,) = until(scene.tasks)
    id = task["taskArn"].rpartition("/")[2]
    flood = ([f"{part}.{number}" for number in range(500)] for part in range(8))
    thread = threading.Thread(target=lambda: [scene.write(*messages, task=id) for messages in flood])
    thread.start()
    assert process.stdout
    assert process.stdout.readline() == "0.0\n" and process.poll() is None
    out = process.stdout.read()  # not communicate(): it would lose what readline() has read ahead
    process.wait(60)
    thread.join()
    assert len(set(out.splitlines())) == len(out.splitlines()) == 3999
