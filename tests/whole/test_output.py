"""What is printed, where, and what never is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.whole.project import IMAGES, Project, Run, Terminal

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CANARY = "c4n4ry-Vq7-must-not-be-seen"


# --- where to, and in which form


def test_without_a_terminal_there_are_no_control_characters(project: Project) -> None:
    hostile = {"TERM": "xterm-256color", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "COLUMNS": "20"}
    for run in (project.up(env=hostile), project.plan(env=hostile), project.run("status", env=hostile), project.down()):
        controls = CONTROL.findall(run.ended(0).out + run.err)
        assert not controls


def test_the_result_goes_to_standard_output_and_the_progress_to_standard_error(project: Project) -> None:
    run = project.up().ended(0)
    assert "http://" in run.out and "created" in run.out and "vpc.main" not in run.out
    assert "vpc.main created" in run.err


def test_without_a_terminal_there_is_one_line_for_each_finished_step(project: Project) -> None:
    run = project.up().ended(0)
    for key in (record["key"] for record in project.state["records"]):
        done = [line for line in run.err.splitlines() if re.search(rf"^\+ {re.escape(key)} created [0-9.]+s$", line)]
        assert len(done) == 1, key


def test_quiet_prints_only_the_result_and_errors(project: Project) -> None:
    run = project.up("--quiet").ended(0)
    assert run.err == "" and run.out.startswith("web: http://") and run.out.count("\n") == 1
    run = project.down("--quiet").ended(0)
    assert run.err == "" and run.out == ""
    project.cloud.fault("error", service="ec2", operation="CreateVpc", code="VpcLimitExceeded", message="full")
    assert "VpcLimitExceeded" in project.up("--quiet").ended(1).err


@pytest.mark.parametrize("how", [{"NO_COLOR": "1"}, {}])
def test_no_color_prints_no_colours_on_a_terminal(project: Project, how: dict[str, str]) -> None:
    args = ("up", *IMAGES) if how else ("up", *IMAGES, "--no-color")
    shown = Terminal.begin(project, *args, env=how).end(0)
    colours = [code for code in COLOUR.findall(shown) if re.search(r"[34][0-7]|9[0-7]|38;|48;", code)]
    assert not colours


def test_a_terminal_gets_colours(project: Project) -> None:
    assert COLOUR.search(Terminal.begin(project, "up", *IMAGES).end(0))


def screen(shown: str) -> list[str]:
    """What stands on an endless page after these characters: enough of a terminal for what rich sends."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", shown):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.startswith("\x1b"):
            number, what = part[2:-1], part[-1]
            if what == "A":
                row = max(row - int(number or 1), 0)
            elif what == "K":
                lines[row] = "" if number == "2" else lines[row][:column]
            else:
                assert what in "mhl", f"a sequence that this test does not know: {part!r}"
        else:
            padded = lines[row].ljust(column)
            lines[row] = padded[:column] + part + padded[column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines]


def test_on_a_terminal_of_80x24_the_live_tree_leaves_whole_lines_only(project: Project) -> None:
    project.cloud.latency(0.02)
    lines = screen(Terminal.begin(project, "up", *IMAGES).end(0))
    assert all(len(line) <= 80 for line in lines), [line for line in lines if len(line) > 80]
    assert not any("├─" in line for line in lines), "the tree was not taken away"
    for record in project.state["records"]:
        done = [line for line in lines if re.search(rf"^\+ {re.escape(record['key'])} created [0-9.]+s$", line)]
        assert len(done) == 1, (record["key"], lines)


# --- --json


