"""The app as the image runs it: gunicorn with the app's own configuration."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.app.conftest import PASSWORD, RedisServer, free_port

TOP = Path(__file__).resolve().parents[2]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Gunicorn:
    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.log = log
        command = [sys.executable, "-m", "gunicorn", "--config", "app/gunicorn.conf.py"]
        command += ["--bind", f"127.0.0.1:{self.port}", "app.voting:create_app()"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=TOP, env={**os.environ, "PYTHONUNBUFFERED": "1", **environ}, stdout=out, stderr=out
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                assert self.request("GET", "/healthz")[0] == 200
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"gunicorn does not start:\n{log.read_text()}") from None
                time.sleep(0.05)

    def request(self, method: str, path: str, body: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body or None, FORM if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def kill(self) -> None:
        if self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
            self.process.kill()
        self.process.wait()


@pytest.fixture
def gunicorn(redis_server: RedisServer, tmp_path: Path) -> Iterator[Gunicorn]:
    server = Gunicorn(redis_server.environ, tmp_path / "gunicorn.log")
    yield server
    server.kill()


def test_sigterm_finishes_the_request_in_flight(gunicorn: Gunicorn, redis_server: RedisServer) -> None:
    with redis_server.client() as redis:
        redis.client_pause(1500)  # Redis answers late: the vote is in flight meanwhile
    with ThreadPoolExecutor(1) as pool:
        vote = pool.submit(gunicorn.request, "POST", "/vote", "choice=a")
        time.sleep(0.5)
        assert not vote.done()
        gunicorn.process.send_signal(signal.SIGTERM)
        assert vote.result(timeout=10)[0] == 303
    assert gunicorn.process.wait(timeout=10) == 0
    with redis_server.client() as redis:
        assert redis.hgetall("votes") == {"Cats": "1"}


def test_sigterm_finishes_a_request_that_is_still_arriving(gunicorn: Gunicorn, redis_server: RedisServer) -> None:
    with socket.create_connection(("127.0.0.1", gunicorn.port), timeout=10) as connection:
        head = "POST /vote HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        connection.sendall(f"{head}Content-Length: 8\r\n\r\ncho".encode())
        time.sleep(0.5)
        gunicorn.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(b"ice=b")
        assert connection.recv(4096).startswith(b"HTTP/1.1 303")
    assert gunicorn.process.wait(timeout=10) == 0
    with redis_server.client() as redis:
        assert redis.hgetall("votes") == {"Dogs": "1"}


def test_sigterm_does_not_wait_for_idle_connections(gunicorn: Gunicorn) -> None:
    # A load balancer keeps its connections open between requests.
    idle = http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=10)
    idle.request("GET", "/healthz")
    assert idle.getresponse().read() == b"ok\n"
    gunicorn.process.send_signal(signal.SIGTERM)
    assert gunicorn.process.wait(timeout=10) == 0
    idle.close()


def test_healthz_answers_while_redis_is_away(redis_server: RedisServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # accepts, and never says a word
        environ = {**redis_server.environ, "REDIS_PORT": str(silent.getsockname()[1])}
        gunicorn = Gunicorn(environ, tmp_path / "gunicorn.log")
        try:
            pages: list[int] = []
            threads = [threading.Thread(target=lambda: pages.append(gunicorn.request("GET", "/")[0])) for _ in range(6)]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            start = time.monotonic()
            assert gunicorn.request("GET", "/healthz") == (200, "ok\n")
            assert time.monotonic() - start < 3  # a load balancer waits for 5 s
            for thread in threads:
                thread.join()
            assert pages == [503] * 6
            assert PASSWORD not in gunicorn.log.read_text()
        finally:
            gunicorn.kill()


def test_log_has_the_requests_and_not_the_health_checks(gunicorn: Gunicorn) -> None:
    gunicorn.request("POST", "/vote", "choice=a")
    gunicorn.request("GET", "/nowhere")
    gunicorn.request("GET", "/healthz")
    gunicorn.process.send_signal(signal.SIGTERM)
    assert gunicorn.process.wait(timeout=10) == 0
    log = gunicorn.log.read_text()
    assert '"POST /vote HTTP/1.1" 303' in log
    assert '"GET /nowhere HTTP/1.1" 404' in log
    assert "/healthz" not in log
    assert PASSWORD not in log


def test_no_password_in_the_process_list(gunicorn: Gunicorn) -> None:
    process = psutil.Process(gunicorn.process.pid)
    for member in [process, *process.children(recursive=True)]:
        assert PASSWORD not in " ".join(member.cmdline())
