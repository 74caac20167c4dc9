"""A service's events, as DescribeServices tells them."""

from __future__ import annotations

import uuid
from typing import Any

from moto.core.utils import utcnow


def tell(service: Any, message: str) -> None:
    """An event; the newest is the first."""
    text = f"(service {service.name}) {message}"
    service.events.insert(0, {"id": str(uuid.uuid4()), "createdAt": utcnow(), "message": text})
    del service.events[100:]


def tell_once(service: Any, message: str) -> None:
    """Not while it is the newest one."""
    if not service.events or not service.events[0]["message"].endswith(message):
        tell(service, message)
