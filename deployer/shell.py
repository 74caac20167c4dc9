"""ECS Exec: a command in a container that runs, through AWS's session-manager-plugin. Prints nothing.

Everything that stands in the way is looked for before anything is called, and all of it is told.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployer import aws as door
from deployer import tasks
from deployer.aws import Aws
from deployer.ecs import cluster_of
from deployer.errors import AwsError, DeployerError, UsageError

PLUGIN = "session-manager-plugin"
LINK = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
AGENT = "ExecuteCommandAgent"
USERS_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)  # typed by the user, meant for the shell


@dataclass(frozen=True)
class Door:
    """What may be in the way, as the file says it. `keys`: access keys in the container's environment."""

    name: str
    exec: bool
    read_only: bool
    keys: bool


def choose(aws: Aws, service: str, name: str, prefix: str) -> dict[str, Any] | None:
    """The task to go into, of the service with this ARN: one whose id begins with `prefix`; without, the newest of
    those that are ready for it, or of all that run. None if no task runs.

    Raises UsageError if `prefix` fits none or several, AwsError.
    """
    try:
        found = tasks.described(aws, cluster_of(service), tasks.arns_of_service(aws, service))
    except Exception as error:
        raise door.explain(error, f"Looking for the tasks of {name}") from error
    running = [task for task in found if task["lastStatus"] == "RUNNING"]
    fitting = [task for task in running if tasks.task_id(task["taskArn"]).startswith(prefix)]
    if prefix and len(fitting) != 1:
        ids = ", ".join(sorted(tasks.task_id(task["taskArn"])[:12] for task in running)) or "none"
        how = "More than one" if fitting else "No"
        raise UsageError(f"{how} running task of {name} has an id that begins with {prefix}.", f"There are: {ids}.")
    best = sorted(fitting, key=lambda task: (_ready(task, name), str(task.get("startedAt", ""))))
    return best[-1] if best else None


def obstacles(way: Door, task: dict[str, Any] | None) -> list[str]:
    """Everything that stands in the way, each as a sentence with what to do; empty if nothing does."""
    said = []
    if not shutil.which(PLUGIN):
        said.append(f"{PLUGIN} is not installed here: {LINK}")
    if not way.exec:
        said.append(f"{way.name} has no `exec: true` in the file: add it, then `deployer up` starts new tasks with it.")
    if task is None:
        said.append(f"{way.name} has no running task: `deployer status` tells why.")
        return said
    enabled = bool(task.get("enableExecuteCommand"))
    short = f"{way.name}/{tasks.task_id(task['taskArn'])[:8]}"
    if way.exec and not enabled:
        said.append(f"{short} was started without `exec: true`: `deployer up` starts a new one with it.")
    if way.read_only and not _ready(task, way.name):
        said.append(f"{way.name} has `read_only: true`, and ECS Exec needs a writable root file system.")
    if enabled and not _ready(task, way.name):
        advice = "a new task needs some seconds; else see its role (ssmmessages) and its way to AWS (port 443)"
        said.append(f"{short}: the agent of ECS Exec is {_state(task, way.name)}: {advice}.")
    if way.keys and not _ready(task, way.name):
        said.append(f"{way.name} has AWS_ACCESS_KEY_ID in its environment, which the agent takes before its role.")
    return said


def _agent(task: dict[str, Any], name: str) -> dict[str, Any]:
    agents = tasks.container(task, name).get("managedAgents", [])
    return next((agent for agent in agents if agent.get("name") == AGENT), {})


def _ready(task: dict[str, Any], name: str) -> bool:
    return bool(task.get("enableExecuteCommand")) and _agent(task, name).get("lastStatus") == "RUNNING"


def _state(task: dict[str, Any], name: str) -> str:
    agent = _agent(task, name)
    reason = f" ({agent['reason']})" if agent.get("reason") else ""
    return f"{agent.get('lastStatus', 'not there').lower()}{reason}"


@dataclass(frozen=True)
class Session:
    """An open one. `target`: where it leads, as the plug-in wants it."""

    answer: dict[str, Any]
    target: str
    region: str
    endpoint: str


def begin(aws: Aws, name: str, task: dict[str, Any], command: str) -> Session:
    """One call of ExecuteCommand. Raises AwsError, with what to do where AWS's words do not say it."""
    cluster, id = task["clusterArn"], tasks.task_id(task["taskArn"])
    try:
        answer = aws.once().ecs.execute_command(
            cluster=cluster, task=id, container=name, interactive=True, command=command
        )
    except Exception as error:
        if door.code(error) in ("TargetNotConnectedException", "InvalidParameterException"):
            hint = "Wait some seconds and try again; a task that was started before `exec: true` needs `deployer up`."
            doing = f"Opening a session in {name}/{id[:8]}"
            said = f"{doing}: AWS said {door.code(error)}: {door.said(error).rstrip('.')}."
            raise AwsError(said, hint, door.code(error), door.said(error)) from error
        raise door.explain(error, f"Opening a session in {name}/{id[:8]}") from error
    runtime = tasks.container(task, answer.get("containerName", name)).get("runtimeId", "")
    target = f"ecs:{cluster.rpartition('/')[2]}_{id}_{runtime}"
    return Session(answer["session"], target, aws.region, aws.ecs.meta.endpoint_url)


def attach(session: Session, profile: str) -> int:
    """Gives the terminal to the plug-in until it ends, and its exit code (the container's own is not told).

    Raises DeployerError if the plug-in cannot be started.
    """
    words = [
        PLUGIN, json.dumps(session.answer), session.region, "StartSession", profile,
        json.dumps({"Target": session.target}), session.endpoint,
    ]  # fmt: skip
    with _ignoring_the_user():
        try:
            return subprocess.call(words)
        except OSError as error:
            raise DeployerError(f"{PLUGIN} could not be started: {error.strerror}.", f"See {LINK}") from error


@contextlib.contextmanager
def _ignoring_the_user() -> Iterator[None]:
    """Ctrl-C, Ctrl-\\ and Ctrl-Z are for the plug-in, which passes them on."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in USERS_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
