"""The Docker engine: one connection for all threads, and what carries our owner's label in it."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.transport import UnixHTTPAdapter
from requests import RequestException
from urllib3.exceptions import HTTPError

from deployer.docker_errors import words_of
from deployer.image import JOIN, START

OWNER = "deployer.sandbox"
TASK, CONTAINER, VPC, PART, VERSION = (f"{OWNER}.{key}" for key in ("task", "container", "vpc", "part", "version"))
FAULTS = (DockerException, RequestException, HTTPError, OSError)  # what any call may raise
CONNECTIONS = 64  # kept for further calls; more are made as needed
OLDEST = (1, 41)  # Docker 20.10: the first whose containers have a platform


class Engine:
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._client: docker.DockerClient | None = None
        self._quick: docker.DockerClient | None = None
        self._connecting, self._asking = threading.Lock(), threading.Lock()
        self._said, self._until = "", 0.0
        self._cpus = 0

    @property
    def client(self) -> docker.DockerClient:
        with self._connecting:
            self._client = self._client or connect(60)
            return self._client

    @property
    def local(self) -> bool:
        """Whether its containers can see this machine's files and unix sockets as they are."""
        unix = self.client.api.base_url == "http+docker://localhost"
        return unix and platform.system() == "Linux" and "Desktop" not in self.client.info()["OperatingSystem"]

    @property
    def cpus(self) -> int:
        self._cpus = self._cpus or int(self.client.info()["NCPU"])
        return self._cpus

    def available(self) -> str:
        """Empty, or why there is no engine. Who comes while another asks gets the last answer."""
        if time.monotonic() >= self._until and self._asking.acquire(blocking=not self._until):
            try:
                self._said = self._ask()
                self._until = time.monotonic() + 1
            finally:
                self._asking.release()
        return self._said

    def _ask(self) -> str:
        try:
            self._quick = self._quick or connect(3)
            self._quick.ping()
            version = self._quick.api.api_version
        except FAULTS as error:
            said = words_of(error)
            where = os.environ.get("DOCKER_HOST") or "the default address"
            return f"No Docker engine answers at {where}: {said}. {JOIN if 'ermission denied' in said else START}"
        if tuple(map(int, version.split("."))) < OLDEST:
            return f"The Docker engine is too old (API {version}): Docker 20.10 or later is needed."
        return ""

    def labels(self, **more: str) -> dict[str, str]:
        return {OWNER: self.owner, **{f"{OWNER}.{key}": value for key, value in more.items()}}

    def filters(self, **more: str) -> dict[str, list[str]]:
        return {"label": [f"{key}={value}" for key, value in self.labels(**more).items()]}

    def containers(self, **more: str) -> list[dict[str, Any]]:
        """In one call: the high-level list inspects each."""
        found: list[dict[str, Any]] = self.client.api.containers(all=True, filters=self.filters(**more))
        return found

    def remove(self, container: str) -> None:
        quietly(lambda: self.client.api.remove_container(container, v=True, force=True))

    def close(self) -> None:
        for client in (self._client, self._quick):
            if client:
                client.close()


class _OnePool(UnixHTTPAdapter):
    """docker-py keeps a pool per URL and closes the 26th oldest, also under a thread that is about to use it."""

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        return super().get_connection("http+docker://localhost", proxies)


def connect(seconds: int) -> docker.DockerClient:
    client = docker.from_env(timeout=seconds, max_pool_size=CONNECTIONS)
    adapter: Any = client.api.get_adapter(client.api.base_url)
    if isinstance(adapter, UnixHTTPAdapter):
        one = _OnePool(f"http+unix://{adapter.socket_path}", seconds, max_pool_size=CONNECTIONS)
        client.api.mount("http+docker://", one)
    return client


def answered(error: BaseException) -> bool:
    """Whether the engine said no; otherwise it said nothing."""
    return isinstance(error, APIError)


def quietly(call: Callable[[], object]) -> None:
    """For removing: what is gone or going already is as well, and so is what another still needs."""
    try:
        call()
    except NotFound:
        pass
    except APIError as error:
        if error.status_code not in (403, 409):
            raise
