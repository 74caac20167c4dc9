"""Fixtures; a conftest.py makes them known with `pytest_plugins = ["tests.cloud.fixtures"]`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .client import Cloud


def docker_missing() -> str:
    """Why no Docker engine can be used; empty when one can."""
    try:
        import docker

        client = docker.from_env(timeout=10)
        client.ping()
        client.close()
    except Exception as problem:
        return f"no Docker engine: {problem}"
    return ""


@pytest.fixture(scope="session")
def cloud_process() -> Iterator[Cloud]:
    with Cloud.start() as cloud:
        yield cloud


@pytest.fixture
def cloud(cloud_process: Cloud) -> Cloud:
    """An empty account."""
    cloud_process.reset()
    return cloud_process


@pytest.fixture(scope="session")
def registry_cloud_process() -> Iterator[Cloud]:
    if problem := docker_missing():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    with Cloud.start(registry=True) as cloud:
        yield cloud


@pytest.fixture
def registry_cloud(registry_cloud_process: Cloud) -> Cloud:
    """An empty account whose ECR takes real pushes. Skipped without a Docker engine; in CI that is a failure."""
    registry_cloud_process.reset()
    return registry_cloud_process
