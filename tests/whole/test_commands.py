"""Every command and option of the contract, with its exit codes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.whole.project import IMAGES, Project, Terminal, until

# --- up


def test_up_prints_the_address_of_what_is_public(project: Project) -> None:
    run = project.up().ended(0)
    host = project.record("load-balancer.web")["outputs"]["host"]
    assert f"web: http://{host}" in run.out.splitlines()


def test_an_update_goes_ahead_without_asking(project: Project) -> None:
    project.stand()
    project.edit(("count: 1", "count: 2"))
    assert project.up().ended(0).mutations == ["ecs.UpdateService", "ecs.TagResource"]
    assert any("desired 2" in each for each in project.cloud.inventory()["services"])


def test_another_image_is_a_new_revision_and_keeps_the_former_for_a_rollback(project: Project) -> None:
    project.stand()
    project.run("up", "--image", "web=registry.invalid/web:2", *IMAGES[2:]).ended(0)
    assert "task-definition.web: 2" in project.cloud.inventory()["task_definitions"]
    assert project.record("task-definition.web")["inputs"]["image"] == "registry.invalid/web:2"


def test_no_wait_returns_before_the_services_are_healthy(project: Project) -> None:
    project.cloud.scheduler("stuck")
    project.up("--no-wait").ended(0)
    assert len(project.cloud.inventory()["services"]) == 2
    assert project.run("status", "--check").code == 5
    project.cloud.scheduler("ok")
    project.up().ended(0)
    assert project.run("status", "--check").code == 0


def test_the_timeout_ends_the_waiting_with_what_was_awaited(project: Project) -> None:
    project.cloud.scheduler("stuck")
    run = project.up("--timeout", "3s").ended(1)
    assert "service.web" in run.text and "time is up" in run.text and "0 of 1 tasks running" in run.text
    assert "--timeout" in run.text
    project.cloud.scheduler("ok")
    project.up().ended(0)


@pytest.mark.parametrize("duration", ["soon", "", "-5s", "5 minutes", "1d"])
def test_a_duration_that_makes_no_sense_is_bad_usage(project: Project, duration: str) -> None:
    assert project.up(f"--timeout={duration}").ended(2).calls == []


@pytest.mark.parametrize("number", ["0", "65", "many"])
def test_parallel_takes_a_number_from_1_to_64(project: Project, number: str) -> None:
    assert project.up("--parallel", number).ended(2).calls == []


def test_one_step_at_a_time_is_enough(project: Project) -> None:
    project.up("--parallel", "1").ended(0)
    calls = sorted((call for call in project.cloud.calls() if call.mutating), key=lambda call: call.started)
    assert all(former.finished <= later.started for former, later in pairwise(calls))


@pytest.mark.parametrize("args", [
    ("--image", "web"), ("--image", "=registry.invalid/web:1"), ("--image", "web="), ("--image", "nobody=x:1"),
])  # fmt: skip
def test_an_image_has_to_be_given_as_service_and_reference(project: Project, args: tuple[str, ...]) -> None:
    run = project.run("up", *args).ended(2)
    assert run.calls == [] and run.err.startswith("Error: ")


def test_no_build_reuses_the_recorded_image_and_refuses_when_there_is_none(project: Project) -> None:
    run = project.run("up", "--no-build", *IMAGES[2:]).ended(2)
    assert run.mutations == [] and "no image of web is recorded" in run.text


def test_strict_makes_warnings_errors(project: Project) -> None:
    project.edit(("redis:7-alpine", "redis:latest"))
    run = project.run("up", "--image", IMAGES[1], "--strict").ended(2)
    assert run.calls == [] and "latest" in run.err


# --- plan


def test_plan_is_up_with_plan_and_changes_nothing(project: Project) -> None:
    run = project.plan().ended(0)
    assert run.mutations == [] and "to create" in run.out
    assert project.up("--plan").ended(0).out == run.out
    assert project.cloud.is_empty() and not project.state_file.exists()


def test_plan_says_why(project: Project) -> None:
    project.stand()
    project.edit(("count: 1", "count: 3"), ("10.0.0.0/16", "10.9.0.0/16"))
    plan = project.plan().ended(0)
    assert "vpc.main" in plan.out and "cidr" in plan.out and "10.9.0.0/16" in plan.out
    steps = {step["key"]: step for step in project.plan("--json").ended(0).json["steps"]}
    assert steps["vpc.main"]["action"] == "replace" and "cidr" in steps["vpc.main"]["reason"]
    assert {"field": "count", "old": 1, "new": 3} in steps["service.web"]["changes"]
    assert steps["cluster.main"]["action"] == "keep"


def test_the_detailed_exit_code_follows_terraform(project: Project) -> None:
    assert project.plan("--detailed-exitcode").code == 2
    project.up().ended(0)
    assert project.plan("--detailed-exitcode").code == 0
    project.file.write_text("name: [")
    assert project.plan("--detailed-exitcode").code == 1
    assert project.plan().code == 2


def test_plan_needs_no_lock_and_writes_nothing(project: Project) -> None:
    project.stand()
    before = sorted(path.name for path in project.state_file.parent.iterdir())
    project.plan().ended(0)
    assert sorted(path.name for path in project.state_file.parent.iterdir()) == before


# --- confirmation


def moved(project: Project) -> None:
    project.edit(("10.0.0.0/16", "10.1.0.0/16"))


def test_without_a_terminal_a_needed_question_is_an_error_and_nothing_is_changed(project: Project) -> None:
    project.stand()
    for run in (project.run("down"), (moved(project), project.up())[1]):
        assert run.ended(2).mutations == []
        assert "no terminal" in run.text and "--yes" in run.text


def test_another_network_replaces_everything_in_it_and_leaves_nothing_of_the_old_one(project: Project) -> None:
    project.stand()
    moved(project)
    run = project.up("-y", "--json").ended(0)
    assert run.summary["replaced"] >= 10
    inventory = project.cloud.inventory()
    assert inventory["vpcs"] == ["vpc.main 10.1.0.0/16"] and len(inventory["services"]) == 2
    assert project.up().ended(0).mutations == []


def test_answering_no_changes_nothing(project: Project) -> None:
    project.stand()
    before = project.cloud.inventory()
    project.cloud.forget_calls()
    shown = Terminal.begin(project, "down").say("[y/N]", "n\r").end(2)
    assert "voting" in shown and "nothing was changed" in shown
    moved(project)
    Terminal.begin(project, "up", *IMAGES).say("[y/N]", "n\r").end(2)
    assert not any(call.mutating for call in project.cloud.calls())
    assert project.cloud.inventory() == before


def test_answering_yes_goes_ahead(project: Project) -> None:
    project.stand()
    moved(project)
    Terminal.begin(project, "up", *IMAGES).say("[y/N]", "y\r").end(0)
    assert project.cloud.inventory()["vpcs"] == ["vpc.main 10.1.0.0/16"]
    Terminal.begin(project, "down").say("[y/N]", "y\r").end(0)
    assert project.cloud.is_empty()


def test_what_only_creates_or_updates_is_not_asked_about_on_a_terminal_either(project: Project) -> None:
    assert "[y/N]" not in Terminal.begin(project, "up", *IMAGES).end(0)


# --- status


def test_status_of_what_is_not_deployed_is_4(project: Project) -> None:
    run = project.run("status").ended(4)
    assert "not deployed" in run.err and "deployer up" in run.err


def test_the_status_document(project: Project) -> None:
    project.stand()
    document = project.run("status", "--json").ended(0).json
    assert set(document) == {"stack", "environment", "account", "region", "healthy", "services", "resources"}
    assert (document["stack"], document["environment"], document["healthy"]) == ("voting", None, True)
    assert (document["account"], document["region"]) == ("123456789012", "us-east-1")
    web = next(one for one in document["services"] if one["name"] == "web")
    assert web.pop("since") > 0 and {"at", "message"} == set(web.pop("events")[0])
    assert web == {
        "name": "web", "desired": 1, "running": 1, "pending": 0, "rollout": "COMPLETED",
        "image": "registry.invalid/web:1", "task_definition": "voting-web:1",
        "url": f"http://{project.record('load-balancer.web')['outputs']['host']}",
        "targets": {"healthy": 1, "total": 1}, "reasons": [], "verdict": None,
    }  # fmt: skip
    assert [one["url"] for one in document["services"] if one["name"] == "redis"] == [None]
    for item in document["resources"]:
        assert set(item) == {"key", "type", "id", "arn", "state", "drift"} and item["drift"] == []
        assert item["state"] == "present" and item["key"].startswith(f"{item['type']}.")
    assert len(document["resources"]) == len(project.state["records"])
    assert project.run("status", "--check").code == 0


def test_status_shows_what_is_missing_and_check_says_5(project: Project) -> None:
    project.stand()
    project.cloud.client("logs", hidden=True).delete_log_group(logGroupName=project.record("log-group.web")["id"])
    run = project.run("status").ended(0)
    assert "missing" in run.out and "log-group.web" in run.out and "not healthy" in run.out
    assert project.run("status", "--check").code == 5


def test_status_changes_nothing(project: Project) -> None:
    project.stand()
    before = project.state_file.read_bytes()
    assert project.run("status").ended(0).mutations == []
    assert project.state_file.read_bytes() == before


def test_watching_ends_with_ctrl_c(project: Project) -> None:
    project.stand()
    process = project.begin("status", "--watch")
    assert process.stdout
    assert process.stdout.readline().startswith("voting")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130) and "Traceback" not in err


# --- rollouts that fail


@pytest.mark.parametrize("mode, reason", [
    ("crash", "Essential container in task exited"), ("unhealthy", "health checks"),
])  # fmt: skip
def test_a_rollout_that_fails_ends_with_its_reason_and_the_mending_up_works(
    project: Project, mode: str, reason: str
) -> None:
    project.cloud.scheduler(mode, "web")
    run = project.up().ended(1)
    assert "service.web" in run.err and reason in run.text and "nothing serves" in run.text
    assert "The deployment was stopped" in run.text or "circuit breaker" in run.text  # whichever was first
    status = project.run("status", "--json").ended(0).json
    web = next(one for one in status["services"] if one["name"] == "web")
    assert not status["healthy"] and reason in " ".join(" ".join(web["reasons"]).split())
    project.cloud.scheduler("ok", "web")
    project.up().ended(0)
    assert project.run("status", "--check").code == 0


def test_a_rollout_that_was_rolled_back_is_a_failure(project: Project) -> None:
    project.stand()
    project.cloud.scheduler("crash", "web")
    run = project.run("up", "--image", "web=registry.invalid/web:2", *IMAGES[2:]).ended(1)
    assert "voting-web:2 failed" in run.text and "voting-web:1" in run.text
    project.cloud.scheduler("ok", "web")
    project.run("up", "--image", "web=registry.invalid/web:3", *IMAGES[2:]).ended(0)
    document = project.run("status", "--json").ended(0).json
    assert next(one["image"] for one in document["services"] if one["name"] == "web") == "registry.invalid/web:3"


# --- down


def test_down_leaves_the_account_as_it_was_and_no_record(project: Project) -> None:
    project.stand()
    run = project.down("--json").ended(0)
    assert project.cloud.is_empty() and not project.state_file.exists()
    assert run.summary["deleted"] >= 40 and run.summary["failed"] == 0


def test_down_plan_shows_what_would_go_and_changes_nothing(project: Project) -> None:
    project.stand()
    run = project.run("down", "--plan").ended(0)
    assert run.mutations == [] and "vpc.main" in run.out and "to delete" in run.out
    steps = project.run("down", "--plan", "--json").ended(0).json["steps"]
    assert {step["action"] for step in steps} == {"delete"}


def test_down_leaves_other_stacks_alone(project: Project, other: Callable[[str], Project]) -> None:
    second = other("second")
    second.edit(("name: voting", "name: polls"))
    second.run("up", *IMAGES).ended(0)
    alone = project.cloud.inventory()
    project.up().ended(0)
    project.down().ended(0)
    assert project.cloud.inventory() == alone


# --- the file


def test_another_file_keeps_its_state_beside_it(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run = project.run("up", *IMAGES, "-f", str(project.file), cwd=elsewhere).ended(0)
    assert project.state_file.exists() and not any(elsewhere.iterdir())
    assert project.run("status", "--file", f"../{project.folder.name}/deploy.yaml", cwd=elsewhere).code == 0
    assert run.mutations


def test_each_environment_is_a_stack_with_a_state_of_its_own(project: Project) -> None:
    text = project.file.read_text()
    project.file.write_text(text + "\nenvironments:\n  prod: {services: {web: {count: 2}}}\n  test: {}\n")
    project.up("--env", "prod").ended(0)
    project.up("--env", "test").ended(0)
    folder = project.state_file.parent
    assert {path.name for path in folder.glob("*.json")} == {"voting-prod.json", "voting-test.json"}
    document = project.run("status", "--json", "--env", "prod").ended(0).json
    assert (document["stack"], document["environment"]) == ("voting-prod", "prod")
    assert next(one["desired"] for one in document["services"] if one["name"] == "web") == 2
    assert project.run("status").code == 4
    project.down("--env", "test").ended(0)
    assert project.run("status", "--env", "prod", "--check").code == 0
    assert project.run("status", "--env", "nope").code == 2
    project.down("--env", "prod").ended(0)
    assert project.cloud.is_empty()


def test_a_service_that_leaves_the_file_leaves_the_account(project: Project) -> None:
    project.stand()
    text = project.file.read_text()
    start, end = text.index("  redis:\n"), text.index("  web:\n")
    project.file.write_text(
        "".join(line for line in (text[:start] + text[end:]).splitlines(True) if "${services.redis" not in line)
        .replace("    environment:                    # OPTION_A, OPTION_B and TITLE may be set here too\n", "")
    )  # fmt: skip
    assert project.run("up", *IMAGES[:2]).ended(2).mutations == []
    project.run("up", *IMAGES[:2], "-y").ended(0)
    inventory = project.cloud.inventory()
    assert len(inventory["services"]) == 1 and not any("redis_lb" in each for each in inventory["security_groups"])
    assert project.run("up", *IMAGES[:2]).ended(0).mutations == []


def test_a_renamed_service_is_a_new_one_and_the_old_one_goes(project: Project) -> None:
    project.stand()
    project.edit(("  web:\n", "  front:\n"))
    images = ("--image", "front=registry.invalid/web:1", *IMAGES[2:])
    project.run("up", *images, "-y").ended(0)
    assert {each.split()[0] for each in project.cloud.inventory()["services"]} == {"service.front", "service.redis"}
    assert project.run("up", *images).ended(0).mutations == []


def test_a_renamed_stack_is_another_one(project: Project) -> None:
    project.stand()
    project.edit(("name: voting", "name: polls"))
    assert project.run("status").code == 4
    project.up().ended(0)
    assert len(project.cloud.inventory()["vpcs"]) == 2


@pytest.mark.parametrize("old, new", [
    ("nat: none", "nat: single"), ("nat: none", "nat: per-zone"), ("zones: 2", "zones: 3"),
    ("load_balancer: internal", "load_balancer: {scheme: internal, type: network, port: 6380}"),
])  # fmt: skip
def test_the_topology_may_be_changed_there_and_back(project: Project, old: str, new: str) -> None:
    project.stand()
    before = project.cloud.inventory()
    project.edit((old, new))
    project.up("-y").ended(0)
    assert project.cloud.inventory() != before
    assert project.up().ended(0).mutations == []
    project.edit((new, old))
    project.up("-y").ended(0)
    kinds = set(before) - {"task_definitions"}
    assert {kind: project.cloud.inventory()[kind] for kind in kinds} == {kind: before[kind] for kind in kinds}
    project.down().ended(0)
    assert project.cloud.is_empty()


# --- state


def test_state_show(project: Project) -> None:
    assert project.run("state", "show").ended(4).calls == []
    project.up().ended(0)
    shown = project.run("state", "show").ended(0)
    assert shown.calls == [] and "vpc.main" in shown.out and project.state["id"] in shown.out
    assert project.run("state", "show", "--json").ended(0).json == project.state


def test_rebuild_refuses_to_overwrite_a_state(project: Project) -> None:
    project.stand()
    before = project.state_file.read_bytes()
    run = project.run("state", "rebuild").ended(1)
    assert "There is a record" in run.err and project.state_file.read_bytes() == before


def test_rebuild_of_what_does_not_exist_is_4(project: Project) -> None:
    project.run("state", "rebuild").ended(4)


def test_unlock_where_nobody_holds_the_stack(project: Project) -> None:
    assert "Nobody" in project.run("state", "unlock").ended(0).out


def test_two_runs_at_once_are_refused_naming_the_holder(project: Project) -> None:
    project.cloud.latency(0.1)
    process = project.begin("up", *IMAGES)
    until(lambda: any(call.mutating for call in project.cloud.calls()))
    for args in (("up", *IMAGES), ("down", "-y"), ("state", "unlock"), ("push-image",)):
        refused = project.start(args, project.cloud.env(), project.folder).ended(3)
        assert f"pid {process.pid}" in refused.err and "`up`" in refused.err
    assert project.start(("status",), project.cloud.env(), project.folder).code == 0
    project.cloud.latency(0)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(project.cloud.inventory()["vpcs"]) == 1


def test_the_lock_dies_with_its_owner(project: Project) -> None:
    project.cloud.fault("kill-before", mutating=True, nth=5)
    assert project.up().code == -signal.SIGKILL
    assert project.run("state", "unlock").code == 0
    project.up().ended(0)


# --- interruption


def interrupted(project: Project, *signals: int) -> tuple[int, str]:
    """`up` in a slow cloud gets the signals, the first amid its calls; the exit code and what it said."""
    project.cloud.latency(0.15)
    project.cloud.forget_calls()
    process = project.begin("up", *IMAGES)
    until(lambda: sum(call.mutating for call in project.cloud.calls()) >= 8)
    assert process.stderr
    said = ""
    for number in signals:
        process.send_signal(number)
        if number is not signals[-1]:
            while "Stopping" not in said:
                said += process.stderr.readline()
    _, rest = process.communicate(timeout=60)
    time.sleep(0.3)  # twice the latency: the calls that were under way are carried out all the same
    project.cloud.latency(0)
    assert "Traceback" not in said + rest
    return process.returncode, said + rest


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
@pytest.mark.parametrize("then", ["up", "down"])
def test_what_was_interrupted_is_recorded_and_can_be_continued(
    project: Project, signals: tuple[int, ...], then: str
) -> None:
    project.up().ended(0)
    whole = project.cloud.inventory()
    project.down().ended(0)
    code, said = interrupted(project, *signals)
    assert code == 130 and "again to continue" in said
    if len(signals) == 1:  # what has begun is finished: nothing is there that is not recorded with its id
        assert all(record["id"] for record in project.state["records"])
    if then == "up":
        project.up().ended(0)
        assert project.cloud.inventory() == whole and project.up().ended(0).mutations == []
    else:
        project.down().ended(0)
        assert project.cloud.is_empty()


def test_ctrl_c_at_the_question_is_130_and_changes_nothing(project: Project) -> None:
    project.stand()
    before = project.cloud.inventory()
    Terminal.begin(project, "down").interrupt("[y/N]").end(130)
    assert project.cloud.inventory() == before


def test_ctrl_c_during_down_is_recorded(project: Project) -> None:
    project.stand()
    project.cloud.latency(0.1)
    project.cloud.forget_calls()
    process = project.begin("down", "-y")
    until(lambda: sum(call.mutating for call in project.cloud.calls()) >= 5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    project.cloud.latency(0)
    project.down().ended(0)
    assert project.cloud.is_empty()


# --- offline commands and options of all


@pytest.mark.parametrize("args", [("--version",), ("--help",), ("-h",), ("up", "--help"), ("state", "--help")])
def test_version_and_help(project: Project, args: tuple[str, ...]) -> None:
    run = project.run(*args).ended(0)
    assert run.calls == [] and run.out and not run.err


@pytest.mark.parametrize("args", [("fly",), ("up", "--fly"), ("state",), ("up", "now"), ("status", "--env")])
def test_bad_usage_is_2(project: Project, args: tuple[str, ...]) -> None:
    assert project.run(*args).code == 2


def test_init_starts_a_file_that_is_valid_and_is_not_overwritten(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    project.run("init", cwd=folder).ended(0)
    written = (folder / "deploy.yaml").read_text()
    project.run("validate", cwd=folder).ended(0)
    project.run("init", cwd=folder).ended(2)
    assert (folder / "deploy.yaml").read_text() == written


def test_validate_asks_nobody(project: Project) -> None:
    run = project.run("validate").ended(0)
    assert run.calls == [] and "valid" in run.out
    document = project.run("validate", "--json").ended(0).json
    assert document["stack"] == "voting" and document["services"] == ["redis", "web"]


def test_schema_is_a_json_schema(project: Project) -> None:
    document = project.run("schema").ended(0).json
    assert "$schema" in document and "services" in document["properties"]


def test_the_region_of_the_command_line_comes_first(project: Project) -> None:
    run = project.run("status", "--region", "eu-west-1")
    assert run.code == 4
    project.up("--region", "eu-west-1").ended(0)
    assert project.state["region"] == "eu-west-1"
    assert project.cloud.inventory("eu-west-1")["vpcs"] and not project.cloud.inventory()["vpcs"]


def test_a_profile_that_does_not_exist_is_bad_usage(project: Project) -> None:
    run = project.run("status", "--profile", "nobody").ended(2)
    assert "nobody" in run.err and run.calls == []


def test_the_command_is_also_a_console_script(project: Project) -> None:
    script = shutil.which("deployer", path=str(Path(sys.executable).parent))
    if not script:
        pytest.skip("the package is not installed beside this Python")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and "deployer" in done.stdout


def test_what_deploys_nothing_needs_no_variable_that_up_needs(project: Project) -> None:
    project.edit(("TITLE may be set here too", "TITLE may be set here too\n      TITLE: ${THE_TITLE}"))
    given = {"THE_TITLE": "A title"}
    project.up(env=given).ended(0)
    assert "THE_TITLE is not set" in project.up().ended(2).err
    project.run("status", "--check").ended(0)
    project.run("state", "show").ended(0)
    project.down().ended(0)
    assert project.cloud.is_empty()


@pytest.mark.parametrize("reference", ["not a ref", "UPPER/x:1", "x@sha256:12", "http://x/y:1"])
def test_an_image_that_is_no_reference_is_refused_at_once(project: Project, reference: str) -> None:
    run = project.run("up", "--image", f"web={reference}").ended(2)
    assert "not an image reference" in run.err and run.calls == []
