"""What containers write, read by a thread per container and given to the log in batches."""

from __future__ import annotations

import logging
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from docker.types import CancellableStream

from deployer.sandbox.containers.engine import FAULTS, Engine

logger = logging.getLogger("deployer.sandbox")

Event = tuple[int, str]  # milliseconds since the epoch
Log = Callable[[str, str, list[Event]], None]

LONGEST = 262_118  # bytes: 256 KB less 26 that CloudWatch counts for itself; a longer line becomes several events
EVENTS, BYTES = 1000, 1_000_000  # a batch
PAUSE = 0.25
OVERLAP = 100_000_000  # nanoseconds


class Output:
    """One container's. `ended` is called when the engine has no more of it: the container exited, or the engine did."""

    def __init__(self, engine: Engine, target: tuple[str, str], log: Log, ended: Callable[[], None]) -> None:
        self.engine, self.target, self.log, self.ended = engine, target, log, ended
        self.since = 0  # nanoseconds: all before was read
        self._recent: deque[tuple[int, int]] = deque()  # what was read after that: times and hashes
        self._closed = False
        self._thread: threading.Thread | None = None
        self._stream: CancellableStream[Any] | None = None
        self._partial: dict[int, tuple[int, bytearray]] = {}  # of standard output (1) and error (2)
        self._events: list[Event] = []
        self._bytes = 0
        self._adding, self._giving = threading.Lock(), threading.Lock()

    @property
    def followed(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def follow(self, container: str) -> None:
        """From the beginning, or where it was left."""
        self._thread = threading.Thread(target=self._read, args=(container,), name="deployer-output", daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> None:
        if self._thread:
            self._thread.join(seconds)
        self.flush()

    def close(self) -> None:
        self._closed = True
        if self._stream:
            try:
                self._stream.close()
            except (*FAULTS, AttributeError):
                logger.debug("an output stream was closed already", exc_info=True)

    def flush(self) -> None:
        with self._giving:
            with self._adding:
                events, self._events, self._bytes = self._events, [], 0
            if not events:
                return
            try:
                self.log(*self.target, events)
            except LookupError:
                logger.debug("%d log events lost: there is no log group %s", len(events), self.target[0])
            except Exception:
                logger.warning("%d log events lost", len(events), exc_info=True)

    def _read(self, container: str) -> None:
        """Docker 20.10 ends what it lets follow some lines early, so the rest is read once more."""
        try:
            while not self._closed:
                self._read_once(container, follow=True)
                if self._exited(container):
                    self._read_once(container, follow=False)
                    break
        except (*FAULTS, ValueError, AttributeError):  # closed from another thread
            logger.debug("the output of %s ended", container, exc_info=True)
        for when, text in self._partial.values():
            self._add(when, bytes(text))
        self._partial = {}
        self.flush()
        self.ended()

    def _read_once(self, container: str, follow: bool) -> None:
        """From where it was left. The two outputs are not in exact order, so that needs some overlap."""
        api = self.engine.client.api
        query = {"stdout": "1", "stderr": "1", "follow": str(int(follow)), "timestamps": "1"}
        if self.since:
            query["since"] = f"{self.since // 10**9}.{self.since % 10**9:09d}"
        # docker-py's own logs() does not say which of the two a frame is of
        address = f"{api.base_url}/v{api.api_version}/containers/{container}/logs"
        response = api.get(address, params=query, stream=True, timeout=None)
        response.raise_for_status()
        self._stream = CancellableStream(frames(response.raw), response)
        known = Counter(frame for _, frame in self._recent)
        for kind, data in self._stream:
            frame = hash((kind, data))
            if known[frame]:
                known[frame] -= 1
            else:
                self._take(kind, data, frame)

    def _exited(self, container: str) -> bool:
        """The engine has written all output when it says so. It may take a moment, or a follower be cut off."""
        for _ in range(40):
            if self._closed or not self.engine.client.api.inspect_container(container)["State"]["Running"]:
                return not self._closed
            time.sleep(0.05)
        return False

    def _take(self, kind: int, data: bytes, frame: int) -> None:
        """The engine cuts lines at 16 KB; only the last piece of a line ends with one."""
        stamp, _, text = data.partition(b" ")
        now = nanoseconds(stamp.decode())
        self.since = max(self.since, now - OVERLAP)
        self._recent.append((now, frame))
        while self._recent[0][0] < self.since:
            self._recent.popleft()
        when, line = self._partial.pop(kind, (now, bytearray()))
        line += text
        while len(line) > LONGEST:
            cut = next(at for at in range(LONGEST, 0, -1) if line[at] & 0xC0 != 0x80)  # between two characters
            self._add(when, bytes(line[:cut]))
            del line[:cut]
        if line.endswith(b"\n"):
            self._add(when, bytes(line))
        else:
            self._partial[kind] = (when, line)

    def _add(self, when: int, line: bytes) -> None:
        """CloudWatch knows no empty events."""
        text = line.removesuffix(b"\n").decode("utf-8", "replace")
        if text:
            with self._adding:
                self._events.append((when // 1_000_000, text))
                self._bytes += len(line)
                full = len(self._events) >= EVENTS or self._bytes >= BYTES
            if full:
                self.flush()


class Outputs:
    """All of them, flushed a few times a second by one thread."""

    def __init__(self) -> None:
        self._all: set[Output] = set()
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, output: Output) -> None:
        with self._lock:
            self._all.add(output)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deployer-outputs", daemon=True)
                self._thread.start()

    def remove(self, output: Output) -> None:
        with self._lock:
            self._all.discard(output)
        output.close()

    def close(self) -> None:
        self._closed.set()
        for output in self._now():
            self.remove(output)
            output.flush()

    def _now(self) -> list[Output]:
        with self._lock:
            return list(self._all)

    def _run(self) -> None:
        while not self._closed.wait(PAUSE):
            for output in self._now():
                output.flush()


def frames(raw: Any) -> Iterator[tuple[int, bytes]]:
    """https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach"""
    while len(head := raw.read(8)) == 8:
        kind, size = struct.unpack(">BxxxL", head)
        yield kind, raw.read(size)


def nanoseconds(stamp: str) -> int:
    """Of 2026-11-21T13:46:49.123456789Z."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0") or 0)
