"""A sandbox of its own in a folder of its own, and `deployer --sandbox` run against it as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import psutil

from deployer.sandbox import process
from tests.whole.project import COMMAND, ROOT, Run, path

TIMEOUT = 180
OWNER = "deployer.sandbox"


class House:
    """`folder`: of the sandbox, as DEPLOYER_SANDBOX gives it. Short, since a Unix socket's path is."""

    def __init__(self, **env: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sb-"))
        self.own = env

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return path(kept | {"DEPLOYER_SANDBOX": str(self.folder), **self.own})

    def deployer(
        self, *args: str, cwd: Path | None = None, env: dict[str, str] | None = None, quotes: bool = False
    ) -> Run:
        """`quotes`: a traceback may be in what it shows of an app's log."""
        done = subprocess.run([*COMMAND, *args], cwd=cwd or self.folder.parent, env=self.env | (env or {}),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)  # fmt: skip
        return Run((*args, "--verbose") if quotes else args, done.returncode, done.stdout, done.stderr)

    @property
    def address(self) -> process.Address:
        found = process.running(self.folder)
        assert found, self.log
        return found

    @property
    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = self.deployer("sandbox", "status", "--json").ended(0).json
        return told

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text() if (self.folder / "log").exists() else ""

    def client(self, service: str) -> Any:
        import boto3

        return boto3.client(
            service, endpoint_url=self.address.url, region_name="us-east-1", aws_access_key_id=self.address.key,
            aws_secret_access_key="x",
        )  # fmt: skip

    # --- in the engine ---

    @property
    def owner(self) -> str:
        return (self.folder / "owner").read_text().strip()

    def containers(self, task: bool = True) -> list[Any]:
        """Its containers that run; of tasks, or all."""
        label = {"label": [f"{OWNER}={self.owner}", *([f"{OWNER}.task"] if task else [])]}
        return list(docker.from_env().containers.list(ignore_removed=True, filters=label))

    def left(self) -> dict[str, int]:
        """What the engine holds of it, stopped containers too."""
        client, label = docker.from_env(), {"label": f"{OWNER}={self.owner}"}
        there = {
            "containers": len(client.containers.list(all=True, ignore_removed=True, filters=label)),
            "networks": len(client.networks.list(filters=label)),
            "volumes": len(client.volumes.list(filters=label)),
        }
        return {name: number for name, number in there.items() if number}

    def listening(self) -> list[Any]:
        """The sockets on which the sandbox's process and its children listen."""
        family = [psutil.Process(self.address.pid)]
        family += family[0].children(recursive=True)
        return [one for each in family for one in each.net_connections("inet") if one.status == psutil.CONN_LISTEN]

    def kill(self) -> None:
        """kill -9."""
        pid = self.address.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: process.running(self.folder) is None, 5)

    def close(self) -> None:
        self.deployer("sandbox", "down", "--wipe", "--quiet")
        shutil.rmtree(self.folder, ignore_errors=True)


SERVER = '''
import http.server, os, signal, sys, threading, time
TEXT = "{text}"
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = TEXT.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
def stop(*_):
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
print("serving", TEXT, flush=True)
server.serve_forever()
'''
FILE = """
name: {name}
services:
  web:
    build: .
    port: 8080
    load_balancer: {{scheme: public, port: {port}, health: {{path: /, interval: 5}}, grace: 0}}
"""


def project(folder: Path, name: str, text: str = "one", port: int = 8090, more: str = "") -> Path:
    """A service that needs nothing but Python; `more` goes to the end of deploy.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, text)
    lines = ["FROM python:3.12-slim", "COPY server.py /server.py", 'CMD ["python3", "/server.py"]', ""]
    (folder / "Dockerfile").write_text("\n".join(lines))
    (folder / "deploy.yaml").write_text(FILE.format(name=name, port=port) + more)
    return folder


def write(folder: Path, text: str) -> None:
    (folder / "server.py").write_text(SERVER.replace("{text}", text))


def voting(folder: Path) -> Path:
    """A copy of the voting app."""
    folder.mkdir(parents=True)
    for name in ("deploy.yaml", "Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def local(url: str) -> tuple[str, str]:
    """(address, Host): Python's resolver does not know that every name under localhost is this machine."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    return f"http://127.0.0.1:{port or 80}", host


def get(url: str, path: str = "/", seconds: float = 10) -> tuple[int, str]:
    """Status (0: no answer) and text."""
    address, host = local(url)
    request = urllib.request.Request(address + path, headers={"Host": host, "Connection": "close"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def url_of(run: Run, service: str = "web") -> str:
    """As `up` prints it at the end."""
    return next(line.split(": ")[1] for line in run.out.splitlines() if line.startswith(f"{service}: "))


def until(look: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not come to that: {what}"
        time.sleep(0.1)
    return found


def dump(data: Any) -> str:
    return json.dumps(data, default=str)
