from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud import Cloud
from tests.whole.project import QUICK, Project, Warm


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    process = Warm(tmp_path_factory.mktemp("warm"))
    yield process
    process.close()


@pytest.fixture
def project(cloud: Cloud, warm: Warm, tmp_path: Path) -> Iterator[Project]:
    """The voting app in a directory of its own, and an empty account."""
    cloud.tempo(**QUICK)
    yield Project(cloud, tmp_path / "voting", start=warm)
    assert not cloud.errors(), "the cloud itself failed"


@pytest.fixture
def other(cloud: Cloud, warm: Warm, tmp_path: Path) -> Callable[[str], Project]:
    """Another directory with the same app, against the same account."""
    return lambda name: Project(cloud, tmp_path / name, start=warm)
