"""All tasks of a sandbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from deployer.docker_errors import words_of
from deployer.sandbox.containers.container import Host
from deployer.sandbox.containers.engine import CONTAINER, FAULTS, TASK, Engine, quietly
from deployer.sandbox.containers.image import Login
from deployer.sandbox.containers.model import News, Seen, TaskSpec
from deployer.sandbox.containers.network import LOCAL_IMAGE, Networks
from deployer.sandbox.containers.output import Log, Outputs
from deployer.sandbox.containers.task import Task
from deployer.sandbox.containers.watch import Watch

logger = logging.getLogger("deployer.sandbox")

REMEMBERED = 500  # stopped tasks


class Containers:
    """`run`, `stop`, `look` and `reach` never wait for the engine; the others do.

    `secret` reads a `valueFrom`; what it raises says why the task cannot start. `log` takes (group, stream, events),
    also none: then it only makes the stream, and raises LookupError if there is no such group. `login` gives the
    username and password for a registry, or None.
    """

    def __init__(self, owner: str, sockets: Path, secret: Callable[[str], str], log: Log, login: Login) -> None:
        self.engine = Engine(owner)
        networks, self._outputs = Networks(self.engine, sockets), Outputs()
        self._host = Host(self.engine, networks, self._outputs, secret, log, login)
        self._watch = Watch(self.engine, self._tell, self._sweep)
        self._tasks: dict[str, Task] = {}
        self._given_up: set[str] = set()
        self._released: set[str] = set()
        self._lock = threading.Lock()

    def available(self) -> str:
        return self.engine.available()

    def run(self, spec: TaskSpec) -> None:
        task = self._add(spec)
        task.start(lambda: self._begin(task))

    def _begin(self, task: Task) -> None:
        self._watch.start()
        self.engine.client.ping()
        self._watch.connected(5)
        task.begin()

    def look(self, id: str) -> Seen | None:
        task = self._tasks.get(id)
        return task.seen if task else None

    def stop(self, id: str, kill_after: int | None = None) -> None:
        task = self._tasks.get(id)
        if task and task.active:
            task.stop(kill_after)

    def reach(self, ip: str, port: int) -> tuple[str, int] | None:
        for task in self._now():
            seen = task.seen
            if seen.ip == ip and seen.phase in ("RUNNING", "STOPPING") and port in seen.ports:
                return "127.0.0.1", seen.ports[port]
        return None

    def adopt(self, specs: list[TaskSpec], since: Callable[[str, str], int] | None = None) -> None:
        """Goes on with the containers that an earlier process left, and removes those of no task in `specs`. Output is
        read after the time that `since` gives for a log group and stream (milliseconds since the epoch)."""
        found: dict[str, dict[str, str]] = {spec.id: {} for spec in specs}
        try:
            for container in self.engine.containers():
                task = container["Labels"].get(TASK, "")
                if task in found:
                    found[task][container["Labels"].get(CONTAINER, "")] = container["Id"]
                elif task and task not in self._tasks:
                    self.engine.remove(container["Id"])
            self._watch.start()
            self._watch.connected(5)
        except FAULTS:
            logger.debug("nothing to adopt", exc_info=True)
        for spec in specs:
            self._add(spec).resume(found[spec.id], since)

    def release(self, vpc: str) -> None:
        """Removes the network and gateway of a VPC, now or when its last task has stopped."""
        with self._lock:
            self._released.add(vpc)
        self._remove_released(vpc)

    def clean(self) -> None:
        """Nothing of this owner is left in the engine. Tasks are not asked to stop."""
        tasks = self._now()
        for task in tasks:
            task.drop()
        for task in tasks:
            task.join(2)
        for _ in range(5):
            if not self._remove_all():  # a task may just have made another
                return

    def _remove_all(self) -> int:
        api, filters = self.engine.client.api, self.engine.filters()
        containers = [each["Id"] for each in self.engine.containers()]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.engine.remove, containers))
        networks = [each["Id"] for each in api.networks(filters=filters)]
        for network in networks:
            quietly(partial(api.remove_network, network))
        volumes = [each["Name"] for each in api.volumes(filters=filters)["Volumes"] or []]
        for volume in volumes:
            quietly(partial(api.remove_volume, volume, force=True))
        return len(containers) + len(networks) + len(volumes)

    def forget_image(self) -> None:
        """The gateway's, unless another sandbox uses it."""
        quietly(lambda: self.engine.client.api.remove_image(LOCAL_IMAGE))

    def close(self) -> None:
        """Ends the threads. The containers run on; a later process may `adopt` them."""
        tasks = self._now()
        for task in tasks:
            task.leave()
        deadline = time.monotonic() + 2
        for task in tasks:
            task.join(max(0.0, deadline - time.monotonic()))
        self._watch.close()
        self._outputs.close()
        self.engine.close()

    def _now(self) -> list[Task]:
        with self._lock:
            return [task for task in self._tasks.values() if task.active]

    def _add(self, spec: TaskSpec) -> Task:
        task = Task(spec, self._host, self._over)
        with self._lock:
            self._released.discard(spec.vpc)
            self._tasks[spec.id] = task
            stopped = [id for id, each in self._tasks.items() if not each.active]
            for id in stopped[:-REMEMBERED]:
                del self._tasks[id]
        return task

    def _over(self, task: Task) -> None:
        with self._lock:
            if task.given_up:
                self._given_up.add(task.spec.id)
        self._remove_released(task.spec.vpc)

    def _remove_released(self, vpc: str) -> None:
        if vpc not in self._released or any(task.spec.vpc == vpc for task in self._now()):
            return
        try:
            self._host.networks.remove(vpc)
        except FAULTS as error:
            logger.warning("the network of %s was not removed: %s", vpc, words_of(error))

    def _tell(self, id: str, news: News) -> None:
        for task in self._now():
            if not id or task.spec.id == id:
                task.tell(news)

    def _sweep(self) -> None:
        """The engine is back: what it still has of tasks that were given up goes."""
        with self._lock:
            given_up, self._given_up = self._given_up, set()
        for container in self.engine.containers():
            if container["Labels"].get(TASK) in given_up:
                logger.info("removing a container of the lost task %s", container["Labels"][TASK])
                self.engine.remove(container["Id"])
