"""`exec`: what it calls, and what it says when it cannot; and what `exec: true` makes of a service."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.whole.project import Project

from .between import Ask, Refused
from .conftest import Scene

PLUGIN = f"""#!{sys.executable}
import json, os, signal, sys
ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
open(os.environ["PLUGIN_ARGS"], "w").write(json.dumps([sys.argv[1:], ignored]))
print("in the container")
sys.exit(7)
"""
SESSION = {"sessionId": "ecs-execute-command-1", "streamUrl": "wss://nowhere", "tokenValue": "a-token"}
AGENT = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    """A PATH on which the plug-in, a stand-in, is; it writes down what it was called with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "session-manager-plugin").write_text(PLUGIN)
    (folder / "session-manager-plugin").chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PLUGIN_ARGS": str(tmp_path / "args")}


def ready(scene: Scene, *, read_only: bool = False) -> None:
    """`exec: true`, deployed, and an agent that runs, as on AWS."""
    more = () if read_only else (("    read_only: true ", "    # read_only: true "),)
    scene.project.edit(("    count: 1\n", "    count: 1\n    exec: true\n"), *more)
    scene.project.up().ended(0)
    agent(scene, AGENT)


def agent(scene: Scene, *agents: dict[str, Any]) -> None:
    def describe(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        answer = ask()
        for task in answer["tasks"]:
            task["containers"][0]["managedAgents"] = list(agents)
        return answer

    def execute(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        return {"clusterArn": "arn:aws:ecs:us-east-1:1:cluster/voting", "containerName": asked["container"],
                "interactive": True, "session": SESSION, "taskArn": asked["task"]}  # fmt: skip

    scene.between.rules |= {"DescribeTasks": describe, "ExecuteCommand": execute}


def test_the_plugin_is_called_as_the_aws_cli_calls_it(scene: Scene, path: dict[str, str]) -> None:
    ready(scene)
    run = scene.run("exec", "web", **path).ended(7)
    assert run.out == "in the container\n"
    (session, region, what, profile, target, endpoint), ignored = json.loads(Path(path["PLUGIN_ARGS"]).read_text())
    task = scene.task()
    ecs = scene.cloud.client("ecs", hidden=True)
    runtime = ecs.describe_tasks(cluster="voting", tasks=[task])["tasks"][0]["containers"][0]["runtimeId"]
    assert json.loads(session) == SESSION
    assert (region, what, profile, endpoint) == ("us-east-1", "StartSession", "", scene.between.url)
    assert json.loads(target) == {"Target": f"ecs:voting_{task}_{runtime}"}
    assert ignored, "Ctrl-C is for the shell in the container"
    (asked,) = scene.between.asked["ExecuteCommand"]
    assert (asked["command"], asked["container"], asked["interactive"]) == ("/bin/sh", "web", True)


@pytest.mark.parametrize("words, command", [
    (("web", "ls -l /tmp"), "ls -l /tmp"), (("web", "--", "sh", "-c", "echo 'a b'"), "sh -c 'echo '\"'\"'a b'\"'\"''"),
    (("web", "ls", "-l", "--json"), "ls -l --json"),
])  # fmt: skip
def test_the_command(scene: Scene, path: dict[str, str], words: tuple[str, ...], command: str) -> None:
    ready(scene)
    scene.run("exec", *words, **path).ended(7)
    assert scene.between.asked["ExecuteCommand"][0]["command"] == command


def test_a_task_may_be_chosen(scene: Scene, path: dict[str, str]) -> None:
    ready(scene)
    scene.run("exec", "web", "--task", scene.task()[:6], **path).ended(7)
    run = scene.run("exec", "web", "--task", "0000000", **path).ended(2)
    assert scene.task()[:12] in run.err


def test_all_that_is_in_the_way_is_told_at_once_and_nothing_is_called(scene: Scene) -> None:
    scene.between.rules["ExecuteCommand"] = lambda asked, ask: ask()
    scene.project.edit(("    environment:  ", "    environment:\n      AWS_ACCESS_KEY_ID: x\n    #"))
    run = scene.run("exec", "web", PATH="/usr/bin:/bin").ended(1)
    for words in ("session-manager-plugin is not installed", "https://docs.aws.amazon.com", "`exec: true`",
                  "read_only: true", "AWS_ACCESS_KEY_ID"):  # fmt: skip
        assert words in run.err
    assert "ExecuteCommand" not in scene.between.asked and run.mutations == []


def test_a_task_from_before_needs_a_new_deployment(scene: Scene, path: dict[str, str]) -> None:
    scene.project.edit(("    count: 1\n", "    count: 1\n    exec: true\n"))
    run = scene.run("exec", "web", **path).ended(1)
    assert "was started without" in run.err and "deployer up" in run.err


def test_an_agent_that_does_not_run_is_told_with_its_reason(scene: Scene, path: dict[str, str]) -> None:
    ready(scene, read_only=True)
    agent(scene, AGENT | {"lastStatus": "STOPPED", "reason": "it could not write"})
    run = scene.run("exec", "web", **path).ended(1)
    assert "stopped (it could not write)" in run.err and "read_only" in run.err
    agent(scene)
    assert "not there" in scene.run("exec", "web", **path).ended(1).err


@pytest.mark.parametrize("code, said, hint", [
    ("AccessDeniedException", "User x is not authorized to perform: ecs:ExecuteCommand", "ExecuteCommand"),
    ("TargetNotConnectedException", "agent isn't running", "try again"),
])  # fmt: skip
def test_what_aws_refuses_is_said(scene: Scene, path: dict[str, str], code: str, said: str, hint: str) -> None:
    ready(scene)

    def refuse(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        raise Refused(code, said)

    scene.between.rules["ExecuteCommand"] = refuse
    run = scene.run("exec", "web", **path).ended(1)
    assert said in run.text and hint in run.text
    assert not Path(path["PLUGIN_ARGS"]).exists()


def test_no_json(scene: Scene) -> None:
    assert scene.run("exec", "--json", "web").ended(2).calls == []


# --- exec: true


def test_exec_makes_new_tasks_with_an_agent_and_its_permissions_and_goes_away_again(project: Project) -> None:
    project.up().ended(0)
    iam, ecs = (project.cloud.client(name, hidden=True) for name in ("iam", "ecs"))
    role = project.record("role.web_task")["id"]
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []
    project.edit(("    count: 1\n", "    count: 1\n    exec: true\n"))
    run = project.up().ended(0)
    assert {"ecs.RegisterTaskDefinition", "ecs.UpdateService", "iam.PutRolePolicy"} <= set(run.mutations)
    (service,) = ecs.describe_services(cluster="voting", services=["web"])["services"]
    assert service["enableExecuteCommand"] is True
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    assert definition["containerDefinitions"][0]["linuxParameters"] == {"initProcessEnabled": True}
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    (allowed,) = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]
    assert sorted(allowed["Action"]) == [f"ssmmessages:{one}" for one in (
        "CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")]  # fmt: skip
    assert project.up().ended(0).mutations == []
    project.edit(("    exec: true\n", ""))
    project.up().ended(0)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []
    assert not ecs.describe_services(cluster="voting", services=["web"])["services"][0]["enableExecuteCommand"]


def test_with_read_only_it_is_warned_of(project: Project) -> None:
    project.edit(("    count: 1\n", "    count: 1\n    exec: true\n"))
    assert "services.web.exec: ECS Exec needs a writable root file system" in project.run("validate").ended(0).err
