"""The verdict on a release command: what its one task has left behind."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from deployer.aws import Aws, ignoring
from deployer.ecs import revision
from deployer.oneoff import Launch
from deployer.verdict.causes import find
from deployer.verdict.evidence import Evidence, Facts, StoppedTask
from deployer.verdict.gather import Gathering
from deployer.verdict.known import facts
from deployer.verdict.verdict import UNKNOWN, Verdict, judge, stop

LOG_LOOKS = 4  # a second apart: CloudWatch is some seconds late
OWN = ("exit-code", "usage-error", "exit-143", UNKNOWN)  # causes of which a service's words do not fit


@dataclass(frozen=True)
class ReleaseVerdict(Verdict):
    """`command`: as it is shown."""

    command: str = ""

    def headline(self) -> str:
        after = f"{self.serving.revision} still serves, " if self.serving else ""
        return f"{self.service}: the release command of {self.revision} failed; {after}nothing was rolled"

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"release": self.command}

    def _facts(self) -> list[tuple[str, int]]:
        taken_away = [task for task in self.evidence.tasks if not task.failed]
        return [(f"command: {self.command}", 3), *((stop(task), 4) for task in taken_away), *super()._facts()]


def judged(aws: Aws, launch: Launch, command: str, task: dict[str, Any]) -> ReleaseVerdict:
    """Of a task that has stopped, as DescribeTasks gives it."""
    evidence = _evidence(aws, launch, command, task)
    verdict = judge(evidence)
    said = {**vars(verdict)}
    if verdict.cause in OWN:
        said["sentence"] = f"`{command}` {_end(verdict.evidence.tasks[0])}."
        said["advice"] = "The last lines of its log are below; " if verdict.evidence.log else "It has written no log; "
        said["advice"] += "`deployer up` runs it again once this is mended."
    said["advice"] = said["advice"].replace(f"services.{launch.name}.command", f"services.{launch.name}.release")
    return ReleaseVerdict(**said, command=command)


def worth_another(verdict: Verdict) -> bool:
    """What kept the task from starting may pass: a right given seconds ago may not count yet."""
    found = find(verdict.evidence)
    return found is not None and found.outlook in ("passing", "twice")


def _end(task: StoppedTask) -> str:
    culprit = task.culprit
    if culprit is None or culprit.exit_code is None:
        return f"did not run to its end: {task.stopped_reason.rstrip('.') or 'ECS gives no reason'}"
    return f"ended with exit code {culprit.exit_code}"


def _evidence(aws: Aws, launch: Launch, command: str, task: dict[str, Any]) -> Evidence:
    service = _service(aws, launch)
    look = Gathering(aws, service, launch.definition)
    unknown: tuple[Facts, str | None] = (Facts(), None)
    running: list[dict[str, Any]] = []
    lines: list[tuple[float, str]] = []
    known, group = look.attempt("the service", lambda: facts(aws, service, launch.definition), unknown)
    if service["deployments"]:
        running = look.attempt("the running tasks", lambda: look.tasks("RUNNING"), running)
    if group and task.get("startedAt"):
        lines = look.attempt("the log", lambda: _log(look, group, task), lines)
    return Evidence(
        service=launch.name,
        revision=revision(launch.definition),
        image=look.attempt("the task definition", look.image, ""),
        serving=look.serving(running),
        tasks=(StoppedTask.of(task),),
        log=tuple(text for _, text in lines),
        facts=replace(known, command=(command,)),
        log_times=tuple(moment for moment, _ in lines),
        notes=tuple(look.notes),
    )


def _service(aws: Aws, launch: Launch) -> dict[str, Any]:
    """As DescribeServices gives it, or the like of it where there is none yet."""
    with ignoring("ClusterNotFoundException"):
        for service in aws.ecs.describe_services(cluster=launch.cluster, services=[launch.name])["services"]:
            if service["status"] == "ACTIVE":
                return dict(service)
    network = {"subnets": launch.subnets, "assignPublicIp": "ENABLED" if launch.public_ip else "DISABLED"}
    return {
        "serviceArn": f"{launch.cluster.replace(':cluster/', ':service/')}/{launch.name}",
        "serviceName": launch.name,
        "desiredCount": 1,
        "deployments": [],
        "networkConfiguration": {"awsvpcConfiguration": network},
    }


def _log(look: Gathering, group: str, task: dict[str, Any]) -> list[tuple[float, str]]:
    """Until something is there and nothing more comes."""
    lines: list[tuple[float, str]] = []
    for number in range(LOG_LOOKS):
        time.sleep(1 if number else 0)
        before, lines = lines, look.log(group, task)
        if lines and lines == before:
            break
    return lines
