"""Stacks whose containers fail: no image is built, the program stands in deploy.yaml; what the account says of them."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.whole.project import Run

from .house import House, get

PYTHON = "python:3.12-slim"
SERVES = """
import http.server, os, signal, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = os.environ.get("TEXT", "one").encode()
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
CRASHES = "import sys; print('no database', flush=True); sys.exit(3)"
EATS = "x = []\nwhile True: x.append(bytearray(16 << 20))"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(99)"
HANGS = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: (print("stopping", flush=True), time.sleep(99)))
print("going", flush=True)
while True: time.sleep(1)
"""


def service(code: str = SERVES, port: int | None = 8090, **more: Any) -> dict[str, Any]:
    """`port`: of the public load balancer; None: without one. Capitals in `more` are the container's variables."""
    environment = {name: more.pop(name) for name in list(more) if name.isupper()}
    made: dict[str, Any] = {"image": PYTHON, "command": ["python3", "-uc", code], "environment": environment}
    if port is not None:
        health = {"path": "/", "interval": 5, "healthy": 2, "unhealthy": 2}
        balancer = {"scheme": "public", "port": port, "health": health, "grace": 0}
        made |= {"port": 8080, "load_balancer": balancer}
    return made | more


class Stack:
    """A deploy.yaml in a folder of its own, and what the sandbox's ECS says of its services."""

    def __init__(self, house: House, folder: Path, name: str, **services: dict[str, Any]) -> None:
        self.house, self.folder, self.name = house, folder / name, name
        self.folder.mkdir()
        self.write(**services)

    def write(self, **services: dict[str, Any]) -> None:
        (self.folder / "deploy.yaml").write_text(json.dumps({"name": self.name, "services": services}))

    def run(self, command: str, *args: str) -> Run:
        return self.house.deployer(command, "--sandbox", *args, cwd=self.folder)

    def up(self, *args: str) -> Run:
        return self.run("up", "-y", *args)

    def down(self) -> Run:
        return self.run("down", "-y").ended(0)

    @property
    def status(self) -> Run:
        return self.run("status")

    # --- by ECS's own words ---

    def service(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.house.client("ecs").describe_services(cluster=self.name, services=[name])
        return dict(found["services"][0])

    def tasks(self, status: str = "STOPPED", name: str = "web") -> list[dict[str, Any]]:
        """Oldest first."""
        ecs = self.house.client("ecs")
        arns = ecs.list_tasks(cluster=self.name, serviceName=name, desiredStatus=status)["taskArns"]
        found = ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"] if arns else []
        return sorted(found, key=lambda task: task["createdAt"])

    def failed(self, name: str = "web") -> list[dict[str, Any]]:
        """Those that stopped by themselves, or were stopped for what they did."""
        return [task for task in self.tasks(name=name) if "Scaling activity" not in task["stoppedReason"]]

    def events(self, name: str = "web") -> list[str]:
        return [event["message"] for event in self.service(name)["events"]]


class Load(threading.Thread):
    """Ten requests a second until `over`."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.over, self.answers = url, threading.Event(), list[tuple[int, str]]()

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.answers.append(get(self.url, seconds=5))

    def stop(self) -> list[tuple[int, str]]:
        self.over.set()
        self.join(10)
        return self.answers


@contextlib.contextmanager
def load(url: str) -> Iterator[Load]:
    made = Load(url)
    made.start()
    try:
        yield made
    finally:
        made.stop()


class Relay:
    """The Docker engine's socket behind one that can be cut."""

    def __init__(self, path: Path) -> None:
        self.path, self.pairs = path, list[socket.socket]()
        self.mend()

    def mend(self) -> None:
        if self.path.exists():
            return
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen(64)
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def cut(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.path.unlink()
        for each in self.pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.pairs = []

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, far = server.accept()[0], socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                self.pairs += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


def listening() -> set[tuple[str, int]]:
    """On this whole machine."""
    return {tuple(one.laddr[:2]) for one in psutil.net_connections("inet") if one.status == psutil.CONN_LISTEN}


