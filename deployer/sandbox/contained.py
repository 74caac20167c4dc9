"""The registry from a container, where its program is not installed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from .containers.engine import OWNER
from .registry import IMAGE, NoRegistryError, Served

MARK = f"{OWNER}.registry"


class Contained:
    """A container of `owner`; one that an earlier sandbox has left is removed first."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def __call__(self, root: Path, port: int) -> Served:
        """Raises NoRegistryError when there is no engine or no image."""
        try:
            client = docker.from_env()
            ours: dict[str, Any] = {"label": f"{MARK}={self.owner}"}
            for left in client.containers.list(all=True, ignore_removed=True, filters=ours):
                left.remove(force=True)
            return _Served(self._run(client, root, port))
        except ImageNotFound:
            raise NoRegistryError(f"There is neither the program docker-registry nor the image {IMAGE}.") from None
        except (DockerException, APIError, OSError) as error:
            raise NoRegistryError(f"The program docker-registry is not installed, and Docker said: {error}") from error

    def _run(self, client: docker.DockerClient, root: Path, port: int) -> Any:
        return client.containers.run(
            IMAGE,
            ["serve", "/registry/config.yml"],
            detach=True,
            name=f"deployer-registry-{self.owner}",
            labels={OWNER: self.owner, MARK: self.owner},
            ports={f"{port}/tcp": ("127.0.0.1", port)},
            volumes={str(root): {"bind": "/registry", "mode": "rw"}},
            user=f"{os.getuid()}:{os.getgid()}",
        )


class _Served:
    def __init__(self, container: Any) -> None:
        self.container = container

    def poll(self) -> object:
        try:
            self.container.reload()
        except DockerException:
            return "gone"
        return None if self.container.status in ("created", "running") else self.container.status

    def terminate(self) -> None:
        with contextlib.suppress(DockerException):
            self.container.remove(force=True)

    def wait(self, timeout: float) -> object:
        return None
