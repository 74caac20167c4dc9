"""The evidence of a failed rollout, fetched while it exists: ECS forgets stopped tasks within the hour.

Each part survives the failure of another, and says so in a note.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from deployer import aws as door
from deployer import tasks
from deployer.aws import Aws
from deployer.ecs import cluster_of, revision, said_of_failure
from deployer.verdict.evidence import LINES, TASKS, Evidence, Facts, Serving, StoppedTask, TargetHealth
from deployer.verdict.outside import EVENTS

LISTED = 500  # stopped tasks that are looked at
PAGES = 3  # GetLogEvents may answer an empty page though there are lines

T = TypeVar("T")


class Gathering:
    """One look at one service; what fails becomes a note."""

    def __init__(self, aws: Aws, service: dict[str, Any], task_definition: str) -> None:
        self.aws, self.service, self.task_definition = aws, service, task_definition
        self.cluster = cluster_of(service["serviceArn"])
        self.notes: list[str] = []

    def attempt(self, what: str, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except Exception as error:
            kind = door.code(error) or type(error).__name__
            self.notes.append(f"{what} could not be read: {kind}: {door.said(error)}")
            return otherwise

    def tasks(self, status: str) -> list[dict[str, Any]]:
        """Of the whole service, newest first."""
        arns = tasks.arns_of_service(self.aws, self.service["serviceArn"], status, LISTED)
        found = tasks.described(self.aws, self.cluster, arns)
        newest = "stoppedAt" if status == "STOPPED" else "createdAt"
        return sorted(found, key=lambda task: str(task.get(newest, "")), reverse=True)

    def mine(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [task for task in tasks if task["taskDefinitionArn"] == self.task_definition]

    def image(self) -> str:
        answer = self.aws.ecs.describe_task_definition(taskDefinition=self.task_definition)["taskDefinition"]
        if answer.get("status") == "INACTIVE":
            self.notes.append(f"task definition {revision(self.task_definition)} is inactive")
        return str(answer["containerDefinitions"][0]["image"])

    def targets(self) -> tuple[TargetHealth, ...]:
        groups = [one["targetGroupArn"] for one in self.service.get("loadBalancers", []) if "targetGroupArn" in one]
        answers = [self.aws.elbv2.describe_target_health(TargetGroupArn=group) for group in groups]
        seen = [TargetHealth.of(one) for answer in answers for one in answer["TargetHealthDescriptions"]]
        return tuple(one for one in seen if one.state != "draining")

    def serving(self, running: list[dict[str, Any]]) -> Serving | None:
        """The other revision of which most tasks run; else our own, if a former deployment of it is complete."""
        others = [task for task in running if task["taskDefinitionArn"] != self.task_definition]
        own = [one for one in self.service["deployments"] if one["taskDefinition"] == self.task_definition]
        complete = sum(one["runningCount"] for one in own if one.get("rolloutState") == "COMPLETED")
        if not others and complete:
            return Serving(revision(self.task_definition), _digest(self.mine(running)), complete)
        by_revision: dict[str, list[dict[str, Any]]] = {}
        for task in others:
            if task.get("lastStatus") == "RUNNING":
                by_revision.setdefault(task["taskDefinitionArn"], []).append(task)
        most = max(by_revision, key=lambda arn: len(by_revision[arn]), default="")
        return Serving(revision(most), _digest(by_revision[most]), len(by_revision[most])) if most else None

    def listed_serving(self) -> Serving | None:
        """By the deployments alone, without a digest."""
        others = [one for one in self.service["deployments"] if one["taskDefinition"] != self.task_definition]
        running = [one for one in others if one["runningCount"]]
        return Serving(revision(running[0]["taskDefinition"]), "", running[0]["runningCount"]) if running else None

    def log(self, group: str, task: dict[str, Any]) -> list[tuple[float, str]]:
        """The last lines, oldest first, each with its time. A task that never ran has no stream."""
        containers = task.get("containers", [])
        bad = next((one for one in containers if one.get("exitCode")), containers[0] if containers else None)
        if bad is None:
            return []
        stream = f"task/{bad['name']}/{task['taskArn'].rpartition('/')[2]}"
        more: dict[str, str] = {}
        with door.ignoring("ResourceNotFoundException", saying="stream"):
            for _ in range(PAGES):
                answer = self.aws.logs.get_log_events(
                    logGroupName=group, logStreamName=stream, limit=LINES, startFromHead=False, **more
                )
                if answer["events"]:
                    return [(one["timestamp"] / 1000, str(one["message"])) for one in answer["events"]]
                more = {"nextToken": answer["nextBackwardToken"]}
        return []


def gather(
    aws: Aws, service: dict[str, Any], task_definition: str, facts: Facts, log_group: str | None, started: float
) -> Evidence:
    """`service` as DescribeServices gives it; `started`: when the rollout began, in seconds since the epoch."""
    look = Gathering(aws, service, task_definition)
    none: list[dict[str, Any]] = []
    stopped = look.mine(look.attempt("the stopped tasks", lambda: look.tasks("STOPPED"), none))
    unread = len(look.notes)
    running = look.attempt("the running tasks", lambda: look.tasks("RUNNING"), none)
    serving = look.serving(running) if len(look.notes) == unread else look.listed_serving()
    tasks = tuple(map(StoppedTask.of, stopped[:TASKS]))
    failed = [task for task, seen in zip(stopped, tasks, strict=False) if seen.failed]
    teller = next(iter([*failed, *look.mine(running)]), None)
    lines: list[tuple[float, str]] = []
    if log_group and teller:
        lines = look.attempt("the log", lambda: look.log(log_group, teller), [])
    return Evidence(
        service=service["serviceName"],
        revision=revision(task_definition),
        image=look.attempt("the task definition", look.image, ""),
        serving=serving,
        rollout=_rollout(service, task_definition),
        tasks=tasks,
        targets=look.attempt("the targets' health", look.targets, ()),
        events=tuple(text for text in _events(service, started)),
        log=tuple(text for _, text in lines),
        facts=facts,
        log_times=tuple(time for time, _ in lines),
        notes=tuple(look.notes),
    )


def _digest(tasks: list[dict[str, Any]]) -> str:
    """That of the image, or what the reference itself pins."""
    for container in (one for task in tasks for one in task.get("containers", [])):
        if found := container.get("imageDigest") or container.get("image", "").partition("@")[2]:
            return str(found)
    return ""


def _rollout(service: dict[str, Any], task_definition: str) -> str:
    own = [one for one in service["deployments"] if one["taskDefinition"] == task_definition]
    failed = [one for one in own if one.get("rolloutState") == "FAILED"]
    return next((str(one.get("rolloutStateReason", "")) for one in failed), "") or said_of_failure(service)


def _events(service: dict[str, Any], started: float) -> list[str]:
    """Newest first, as ECS gives them."""
    new = [one for one in service.get("events", [])[:EVENTS] if one["createdAt"].timestamp() >= started]
    return [str(one["message"]) for one in new]
