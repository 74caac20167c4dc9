"""The cloud's own look at what exists: boto3 clients whose calls reach it without a connection."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from werkzeug.test import EnvironBuilder

from deployer.sandbox.endpoint import Answer, Environ

from . import inventory
from .calls import HIDDEN


class Inside:
    def __init__(self, execute: Callable[[Environ, bytes], Answer]) -> None:
        self._execute = execute
        self._clients: dict[tuple[str, str], Any] = {}
        self._session: Any = None

    def survey(self, region: str) -> tuple[inventory.Inventory, dict[str, str]]:
        return inventory.take(lambda service: self._client(service, region))

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            import boto3

            self._session = self._session or boto3.Session("test", "test")
            settings = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False, user_agent_extra=HIDDEN)
            client = self._session.client(service, region, endpoint_url="http://127.0.0.1", config=settings)
            client.meta.events.register("before-send", self._send)
            self._clients[service, region] = client
        return self._clients[service, region]

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        headers = {name: text(value) for name, value in request.headers.items()}
        environ = EnvironBuilder(path=request.url, method=request.method, headers=headers, data=body).get_environ()
        status, answered, content = self._execute(environ, body)
        return AWSResponse(request.url, status, dict(answered), _Raw(content))


class _Raw(io.BytesIO):
    """What botocore takes for a connection."""

    def stream(self, **_: Any) -> Any:
        while data := self.read(65536):
            yield data


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
