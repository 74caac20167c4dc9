"""Operating what is deployed: new tasks of the same revision, and the way back to a former one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployer import aws as door
from deployer import ecs
from deployer.asked import GOING, asked_for, counts
from deployer.aws import Aws
from deployer.errors import AwsError, DeployerError, Interrupted, RolloutError
from deployer.events import Event, Listen, Outcome
from deployer.patience import Patience
from deployer.rollout import Rollout, unfinished
from deployer.state import Record, State
from deployer.walk import Wait, Walk

LISTED = 50  # service deployments that are looked through for one that was healthy


@dataclass(frozen=True)
class Former:
    """A revision to go back to. `healthy`: whether a deployment of it is known to have succeeded."""

    task_definition: str
    image: str
    healthy: bool

    @property
    def revision(self) -> str:
        return ecs.revision(self.task_definition)


class Operation:
    """Changes services and follows their rollouts. `records`: of the services, by key."""

    def __init__(self, aws: Aws, state: State, patience: Patience, listen: Listen) -> None:
        self.aws, self.state, self.patience, self.listen = aws, state, patience, listen

    def run(self, change: Callable[[Record], Wait], records: list[Record], wait: bool = True) -> Outcome:
        """Carries `change` out for each; failures are in the outcome, each with its verdict."""
        began = time.monotonic()
        by_key = {record.key: record for record in records}

        def tell(event: Any, key: str, message: str = "") -> None:
            self.listen(Event(event, key, "service", "update", round(time.monotonic() - began, 3), message))

        def begin(key: str) -> Wait | None:
            tell("started", key)
            waiting = self.patience.attempt(lambda: change(by_key[key]))
            return Wait(lambda: self.patience.attempt(waiting.poll)) if wait else None

        graph: dict[str, set[str]] = {key: set() for key in by_key}
        walk = Walk(graph, begin, self.patience, 16, lambda key, text: tell("progress", key, text))
        walk.run()
        outcome = Outcome(interrupted=self.patience.stop.is_set())
        for key, error in walk.failed.items():
            if isinstance(error, Interrupted):
                continue
            known = door.explain(error, f"Changing {key}")
            late = not isinstance(known, RolloutError | AwsError)
            outcome.failures[key] = unfinished(self.aws, by_key[key], known) if late else known
            tell("failed", key)
        for key in by_key.keys() - walk.failed.keys() - set(walk.skipped):
            tell("done", key)
        outcome.counts["updated"] = len(by_key) - len(walk.failed) - len(walk.skipped)
        outcome.counts["failed"] = len(outcome.failures)
        return outcome

    def restart(self, record: Record) -> Wait:
        """New tasks of the same revision, in a rolling deployment."""
        return self._update(record, record.inputs["task_definition"], forceNewDeployment=True)

    def go_back(self, former: Former) -> Callable[[Record], Wait]:
        """The service runs the former revision again; the record says so at once."""

        def change(record: Record) -> Wait:
            wait = self._update(record, former.task_definition)
            self._recorded(record, former.task_definition)
            return wait

        return change

    def stop(self, record: Record, told: dict[str, Any]) -> Wait:
        """Stops the service deployment under way; ECS goes back to what served before."""
        arn = told["serviceDeploymentArn"]
        self.aws.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")

        def poll() -> str | None:
            answer = self.aws.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
            now = next(iter(answer), told)
            status = str(now["status"])
            if status == "ROLLBACK_FAILED":
                said, again = now.get("statusReason", "no reason given"), f"rollback {record.name} --to REVISION"
                raise DeployerError(f"{record.key}: going back failed: {said}.", f"`deployer {again}` tries another.")
            if status in (*GOING, "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"):
                return status.lower().replace("_", " ")
            self._follow(record)
            if status == "SUCCESSFUL":
                raise RolloutError(f"{record.key}: the rollout was over before it could be stopped; it serves.",
                                   f"`deployer rollback {record.name}` now goes back.")  # fmt: skip
            return None

        return Wait(poll)

    def _follow(self, record: Record) -> None:
        """The record names what ECS runs now."""
        for service in ecs.describe_services(self.aws, [record.id or ""]):
            self._recorded(record, ecs.primary(service)["taskDefinition"])

    def _recorded(self, record: Record, task_definition: str) -> None:
        """`taken_back`: from which revision, so that the next `up` asks before it brings that one again."""
        newest = record.inputs.get("taken_back") or record.inputs["task_definition"]
        inputs = {**record.inputs, "task_definition": task_definition, "taken_back": newest}
        if task_definition == newest:
            del inputs["taken_back"]
        self.state.put(record.but(inputs=inputs, status="ready"))

    def _update(self, record: Record, task_definition: str, **more: Any) -> Wait:
        answer = self.aws.ecs.update_service(
            cluster=ecs.cluster_of(record.id or ""), service=record.id, taskDefinition=task_definition, **more
        )
        asked_for(answer)
        rollout = Rollout.of(record, task_definition)
        return Wait(lambda: rollout.pending(self.aws))


def under_way(aws: Aws, record: Record) -> dict[str, Any] | None:
    """The service deployment that is going on, if any; None also where the endpoint does not know them."""
    for one in _deployments(aws, record):
        if one["status"] in GOING:
            arns = [one["serviceDeploymentArn"]]
            found = aws.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
            return found[0] if found else one
    return None


def formers(aws: Aws, state: State, record: Record) -> list[Former]:
    """What the service can go back to: newest first, the recorded revisions that are still registered."""
    current = record.inputs["task_definition"]
    good = _succeeded(aws, record)
    found = []
    for other in state.records.values():
        if other.type == "task-definition" and other.base == f"task-definition.{record.name}" and other.id != current:
            active = False
            with door.ignoring("ClientException", "InvalidParameterException"):
                answer = aws.ecs.describe_task_definition(taskDefinition=other.id)["taskDefinition"]
                active = answer["status"] == "ACTIVE"
            if active and other.id:
                found.append(Former(other.id, str(other.inputs.get("image", "")), other.id in good))
    return sorted(found, key=lambda one: int(one.task_definition.rpartition(":")[2]), reverse=True)


def _succeeded(aws: Aws, record: Record) -> set[str]:
    """The task definitions of which a deployment was successful, as far back as ECS remembers."""
    done = [one for one in _deployments(aws, record) if one["status"] == "SUCCESSFUL"]
    revisions = list(dict.fromkeys(filter(None, (one.get("targetServiceRevisionArn") for one in done))))
    good: set[str] = set()
    for batch in door.batches(revisions, 20):
        try:
            answer = aws.ecs.describe_service_revisions(serviceRevisionArns=batch)
        except Exception as error:
            if counts(error):
                raise
            break  # then none is known to have been healthy
        good |= {one["taskDefinition"] for one in answer["serviceRevisions"]}
    return good


def _deployments(aws: Aws, record: Record) -> list[dict[str, Any]]:
    """Newest first; empty where the endpoint does not know service deployments."""
    try:
        answer = aws.ecs.list_service_deployments(
            service=record.id, cluster=ecs.cluster_of(record.id or ""), maxResults=LISTED
        )
    except Exception as error:
        if counts(error) or door.code(error) == "ServiceNotFoundException":
            raise
        return []
    found: list[dict[str, Any]] = answer["serviceDeployments"]
    return sorted(found, key=lambda one: str(one["createdAt"]), reverse=True)
