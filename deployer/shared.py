"""Reads that several types make at the same time, of which each is sent once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any


class Shared:
    """May be used from any thread. Lives as long as what was read may count as true."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reads: dict[Hashable, Future[Any]] = {}

    def read(self, what: Hashable, ask: Callable[[], Any]) -> Any:
        """The answer of the first who asks for `what`, also for those who ask meanwhile. Raises as `ask` does."""
        with self._lock:
            first = what not in self._reads
            answer = self._reads.setdefault(what, Future())
        if first:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
        return answer.result()
