"""`rollback` and `restart`, and what the next `up` makes of them."""

from __future__ import annotations

import pytest

from tests.whole.project import IMAGES, Project, Terminal, until

NEW = ("--image", "web=registry.invalid/web:2", *IMAGES[2:])


def running(project: Project) -> str:
    ecs = project.cloud.client("ecs", hidden=True)
    service = ecs.describe_services(cluster="voting", services=["web"])["services"][0]
    return str(service["taskDefinition"]).rpartition("/")[2]


@pytest.fixture
def two(project: Project) -> Project:
    """Two healthy revisions, the second serving."""
    project.up().ended(0)
    project.run("up", *NEW).ended(0)
    assert running(project) == "voting-web:2"
    return project


def test_it_goes_back_to_the_last_healthy_revision(two: Project) -> None:
    listed = two.run("rollback", "web", "--list").ended(0)
    assert "voting-web:1" in listed.out and listed.mutations == []
    run = two.run("rollback", "web").ended(0)
    assert running(two) == "voting-web:1" and "going back to voting-web:1" in run.err
    assert two.record("service.web")["inputs"]["task_definition"].endswith("voting-web:1")
    assert two.run("status", "--check").code == 0


def test_the_next_up_does_not_undo_it_in_silence(two: Project) -> None:
    two.run("rollback", "web").ended(0)
    run = two.run("up", *NEW).ended(2)
    assert run.mutations == [] and "deployer rollback" in run.err and "voting-web:1" in two.run("plan", *NEW).out
    shown = Terminal.begin(two, "up", *NEW).say("go ahead?", "n\n").end(2)
    assert "back to a former revision" in " ".join(shown.split()) and running(two) == "voting-web:1"
    two.run("up", "-y", *NEW).ended(0)
    assert running(two) == "voting-web:2"


def test_another_image_goes_forward_unasked(two: Project) -> None:
    two.run("rollback", "web").ended(0)
    two.run("up", "--image", "web=registry.invalid/web:3", *IMAGES[2:]).ended(0)
    assert running(two) == "voting-web:3"


@pytest.mark.parametrize("name", ["1", "voting-web:1"])
def test_to_names_a_revision(two: Project, name: str) -> None:
    two.run("rollback", "web", "--to", name).ended(0)
    assert running(two) == "voting-web:1"


def test_what_it_cannot_do_is_said(two: Project) -> None:
    assert "voting-web:1" in two.run("rollback", "web", "--to", "9").ended(2).err
    assert "Name one: redis, web" in two.run("rollback").ended(2).err
    assert "There is: redis, web" in two.run("rollback", "nobody").ended(2).err
    assert "no former revision" in two.run("rollback", "redis").ended(1).err
    listed = two.run("rollback", "web", "--list", "--json").json
    assert listed["current"] == "voting-web:2"
    assert [(one["revision"], one["healthy"]) for one in listed["formers"]] == [("voting-web:1", True)]


def test_where_nothing_is_deployed_it_is_4(project: Project) -> None:
    assert project.run("rollback", "web").code == 4
    assert project.run("restart").code == 4


def test_a_rollout_under_way_is_stopped(two: Project) -> None:
    two.cloud.scheduler("stuck", "web")
    two.run("up", "--no-wait", "--image", "web=registry.invalid/web:3", *IMAGES[2:]).ended(0)
    assert running(two) == "voting-web:3"
    two.cloud.forget_calls()
    run = two.run("rollback").ended(0)
    assert "ecs.StopServiceDeployment" in run.mutations and "ecs.UpdateService" not in run.mutations
    two.cloud.scheduler("ok", "web")
    assert running(two) == "voting-web:2"
    assert two.record("service.web")["inputs"]["task_definition"].endswith("voting-web:2")
    assert two.run("status", "--check").code == 0


def test_without_service_deployments_it_goes_back_all_the_same(two: Project) -> None:
    for operation in ("ListServiceDeployments", "DescribeServiceDeployments", "DescribeServiceRevisions"):
        two.cloud.fault("error", "ecs", operation, times=99, code="UnknownOperationException")
    two.run("rollback", "web").ended(0)
    assert running(two) == "voting-web:1"


def test_a_rollback_that_fails_is_a_failure_with_a_verdict(two: Project) -> None:
    two.cloud.scheduler("crash", "web")
    run = two.run("rollback", "web").ended(1)
    assert "the rollout of voting-web:1 failed; voting-web:2" in run.text
    two.cloud.scheduler("ok", "web")


def test_restart_replaces_the_tasks_and_nothing_else(two: Project) -> None:
    ecs = two.cloud.client("ecs", hidden=True)
    before = set(ecs.list_tasks(cluster="voting", serviceName="web")["taskArns"])
    run = two.run("restart", "web").ended(0)
    assert run.mutations == ["ecs.UpdateService"]
    until(lambda: not before & set(ecs.list_tasks(cluster="voting", serviceName="web")["taskArns"]))
    assert running(two) == "voting-web:2"
    assert two.run("up", *NEW).ended(0).mutations == []
    both = two.run("restart").ended(0)
    assert both.mutations == ["ecs.UpdateService"] * 2


def test_restart_that_fails_says_why(two: Project) -> None:
    two.cloud.scheduler("crash", "web")
    run = two.run("restart", "web", "--json").ended(1)
    assert run.summary["verdicts"]["web"]["cause"] == "exit-code"
    two.cloud.scheduler("ok", "web")
