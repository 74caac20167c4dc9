"""The server: the sandbox's endpoint with a record, faults and latency around it, and a control path."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import fields
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from deployer.sandbox.control.manner import asked
from deployer.sandbox.control.tempo import LOCK, TEMPO
from deployer.sandbox.endpoint import Answer, Endpoint, Environ, cut, error, identify
from deployer.sandbox.quick import starting

from .calls import HIDDEN, Call, Calls
from .faults import Fault, Faults, kill_client
from .guard import Guard
from .play import Play


class Application(Endpoint):
    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls()
        self.faults = Faults()
        self.errors: list[str] = []
        self.play = Play()
        self.guard = Guard()
        self.registry: Any = None
        self.server: Any = None
        self._inside: Any = None

    def load(self) -> Any:
        with starting():
            return self._load()

    def _load(self) -> Any:
        from deployer.sandbox.control import corrections, ecr

        from . import hidden

        if self.registry:
            self.play.cannot_pull = partial(ecr.cannot_pull, self.registry)
        moto = corrections.load(self.play, self.registry)
        hidden.install()
        return moto

    def answer(self, environ: Environ, body: bytes) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_cloud/"):
            return self._control(path.removeprefix("/_cloud/"), body)
        if path.startswith("/moto-api") or HIDDEN in environ.get("HTTP_USER_AGENT", ""):
            return self.execute(environ, body)
        return self._aws(environ, body)

    # --- AWS ---

    def _aws(self, environ: Environ, body: bytes) -> Answer:
        call = self.calls.begin(*identify(environ, body))
        status = 0
        try:
            answer = self.guard.answer(call, environ, body) or self._disturbed(call, environ, body)
            status = answer[0]
            return answer
        finally:
            self.calls.end(call, status)

    def _disturbed(self, call: Call, environ: Environ, body: bytes) -> Answer:
        fault = self.faults.strike(call)
        if TEMPO.call:
            time.sleep(TEMPO.call)
        if fault is None:
            return self.perform(environ, body)
        try:
            match fault.kind:
                case "hang":
                    time.sleep(fault.seconds)
                    return self.perform(environ, body)
                case "refuse":
                    cut(environ)
                case "away":
                    self._go_away(fault.seconds)
                    cut(environ)
                case "lost":
                    self.perform(environ, body)
                    cut(environ)
                case "kill-before":
                    kill_client(environ, fault.owner)
                    cut(environ)
                case "kill-after":
                    self.perform(environ, body)
                    kill_client(environ, fault.owner)
                    cut(environ)
        except PermissionError as refused:
            return error(call.service, environ, 400, "CloudRefusesToKill", str(refused))
        return fault.answer(call, environ)

    def _go_away(self, seconds: float) -> None:
        """Connections are refused for so long. The socket keeps its port, which nobody else can take meanwhile."""
        self.server.shutdown()
        self.server.socket.shutdown(socket.SHUT_RDWR)

        def come_back() -> None:
            time.sleep(seconds)
            self.server.socket.listen(self.server.request_queue_size)
            self.listen()

        threading.Thread(target=come_back, daemon=True).start()

    def listen(self) -> None:
        """werkzeug's own `serve_forever` closes the socket at its end."""
        threading.Thread(target=HTTPServer.serve_forever, args=(self.server, 0.05), daemon=True).start()

    def note(self, problem: str) -> None:
        self.errors.append(problem)
        super().note(problem)

    # --- control ---

    def _control(self, command: str, body: bytes) -> Answer:
        method = getattr(self, "do_" + command.replace("-", "_"), None)
        try:
            if method is None:
                raise ValueError(f"no such command: {command}")
            status, result = 200, method(**json.loads(body or b"{}"))
        except Exception as problem:
            status, result = 400, {"error": f"{type(problem).__name__}: {problem}"}
        return status, [("Content-Type", "application/json")], json.dumps(result).encode()

    def do_ping(self) -> dict[str, Any]:
        return {"registry": self.registry.address if self.registry else None}

    def do_reset(self) -> None:
        from deployer.sandbox.control import corrections

        with LOCK:
            corrections.reset(self.registry)
            self.play.reset()
            self.faults.clear()
            self.calls.forget()
            self.errors.clear()
            self.guard.reset()
            TEMPO.reset()

    def do_keep(self, path: str) -> None:
        """Writes down what exists, for `restore`."""
        from deployer.sandbox import store

        with LOCK:
            store.save(Path(path))

    def do_restore(self, path: str) -> None:
        """A reset, and then what `keep` has written down."""
        from deployer.sandbox import store

        with LOCK:
            self.do_reset()
            if not store.load(Path(path)):
                raise FileNotFoundError(path)

    def do_survey(self, region: str) -> list[Any]:
        from .inside import Inside

        self._inside = self._inside or Inside(self.execute)
        return list(self._inside.survey(region))

    def do_calls(self) -> list[dict[str, Any]]:
        return self.calls.all()

    def do_forget_calls(self) -> None:
        self.calls.forget()

    def do_enforce(self, on: bool) -> None:
        self.guard.on = on

    def do_checks(self) -> list[dict[str, Any]]:
        return list(self.guard.checks)

    def do_forget_checks(self) -> None:
        self.guard.checks = []

    def do_errors(self) -> list[str]:
        return list(self.errors)

    def do_tempo(self, **seconds: float | None) -> None:
        with LOCK:
            TEMPO.change(**seconds)

    def do_manners(self, names: list[str], numbers: dict[str, float]) -> None:
        """Those of the numbers, and the others by name or `all`."""
        from deployer.sandbox.control import manners

        manners.switch(asked(",".join(names)) | {name.replace("_", "-"): numbers[name] for name in numbers})

    def do_fault(self, **wanted: Any) -> None:
        self.faults.add(Fault(**{f.name: wanted[f.name] for f in fields(Fault) if wanted.get(f.name) is not None}))

    def do_faults(self) -> list[dict[str, Any]]:
        return self.faults.all()

    def do_clear_faults(self, fired: bool = False) -> None:
        self.faults.clear(fired)

    def do_scheduler(self, mode: str, service: str | None = None) -> None:
        with LOCK:
            self.play.set_mode(mode, service)

    def do_oneoff(self, code: int | None, lines: list[str]) -> None:
        with LOCK:
            self.play.oneoff = None if code is None else (code, lines)

    def do_quota(self, service: str, code: str, value: float) -> None:
        from deployer.sandbox.control.quotas import TOLD

        with LOCK:
            TOLD[service, code] = value

    def do_token_expired(self, times: int = 1) -> None:
        if self.registry is None:
            raise ValueError("this cloud was started without a registry")
        self.registry.expire(times)
