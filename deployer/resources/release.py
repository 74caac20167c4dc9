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
from deployer.aws import Aws, ignoring
from deployer.ecs import describe_services, primary, revision, settled
from deployer.errors import DeployerError, RolloutError
from deployer.resource import Join, Made, Outputs, Resource, Retry, digest
from deployer.verdict.outside import line

GONE = "ClusterNotFoundException"
NOT_STEADY = "is not steady yet"
STARTS = 3  # tasks until a command that could not even be started has failed
LONGEST = 60  # characters of the command that are shown while it runs

TOKENS: dict[str, str] = {}  # by mark: of the RunTask whose answer is still awaited
SEEN: dict[str, float] = {}  # by task: when it was asked for first
AGAIN: dict[str, list[str]] = {}  # by id: the tasks that took its place, since it could not be started


@dataclass(frozen=True, kw_only=True)
class Release(Resource):
    """`after`: ARNs of services that it may talk to, which have to be steady first; `name`: the service's."""

    type = "release"
    revisions = 1  # a former run is forgotten without a question
    own_object = False
    deed = True
    look_first = True  # the same command never runs twice at a time
    replace_on = frozenset({"cluster", "task_definition", "command", "subnets", "groups", "public_ip", "after"})
    retry_on = (
        *oneoff.RETRY,
        Retry("", NOT_STEADY, 3600),
        Retry("", "apacity is unavailable", oneoff.CAPACITY),
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
        """By which its tasks are found: `startedBy`."""
        return f"deployer/release/{digest([aws.stack_id, self.name, self.task_definition, self.command], 16)}"

    def create(self, aws: Aws) -> Made:
        self._wait_for_others(aws)
        mark = self.mark(aws)
        answer = self._run(aws, TOKENS.setdefault(mark, secrets.token_hex(16)))
        del TOKENS[mark]
        return Made(oneoff.started(answer, self.key), {})

    def _run(self, aws: Aws, token: str) -> dict[str, Any]:
        asked = oneoff.request(aws, self.launch, self.command)
        tags = aws.tags(self.key, self.fingerprint)
        asked |= {"clientToken": token, "startedBy": self.mark(aws), "tags": oneoff.tag_list(tags, "key", "value")}
        answer: dict[str, Any] = aws.ecs.run_task(**asked)
        return answer

    def _wait_for_others(self, aws: Aws) -> None:
        """A command of a first deployment would find nobody. What ECS has given up is not waited for."""
        for service in describe_services(aws, self.after):
            if primary(service).get("rolloutState") != "FAILED" and not settled(service):
                raise DeployerError(f"{self.key}: {service['serviceName']} {NOT_STEADY}.")

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
        with ignoring(GONE):
            arns: list[str] = aws.ecs.list_tasks(cluster=self.cluster, startedBy=self.mark(aws))["taskArns"]
            if arns:
                TOKENS.pop(self.mark(aws), None)
            return next(iter(arns), None)
        return None

    def refound(self, aws: Aws) -> str | None:
        """After a lost state: where the service runs this revision, its command has run before; the id names that."""
        with ignoring(GONE):
            for service in aws.ecs.describe_services(cluster=self.cluster, services=[self.name])["services"]:
                if service["status"] == "ACTIVE" and primary(service).get("taskDefinition") == self.task_definition:
                    return f"released/{revision(self.task_definition)}"
        return None

    def delete(self, aws: Aws, id: str) -> None:
        """One that runs is stopped."""
        while arn := self.find(aws):
            oneoff.stop(aws, self.launch, arn, "The release command is no longer wanted")

    def leaving(self, aws: Aws, id: str) -> str | None:
        arn = [id, *AGAIN.get(id, [])][-1]
        with ignoring(GONE):
            going = [one for one in tasks.described(aws, self.cluster, [arn]) if one["lastStatus"] != "STOPPED"]
            return f"its task is {going[0]['lastStatus'].lower()}" if going else None
        return None
