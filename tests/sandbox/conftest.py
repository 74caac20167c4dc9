from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.fixtures import docker_missing

from .fronts_scene import Scene
from .house import House


@pytest.fixture(scope="session")
def engine_needed() -> None:
    if problem := docker_missing():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(problem)
        pytest.skip(problem)


@pytest.fixture
def house() -> Iterator[House]:
    """A sandbox that a test may break."""
    house = House()
    yield house
    house.close()


@pytest.fixture(scope="module")
def shared(engine_needed: None) -> Iterator[House]:
    """One sandbox for the tests of a file; they choose different names for their stacks."""
    house = House()
    yield house
    house.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.fronts.start()
    yield made
    made.close()
