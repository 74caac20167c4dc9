"""The types of the imaginary cloud are the only ones while these tests run; looking again takes no time."""

from __future__ import annotations

from pathlib import Path

import pytest

import deployer.resources  # noqa: F401  all of them are known before they are set aside
from deployer import making, refresh
from deployer.resource import TYPES

from .imaginary import KINDS
from .world import World


@pytest.fixture(autouse=True)
def only_imaginary_types(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(TYPES):
        monkeypatch.delitem(TYPES, name)
    for name, kind in KINDS.items():
        monkeypatch.setitem(TYPES, name, kind)
    monkeypatch.setattr(refresh, "LISTED_AFTER", 0.0)
    monkeypatch.setattr(making, "LOOKS", (0.0, 0.01))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.at(tmp_path)
