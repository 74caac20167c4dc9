"""The fixtures that tests of all parts share."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.cloud.fixtures"]

# The long ones begin first, so that the workers end together (with --no-loadscope-reorder).
LONG = ("campaign/", "manners/test_stacks.py", "sandbox/test_verdicts.py", "sandbox/test_voting.py",
        "sandbox/test_faults", "sandbox/test_process.py", "sandbox/test_containers", "whole/",
        "operating/")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        path = item.nodeid.partition("::")[0]
        return next((index for index, name in enumerate(LONG) if f"tests/{name}" in path), len(LONG))

    items.sort(key=place)
