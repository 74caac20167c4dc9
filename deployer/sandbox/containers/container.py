"""One container of a task: what it is made of, what it is doing, how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, NotFound

from deployer.docker_errors import words_of
from deployer.sandbox.containers.engine import Engine
from deployer.sandbox.containers.image import Login, obtain
from deployer.sandbox.containers.model import ContainerSeen, Definition, Health, Status, TaskSpec
from deployer.sandbox.containers.network import Networks
from deployer.sandbox.containers.options import options
from deployer.sandbox.containers.output import Log, Output, Outputs
from deployer.sandbox.containers.reasons import OUT_OF_MEMORY, cannot_create, cannot_start, no_log_group, no_secret

logger = logging.getLogger("deployer.sandbox")

STOP_TIMEOUT = 30
SIGKILL = 137
HEALTH: dict[str, Health] = {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}


@dataclass(frozen=True)
class Host:
    """What tasks share."""

    engine: Engine
    networks: Networks
    outputs: Outputs
    secret: Callable[[str], str]
    log: Log
    login: Login


class Container:
    """All of it is changed by the task's thread only."""

    def __init__(self, host: Host, spec: TaskSpec, definition: Definition, ended: Callable[[], None]) -> None:
        self.host, self.spec, self.definition = host, spec, definition
        self.name: str = definition["name"]
        self.essential = definition.get("essential", True) is not False
        self.id = self.digest = self.reason = ""
        self.status: Status = "PENDING"
        self.health: Health = "UNKNOWN"
        self.exit_code: int | None = None
        self.stop_signal = "SIGTERM"
        self.out_of_memory = self.killed = False
        self.output = self._output(ended)

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"

    @property
    def stop_timeout(self) -> int:
        seconds = self.definition.get("stopTimeout")
        return STOP_TIMEOUT if seconds is None else int(seconds)

    def seen(self) -> ContainerSeen:
        return ContainerSeen(self.status, self.exit_code, self.reason, self.health, self.id, self.digest)

    def _output(self, ended: Callable[[], None]) -> Output | None:
        logs = self.definition.get("logConfiguration") or {}
        group = (logs.get("options") or {}).get("awslogs-group")
        if logs.get("logDriver") != "awslogs" or not group:
            return None
        stream = f"{logs['options'].get('awslogs-stream-prefix', 'ecs')}/{self.name}/{self.spec.id}"
        return Output(self.host.engine, (group, stream), self.host.log, ended)

    def obtain_image(self, proceed: Callable[[], None]) -> None:
        image = self.definition["image"]
        self.digest = obtain(self.host.engine, self.name, image, self.spec.platform, self.host.login, proceed)

    def obtain_secrets(self) -> dict[str, str]:
        try:
            return {each["name"]: self.host.secret(each["valueFrom"]) for each in self.definition.get("secrets") or []}
        except Exception as error:  # the caller's code, which speaks for AWS
            raise no_secret(str(error)) from error

    def check_log(self) -> None:
        if self.output:
            try:
                self.host.log(*self.output.target, [])
            except LookupError:
                raise no_log_group() from None

    def create(self, secrets: dict[str, str], network: dict[str, Any]) -> None:
        engine = self.host.engine
        settings = options(self.spec, self.definition, secrets, engine.cpus)
        labels = engine.labels(task=self.spec.id, container=self.name, vpc=self.spec.vpc, part="task")
        try:
            image = self.definition["image"]
            self.id = str(engine.client.containers.create(image, **settings, **network, labels=labels).id)
        except APIError as error:
            raise cannot_create(self.name, words_of(error)) from None

    def start(self) -> None:
        try:
            self.host.engine.client.api.start(self.id)
        except APIError as error:
            raise cannot_start(self.name, words_of(error)) from None
        self.status = "RUNNING"
        self.listen()

    def resume(self, identifier: str, since: Callable[[str, str], int] | None) -> None:
        """It is there already, in whatever state: `look` will tell."""
        self.id, self.status = identifier, "RUNNING"
        if self.output:
            kept = since(*self.output.target) if since else int(time.time() * 1000)
            self.output.since = (kept + 1) * 1_000_000 if kept else 0

    def listen(self) -> None:
        if self.output and not self.output.followed:
            self.host.outputs.add(self.output)
            self.output.follow(self.id)

    def look(self) -> dict[str, Any]:
        """What the engine says of it now: nothing if it is gone, which counts as killed."""
        try:
            found: dict[str, Any] = self.host.engine.client.api.inspect_container(self.id)
        except NotFound:
            if self.status != "STOPPED":
                self._exited({"ExitCode": SIGKILL})
            return {}
        state = found["State"]
        self.stop_signal = found["Config"].get("StopSignal") or "SIGTERM"
        if state["Status"] in ("exited", "dead"):
            self._exited(state)
        elif state["Status"] == "created":
            self.status = "PENDING"
        elif self.running:
            self.listen()
            said = (state.get("Health") or {}).get("Status")
            self.health = HEALTH.get(str(said), self.health)
        return found

    def _exited(self, state: dict[str, Any]) -> None:
        if self.status == "STOPPED":
            return
        self.status, self.exit_code = "STOPPED", state["ExitCode"]
        self.out_of_memory |= bool(state.get("OOMKilled"))
        if state.get("Error"):
            self.reason = state["Error"]
        if self.out_of_memory and self.exit_code and not self.killed:
            self.reason = OUT_OF_MEMORY

    def signal(self, name: str) -> None:
        self.killed |= name == "SIGKILL"
        try:
            self.host.engine.client.api.kill(self.id, name)
        except APIError as error:  # it has exited: the news of it is under way
            logger.debug("%s: %s", self.name, words_of(error))

    def ask_to_stop(self) -> None:
        self.signal(self.stop_signal)

    def finish(self, deadline: float) -> None:
        if self.output:
            self.output.finish(max(0.0, deadline - time.monotonic()))
            self.host.outputs.remove(self.output)

    def remove(self) -> None:
        if self.id:
            self.host.engine.remove(self.id)
