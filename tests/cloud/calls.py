"""Which AWS call a request is, and the record of all calls."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs

READING = re.compile(r"Describe|Get|List|Head|Filter|Batch(Get|Check)")
NAMES = {"elasticloadbalancing": "elbv2", "tagging": "resourcegroupstaggingapi", "monitoring": "cloudwatch"}
HIDDEN = "tests-cloud-hidden"  # in the user agent of calls that are not counted, delayed or disturbed
Environ = dict[str, Any]


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
