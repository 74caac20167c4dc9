"""The server: moto's own application with a record, faults, latency and a control path around it."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import partial
from http import HTTPStatus
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from deployer.sandbox.control.tempo import LOCK, TEMPO

from .calls import HIDDEN, Call, Calls, Environ, identify
from .faults import Answer, Fault, Faults, cut, error, kill_client
from .play import Play

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Application:
    """`prepare` (moto's import, the corrections) runs beside; the first calls wait for it."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.faults = Faults()
        self.errors: list[str] = []
        self.play = Play()
        self.registry: Any = None
        self._ready = threading.Event()
        self._moto: Any = None
        self._failed = ""

    def prepare(self) -> None:
        try:
            from deployer.sandbox.control import corrections, ecr

            from . import hidden

            if self.registry:
                self.play.cannot_pull = partial(ecr.cannot_pull, self.registry)
            self._moto = corrections.load(self.play, self.registry)
            hidden.install()
        except BaseException:
            self._failed = traceback.format_exc()
            print(self._failed, file=sys.stderr, flush=True)
        finally:
            self._ready.set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ.get("PATH_INFO", "")
        self._ready.wait()
        if self._failed:
            answer: Answer = (503, [("Content-Type", "text/plain")], self._failed.encode())
        elif path.startswith("/_cloud/"):
            answer = self._control(path.removeprefix("/_cloud/"), body)
        elif path.startswith("/moto-api") or HIDDEN in environ.get("HTTP_USER_AGENT", ""):
            answer = self._execute(Call(0, *identify(environ, body), False, time.time()), environ, body)
        else:
            answer = self._aws(environ, body)
        status, headers, content = answer
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(f"{status} {HTTPStatus(status).phrase}", [*headers, ("Content-Length", str(len(content)))])
        return [content]

    # --- AWS ---

    def _aws(self, environ: Environ, body: bytes) -> Answer:
        call = self.calls.begin(*identify(environ, body))
        status = 0
        try:
            answer = self._disturbed(call, environ, body)
            status = answer[0]
            return answer
        finally:
            self.calls.end(call, status)

    def _disturbed(self, call: Call, environ: Environ, body: bytes) -> Answer:
        fault = self.faults.strike(call)
        if TEMPO.call:
            time.sleep(TEMPO.call)
        if fault is None:
            return self._execute(call, environ, body)
        try:
            match fault.kind:
                case "hang":
                    time.sleep(fault.seconds)
                    return self._execute(call, environ, body)
                case "refuse":
                    cut(environ)
                case "lost":
                    self._execute(call, environ, body)
                    cut(environ)
                case "kill-before":
                    kill_client(environ, fault.owner)
                    cut(environ)
                case "kill-after":
                    self._execute(call, environ, body)
                    kill_client(environ, fault.owner)
                    cut(environ)
        except PermissionError as refused:
            return error(call, environ, 400, "CloudRefusesToKill", str(refused))
        return fault.answer(call, environ)

    def _execute(self, call: Call, environ: Environ, body: bytes) -> Answer:
        environ["wsgi.input"] = io.BytesIO(body)
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
            started[:] = [int(status.split()[0]), headers]
            return lambda data: None

        try:
            with LOCK:
                chunks = self._moto(environ, start)
                content = b"".join(chunks)
                if hasattr(chunks, "close"):
                    chunks.close()
            return started[0], started[1], content
        except NotImplementedError as missing:
            self._note(call)
            return error(call, environ, 400, "CloudDoesNotKnowThis", f"{call}: {missing}")
        except Exception as broken:
            self._note(call)
            return error(call, environ, 500, "InternalFailure", f"{call}: {broken!r}")

    def _note(self, call: Call) -> None:
        self.errors.append(f"{call}\n{traceback.format_exc()}")
        print(self.errors[-1], file=sys.stderr, flush=True)

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
            TEMPO.reset()

    def do_calls(self) -> list[dict[str, Any]]:
        return self.calls.all()

    def do_forget_calls(self) -> None:
        self.calls.forget()

    def do_errors(self) -> list[str]:
        return list(self.errors)

    def do_tempo(self, **seconds: float | None) -> None:
        with LOCK:
            TEMPO.change(**seconds)

    def do_fault(self, **wanted: Any) -> None:
        self.faults.add(Fault(**{f.name: wanted[f.name] for f in fields(Fault) if wanted.get(f.name) is not None}))

    def do_faults(self) -> list[dict[str, Any]]:
        return self.faults.all()

    def do_clear_faults(self) -> None:
        self.faults.clear()

    def do_scheduler(self, mode: str, service: str | None = None) -> None:
        with LOCK:
            self.play.set_mode(mode, service)

    def do_token_expired(self, times: int = 1) -> None:
        if self.registry is None:
            raise ValueError("this cloud was started without a registry")
        self.registry.expire(times)


class Handler(WSGIRequestHandler):
    """Says nothing about each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        pass


def serve(application: Application, port: int) -> BaseWSGIServer:
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server
