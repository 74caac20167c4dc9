"""Policy documents, compared by what they say: AWS may answer URL-encoded, in another order, one item as a list."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote


def meaning(document: Any) -> Any:
    """The same for any two documents that say the same; `document` may be the text of one. Never raises."""
    if isinstance(document, str):
        document = _parsed(document)
    return _ordered(document)


def is_public(statement: dict[str, Any]) -> bool:
    """Whether it allows something to everybody, without a condition."""
    principal = statement.get("Principal")
    whom = principal.get("AWS") if isinstance(principal, dict) else principal
    everybody = "*" in whom if isinstance(whom, list) else whom == "*"
    return statement.get("Effect") == "Allow" and everybody and not statement.get("Condition")


def statements(text: str) -> list[dict[str, Any]]:
    """Of the document with this text; a single one needs no list."""
    found = _parsed(text)["Statement"]
    return found if isinstance(found, list) else [found]


def _parsed(text: str) -> Any:
    for form in (text, unquote(text)):
        try:
            return json.loads(form)
        except ValueError:
            continue
    return text


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(item) for name, item in value.items()}
    if isinstance(value, list):
        items = sorted(map(_ordered, value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    return value
