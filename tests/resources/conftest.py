"""The account in which a life cycle takes place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud import Cloud
from tests.resources.lifecycle import Account, Case


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that has no case in a module is not there, rather than skipped."""
    kept = [item for item in items if isinstance(_params(item).get("case", Case), Case | type)]
    items[:] = kept


def _params(item: pytest.Item) -> dict[str, object]:
    return getattr(getattr(item, "callspec", None), "params", {})


@pytest.fixture
def account(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Empty, with everything in it a few times quicker than usual."""
    for name, value in cloud.env().items():
        if name.startswith("AWS_") or name.lower() == "no_proxy":
            monkeypatch.setenv(name, value)
    cloud.tempo(task=0.04, drain=0.04, nat=0.04)
    return Account(cloud, tmp_path)
