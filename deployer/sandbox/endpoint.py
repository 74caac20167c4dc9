"""moto behind HTTP: which AWS call a request is, its execution under the lock, errors in each AWS protocol."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .control.manner import ACTIVE, Answer, Refusal, Request
from .control.tempo import LOCK

__all__ = ["Answer", "Endpoint", "Environ", "cut", "error", "identify", "serve"]

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
NAMES = {"elasticloadbalancing": "elbv2", "tagging": "resourcegroupstaggingapi", "monitoring": "cloudwatch"}


def identify(environ: Environ, body: bytes) -> tuple[str, str]:
    """(service, operation) as boto3 calls them: ("elbv2", "CreateLoadBalancer")."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope.group(1).lower() if scope else "unsigned"
    service = NAMES.get(service, service)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return service, target.rpartition(".")[2]
    path = environ.get("PATH_INFO", "")
    if rpc := re.fullmatch(r"/service/[^/]+/operation/([^/]+)", path):
        return service, rpc.group(1)
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode("utf-8", "replace")).get("Action", ["?"])[0]
        return service, action
    verb = environ["REQUEST_METHOD"].capitalize()
    if service == "s3":
        return service, verb + ("Object" if "/" in path.strip("/") else "Bucket")
    return service, verb + path


def error(service: str, environ: Environ, status: int, code: str, message: str) -> Answer:
    """An AWS error as the service's protocol writes it."""
    request = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request)]
    if "HTTP_X_AMZ_TARGET" in environ:
        body = json.dumps({"__type": code, "message": message})
        kind = environ.get("CONTENT_TYPE") or "application/x-amz-json-1.1"
        return status, [*headers, ("Content-Type", kind), ("x-amzn-ErrorType", code)], body.encode()
    who = "Sender" if status < 500 else "Receiver"
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "ec2":
        body = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request}</RequestID></Response>"
    elif service == "s3":
        body = f"<Error>{inner}<RequestId>{request}</RequestId></Error>"
    else:
        wrapped = f"<Error><Type>{who}</Type>{inner}</Error><RequestId>{request}</RequestId>"
        body = f"<ErrorResponse>{wrapped}</ErrorResponse>"
    return status, [*headers, ("Content-Type", "text/xml")], f'<?xml version="1.0"?>{body}'.encode()


def cut(environ: Environ) -> NoReturn:
    """End the TCP connection without an answer."""
    with contextlib.suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("cut on purpose")


class Endpoint:
    """A WSGI application around the one that `load` gives (moto, with the corrections); until then calls wait."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._moto: Any = None
        self._failed = ""

    def prepare(self, load: Callable[[], Any]) -> None:
        try:
            self._moto = load()
        except BaseException:
            self._failed = traceback.format_exc()
            print(self._failed, file=sys.stderr, flush=True)
        finally:
            self._ready.set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self._ready.wait()
        if self._failed:
            answer: Answer = (503, [("Content-Type", "text/plain")], self._failed.encode())
        else:
            answer = self.answer(environ, body)
        status, headers, content = answer
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(f"{status} {HTTPStatus(status).phrase}", [*headers, ("Content-Length", str(len(content)))])
        return [content]

    def answer(self, environ: Environ, body: bytes) -> Answer:
        return self.perform(environ, body)

    def perform(self, environ: Environ, body: bytes) -> Answer:
        """The call as AWS answers it with the manners that are switched on."""
        if not ACTIVE:
            return self.execute(environ, body)
        request = Request(*identify(environ, body), environ, body)
        with LOCK:
            for manner in ACTIVE:
                said = manner.before(request)
                if isinstance(said, Refusal):
                    return error(request.service, environ, said.status, said.code, said.message)
                if said is not None:
                    return said
            answer = self.execute(environ, body)
            for manner in ACTIVE:
                answer = manner.after(request, answer)
            lost = any(manner.loses(request) for manner in ACTIVE)
        if lost:
            cut(environ)
        return answer

    def execute(self, environ: Environ, body: bytes) -> Answer:
        """The call as moto answers it."""
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
        except Exception as problem:
            service, operation = identify(environ, body)
            self.note(f"{service}.{operation}\n{traceback.format_exc()}")
            if isinstance(problem, NotImplementedError):
                words = f"{service}.{operation}: {problem}"
                return error(service, environ, 400, "SimulationDoesNotKnowThis", words)
            return error(service, environ, 500, "InternalFailure", f"{service}.{operation}: {problem!r}")

    def note(self, problem: str) -> None:
        print(problem, file=sys.stderr, flush=True)


class Handler(WSGIRequestHandler):
    """Says nothing about each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        pass


def serve(application: Endpoint, port: int) -> BaseWSGIServer:
    """Bound on 127.0.0.1; `port` 0 is any free one. Raises OSError."""
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server