def test_json_is_one_event_a_line_and_the_summary_is_last(project: Project) -> None:
    run = project.up("--json").ended(0)
    keys = {record["key"] for record in project.state["records"]}
    for event in run.events[:-1]:
        assert event["event"] in ("started", "progress", "done", "failed"), event
        assert {"key", "type", "action", "seconds"} <= set(event) and event["key"].startswith(event["type"])
    assert {event["key"] for event in run.events if event["event"] == "done"} == keys
    summary = run.summary
    counts = ("created", "updated", "replaced", "deleted", "unchanged", "failed")
    assert set(summary) >= {"event", *counts, "seconds", "outputs"}
    assert [summary[name] for name in counts] == [len(keys), 0, 0, 0, 0, 0]
    hosts = {name: project.record(f"load-balancer.{name}")["outputs"]["host"] for name in ("web", "redis")}
    assert summary["outputs"] == {
        "services.web.url": f"http://{hosts['web']}",
        "services.web.host": hosts["web"], "services.web.port": "80",
        "services.web.image": "registry.invalid/web:1",
        "services.redis.host": hosts["redis"], "services.redis.port": "6379",
        "services.redis.image": "registry.invalid/redis:7",
    }  # fmt: skip


def test_json_of_a_failure_names_the_failed_step_and_still_ends_with_the_summary(project: Project) -> None:
    project.cloud.fault("error", service="ec2", operation="CreateVpc", code="VpcLimitExceeded", message="full")
    run = project.up("--json").ended(1)
    failed = [event for event in run.events if event["event"] == "failed"]
    assert [event["key"] for event in failed] == ["vpc.main"] and "VpcLimitExceeded" in failed[0]["message"]
    assert run.summary["failed"] == 1


def test_json_of_down_and_of_nothing_to_do(project: Project) -> None:
    project.stand()
    assert [event["event"] for event in project.up("--json").ended(0).events] == ["summary"]
    run = project.down("--json").ended(0)
    assert run.summary["deleted"] == len([event for event in run.events if event["event"] == "done"])
    assert run.summary["outputs"] == {}


def test_plan_and_status_print_one_document(project: Project) -> None:
    assert set(project.plan("--json").ended(0).json) >= {
        "stack",
        "environment",
        "account",
        "region",
        "summary",
        "steps",
    }
    project.up().ended(0)
    assert isinstance(project.run("status", "--json").ended(0).json, dict)


# --- errors


@pytest.mark.parametrize("service, operation, code", [
    ("ec2", "CreateSubnet", "SubnetLimitExceeded"), ("iam", "CreateRole", "LimitExceeded"),
    ("ecs", "CreateService", "AccessDeniedException"), ("elbv2", "CreateListener", "TooManyListeners"),
    ("sts", "GetCallerIdentity", "ExpiredToken"), ("ec2", "DescribeVpcs", "UnauthorizedOperation"),
])  # fmt: skip
def test_an_error_is_one_paragraph_with_what_where_awss_words_and_what_to_do(
    project: Project, service: str, operation: str, code: str
) -> None:
    project.cloud.fault("error", service=service, operation=operation, code=code, message="Said by AWS itself")
    run = project.up().ended(1)
    at = [number for number, line in enumerate(run.err.splitlines()) if line.startswith("Error: ")]
    assert len(at) == 1
    said, hint = run.err.splitlines()[at[0] : at[0] + 2]
    assert code in said and "Said by AWS itself" in said
    assert re.search(r"(Creating|Updating|Looking|Reading|Asking) \S+", said)
    assert hint and hint.endswith(".")


def test_a_traceback_comes_with_verbose_only(project: Project) -> None:
    project.cloud.fault("error", service="ec2", operation="CreateVpc", code="VpcLimitExceeded", message="full", times=2)
    assert "Traceback" not in project.up().ended(1).err
    assert "Traceback" in project.up("--verbose").ended(1).err


def test_what_others_have_written_does_not_steer_the_terminal(project: Project) -> None:
    message = "ha \x1b[2J\x1b]0;gotcha\x07 ho"
    project.cloud.fault("error", service="ecs", operation="CreateCluster", code="ClientException", message=message)
    run = project.up().ended(1)
    controls = CONTROL.findall(run.err)
    assert not controls, repr(run.err[-300:])


def test_a_closed_pipe_is_no_traceback(project: Project) -> None:
    process = project.begin("schema")
    assert process.stdout and process.stderr
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(30)


# --- secrets


