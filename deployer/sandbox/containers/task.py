"""The life of a task: a thread that starts its containers, waits for news of them, and stops them all."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deployer.docker_errors import words_of
from deployer.sandbox.containers import reasons
from deployer.sandbox.containers.container import Container, Host
from deployer.sandbox.containers.engine import FAULTS, answered
from deployer.sandbox.containers.model import News, Seen, TaskSpec
from deployer.sandbox.containers.order import free
from deployer.sandbox.containers.output import nanoseconds
from deployer.sandbox.containers.reasons import Ended
from deployer.sandbox.containers.shared import Shared

logger = logging.getLogger("deployer.sandbox")

FLUSH = 2.0  # seconds that the rest of the output may take
LOOK = 5.0  # while stopping, containers are looked at that often, should news be lost
PATIENCE = 3.0  # seconds until a task that is stopped while the engine is busy with it counts as stopped
DEAF = 20.0  # seconds after KILL until a container that still runs is left to `remove`


class Left(Exception):  # noqa: N818 (not an error)
    """The thread ends, the containers stay."""


class Task:
    def __init__(self, spec: TaskSpec, host: Host, over: Callable[[Task], None]) -> None:
        self.spec, self.host, self.over = spec, host, over
        self.containers = {each["name"]: Container(host, spec, each, self._check) for each in spec.containers}
        self.given_up = False  # with containers that may be left in the engine
        self._shared = Shared(host.engine, host.networks, spec)
        self._inbox: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._stop_asked = self._lost = self._leaving = self._silent = False
        self._kill_after: int | None = None
        self._later: threading.Timer | None = None
        self._publishing = threading.Lock()
        self.seen = Seen("PROVISIONING", {name: each.seen() for name, each in self.containers.items()})
        self._thread: threading.Thread | None = None

    def start(self, steps: Callable[[], None]) -> None:
        name = f"deployer-task-{self.spec.id[:8]}"
        self._thread = threading.Thread(target=self._live, args=(steps,), name=name, daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        return self.seen.phase != "STOPPED"

    def tell(self, news: News) -> None:
        self._inbox.put(news)

    def stop(self, kill_after: int | None) -> None:
        self.tell(News("stop", seconds=kill_after))
        if self.seen.phase in ("PROVISIONING", "PENDING"):
            timer = threading.Timer(PATIENCE, self._fall_silent, args=[("PROVISIONING", "PENDING")])
            timer.daemon = True
            timer.start()

    def leave(self) -> None:
        self.tell(News("leave"))

    def join(self, seconds: float) -> None:
        if self._thread:
            self._thread.join(seconds)

    def drop(self) -> None:
        """Its containers are being removed by another."""
        self.leave()
        self._fall_silent(("PROVISIONING", "PENDING", "RUNNING", "STOPPING"))

    def _fall_silent(self, phases: tuple[str, ...]) -> None:
        """STOPPED at once; the thread cleans up when the engine lets go of it."""
        with self._publishing:
            if self.seen.phase in phases:
                self._silent = True
                self.seen = replace(self.seen, phase="STOPPED", stopped_at=time.time())

    def _check(self) -> None:
        self.tell(News("check"))

    def _publish(self, **changes: Any) -> None:
        with self._publishing:
            if not self._silent:
                containers = {name: each.seen() for name, each in self.containers.items()}
                self.seen = replace(self.seen, containers=containers, **changes)

    def _live(self, steps: Callable[[], None]) -> None:
        try:
            end = self._end_of(steps)
            self._publish(phase="STOPPING", stop_code=end.code, stopped_reason=end.reason)
            self._finish()
        except Left:
            for each in self.containers.values():
                if each.output:
                    self.host.outputs.remove(each.output)
            return
        except Exception:
            logger.exception("task %s", self.spec.id)
            self._lost = True
        self.given_up = self._lost
        self._publish(phase="STOPPED", stopped_at=time.time())
        self.over(self)

    def _end_of(self, steps: Callable[[], None]) -> Ended:
        try:
            steps()
            while True:
                self._wait()
        except Ended as end:
            if end.container:
                blamed = self.containers[end.container]
                blamed.status, blamed.reason = "STOPPED", end.container_reason
            return end
        except Left:
            raise
        except Exception as error:
            if isinstance(error, FAULTS) and not answered(error):
                self._lost = True
                return self._ended_by_host(reasons.LOST)
            logger.exception("task %s", self.spec.id)
            return self._ended_by_host(f"Host: {words_of(error)}")

    def _ended_by_host(self, reason: str) -> Ended:
        code = "EssentialContainerExited" if self.seen.phase == "RUNNING" else "TaskFailedToStart"
        return Ended(code, reason)

    def _wait(self, seconds: float | None = None) -> None:
        """For news, and acts on it."""
        self._hear(seconds)
        self._judge()

    def _hear(self, seconds: float | None) -> None:
        try:
            news = self._inbox.get(timeout=seconds)
            while True:
                self._take(news)
                news = self._inbox.get_nowait()
        except queue.Empty:
            pass
        self._publish()

    def _take(self, news: News) -> None:
        container = self.containers.get(news.container)
        if news.kind == "stop":
            self._stop_asked = True
            self._kill_after = self._kill_after if news.seconds is None else news.seconds
        elif news.kind == "lost":
            self._lost = True
        elif news.kind == "leave":
            self._leaving = True
        elif news.kind == "check":
            for each in self.containers.values():
                self._look(each)
        elif container and news.kind == "exit":
            self._look(container)
        elif container and news.kind == "oom":
            container.out_of_memory = True
        elif container and container.running:
            container.health = news.health

    def _look(self, container: Container) -> None:
        """An engine that does not answer now may do so soon: whether it is lost, the watch says."""
        if container.running and not self._lost:
            try:
                container.look()
            except FAULTS as error:
                logger.debug("task %s: %s", self.spec.id, words_of(error))
                self._look_later()

    def _look_later(self) -> None:
        if not (self._later and self._later.is_alive()):
            self._later = threading.Timer(1, self._check)
            self._later.daemon = True
            self._later.start()

    def _judge(self) -> None:
        if self._leaving:
            raise Left
        if self._stop_asked:
            raise Ended("", "")
        if self._lost:
            raise self._ended_by_host(reasons.LOST)
        essential = [each for each in self.containers.values() if each.essential]
        if any(each.status == "STOPPED" for each in essential):
            raise reasons.essential_exited()
        if any(each.health == "UNHEALTHY" for each in essential):
            raise reasons.unhealthy()

    def begin(self) -> None:
        network = self.host.networks.ready(self.spec.vpc)
        self._publish(phase="PENDING")
        containers = list(self.containers.values())
        secrets = {}
        for each in containers:
            secrets[each.name] = each.obtain_secrets()
            each.check_log()
        self._publish(pull_started_at=time.time())
        for each in containers:
            each.obtain_image(self._step)
        self._publish(pull_stopped_at=time.time())
        self._step()
        self._shared.create_volumes()
        joined = self._shared.join(network)
        for each in containers:
            self._step()
            each.create(secrets[each.name], joined)
        self._start_in_order(containers)
        self._publish(phase="RUNNING", started_at=time.time())

    def _step(self) -> None:
        """Between two steps of the start: is it still wanted?"""
        self._wait(0)

    def _start_in_order(self, waiting: list[Container]) -> None:
        while waiting:
            now = [each for each in waiting if free(each, self.containers)]
            for each in now:
                self._step()
                each.start()
                self._publish(**self._shared.address(each.look()))
            waiting = [each for each in waiting if each not in now]
            if waiting and not now:
                self._wait()

    def resume(self, found: dict[str, str], since: Callable[[str, str], int] | None) -> None:
        """Goes on with containers that are there already: name -> id. Without `since`, output counts from now on."""
        for name, identifier in found.items():
            if name in self.containers:
                self.containers[name].resume(identifier, since)
            elif not name:
                self._shared.holder = identifier
        self.start(self._resume)

    def _resume(self) -> None:
        states, started = [], 0
        for each in self.containers.values():
            found = each.look() if each.id else {}
            states.append((found.get("State") or {}).get("Status"))
            if found:
                started = max(started, nanoseconds(found["State"]["StartedAt"]))
                each.digest = found["Image"]
                self._publish(**self._shared.address(found))
            if each.status == "STOPPED":
                each.listen()
        if not all(state in ("running", "exited") for state in states):
            raise reasons.not_started(reasons.ENDED)
        self._publish(phase="RUNNING", started_at=started / 1e9)
        self._judge()

    def _finish(self) -> None:
        for each in self.containers.values():
            if each.running:
                self._try(each.ask_to_stop)
        since = time.monotonic()
        while not self._lost and (running := [each for each in self.containers.values() if each.running]):
            now = time.monotonic()
            soon = self._kill_after
            due = {each: since + (each.stop_timeout if soon is None else soon) for each in running}
            for each in running:
                if now >= due[each] and not each.killed:
                    self._try(each.signal, "SIGKILL")
            if now >= max(due.values()) + DEAF:
                logger.warning("task %s: containers do not die", self.spec.id)
                break
            later = [at - now for at in due.values() if at > now]
            self._try(self._hear, min([*later, LOOK]))
            if self._leaving:
                raise Left
            if not self._inbox.qsize() and time.monotonic() - now >= LOOK:
                self._try(self._take, News("check"))
        self._clean()

    def _clean(self) -> None:
        deadline = time.monotonic() + FLUSH
        for each in self.containers.values():
            each.finish(deadline)
        for each in self.containers.values():
            self._try(each.remove)
            each.status = "STOPPED"
        self._shared.remove(self._try)

    def _try(self, call: Callable[..., object], *arguments: object) -> None:
        """Once the engine is lost nothing more is asked of it."""
        if self._lost:
            return
        try:
            call(*arguments)
        except FAULTS as error:
            self._lost = not answered(error)
            logger.debug("task %s: %s", self.spec.id, words_of(error))
