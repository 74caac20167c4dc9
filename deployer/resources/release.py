"""The release command of a service: run once as a task on the new revision, before anything of it is rolled out.

Its id is the task's ARN. A run that failed is forgotten, so that the next `up` runs it again; one that ended well stays
recorded, though ECS forgets its task within the hour.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from deployer import oneoff, tasks
from deployer.aws import Aws, ignoring, tag_list
from deployer.ecs import describe_services, primary, revision, settled
from deployer.errors import DeployerError, RolloutError
from deployer.resource import Join, Made, Outputs, Resource, Retry, digest
from deployer.verdict.outside import line

GONE = "ClusterNotFoundException"
NOT_STEADY, STILL_RUNS = "is not steady yet", "still runs"
STARTS = 3  # tasks until a command that could not even be started has failed
LONGEST = 60  # characters of the command that are shown while it runs

TOKENS: dict[str, str] = {}  # by fingerprint: of the RunTask whose answer is still awaited
SEEN: dict[str, float] = {}  # by task: when it was asked for first
AGAIN: dict[str, list[str]] = {}  # by id: the tasks that took its place, since it could not be started


@dataclass(frozen=True, kw_only=True)
class Release(Resource):
    """`after`: ARNs of services that it may talk to, which have to be steady first; `name`: the service's."""

    type = "release"
    revisions = 1  # a change is another run, without a question
    own_object = False
    deed = True
    look_first = True  # it never runs twice at a time
    grants = oneoff.GRANTS
    replace_on = frozenset({"cluster", "task_definition", "command", "subnets", "groups", "public_ip", "after"})
    retry_on = (
        *oneoff.RETRY,
        Retry("", NOT_STEADY, 3600),
        Retry("", STILL_RUNS, 3600),
        Retry("", oneoff.UNPLACED + "Capacity", oneoff.CAPACITY),
        Retry("", oneoff.UNPLACED + "RESOURCE", oneoff.CAPACITY),
    )

    cluster: str
    task_definition: str
    command: list[str]
    subnets: list[str]
    groups: list[str]
    public_ip: bool
    after: list[str]

    @property
    def told(self) -> str:
        words = ("".join(map(str, one.parts)) if isinstance(one, Join) else str(one) for one in self.command)
        return line(" ".join(words))

    @property
    def launch(self) -> oneoff.Launch:
        return oneoff.Launch(self.name, self.cluster, self.task_definition, self.subnets, self.groups, self.public_ip,
                             None)  # fmt: skip

    def mark(self, aws: Aws) -> str:
        """By which the service's release commands are found: `startedBy`."""
        return f"deployer/release/{digest([aws.stack_id, self.name], 16)}"

    def create(self, aws: Aws) -> Made:
        self._wait_for_others(aws)
        answer = self._run(aws, TOKENS.setdefault(self.fingerprint, secrets.token_hex(16)))
        del TOKENS[self.fingerprint]
        return Made(oneoff.started(answer, self.key), {})

    def _run(self, aws: Aws, token: str) -> dict[str, Any]:
        asked = oneoff.request(aws, self.launch, self.command)
        tags = aws.tags(self.key, self.fingerprint)
        asked |= {"clientToken": token, "startedBy": self.mark(aws), "tags": tag_list(tags, "key", "value")}
        answer: dict[str, Any] = aws.ecs.run_task(**asked)
        return answer

    def _wait_for_others(self, aws: Aws) -> None:
        """On a first deployment the command would find nobody (what ECS has given up is not waited for); two at a time
        would be in each other's way."""
        for service in describe_services(aws, self.after):
            if primary(service).get("rolloutState") != "FAILED" and not settled(service):
                raise DeployerError(f"The service {service['serviceName']} {NOT_STEADY}, and {self.key} waits for it.")
        for task in self._running(aws):
            if not self._same(task):
                former = f"{revision(task['taskDefinitionArn'])} {STILL_RUNS}"
                raise DeployerError(f"A release command of {former}, and {self.key} waits for it.",
                                    f"Stop the task {tasks.task_id(task['taskArn'])} if it hangs.")  # fmt: skip

    def _running(self, aws: Aws) -> list[dict[str, Any]]:
        """The service's release commands that run."""
        with ignoring(GONE):
            arns = aws.ecs.list_tasks(cluster=self.cluster, startedBy=self.mark(aws))["taskArns"]
            return tasks.described(aws, self.cluster, arns)
        return []

    def _same(self, task: dict[str, Any]) -> bool:
        overrides = task.get("overrides", {}).get("containerOverrides", [])
        return task["taskDefinitionArn"] == self.task_definition and any(
            (one["name"], one.get("command")) == (self.name, self.command) for one in overrides
        )

    def update(self, aws: Aws, id: str, old: Release) -> None:
        """Nothing: a change is another run, and of an unfinished one the end is awaited."""

    def pending(self, aws: Aws, id: str) -> str | None:
        """Raises RolloutError with the verdict unless the command ended with 0."""
        arn = [id, *AGAIN.get(id, [])][-1]
        found = tasks.described(aws, self.cluster, [arn])
        if not found:
            if time.monotonic() - SEEN.setdefault(arn, time.monotonic()) < oneoff.UNSEEN:
                return "its task is not visible yet"
            raise RolloutError(f"{self.name}: how the release command of {revision(self.task_definition)} ended is not "
                               "known: ECS has forgotten its task. Nothing was rolled.",
                               "`deployer up` runs it again.")  # fmt: skip
        task = found[0]
        if task["lastStatus"] != "STOPPED":
            return self._doing(task)
        if tasks.container(task, self.name).get("exitCode") == 0:
            return None
        return self._failed(aws, id, task)

    def _doing(self, task: dict[str, Any]) -> str:
        shown = self.told if len(self.told) <= LONGEST else f"{self.told[:LONGEST]}..."
        if not task.get("startedAt"):
            return f"starting `{shown}` ({task['lastStatus'].lower()})"
        tens = max(0, int(time.time() - task["startedAt"].timestamp())) // 10 * 10
        return f"running `{shown}`" + (f", {tens} s" if tens else "")

    def _failed(self, aws: Aws, id: str, task: dict[str, Any]) -> str:
        """Once more where the command did not begin and may yet do so; the token makes that one task, also after a
        `kill -9`."""
        from deployer.verdict.release import judged, worth_another

        verdict = judged(aws, self.launch, self.told, task)
        later = AGAIN.setdefault(id, [])
        if task.get("startedAt") or len(later) + 1 >= STARTS or not worth_another(verdict):
            raise RolloutError("\n".join(verdict.lines()), verdict=verdict.as_json())
        later.append(oneoff.started(self._run(aws, digest([id, len(later)], 32)), self.key))
        return f"it could not be started, which may pass: {verdict.sentence} Trying again"

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        """What was done stays done."""
        return {id: {} for id in ids}

    def find(self, aws: Aws) -> str | None:
        """Its task, if it still runs."""
        arns = [task["taskArn"] for task in self._running(aws) if self._same(task)]
        if arns:
            TOKENS.pop(self.fingerprint, None)
        return next(iter(arns), None)

    def refound(self, aws: Aws) -> str | None:
        """After a lost state: where the service runs this revision, its command has run before; the id names that."""
        with ignoring(GONE):
            for service in aws.ecs.describe_services(cluster=self.cluster, services=[self.name])["services"]:
                if service["status"] == "ACTIVE" and primary(service).get("taskDefinition") == self.task_definition:
                    return f"released/{revision(self.task_definition)}"
        return None

    def delete(self, aws: Aws, id: str) -> None:
        """One that runs is stopped."""
        for task in self._running(aws):
            oneoff.stop(aws, self.launch, task["taskArn"], "The release command is no longer wanted")

    def leaving(self, aws: Aws, id: str) -> str | None:
        arn = [id, *AGAIN.get(id, [])][-1]
        with ignoring(GONE):
            going = [one for one in tasks.described(aws, self.cluster, [arn]) if one["lastStatus"] != "STOPPED"]
            return f"its task is {going[0]['lastStatus'].lower()}" if going else None
        return None