def everything(project: Project, *runs: Run) -> str:
    """All that a stranger could get to see: streams, files, and what AWS shows to everybody who may list."""
    texts = [text for run in runs for text in (run.out, run.err)]
    texts += [path.read_text(errors="replace") for path in project.state_file.parent.rglob("*") if path.is_file()]
    ecs = project.cloud.client("ecs", hidden=True)
    for arn in ecs.list_task_definitions()["taskDefinitionArns"]:
        texts.append(json.dumps(ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]), default=str))
    texts.append(json.dumps(project.cloud.inventory()))
    manager = project.cloud.client("secretsmanager", hidden=True)
    texts.append(json.dumps(manager.list_secrets()["SecretList"], default=str))
    return "\n".join(texts)


def values(project: Project) -> dict[str, str]:
    manager = project.cloud.client("secretsmanager", hidden=True)
    found = {one["Name"]: one["ARN"] for one in manager.list_secrets()["SecretList"]}
    return {name: manager.get_secret_value(SecretId=arn)["SecretString"] for name, arn in found.items()}


def test_no_secret_value_is_to_be_seen_anywhere(project: Project) -> None:
    project.edit(
        ("  redis-password: {generate: 32}", "  redis-password: {generate: 32}\n  api: {from_env: API_KEY}"),
        ("    secrets: {REDIS_PASSWORD: redis-password}\n    user", "    secrets: {API: api}\n    user"),
    )
    env = {"API_KEY": CANARY}
    runs = [
        project.plan(env=env), project.plan("--json", env=env), project.up("--json", "--verbose", env=env),
        project.up("--verbose", env=env), project.run("status", "--json"), project.run("state", "show", "--json"),
    ]  # fmt: skip
    env = {"API_KEY": f"{CANARY}-2"}
    runs += [project.plan("--json", env=env), project.up(env=env)]
    for run in runs:
        run.ended(0)
    stored = values(project)
    assert f"{CANARY}-2" in stored.values() and len(stored) == 2
    generated = next(value for value in stored.values() if not value.startswith(CANARY))
    assert len(generated) == 32
    seen = everything(project, *runs)
    assert CANARY not in seen and generated not in seen
    project.state_file.unlink()
    project.edit(("build: .", "image: registry.invalid/web:1"))
    rebuilt = project.run("state", "rebuild", env=env).ended(0)
    seen = everything(project, rebuilt, project.down("--json").ended(0))
    assert CANARY not in seen and generated not in seen


def test_a_generated_secret_is_made_once_and_never_changed(project: Project) -> None:
    project.stand()
    before = values(project)
    project.edit(("count: 1", "count: 2"))
    assert not any("ecretsmanager" in call for call in project.up().ended(0).mutations)
    assert values(project) == before


def test_a_secret_from_the_environment_follows_it_and_stays_without_it(project: Project) -> None:
    project.edit(("{generate: 32}", "{from_env: REDIS_PASSWORD}"))
    run = project.up()
    assert run.code in (1, 2) and "REDIS_PASSWORD" in run.err and project.cloud.inventory()["services"] == []
    project.up("-y", env={"REDIS_PASSWORD": CANARY}).ended(0)
    assert list(values(project).values()) == [CANARY]
    assert project.up().ended(0).mutations == []
    assert project.up(env={"REDIS_PASSWORD": CANARY}).ended(0).mutations == []
    project.up(env={"REDIS_PASSWORD": f"{CANARY}-new"}).ended(0)
    assert list(values(project).values()) == [f"{CANARY}-new"]


def test_the_value_of_a_variable_is_not_quoted_in_an_error(project: Project) -> None:
    project.edit(("cpu: 256", "cpu: ${SIZE}"), ("port: 8080", "port: ${PORT}"))
    run = project.up(env={"SIZE": CANARY, "PORT": CANARY}).ended(2)
    assert CANARY not in run.out + run.err


def test_a_secret_in_the_process_list_would_need_an_argument(project: Project, tmp_path: Path) -> None:
    """Nothing is started with a value among its words: no other program is started at all for a secret."""
    project.edit(("{generate: 32}", "{from_env: REDIS_PASSWORD}"))
    project.cloud.latency(0.02)
    process = project.begin("up", *IMAGES, env={"REDIS_PASSWORD": CANARY})
    seen: set[str] = set()
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    process.communicate()
    assert process.returncode == 0 and not any(CANARY in line for line in seen)
