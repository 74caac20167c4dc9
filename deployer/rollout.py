"""A rollout, followed from the call that has started it to its end: by its service deployment, which is this one and
no other; where the endpoint does not know those, by the id in `deployments[]`. Never by the waiter `services_stable`,
which takes the old revision for success."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deployer import aws as door
from deployer import ecs
from deployer.asked import ASKED, GOING, Asked, counts, service_deployment
from deployer.aws import Aws
from deployer.errors import DeployerError, RolloutError
from deployer.state import Record

if TYPE_CHECKING:
    from deployer.verdict.evidence import Evidence

UNSEEN_SECONDS = 15.0  # DescribeServices may answer with an older state for some seconds
LOOK_SECONDS = 10.0  # between two looks at stopped tasks while nothing is said to have failed
FIRST_CHECKS = "a network load balancer's first health checks take 2 to 5 minutes on AWS"


@dataclass(frozen=True)
class Rollout:
    """Of which service (its ARN), to what. `kind`: of its load balancer, or None."""

    key: str
    service: str
    task_definition: str
    count: int
    target_group: str | None
    kind: str | None

    @classmethod
    def of(cls, record: Record, task_definition: str) -> Rollout:
        """Of a recorded service, to that revision."""
        inputs = record.inputs
        group, kind = inputs.get("target_group"), inputs.get("kind")
        return cls(record.key, record.id or "", task_definition, inputs["count"], group, kind)

    def pending(self, aws: Aws) -> str | None:
        """What it waits for; None once it has succeeded. Raises RolloutError with the verdict."""
        asked = ASKED.get(self.service)
        told = service_deployment(aws, self.service, asked) if asked else None
        if asked and told and told["status"] in GOING:
            return self._going(aws, asked, told)
        service = self._described(aws, asked)
        if isinstance(service, str):
            return service
        if told and told["status"] != "SUCCESSFUL" and self._aimed_at(aws, told):
            raise self._failed(aws, service, asked, _superseded(service, told) or told.get("statusReason", ""))
        return self._by_deployments(aws, service, asked)

    def _aimed_at(self, aws: Aws, told: dict[str, Any]) -> bool:
        """Not so for one that wanted another revision and was taken back to ours."""
        arn = told.get("targetServiceRevision", {}).get("arn")
        if not arn:
            return True
        try:
            answer = aws.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"]
        except Exception as error:
            if counts(error):
                raise
            return False  # then `deployments[]` tells
        return not answer or answer[0]["taskDefinition"] == self.task_definition

    def _described(self, aws: Aws, asked: Asked | None) -> dict[str, Any] | str:
        services = ecs.describe_services(aws, [self.service])
        if services and services[0]["status"] == "ACTIVE":
            return services[0]
        if asked and services:
            raise RolloutError(f"{self.key}: the service is {services[0]['status'].lower()}: it was deleted while "
                               "its rollout went on.", "`deployer up` makes it again.")  # fmt: skip
        if asked and time.monotonic() - asked.seen > UNSEEN_SECONDS:
            raise RolloutError(f"{self.key}: the service is gone; it was deleted while its rollout went on.",
                               "`deployer up` makes it again.")  # fmt: skip
        return "the service is not visible yet"

    def _going(self, aws: Aws, asked: Asked, told: dict[str, Any]) -> str:
        asked.seen = time.monotonic()
        target = told.get("targetServiceRevision", {})
        failed = told.get("deploymentCircuitBreaker", {}).get("failureCount", 0)
        self._despair(aws, asked, failed, stoppable=True, told=told)
        return self._progress(aws, target.get("runningTaskCount", 0), target.get("pendingTaskCount", 0), failed)

    def _by_deployments(self, aws: Aws, service: dict[str, Any], asked: Asked | None) -> str | None:
        mine = self._deployment(service, asked)
        if mine is None and asked and not _lost_sight(service, asked):
            return "the new deployment is not visible yet"
        if mine is None or mine["status"] != "PRIMARY":
            said = ecs.said_of_failure(service) or "another deployment took its place"
            raise self._failed(aws, service, asked, said)
        if asked:
            asked.seen = time.monotonic()
        if mine.get("rolloutState") == "FAILED":
            raise self._failed(aws, service, asked, mine.get("rolloutStateReason", ""))
        running, failed = mine["runningCount"], mine.get("failedTasks", 0)
        if mine.get("rolloutState") == "COMPLETED" and running >= self.count:
            healthy = _targets(aws, self.target_group)["healthy"] if self.target_group else self.count
            return None if healthy >= self.count else f"{healthy} of {self.count} targets healthy{self._note()}"
        if asked:
            self._despair(aws, asked, failed, stoppable=mine.get("rolloutState") == "IN_PROGRESS")
        said = ecs.last_words(service)
        progress = self._progress(aws, running, mine["pendingCount"], failed)
        return f"{progress}; ECS: {said}" if said else progress

    def _deployment(self, service: dict[str, Any], asked: Asked | None) -> dict[str, Any] | None:
        """The deployment that this run has asked for; in a later run, the one of our task definition."""
        if asked:
            return next((one for one in service["deployments"] if one["id"] == asked.deployment), None)
        same = [one for one in service["deployments"] if one["taskDefinition"] == self.task_definition]
        same.sort(key=lambda one: one["status"] != "PRIMARY")
        return same[0] if same else None

    def _progress(self, aws: Aws, running: int, pending: int, failed: int) -> str:
        more = [f"{number} {word}" for number, word in ((pending, "pending"), (failed, "failed")) if number]
        text = ", ".join([f"{running} of {self.count} tasks running", *more])
        if running and self.target_group:
            states = _targets(aws, self.target_group)
            text += "; targets: " + (", ".join(f"{number} {state}" for state, number in states.items()) or "none yet")
        return text + self._note()

    def _note(self) -> str:
        return f" ({FIRST_CHECKS})" if self.kind == "network" else ""

    def _despair(
        self, aws: Aws, asked: Asked, failed: int, stoppable: bool, told: dict[str, Any] | None = None
    ) -> None:
        """Ends the wait, and the deployment, when it cannot become well: looked at after each failure.

        What was complete before (only more tasks are asked for) is no deployment that could be stopped."""
        due = failed > asked.failures or time.monotonic() - asked.looked > LOOK_SECONDS
        if not due:
            return
        from deployer.verdict.fatal import hopeless

        asked.failures, asked.looked = failed, time.monotonic()
        service = self._described(aws, asked)
        if isinstance(service, str):
            return
        evidence = self._evidence(aws, service, asked)
        if stoppable and hopeless(evidence):
            back = bool(told["sourceServiceRevisions"]) if told and "sourceServiceRevisions" in told else None
            if back is None and len(service["deployments"]) == 1:
                back = False
            raise self._judged(evidence, self._stop(aws, asked, back))
        if not stoppable and hopeless(replace(evidence, serving=None)):
            raise self._judged(evidence, "ECS goes on trying.")

    def _stop(self, aws: Aws, asked: Asked, back: bool | None) -> str:
        """Asks ECS to give up now: back to what served before, or, where nothing did, to no tasks at all; then the next
        `up` sets their number again. What came of it."""
        goes_on = "ECS goes on trying until its circuit breaker ends it"
        try:
            if back is False:
                aws.ecs.update_service(cluster=ecs.cluster_of(self.service), service=self.service, desiredCount=0)
                return "The deployment was stopped, and its tasks taken away."
            if back and asked.rollout:
                aws.ecs.stop_service_deployment(serviceDeploymentArn=asked.rollout, stopType="ROLLBACK")
                return "The deployment was stopped; ECS goes back to what served before."
        except Exception as error:
            return f"{goes_on} ({door.said(error)})."
        return f"{goes_on}."

    def _evidence(self, aws: Aws, service: dict[str, Any], asked: Asked | None) -> Evidence:
        return evidence(aws, service, self.task_definition, asked.since if asked else 0.0)

    def judged(self, aws: Aws, service: dict[str, Any]) -> RolloutError:
        """What is to be said of it as it stands."""
        return self._judged(self._evidence(aws, service, ASKED.get(self.service)), "")

    def _failed(self, aws: Aws, service: dict[str, Any], asked: Asked | None, reason: str) -> RolloutError:
        """ECS itself has given up, or somebody else has."""
        return self._judged(self._evidence(aws, service, asked), reason)

    def _judged(self, evidence: Evidence, reason: str) -> RolloutError:
        from deployer.verdict.verdict import judge

        verdict = judge(replace(evidence, rollout=evidence.rollout or reason))
        return RolloutError("\n".join(verdict.lines()), verdict=verdict.as_json())


def evidence(aws: Aws, service: dict[str, Any], task_definition: str, since: float) -> Evidence:
    """What is known of that revision of a service (as DescribeServices gives it); `since`: seconds since the epoch."""
    from deployer.verdict.evidence import Facts
    from deployer.verdict.gather import gather
    from deployer.verdict.known import facts

    try:
        known, log_group = facts(aws, service, task_definition)
    except Exception:  # they only sharpen the sentence
        known, log_group = Facts(), None
    found = gather(aws, service, task_definition, known, log_group, since)
    new = tuple(task for task in found.tasks if task.stopped_at is None or task.stopped_at >= since)
    return replace(found, tasks=new)  # what failed before may have been mended since


def unfinished(aws: Aws, record: Record, error: DeployerError) -> DeployerError:
    """The error of a service whose time was up, with what keeps it from being well."""
    rollout = Rollout.of(record, record.inputs["task_definition"])
    try:
        (service,) = ecs.describe_services(aws, [rollout.service])
        judged = rollout.judged(aws, service)
    except Exception:
        return error
    return RolloutError(f"{error.message}\n{judged.message}", error.hint, judged.verdict)


def _superseded(service: dict[str, Any], told: dict[str, Any]) -> str:
    if told["status"] != "STOPPED":
        return ""
    now = ecs.revision(ecs.primary(service).get("taskDefinition", ""))
    return f"it was stopped ({told.get('statusReason') or 'no reason given'}); ECS now deploys {now}"


def _lost_sight(service: dict[str, Any], asked: Asked) -> bool:
    """What ECS says of a failure is no matter of time."""
    mine = asked.deployment
    if any(mine in event["message"] and "failed" in event["message"] for event in service.get("events", [])):
        return True
    return time.monotonic() - asked.seen > UNSEEN_SECONDS


def _targets(aws: Aws, group: str) -> Counter[str]:
    answer = aws.elbv2.describe_target_health(TargetGroupArn=group)
    return Counter(str(one["TargetHealth"]["State"]) for one in answer["TargetHealthDescriptions"])

