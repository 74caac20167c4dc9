"""One-off tasks: a task definition run once, with another command; its log, its exit code, its end. Prints nothing.

    launch = of_service(aws, service_arn, name, group)    or a Launch of one's own: a release before its service
    task = start(aws, launch, command, patience)          never twice, whatever becomes of the answer
    outcome = attend(aws, launch, task, patience, ...)    until it has stopped and its log has come
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployer import aws as door
from deployer import logs, tasks
from deployer.aws import Aws, tag_list
from deployer.ecs import LINKED_ROLE, describe_services, primary
from deployer.errors import AwsError, DeployerError, Interrupted, NotDeployedError, UsageError
from deployer.grants import IN_CLUSTER, NEW, Grant, making
from deployer.patience import Patience
from deployer.resource import Progress, Retry

STARTED_BY = "deployer"
LOOK = 1.0  # seconds between two looks at the task and its log
QUIET, MOST = 4.0, 20.0  # seconds: the log is complete when it was quiet for so long after the end; at most
UNSEEN = 60.0  # seconds for which DescribeTasks may not know a new task yet
LONGEST = 8192  # characters of `overrides`
CAPACITY = 300.0  # seconds
SETTLE = 20.0  # seconds for which a lost answer is asked for again after the user has stopped
BEFORE_MS = 60_000  # so far before its making nothing of a task's log can lie
UNPLACED = "ECS could not place it: "
RETRY = (LINKED_ROLE, Retry("ClientException", "apacity is unavailable", CAPACITY))

_, TAGS = making("ecs:RunTask", "ecs:task/{stack}/*")
GRANTS = (
    TAGS,
    Grant("ecs:RunTask", "ecs:task-definition/{stack}-{member}:*", (NEW, IN_CLUSTER)),
    Grant("ecs:ListTasks", when=(IN_CLUSTER,)),
    Grant("ecs:DescribeTasks ecs:StopTask", "ecs:task/{stack}/*"),
)


@dataclass(frozen=True)
class Launch:
    """What runs where. `name`: of the service and of its container; `cluster`: name or ARN; `definition`: ARN;
    `group`: its log group, None if it has none."""

    name: str
    cluster: str
    definition: str
    subnets: list[str]
    groups: list[str]
    public_ip: bool
    group: str | None


@dataclass(frozen=True)
class Outcome:
    """How it ended. `code`: of the container, None if it never ran or nobody saw its end; `reason`: ECS's words;
    `logged`: whether there was a log to read."""

    task: str
    code: int | None
    reason: str
    logged: bool = True


def of_service(aws: Aws, service: str, name: str, group: str | None) -> Launch:
    """As the service with this ARN is deployed now: its task definition and its network.

    Raises NotDeployedError if ECS does not have it, AwsError.
    """
    try:
        found = [one for one in describe_services(aws, [service]) if one["status"] == "ACTIVE"]
    except Exception as error:
        raise door.explain(error, f"Reading the service {name}") from error
    if not found:
        raise NotDeployedError(f"{name} is not deployed: the service is gone from the account.", "`deployer up`.")
    deployment = primary(found[0])
    network = (deployment.get("networkConfiguration") or found[0]["networkConfiguration"])["awsvpcConfiguration"]
    return Launch(
        name=name,
        cluster=found[0]["clusterArn"],
        definition=deployment.get("taskDefinition", found[0]["taskDefinition"]),
        subnets=network["subnets"],
        groups=network.get("securityGroups", []),
        public_ip=network.get("assignPublicIp") == "ENABLED",
        group=group,
    )


def start(
    aws: Aws, launch: Launch, command: list[str], patience: Patience, progress: Progress = lambda text: None
) -> str:
    """Runs it once and gives the ARN of the task; a missing capacity is waited for a while.

    Raises UsageError: the command is too long; AwsError: AWS refused; Interrupted: `patience` was stopped while
    nothing was started.
    """
    began, doing = time.monotonic(), f"Running a task of {launch.name}"
    ecs = door.client(aws.session, "ecs", aws.region, 1, 4)
    while True:
        try:
            return started(_ask(ecs, request(aws, launch, command), patience, progress, doing), doing)
        except AwsError as error:
            if not _passing(error.code) or patience.over or time.monotonic() - began > CAPACITY:
                raise
            progress(error.code)
        patience.sleep(min(5.0, 1.0 + (time.monotonic() - began) / 4))


def _ask(ecs: Any, asked: dict[str, Any], patience: Patience, progress: Progress, doing: str) -> dict[str, Any]:
    """RunTask's answer. After a lost one the same request is repeated, also when the user stops meanwhile: only so it
    is known what is to be stopped."""
    lost = False

    def note(kind: door.Fault, error: Exception) -> None:
        nonlocal lost
        lost = lost or kind == "lost"

    answer: dict[str, Any]
    try:
        try:
            answer = patience.attempt(lambda: ecs.run_task(**asked), RETRY, note, progress)
        except Interrupted:
            if not lost:
                raise
            answer = Patience(time.monotonic() + SETTLE).attempt(lambda: ecs.run_task(**asked))
    except Exception as error:
        if isinstance(error, Interrupted) or door.fault(error) != "lost":
            raise door.explain(error, doing) from error
        said = f"{doing}: no answer from AWS ({door.said(error).rstrip('.')}), so it may run or not."
        ours = f"--cluster {asked['cluster'].rpartition('/')[2]} --started-by {STARTED_BY}"
        raise AwsError(said, f"`aws ecs list-tasks {ours}` tells.") from error
    return answer


def started(answer: dict[str, Any], doing: str) -> str:
    """The ARN of the task that RunTask tells of. Raises AwsError when it names a failure: then nothing was started."""
    if answer.get("tasks"):
        return str(answer["tasks"][0]["taskArn"])
    failure = (answer.get("failures") or [{}])[0]
    reason = " ".join(filter(None, (failure.get("reason"), failure.get("detail")))) or "no reason given"
    raise AwsError(f"{doing}: {UNPLACED}{reason.rstrip('.')}.", _advice(reason), reason, reason)


def request(aws: Aws, launch: Launch, command: list[str]) -> dict[str, Any]:
    """What to ask of RunTask, with a token by which ECS knows a repeated request. Nothing was started when it names
    failures: then a new one, since ECS may answer a known token with its former answer.

    Raises UsageError: the command is too long.
    """
    overrides = {"containerOverrides": [{"name": launch.name, "command": command}]} if command else {}
    if len(json.dumps(overrides)) > LONGEST:
        raise UsageError(f"The command is too long: ECS takes {LONGEST} characters.", "Put it into the image.")
    tags = aws.tags(f"task.{launch.name}", "")
    del tags["deployer:inputs"]
    return {
        "cluster": launch.cluster,
        "taskDefinition": launch.definition,
        "launchType": "FARGATE",
        "count": 1,
        "clientToken": secrets.token_hex(16),
        "startedBy": STARTED_BY,
        "enableECSManagedTags": True,
        "overrides": overrides,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": launch.subnets,
                "securityGroups": launch.groups,
                "assignPublicIp": "ENABLED" if launch.public_ip else "DISABLED",
            }
        },
        "tags": tag_list(tags, "key", "value"),
    }


def _passing(reason: str) -> bool:
    return "capacity" in reason.lower() or reason.startswith("RESOURCE")


def _advice(reason: str) -> str:
    if _passing(reason):
        return "AWS has no room for it at the moment: run the command again later."
    return "Run the command again once this is mended."


def attend(
    aws: Aws,
    launch: Launch,
    task: str,
    patience: Patience,
    *,
    write: Callable[[logs.Event | None], None] = lambda event: None,
    progress: Progress = lambda text: None,
) -> Outcome:
    """Until the task (an ARN) has stopped. `write` gets each event of its log, and None after every look; `progress`
    ECS's word for where it is, when that changes.

    Raises AwsError, and Interrupted once `patience.stop` is set: the task goes on. When the deadline of `patience` is
    over, DeployerError: the task goes on, too.
    """
    log = _Log(aws, launch, task, patience, write)
    began, phase, seen = time.monotonic(), "", False
    while True:
        found = _look(aws, launch, task, patience)
        if found is None and (seen or time.monotonic() - began > UNSEEN):
            return Outcome(task, None, "ECS does not know the task any more", log.there)
        if found is not None:
            seen = True
            log.begin(found)
            if found["lastStatus"] != phase:
                phase = found["lastStatus"]
                progress(phase.lower())
            if phase == "STOPPED":
                break
        log.read()
        if patience.over:
            raise DeployerError(f"{launch.name}: time is up, and the task {tasks.task_id(task)} still runs.")
        patience.sleep(LOOK)
    ran = tasks.container(found, launch.name)
    if ran.get("exitCode") is not None or found.get("startedAt"):
        log.rest()
    return Outcome(task, ran.get("exitCode"), _reason(found), log.there)


def stop(aws: Aws, launch: Launch, task: str, reason: str) -> None:
    """Asks ECS to stop it: SIGTERM, and SIGKILL after its grace. Already gone is success. Raises AwsError."""
    try:
        with door.ignoring("InvalidParameterException", saying="not found"):
            aws.ecs.stop_task(cluster=launch.cluster, task=task, reason=reason)
    except Exception as error:
        raise door.explain(error, f"Stopping the task {tasks.task_id(task)}") from error


def _look(aws: Aws, launch: Launch, task: str, patience: Patience) -> dict[str, Any] | None:
    try:
        found = patience.attempt(lambda: tasks.described(aws, launch.cluster, [task]))
    except Exception as error:
        raise door.explain(error, f"Looking at the task {tasks.task_id(task)}") from error
    return found[0] if found else None


def _reason(task: dict[str, Any]) -> str:
    """Without the exit code, and without ECS's words for a normal end."""
    usual = "Essential container in task exited"
    parts = [task.get("stoppedReason", "")] + [one.get("reason", "") for one in task.get("containers", [])]
    said = dict.fromkeys(part.strip().rstrip(".") for part in parts if part.strip())
    return "; ".join(part for part in said if part != usual)


@dataclass
class _Log:
    """The log of one task, as it comes. `there`: False once it turned out that there is none."""

    aws: Aws
    launch: Launch
    task: str
    patience: Patience
    write: Callable[[logs.Event | None], None]

    def __post_init__(self) -> None:
        self.there = self.launch.group is not None
        source = logs.Source(self.launch.name, self.launch.group or "", tasks.task_id(self.task))
        self.reader = logs.Reader(logs.client(self.aws), source, 0, self.patience)

    def begin(self, task: dict[str, Any]) -> None:
        """There is nothing before the task was made, by AWS's clock."""
        if task.get("createdAt"):
            self.reader.since = int(task["createdAt"].timestamp() * 1000) - BEFORE_MS

    def read(self) -> bool:
        """Whether something new was there."""
        some = False
        try:
            for event in self.reader.read() if self.there else ():
                some = True
                self.write(event)
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            self.there = False
        self.write(None)
        return some

    def rest(self) -> None:
        """CloudWatch is some seconds late: what still comes, for a bounded time."""
        end = last = time.monotonic()
        while self.there and time.monotonic() - last < QUIET and time.monotonic() - end < MOST:
            last = time.monotonic() if self.read() else last
            self.patience.sleep(LOOK / 2)
