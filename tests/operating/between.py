"""A go-between before the cloud: it passes calls on, but for those whose answers a test gives or changes."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

Ask = Callable[[], dict[str, Any]]
Rule = Callable[[dict[str, Any], Ask], dict[str, Any]]  # the request, how to ask the cloud → the answer


class Refused(Exception):  # noqa: N818  AWS's answer with an error
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Between:
    """`rules`: by operation; `asked`: every request of an operation that has a rule."""

    def __init__(self, url: str) -> None:
        self.rules: dict[str, Rule] = {}
        self.asked: dict[str, list[dict[str, Any]]] = {}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}

                def forward() -> tuple[int, bytes]:
                    request = urllib.request.Request(url + self.path, body, headers)
                    try:
                        with opener.open(request, timeout=60) as answer:
                            return answer.status, answer.read()
                    except urllib.error.HTTPError as error:
                        return error.code, error.read()

                rule = between.rules.get(operation)
                try:
                    status, content = forward() if rule is None else between.ruled(operation, rule, body, forward)
                except (OSError, http.client.HTTPException):  # the cloud has cut it off
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def ruled(self, operation: str, rule: Rule, body: bytes, forward: Callable[[], tuple[int, bytes]]) -> Any:
        asked = json.loads(body)
        self.asked.setdefault(operation, []).append(asked)
        try:
            return 200, json.dumps(rule(asked, lambda: json.loads(forward()[1]))).encode()
        except Refused as refused:
            return 400, json.dumps({"__type": refused.code, "message": str(refused)}).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
