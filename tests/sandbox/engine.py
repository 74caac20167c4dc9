"""Real containers for tests: a sandbox's `Containers` with an account of what they asked and logged."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import docker
import pytest

from deployer.sandbox.containers import Containers, Seen, TaskSpec

PYTHON = "python:3.12-slim"
SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ.get("ANSWER", "ok").encode())
    def log_message(self, *words): pass
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(99)"
Result = TypeVar("Result")


class Account:
    """Plays the rest of the sandbox: one secret, the log groups, no registry logins."""

    def __init__(self) -> None:
        self.secrets = {"arn:secret": "s3cr3t-value"}
        self.groups = {"/test"}
        self.events: dict[str, list[tuple[int, str]]] = {}

    def secret(self, name: str) -> str:
        if name not in self.secrets:
            raise LookupError("ResourceNotFoundException: Secrets Manager can't find the specified secret.")
        return self.secrets[name]

    def log(self, group: str, stream: str, events: list[tuple[int, str]]) -> None:
        if group not in self.groups:
            raise LookupError(group)
        self.events.setdefault(stream, []).extend(events)

    def lines(self) -> list[str]:
        return [text for events in self.events.values() for _, text in events]


class Place:
    """A `Containers` of an owner of its own; `again` gives what a restarted sandbox has."""

    def __init__(self, folder: Path) -> None:
        self.owner, self.folder, self.account = f"test-{uuid.uuid4().hex[:8]}", folder, Account()
        self.containers = self.again()

    def again(self) -> Containers:
        account = self.account
        self.containers = Containers(self.owner, self.folder, account.secret, account.log, lambda registry: None)
        return self.containers

    def run(self, spec: TaskSpec) -> str:
        self.containers.run(spec)
        return spec.id

    def until(self, task: str, phase: str, seconds: float = 20) -> Seen:
        return until(lambda: (seen := self.containers.look(task)) and seen.phase == phase and seen, seconds)

    def left(self) -> list[str]:
        """Everything with the owner's label, by name."""
        client, filters = docker.from_env(), {"label": f"deployer.sandbox={self.owner}"}
        found = [each["Names"][0] for each in client.api.containers(all=True, filters=filters)]
        found += [each["Name"] for each in client.api.networks(filters=filters)]
        found += [each["Name"] for each in client.api.volumes(filters=filters)["Volumes"] or []]
        client.close()
        return found


def engine_or_skip() -> None:
    try:
        client = docker.from_env(timeout=5)
        client.images.get(PYTHON)
        client.close()
    except Exception as error:
        pytest.skip(f"no Docker engine with {PYTHON}: {error}")


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    engine_or_skip()
    made = Place(folder)
    try:
        yield made
    finally:
        made.containers.clean()
        made.containers.close()
    assert made.left() == []


def saved_image(name: str, architecture: str) -> bytes:
    """As `docker save` writes it (`docker import --platform` is ignored by Docker 20.10): one layer, empty."""
    layer = bytes(10240)
    config = {"architecture": architecture, "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}}  # fmt: skip
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    texts = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for path, content in {"layer.tar": layer, **texts}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def until(true: Callable[[], Result | bool | None], seconds: float = 20) -> Result:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found  # type: ignore[return-value]
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s; last: {true()}")


def container(code: str = SERVER, **more: Any) -> dict[str, Any]:
    logs = {"logDriver": "awslogs", "options": {"awslogs-group": "/test", "awslogs-stream-prefix": "web"}}
    return {"name": "web", "image": PYTHON, "command": ["python", "-uc", code], "essential": True, "cpu": 0,
            "stopTimeout": 2, "logConfiguration": logs, **more}  # fmt: skip


def spec(*containers: dict[str, Any], **more: Any) -> TaskSpec:
    given: dict[str, Any] = {"vpc": "vpc-1", "name": "shop-web", "cpu": 512, "memory": 128, "platform": "linux/amd64"}
    return TaskSpec(uuid.uuid4().hex, containers=list(containers), **{"volumes": [], **given, **more})
