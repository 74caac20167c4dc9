"""Drift: what in the account is not as it was recorded, field by field, in the user's terms. Pure: asks nobody."""

from __future__ import annotations

from typing import Any

from deployer.resource import SEEN, TYPES
from deployer.state import Record


def strays(record: Record) -> tuple[str, ...]:
    """Such as `count: 5 instead of 2`; empty where nothing is known: a field counts only if the last reading saw it.

    What was not finished is done again anyway; what was set aside is as it was.
    """
    type = TYPES[record.type]
    whole = record.inputs.keys() >= set(type.fields())  # else recorded by another version of this program
    if record.status not in ("ready", "made") or record.key != record.base or not whole:
        return ()
    seen: dict[str, Any] = record.outputs.get(SEEN, {})
    expected = type.recorded(record.name, record.inputs).expected()
    return tuple(
        _told(field, value, seen[field]) for field, value in expected.items() if seen.get(field, value) != value
    )


def _told(field: str, wanted: Any, seen: Any) -> str:
    if isinstance(wanted, list) and isinstance(seen, list):
        news = [f"{one} was added" for one in seen if one not in wanted]
        news += [f"{one} was removed" for one in wanted if one not in seen]
        return f"{field}: {', '.join(news) or 'differs'}"
    if isinstance(wanted, dict) or isinstance(seen, dict):
        return f"{field}: {'was removed' if seen is None else 'was added' if wanted is None else 'differs'}"
    return f"{field}: {_word(seen)} instead of {_word(wanted)}"


def _word(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
