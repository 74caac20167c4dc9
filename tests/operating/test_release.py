"""`release`: once on the new revision, before anything of it is rolled out; if it fails, nothing is."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from tests.operating.between import Between
from tests.whole.project import IMAGES, Project, until

RELEASE = "release: [./manage.py, migrate]"
UNBUILT = ("build: .", "image: registry.invalid/web:1"), ("redis:7-alpine", "registry.invalid/redis:7")
NEW = ("--image", "web=registry.invalid/web:2")


@pytest.fixture
def released(project: Project) -> Project:
    """The voting app with a release command for web, which ends well."""
    project.edit(("  web:\n", f"  web:\n    {RELEASE}\n"))
    project.cloud.oneoff(0)
    return project


def runs(project: Project) -> list[dict[str, Any]]:
    """The tasks of the release command that ECS still knows, oldest first."""
    ecs = project.cloud.client("ecs", hidden=True)
    arns = []
    for wanted in ("RUNNING", "STOPPED"):
        arns += ecs.list_tasks(cluster="voting", family="voting-web", desiredStatus=wanted)["taskArns"]
    found = ecs.describe_tasks(cluster="voting", tasks=arns, include=["TAGS"])["tasks"] if arns else []
    ours = [task for task in found if task.get("startedBy", "").startswith("deployer/release/")]
    return sorted(ours, key=lambda task: task["createdAt"])


def status(project: Project, key: str) -> str:
    """As recorded by now; empty if it is not."""
    if not project.state_file.exists():
        return ""
    return next((record["status"] for record in project.state["records"] if record["key"] == key), "")


def serves(project: Project) -> str:
    ecs = project.cloud.client("ecs", hidden=True)
    (service,) = ecs.describe_services(cluster="voting", services=["web"])["services"]
    return str(service["taskDefinition"].rpartition("/")[2])


def commands(project: Project) -> list[list[str]]:
    return [task["overrides"]["containerOverrides"][0]["command"] for task in runs(project)]


def test_it_runs_before_the_service_is_there_and_only_once(released: Project) -> None:
    assert "+ release.web  ./manage.py migrate" in released.plan().ended(0).out
    first = released.up().ended(0)
    order = [call for call in first.mutations if call in ("ecs.RunTask", "ecs.CreateService")]
    assert order[-2:] == ["ecs.RunTask", "ecs.CreateService"] and order.count("ecs.RunTask") == 1
    (task,) = runs(released)
    ecs = released.cloud.client("ecs", hidden=True)
    (service,) = ecs.describe_services(cluster="voting", services=["web"])["services"]
    assert task["taskDefinitionArn"] == service["taskDefinition"]
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    inside = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
    assert inside["subnetId"] in network["subnets"]
    tags = {tag["key"]: tag["value"] for tag in task["tags"]}
    assert (tags["deployer:stack"], tags["deployer:key"]) == ("voting", "release.web")
    again = released.up().ended(0)
    assert again.mutations == [] and "nothing to do" in again.out


def test_on_a_new_image_it_runs_before_the_rollout(released: Project) -> None:
    released.up().ended(0)
    run = released.up(*NEW).ended(0)
    assert run.mutations.index("ecs.RunTask") < run.mutations.index("ecs.UpdateService")
    assert [task["taskDefinitionArn"].rpartition("/")[2] for task in runs(released)] == ["voting-web:1", "voting-web:2"]
    assert serves(released) == "voting-web:2"
    assert released.up(*NEW).ended(0).mutations == []


def test_failed_nothing_is_rolled_and_the_next_up_runs_it_again(released: Project) -> None:
    released.up().ended(0)
    released.cloud.oneoff(4, "applying 0042_colour", "relation votes does not exist", "password=hunter2")
    run = released.up(*NEW).ended(1)
    assert "ecs.UpdateService" not in run.mutations and serves(released) == "voting-web:1"
    assert "web: the release command of voting-web:2 failed; voting-web:1 still serves, nothing was rolled" in run.text
    assert "`./manage.py migrate` ended with exit code 4." in run.text and "web: exit code 4" in run.text
    assert "| applying 0042_colour" in run.err and "| relation votes does not exist" in run.err
    assert "hunter2" not in run.text
    assert "Steps not begun because of that: service.web." in run.err
    assert released.up(*NEW).ended(1).mutations == ["ecs.RunTask"], "it fails again"
    released.cloud.oneoff(0)
    assert released.up(*NEW).ended(0).mutations[:2] == ["ecs.RunTask", "ecs.UpdateService"]
    assert serves(released) == "voting-web:2" and len(runs(released)) == 4
    assert released.up(*NEW).ended(0).mutations == []


def test_its_verdict_is_data_with_json(released: Project) -> None:
    released.cloud.oneoff(3, "no")
    summary = released.up("--json").ended(1).summary
    verdict = summary["verdicts"]["web"]
    assert (verdict["revision"], verdict["serving"]) == ("voting-web:1", None)
    assert verdict["release"] == "./manage.py migrate"
    assert verdict["evidence"]["log"] == ["no"]
    assert verdict["evidence"]["tasks"][0]["containers"][0]["exit_code"] == 3
    assert "nothing was rolled" in summary["errors"]["release.web"]


def test_another_command_runs_alone(released: Project) -> None:
    released.up().ended(0)
    released.edit(("migrate]", "seed]"))
    assert "~ release.web  ./manage.py seed  (command: runs again)" in released.plan().ended(0).out
    assert released.up().ended(0).mutations == ["ecs.RunTask"]
    assert commands(released) == [["./manage.py", "migrate"], ["./manage.py", "seed"]]
    assert released.up().ended(0).mutations == []


def test_a_text_is_split_and_may_name_other_services(released: Project) -> None:
    released.edit((RELEASE, "release: ./wait ${services.redis.host} 'a b'"))
    released.up().ended(0)
    ((program, host, last),) = commands(released)
    assert (program, last) == ("./wait", "a b") and "voting-redis" in host


def test_it_waits_for_the_services_it_may_talk_to(released: Project) -> None:
    released.cloud.scheduler("stuck", "redis")
    with released.begin("up", *IMAGES) as process:
        until(lambda: status(released, "service.redis") == "made")
        time.sleep(1.5)
        assert runs(released) == []
        released.cloud.scheduler("ok")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert "The service redis is not steady yet, and release.web waits for it." in err
    assert len(runs(released)) == 1


@pytest.mark.parametrize("fault", ["lost", "throttle", "500"])
def test_whatever_becomes_of_the_answer_it_runs_once(released: Project, fault: str) -> None:
    released.cloud.fault(fault, "ecs", "RunTask")
    released.up().ended(0)
    assert len(runs(released)) == 1
    assert released.up().ended(0).mutations == []


def test_killed_after_run_task_the_next_up_waits_for_the_same_task(released: Project) -> None:
    """While it still runs; one that has ended meanwhile, unseen, runs again."""
    released.cloud.oneoff(None)
    released.cloud.fault("kill-after", "ecs", "RunTask")
    assert released.up().code == -signal.SIGKILL
    (task,) = runs(released)
    with released.begin("up", *IMAGES) as process:
        until(lambda: status(released, "release.web") == "made")
        assert released.record("release.web")["id"] == task["taskArn"]
        released.cloud.oneoff(0)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(runs(released)) == 1
    assert released.up().ended(0).mutations == []


def test_killed_while_it_runs_and_over_before_anybody_looks_it_is_believed(released: Project) -> None:
    released.cloud.oneoff(None)
    with released.begin("up", *IMAGES) as process:
        until(lambda: status(released, "release.web") == "made")
        process.kill()
        process.communicate()
    released.cloud.oneoff(0)
    until(lambda: runs(released)[0]["lastStatus"] == "STOPPED")
    assert released.up().ended(0).mutations == ["ecs.CreateService"]
    assert len(runs(released)) == 1


def test_time_is_up_it_goes_on_and_that_is_said(released: Project) -> None:
    released.cloud.oneoff(None)
    run = released.up("--timeout", "6s").ended(1)
    assert "running `./manage.py migrate`" in run.text
    assert "Its command goes on running; the next `deployer up` waits for it." in run.text
    assert runs(released)[0]["lastStatus"] == "RUNNING"
    released.cloud.oneoff(0)
    assert released.up().ended(0).mutations == ["ecs.CreateService"]


def test_ctrl_c_leaves_it_running_and_says_so(released: Project) -> None:
    released.cloud.oneoff(None)
    with released.begin("up", *IMAGES) as process:
        until(lambda: status(released, "release.web") == "made")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "The release command of web goes on: the next `deployer up` waits for it." in err
    assert runs(released)[0]["desiredStatus"] == "RUNNING"
    assert released.down().ended(0).mutations.count("ecs.StopTask") == 1
    assert released.cloud.is_empty()


def test_a_former_one_that_still_runs_is_waited_for(released: Project) -> None:
    released.cloud.oneoff(None)
    released.up("--timeout", "6s").ended(1)
    released.edit(("migrate]", "seed]"))
    with released.begin("up", *IMAGES) as process:
        until(lambda: status(released, "release.web") == "creating")
        time.sleep(0.7)
        assert len(runs(released)) == 1
        released.cloud.oneoff(0)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert "A release command of voting-web:1 still runs, and release.web waits for it." in err
    assert commands(released) == [["./manage.py", "migrate"], ["./manage.py", "seed"]]


def test_without_waiting_it_is_waited_for_all_the_same(released: Project) -> None:
    released.cloud.oneoff(4)
    run = released.up("--no-wait").ended(1)
    assert "ecs.CreateService" in run.mutations, "redis"
    assert serves_nothing(released)
    released.cloud.oneoff(0)
    assert released.up("--no-wait").ended(0).mutations == ["ecs.RunTask", "ecs.CreateService"]


def serves_nothing(project: Project) -> bool:
    ecs = project.cloud.client("ecs", hidden=True)
    return not ecs.describe_services(cluster="voting", services=["web"])["services"]


def test_a_lost_record_is_made_again_and_it_does_not_run_again(released: Project) -> None:
    released.edit(*UNBUILT)
    released.run("up").ended(0)
    released.state_file.unlink()
    released.run("state", "rebuild").ended(0)
    run = released.run("up").ended(0)
    assert run.mutations == [] and len(runs(released)) == 1


def test_a_lost_record_of_a_revision_that_never_served_runs_it_again(released: Project) -> None:
    released.edit(*UNBUILT)
    released.run("up").ended(0)
    released.edit(("web:1", "web:2"))
    released.cloud.oneoff(4)
    released.run("up").ended(1)
    released.state_file.unlink()
    released.run("state", "rebuild").ended(0)
    released.cloud.oneoff(0)
    assert released.run("up").ended(0).mutations.count("ecs.RunTask") == 1
    assert serves(released) == "voting-web:2"


def test_no_longer_wanted_it_goes_without_a_question_and_down_leaves_nothing(released: Project) -> None:
    released.up().ended(0)
    released.edit((f"    {RELEASE}\n", ""))
    run = released.run("up", *IMAGES).ended(0)
    assert run.mutations == [] and "release.web" not in [record["key"] for record in released.state["records"]]
    released.edit(("  web:\n", f"  web:\n    {RELEASE}\n"))
    released.up().ended(0)
    released.down().ended(0)
    assert released.cloud.is_empty()


def test_what_could_not_be_started_is_tried_again(released: Project, between: Between) -> None:
    """A role made seconds ago: nothing of the command has run. Another kind of end is one."""
    said = "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x' that was provided for this task."
    refused: list[str] = []

    def describe(asked: dict[str, Any], ask: Any) -> dict[str, Any]:
        answer: dict[str, Any] = ask()
        for task in answer["tasks"]:
            if task.get("startedBy", "").startswith("deployer/release/") and refused[:1] in ([], [task["taskArn"]]):
                refused.append(task["taskArn"])
                task.update(lastStatus="STOPPED", stopCode="TaskFailedToStart", stoppedReason=said)
                task.pop("startedAt", None)
                task["containers"][0].pop("exitCode", None)
        return answer

    between.rules["DescribeTasks"] = describe
    run = released.up("-y", env={"AWS_ENDPOINT_URL_ECS": between.url}).ended(0)
    assert len(runs(released)) == 2 and "it could not be started, which may pass" in run.err
    assert released.up().ended(0).mutations == []
