"""What goes wrong on purpose: error answers, cut connections, killed clients."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from deployer.sandbox.endpoint import Answer, Environ, error

from .calls import Call

KINDS = ("error", "throttle", "500", "lost", "refuse", "kill-before", "kill-after", "hang", "away", "expired")


def plain(name: str | None) -> str | None:
    """CreateVpc, create_vpc and createvpc are the same operation."""
    return None if name is None else name.replace("_", "").lower()


@dataclass
class Fault:
    """Strikes the `nth` matching call from now on, and the `times - 1` matching ones after it.

    refuse, lost: the connection is cut before or after the call is executed; away: nobody listens for `seconds`;
    expired: this call and every one after it, of any kind, is told that the credentials are too old.
    """

    kind: str
    service: str | None = None
    operation: str | None = None
    nth: int = 1
    times: int = 1
    mutating: bool = False
    code: str | None = None
    message: str | None = None
    status: int | None = None
    seconds: float = 1.0
    owner: int = 0
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.kind == "error" and not self.code:
            raise ValueError("the fault 'error' needs a code")

    def matches(self, call: Call) -> bool:
        return (
            self.service in (None, call.service)
            and plain(self.operation) in (None, plain(call.operation))
            and (call.mutating or not self.mutating)
        )

    def strikes(self, call: Call) -> bool:
        if self.kind == "expired" and self.fired:
            self.fired += 1
            return True
        if not self.matches(call):
            return False
        self.seen += 1
        if not self.nth <= self.seen < self.nth + self.times:
            return False
        self.fired += 1
        return True

    def answer(self, call: Call, environ: Environ) -> Answer:
        ec2 = call.service == "ec2"
        target = "HTTP_X_AMZ_TARGET" in environ
        if self.kind == "throttle":
            code = "RequestLimitExceeded" if ec2 else "ThrottlingException" if target else "Throttling"
            return error(
                call.service,
                environ,
                self.status or (503 if ec2 else 400),
                self.code or code,
                self.message or "Rate exceeded",
            )
        if self.kind == "500":
            code = self.code or ("InternalError" if ec2 else "ServerException" if target else "InternalFailure")
            return error(
                call.service, environ, self.status or 500, code, self.message or "An internal error has occurred"
            )
        if self.kind == "expired":
            code = "RequestExpired" if ec2 else "ExpiredTokenException" if target else "ExpiredToken"
            words = "Request has expired." if ec2 else "The security token included in the request is expired"
            return error(call.service, environ, 400 if ec2 or target else 403, code, words)
        return error(call.service, environ, self.status or 400, str(self.code), self.message or "A fault was asked for")


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self, fired: bool = False) -> None:
        """Forgets all of them, or those that have struck."""
        with self._lock:
            self._faults[:] = [fault for fault in self._faults if fired and not fault.fired]

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def strike(self, call: Call) -> Fault | None:
        """The fault that hits this call: the first of those whose turn it is; all of them count it."""
        with self._lock:
            return next(iter([fault for fault in self._faults if fault.strikes(call)]), None)


def client_of(environ: Environ) -> int:
    """The process at the other end of this connection."""
    far, near = int(environ["REMOTE_PORT"]), int(environ["SERVER_PORT"])
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.raddr and (connection.laddr.port, connection.raddr.port) == (far, near):
            return int(connection.pid or 0)
    return 0


def kill_client(environ: Environ, owner: int) -> None:
    """SIGKILL to the process that made this call; never to the cloud, its parent or who asked for the fault."""
    pid = client_of(environ)
    if pid in (0, 1, os.getpid(), os.getppid(), owner):
        raise PermissionError(f"the fault would have killed process {pid or '?'}, which is not a client under test")
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.002)
