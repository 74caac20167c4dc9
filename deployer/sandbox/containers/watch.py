"""The engine's events, read by one thread for all tasks; and what to do when it stops answering."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from deployer.sandbox.containers.container import HEALTH
from deployer.sandbox.containers.engine import CONTAINER, FAULTS, TASK, Engine
from deployer.sandbox.containers.model import News

logger = logging.getLogger("deployer.sandbox")

GRACE = 5.0  # seconds without the engine before tasks are given up
PAUSE = 0.3


class Watch:
    """`tell` gives news to a task, or to all ("")."""

    def __init__(self, engine: Engine, tell: Callable[[str, News], None], back: Callable[[], None]) -> None:
        self.engine, self.tell, self.back = engine, tell, back
        self._connected, self._closed = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stream: Any = None

    def start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deployer-watch", daemon=True)
                self._thread.start()

    def connected(self, seconds: float) -> bool:
        return self._connected.wait(seconds)

    def close(self) -> None:
        self._closed.set()
        try:
            if self._stream:
                self._stream.close()
        except (*FAULTS, AttributeError):
            logger.debug("the events were closed already", exc_info=True)

    def _run(self) -> None:
        lost_at: float | None = None
        while not self._closed.is_set():
            try:
                self._read(again=lost_at is not None)
            except (*FAULTS, ValueError, AttributeError):
                logger.debug("no events", exc_info=True)
            if self._connected.is_set():
                self._connected.clear()
                lost_at = time.monotonic()
            if lost_at is not None and time.monotonic() - lost_at > GRACE:
                self.tell("", News("lost"))
            self._closed.wait(PAUSE)

    def _read(self, again: bool) -> None:
        """What happened in between is seen by looking at every container again."""
        wanted = {"type": "container", "event": ["die", "oom", "health_status"], **self.engine.filters()}
        self._stream = self.engine.client.api.events(decode=True, filters=wanted)
        self._connected.set()
        if again:
            self.tell("", News("check"))
            self.back()
        for event in self._stream:
            self._report(event)

    def _report(self, event: dict[str, Any]) -> None:
        labels = event["Actor"]["Attributes"]
        task, container = labels.get(TASK, ""), labels.get(CONTAINER, "")
        what, _, detail = event["Action"].partition(": ")
        if not task or not container:
            return
        if what == "die":
            self.tell(task, News("exit", container))
        elif what == "oom":
            self.tell(task, News("oom", container))
        elif detail in HEALTH:
            self.tell(task, News("health", container, health=HEALTH[detail]))
