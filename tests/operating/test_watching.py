"""A rollout is watched to its own end, and never without a reason."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.whole.project import IMAGES, Project, path, until

from .between import Ask
from .conftest import Scene

NEW = ("--image", "web=registry.invalid/web:2", *IMAGES[2:])


@pytest.fixture
def served(project: Project) -> Project:
    project.up().ended(0)
    return project


def web_tasks(project: Project) -> list[str]:
    ecs = project.cloud.client("ecs", hidden=True)
    return list(ecs.list_tasks(cluster="voting", serviceName="web")["taskArns"])


def test_the_service_deployment_is_what_is_followed(served: Project) -> None:
    run = served.run("up", *NEW).ended(0)
    operations = [call.operation for call in run.calls if call.service == "ecs"]
    assert "DescribeServiceDeployments" in operations


def test_an_endpoint_without_service_deployments_is_followed_too(served: Project) -> None:
    served.cloud.fault("error", "ecs", "DescribeServiceDeployments", times=999, code="UnknownOperationException")
    served.run("up", *NEW).ended(0)
    served.cloud.scheduler("crash", "web")
    run = served.run("up", "--image", "web=registry.invalid/web:3", *IMAGES[2:]).ended(1)
    assert "the rollout of voting-web:3 failed; voting-web:2" in run.text


def test_a_refusal_to_tell_of_service_deployments_is_no_obstacle(served: Project) -> None:
    served.cloud.fault("error", "ecs", "DescribeServiceDeployments", times=999, code="AccessDeniedException")
    served.run("up", *NEW).ended(0)


def test_throttled_while_watching(served: Project) -> None:
    served.cloud.fault("throttle", "ecs", "DescribeServiceDeployments", times=5)
    served.cloud.fault("throttle", "ecs", "DescribeServices", times=5)
    served.run("up", *NEW).ended(0)


def test_credentials_that_expire_meanwhile_are_said_and_the_next_up_goes_on(served: Project) -> None:
    served.cloud.fault("error", "ecs", "DescribeServiceDeployments", times=999, code="ExpiredTokenException",
                       message="The security token included in the request is expired", status=400)  # fmt: skip
    run = served.run("up", *NEW).ended(1)
    assert "expired" in run.err
    served.cloud.clear_faults()
    served.run("up", *NEW).ended(0)


def test_a_service_deleted_meanwhile_is_said(served: Project) -> None:
    served.cloud.scheduler("stuck", "web")
    served.cloud.forget_calls()
    process = served.begin("up", *NEW)
    ecs = served.cloud.client("ecs", hidden=True)
    until(lambda: any(call.operation == "DescribeServiceDeployments" for call in served.cloud.calls()))
    ecs.delete_service(cluster="voting", service="web", force=True)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "deleted" in err, err
    served.cloud.scheduler("ok")
    served.run("up", *NEW).ended(0)


def test_somebody_else_deploys_at_the_same_time(served: Project) -> None:
    served.cloud.scheduler("stuck", "web")
    served.cloud.forget_calls()
    process = served.begin("up", *NEW)
    ecs = served.cloud.client("ecs", hidden=True)
    until(lambda: any(call.operation == "DescribeServiceDeployments" for call in served.cloud.calls()))
    ecs.update_service(cluster="voting", service="web", taskDefinition="voting-web:1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "voting-web:2" in err and "voting-web:1" in err, err
    served.cloud.scheduler("ok")


def test_ctrl_c_leaves_the_state_true_and_says_how_to_go_on(served: Project) -> None:
    served.cloud.scheduler("stuck", "web")
    served.cloud.forget_calls()
    process = served.begin("up", *NEW)
    until(lambda: any(call.operation == "DescribeServiceDeployments" for call in served.cloud.calls()))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "status --watch" in err and "deployer rollback web" in err
    served.cloud.scheduler("ok")
    served.run("up", *NEW).ended(0)
    assert served.run("status", "--check").code == 0


def test_the_time_that_is_up_comes_with_what_keeps_it(served: Project) -> None:
    served.cloud.scheduler("stuck", "web")
    began = time.monotonic()
    run = served.run("up", "--timeout", "2s", *NEW).ended(1)
    assert time.monotonic() - began < 20
    assert "the time is up" in run.text and "voting-web:1 still serves" in run.text
    served.cloud.scheduler("ok")


def test_a_first_deployment_is_given_up_early_and_stopped(project: Project) -> None:
    project.cloud.tempo(task=0.3)
    project.cloud.scheduler("crash", "web")
    run = project.up().ended(1)
    assert "nothing serves" in run.text and "web ends with exit code 1" in run.text
    assert "its tasks taken away" in run.text or "circuit breaker" in run.text
    project.cloud.scheduler("ok")
    project.up().ended(0)


def test_more_tasks_that_all_crash_do_not_hang_until_the_timeout(served: Project) -> None:
    served.cloud.tempo(task=0.05)
    served.cloud.scheduler("crash", "web")
    served.edit(("count: 1", "count: 2"))
    began = time.monotonic()
    run = served.run("up", "--timeout", "60s", *IMAGES).ended(1)
    assert time.monotonic() - began < 50 and "exit code 1" in run.text
    served.cloud.scheduler("ok")


def test_the_verdict_is_data_too(project: Project) -> None:
    project.cloud.scheduler("crash", "web")
    run = project.up("--json").ended(1)
    verdict = run.summary["verdicts"]["web"]
    assert verdict["cause"] == "exit-code" and verdict["serving"] is None and verdict["advice"]
    assert verdict["evidence"]["tasks"][0]["containers"][0]["exit_code"] == 1
    document = project.run("status", "--json").json
    web = next(one for one in document["services"] if one["name"] == "web")
    assert web["verdict"]["cause"] == "exit-code" and (
        "web: the rollout of voting-web:1 failed; nothing serves" in web["reasons"]
    )
    project.cloud.scheduler("ok")


def test_where_the_time_went(project: Project, tmp_path: Path) -> None:
    project.cloud.tempo(task=3)
    chart = tmp_path / "chart.html"
    run = project.up("--timeline", str(chart)).ended(0)
    line = run.err.strip().splitlines()[-1]
    assert "web" in line and "the longest chain was" in line and "service." in line.partition("chain was")[2]
    page = chart.read_text()
    assert page.startswith("<!doctype html>") and "service.web" in page and "http" not in page.replace("xhttp", "")
    assert project.run("up", *IMAGES, "--timeline", "/nowhere/x.html").code == 0


def test_a_quick_run_says_nothing_of_its_time(served: Project) -> None:
    assert "longest chain" not in served.run("up", *IMAGES).ended(0).err


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_is_wrong_changes_nothing(served: Project, hours: int) -> None:
    """AWS's own times are compared with each other, never with this machine's."""
    run = wrong_clock(served, hours, "up", *NEW)
    assert run.returncode == 0, run.stderr
    served.cloud.scheduler("crash", "web")
    run = wrong_clock(served, hours, "up", "--image", "web=registry.invalid/web:3", *IMAGES[2:])
    assert run.returncode == 1 and "web ends with exit code 1" in " ".join(run.stderr.split()), run.stderr
    served.cloud.scheduler("ok")


def wrong_clock(project: Project, hours: int, *args: str) -> subprocess.CompletedProcess[str]:
    """`deployer` where the wall clock jumps by so much with every other look."""
    code = (
        "import sys, time, itertools; true, turn = time.time, itertools.count(); "
        f"time.time = lambda: true() + next(turn) % 2 * {hours} * 3600; "
        f"sys.argv = ['deployer', *{list(args)!r}]; from deployer.cli import main; main()"
    )
    env = path(project.cloud.env())
    return subprocess.run([sys.executable, "-c", code], cwd=project.folder, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip


@pytest.mark.parametrize("named", ["none", "the one before"])
def test_the_service_deployment_is_found_where_the_answer_does_not_name_it(scene: Scene, named: str) -> None:
    ecs = scene.cloud.client("ecs", hidden=True)

    def deployments() -> list[str]:
        found = ecs.list_service_deployments(cluster="voting", service="web")["serviceDeployments"]
        return [one["serviceDeploymentArn"] for one in sorted(found, key=lambda one: one["createdAt"])]

    def lagging(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        before, answer = deployments()[-1], ask()
        del answer["service"]["currentServiceDeployment"]
        return answer if named == "none" else {"service": answer["service"] | {"currentServiceDeployment": before}}

    time.sleep(2.5)  # more than the times of a deployment may differ
    scene.between.rules |= {"UpdateService": lagging, "DescribeServiceDeployments": lambda asked, ask: ask()}
    scene.cloud.scheduler("stuck", "web")
    scene.run("up", "--timeout", "4s", *NEW).ended(1)
    followed = [asked["serviceDeploymentArns"] for asked in scene.between.asked["DescribeServiceDeployments"]]
    assert followed[-1] == deployments()[-1:]


def test_throttled_while_a_restart_is_watched(served: Project) -> None:
    served.cloud.fault("throttle", "ecs", "DescribeServiceDeployments", times=12)
    served.run("restart", "web").ended(0)
