"""Short ways to evidence, in AWS's words."""

from __future__ import annotations

from typing import Any

from deployer.verdict.evidence import Evidence, Facts, StoppedContainer, StoppedTask, TargetHealth
from deployer.verdict.verdict import Verdict, judge

ECR = "111122223333.dkr.ecr.us-east-1.amazonaws.com/voting-web:3f2a"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/voting-web/1eeb6ae879ed370f"
TIMED_OUT = TargetHealth("unhealthy", "Target.Timeout", "Request timed out", 8080)
FAILED = TargetHealth("unhealthy", "Target.FailedHealthChecks", "Health checks failed", 8080)
ELB = f"Task failed ELB health checks in (target-group {GROUP})"


def task(
    reason: str = "Essential container in task exited",
    code: int | None = None,
    container: str = "",
    stop: str = "",
    id: str = "0a1b",
    **more: Any,
) -> StoppedTask:
    usual = "EssentialContainerExited" if code is not None else "TaskFailedToStart"
    return StoppedTask(id, stop or usual, reason, (StoppedContainer("web", code, container),), **more)


def evidence(*tasks: StoppedTask, facts: Facts | None = None, **more: Any) -> Evidence:
    facts = facts or Facts(port=8080, health_path="/healthz", grace=60, balancer="application")
    return Evidence("web", "voting-web:7", **({"image": ECR} | more), tasks=tasks, facts=facts)


def failed_to_start(reason: str, container: str = "", **more: Any) -> Evidence:
    return evidence(task(reason, container=container), **more)


def exited(code: int, *log: str, **more: Any) -> Evidence:
    return evidence(task(code=code), log=log, **more)


def events(*texts: str, **more: Any) -> Evidence:
    return evidence(events=tuple(f"(service web) {text}" for text in texts), **more)


def unwell(target: TargetHealth, *log: str, **more: Any) -> Evidence:
    return evidence(task(ELB, 143, stop="ServiceSchedulerInitiated"), targets=(target,), log=log, **more)


def code(status: int) -> TargetHealth:
    said = f"Health checks failed with these codes: [{status}]"
    return TargetHealth("unhealthy", "Target.ResponseCodeMismatch", said, 8080)


def verdict(given: Evidence) -> Verdict:
    return judge(given)
