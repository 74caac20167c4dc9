"""The way from tasks to load balancers: the gateway container of a VPC's network."""

from __future__ import annotations

import contextlib
import os
import signal
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.sandbox.engine import Place, container, place, spec, until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(60)]

CALL = """
import socket, time
def call(port, data):
    for _ in range(100):
        try: sock = socket.create_connection(("redis.lb.test", port), timeout=5); break
        except OSError: time.sleep(.1)
    threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR))).start()
    got = b""
    while piece := sock.recv(65536): got += piece
    return got
import threading
print("echo", call(6379, b"hello"))
big = bytes(range(256)) * 20_000
print("big", call(6379, big) == b"got " + big)
print("many", len({call(6379, str(n).encode()) for n in range(50)}))
"""


class Echo(socketserver.StreamRequestHandler):
    """Answers after the end of what it is sent."""

    def handle(self) -> None:
        data = self.rfile.read()
        self.wfile.write(b"got " + data)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


@contextlib.contextmanager
def served(path: Path) -> Iterator[None]:
    with Server(str(path), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            path.unlink()


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("s")  # short: a unix socket's path has 108 bytes
    folder.chmod(0o700)
    with place(folder) as made:
        yield made


def gateway_of(here: Place) -> str:
    client = docker.from_env()
    labels = [f"deployer.sandbox={here.owner}", "deployer.sandbox.part=gateway"]
    found = client.api.containers(filters={"label": labels})
    client.close()
    return str(found[0]["Id"]) if found else ""


def test_a_task_reaches_a_load_balancer_by_its_name(here: Place) -> None:
    (here.folder / "vpc-1").mkdir()
    with served(here.folder / "vpc-1" / "7_6379"):
        task = here.run(spec(container(CALL), hosts={"redis.lb.test": 7}))
        seen = here.until(task, "STOPPED", 30)
    assert seen.containers["web"].exit_code == 0
    assert here.account.lines() == ["echo b'got hello'", "big True", "many 50"]


def test_load_balancers_come_and_go_while_tasks_run(here: Place) -> None:
    code = """
import socket, time
last = None
while True:
    try:
        with socket.create_connection(("redis.lb.test", 80), timeout=2) as sock:
            sock.shutdown(1); now = "up" if sock.recv(9) else "empty"
    except OSError: now = "down"
    if now != last: print(now, flush=True)
    last = now; time.sleep(.1)
"""
    task = here.run(spec(container(code), hosts={"redis.lb.test": 0}))
    here.until(task, "RUNNING")
    for _ in range(2):
        until(lambda: here.account.lines()[-1:] == ["down"])
        with served(here.folder / "vpc-1" / "0_80"):
            until(lambda: here.account.lines()[-1:] == ["up"])


def test_a_gateway_that_dies_comes_back_and_is_found_again(here: Place) -> None:
    (here.folder / "vpc-1").mkdir()
    with served(here.folder / "vpc-1" / "7_6379"):
        first = here.run(spec(container("import time; time.sleep(60)")))
        here.until(first, "RUNNING")
        identifier, client = gateway_of(here), docker.from_env()
        pid = client.api.inspect_container(identifier)["State"]["Pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: client.api.inspect_container(identifier)["State"]["Pid"] not in (0, pid))
        client.close()
        here.containers.close()
        here.again().adopt([])
        task = here.run(spec(container(CALL), hosts={"redis.lb.test": 7}))
        here.until(task, "STOPPED", 30)
        assert gateway_of(here) == identifier
    assert "echo b'got hello'" in here.account.lines()


def test_release_removes_network_and_gateway_after_the_last_task(here: Place) -> None:
    task = here.run(spec(container("import time; time.sleep(60)")))
    here.until(task, "RUNNING")
    here.containers.release("vpc-1")
    assert gateway_of(here)
    here.containers.stop(task, kill_after=0)
    until(lambda: here.left() == [])
