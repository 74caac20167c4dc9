"""The sandbox's HTTP side: AWS's calls from whoever has the key, and `/_sandbox/` for the commands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from .control.manner import READING
from .endpoint import Answer, Endpoint, Environ, error, identify


class Sandbox(Endpoint):
    """`key`: the access key that is taken; other users of this machine do not have it. `status` tells of everything;
    `after` follows a call that may have changed something."""

    def __init__(self, key: str, status: Callable[[], dict[str, Any]], after: Callable[[str], None]) -> None:
        super().__init__()
        self._after = after
        self.changed = 0.0  # when a call that may change something was last executed
        self._key, self._status = key, status

    def answer(self, environ: Environ, body: bytes) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_sandbox/"):
            return self._command(path.removeprefix("/_sandbox/"), environ)
        service, operation = identify(environ, body)
        if f"Credential={self._key}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            words = "The security token included in the request is invalid: it is not this sandbox's access key."
            return error(service, environ, 403, "InvalidClientTokenId", words)
        try:
            return self.perform(environ, body)
        finally:  # also when the answer is lost on purpose
            if not READING.match(operation):
                self.changed = time.monotonic()
                self._after(operation)

    def _command(self, command: str, environ: Environ) -> Answer:
        allowed = environ.get("HTTP_X_SANDBOX_KEY") == self._key
        known: dict[str, Callable[[], Any]] = {"ping": dict, "status": self._status}
        status, content = (200, known[command]()) if allowed and command in known else (403, {"error": "no"})
        return status, [("Content-Type", "application/json")], json.dumps(content).encode()
