"""A real Redis with a password, on a free loopback port."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from app.voting import create_app

PASSWORD = "correct-horse-battery"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A redis-server process that can be killed and started again on the same port, with its data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def environ(self) -> dict[str, str]:
        return {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port), "REDIS_PASSWORD": PASSWORD}

    def client(self) -> "redis.Redis":
        return redis.Redis(host="127.0.0.1", port=self.port, password=PASSWORD, decode_responses=True)

    def start(self) -> None:
        config = self.directory / "redis.conf"
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {PASSWORD}\ndir {self.directory}\n"
            'save ""\nappendonly yes\nappendfsync always\n'
        )
        log = (self.directory / "redis.log").open("ab")
        with log:
            self.process = subprocess.Popen(["redis-server", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while True:
            try:
                with self.client() as client:
                    assert client.ping()
                return
            except redis.RedisError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(
                        f"redis-server does not start:\n{(self.directory / 'redis.log').read_text()}"
                    ) from None
                time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def require(program: str, package: str) -> None:
    """Skips without the program; in CI that is a failure."""
    if shutil.which(program) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing (Debian's package {package})")
        pytest.skip(f"{program} is missing (Debian's package {package})")


@pytest.fixture(scope="module")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    require("redis-server", "redis-server")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def redis_server(redis_process: RedisServer) -> RedisServer:
    """Running and empty, whatever the test before did to it."""
    if redis_process.process is None or redis_process.process.poll() is not None:
        redis_process.start()
    with redis_process.client() as client:
        client.flushall()
    return redis_process


@pytest.fixture
def app(redis_server: RedisServer) -> Flask:
    return create_app(redis_server.environ)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
