"""What has to be true afterwards: of the account, and of the record of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cloud.inventory import Inventory

UNTAGGED = ("pin",)  # a reference to an image of somebody else's: nothing in the account


def same(found: Inventory, wanted: Inventory) -> None:
    """Names only what differs."""
    told = []
    for kind in sorted(found.keys() | wanted.keys()):
        here, there = found.get(kind, []), wanted.get(kind, [])
        surplus = [each for each in here if here.count(each) > there.count(each)]
        lacking = [each for each in there if there.count(each) > here.count(each)]
        if surplus or lacking:
            told.append(f"{kind}: too many {surplus}, missing {lacking}")
    assert not told, "\n".join(told)


def agrees(state: dict[str, Any], keys: dict[str, str]) -> None:
    """Every record is ready and its object exists; every object that carries a key is the one recorded under it."""
    records = {record["key"]: record for record in state["records"]}
    unready = {key: record["status"] for key, record in records.items() if record["status"] != "ready"}
    assert not unready, f"recorded as not ready: {unready}"
    gone = [key for key, record in records.items() if record["type"] not in UNTAGGED and record["id"] not in keys]
    assert not gone, f"recorded and not in the account: {gone}"
    recorded = {(key.partition("~")[0], record["id"]) for key, record in records.items()}
    for key in sorted(set(keys.values()) - {""}):
        mine = [id for id, carried in keys.items() if carried == key]
        assert any((key, id) in recorded for id in mine), f"in the account and not recorded: {key} {mine}"


def readable(file: Path) -> None:
    """Whatever happened, the record is whole."""
    if file.exists():
        assert json.loads(file.read_text())["records"] is not None
