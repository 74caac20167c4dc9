"""The life of the sandbox's process: listen, remember, begin, tend, end."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .control.manner import asked
from .control.tempo import LOCK, TEMPO
from .endpoint import serve
from .folder import kept, sockets_of
from .process import MANNERS
from .quick import starting
from .registry import NoRegistryError, Registry, Served
from .server import Sandbox

SAVE_SECONDS = 1.0  # after a change, and between two savings
SAVE_LATEST = 10.0  # while one change follows the other
TIDY_SECONDS = 0.5
log = logging.getLogger("deployer.sandbox")


class Life:
    """One run of the process. Called from its main thread, with which the registry's process would die."""

    def __init__(self, folder: Path, owner: str, account: str, suffix: str) -> None:
        self.folder, self.owner, self.account, self.suffix = folder, owner, account, suffix
        self.port = 0
        self.key = kept(folder / "key", lambda: f"SANDBOX{secrets.token_hex(8).upper()}")
        self.server = Sandbox(self.key, self.status, self.after)
        self.registry = Registry(folder / "registry", self._contained)
        self.registry_problem = self.save_problem = ""
        self._saved = self._tidied = self._tried = 0.0
        self._known: set[tuple[str, str]] = set()  # the account's tasks, and where they stand
        self._registry_tried = threading.Event()
        self._http: Any = None
        self.running: Any = None

    def listen(self) -> str:
        """On the port it had before, if that is free."""
        try:
            self._http = serve(self.server, self.port)
        except (OSError, SystemExit):  # werkzeug ends the program when the port is taken
            self._http = serve(self.server, 0)
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{self._http.port}"

    def begin(self) -> None:
        with starting():
            loading = threading.Thread(target=self.server.prepare, args=(self._load,), name="load", daemon=True)
            loading.start()
            try:
                self._start_registry()  # another program, which takes its time as well
            finally:
                self._registry_tried.set()
            loading.join()
        if self.running is None:
            raise SystemExit(1)  # the reason is in the log
        from .leftovers import Leftovers

        Leftovers(self.running).of_another_time()

    def _load(self) -> Any:
        from . import store
        from .containers import Containers
        from .control import corrections, manners
        from .fronts import Fronts
        from .running import Running, spec_of
        from .supplies import Supplies

        supplies = Supplies(self.account)
        sockets = sockets_of(self.owner)
        containers = Containers(self.owner, sockets, supplies.secret, supplies.log, self.registry.login)
        fronts = Fronts(LOCK, containers.reach, sockets)
        running = Running(containers, fronts, self.registry)
        TEMPO.change(task=1.0, drain=0.0, nat=1.0, load_balancer=2.0)
        with LOCK:
            moto = corrections.load(running, self.registry, self.suffix)
            store.load(self.folder / "state.pickle")
            _wake()
            manners.switch(asked(os.environ.get(MANNERS, "")))
            alive = [spec_of(task) for task in _tasks() if task.last_status != "STOPPED"]
        containers.adopt(alive, supplies.last)
        running.adopting = False
        fronts.start()
        self.running = running
        self._registry_tried.wait()
        return moto

    def tend(self) -> None:
        """Four times a second."""
        moment = time.monotonic()
        if moment - self._tidied > TIDY_SECONDS:
            self._tidied = moment
            self.running.tidy()
            self._look()
        if moment - self._tried > 5:
            self._tried = moment
            if not self.registry.alive():
                self._start_registry()
        quiet = moment - max(self._saved, self.server.changed)
        if self.server.changed > self._saved and (quiet > SAVE_SECONDS or moment - self._saved > SAVE_LATEST):
            self.save()

    def _look(self) -> None:
        """What the scheduler has done is remembered, too: after a kill, containers of unknown tasks are removed."""
        with LOCK:
            known = {(task.id, task.last_status) for task in _tasks()}
        if known != self._known:
            self._known, self.server.changed = known, time.monotonic()

    def save(self) -> None:
        from . import store

        self._saved = time.monotonic()
        try:
            with LOCK:
                store.save(self.folder / "state.pickle")
            self.save_problem = ""
        except Exception as error:  # a full disk, or an object that cannot be pickled: what runs goes on running
            said = error.strerror if isinstance(error, OSError) else repr(error)
            self.save_problem = f"what the account holds could not be saved: {said}"
            log.error("%s", self.save_problem)

    def end(self) -> None:
        """What it holds is remembered; its containers, networks and volumes are not."""
        if self.running:
            self.save()
            self.running.fronts.stop()
            if not self.running.containers.available():
                self.running.containers.clean()
        self.registry.stop()

    def _start_registry(self) -> None:
        self._tried = time.monotonic()
        try:
            self.registry.start()
            self.registry_problem = ""
        except (NoRegistryError, OSError) as error:
            self.registry_problem = str(error)

    def _contained(self, root: Path, port: int) -> Served:
        from .contained import Contained

        return Contained(self.owner)(root, port)

    def after(self, operation: str) -> None:
        from .leftovers import Leftovers

        Leftovers(self.running).after(operation)

    def status(self) -> dict[str, Any]:
        containers = self.running.containers
        return {
            "pid": os.getpid(),
            "folder": str(self.folder),
            "account": self.account,
            "registry": self.registry.address or self.registry_problem,
            "engine": containers.available(),
            "problem": self.save_problem,
            "load_balancers": [asdict(front) for front in self.running.fronts.table()],
            "containers": self._containers(),
        }

    def _containers(self) -> int:
        from .containers.engine import FAULTS

        with contextlib.suppress(*FAULTS):  # the engine may have ended a moment ago
            return len(self.running.containers.engine.containers())
        return 0


def _wake() -> None:
    """What was measured by the clock of another boot means nothing any more."""
    from moto.ecs.models import ecs_backends
    from moto.elbv2.models import elbv2_backends

    from .control import manners, scheduler

    manners.wake()
    for backend in [one for regions in ecs_backends.values() for one in regions.values()]:
        scheduler.wake(backend)
    for backend in [one for regions in elbv2_backends.values() for one in regions.values()]:
        for balancer in backend.load_balancers.values():
            balancer.state = "active"


def _tasks() -> list[Any]:
    """Every task that the account knows."""
    from moto.ecs.models import ecs_backends

    from .control.tasks import EcsTask

    backends = [one for regions in ecs_backends.values() for one in regions.values()]
    tasks = [task for backend in backends for known in backend.tasks.values() for task in known.values()]
    return [task for task in tasks if isinstance(task, EcsTask)]
