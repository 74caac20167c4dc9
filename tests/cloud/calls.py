"""The record of all calls."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from deployer.sandbox.control.manner import READING

HIDDEN = "tests-cloud-hidden"  # in the user agent of calls that are not counted, delayed or disturbed


@dataclass
class Call:
    """One AWS call. `status` is the HTTP status, 0 when the connection was cut; `finished` is 0.0 while it runs."""

    n: int
    service: str
    operation: str
    mutating: bool
    started: float
    finished: float = 0.0
    status: int = 0

    def __str__(self) -> str:
        return f"{self.service}.{self.operation}"


def is_mutating(service: str, operation: str) -> bool:
    return not READING.match(operation)


class Calls:
    """Every call since `forget`, in the order in which they arrived."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._n = 0

    def begin(self, service: str, operation: str) -> Call:
        with self._lock:
            self._n += 1
            call = Call(self._n, service, operation, is_mutating(service, operation), time.time())
            self._calls.append(call)
            return call

    @staticmethod
    def end(call: Call, status: int) -> None:
        call.status, call.finished = status, time.time()

    def forget(self) -> None:
        with self._lock:
            self._calls, self._n = [], 0

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(call) for call in self._calls]
