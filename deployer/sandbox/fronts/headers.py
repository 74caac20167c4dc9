"""The headers on both sides of an application load balancer."""

from __future__ import annotations

import secrets
import time

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

HOP = (
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
)


def is_websocket(request: web.BaseRequest) -> bool:
    """Other protocols are not offered: an upgrade to HTTP/2 that a client proposes is passed over, as by AWS."""
    named = [each.strip().lower() for each in request.headers.get("Connection", "").split(",")]
    return "upgrade" in named and request.headers.get("Upgrade", "").lower() == "websocket"


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Without those that are meant for the next hop only; duplicates are kept."""
    kept = CIMultiDict(headers)
    named = [name.strip() for value in headers.getall("Connection", []) for name in value.split(",")]
    for name in (*HOP, *named):
        kept.popall(name, None)
    return kept


def towards_target(request: web.BaseRequest, protocol: str, port: int) -> CIMultiDict[str]:
    headers = end_to_end(request.headers)
    headers.popall("Expect", None)
    if is_websocket(request):
        headers["Connection"], headers["Upgrade"] = "Upgrade", "websocket"
    peer = (request.transport.get_extra_info("peername") if request.transport else None) or "127.0.0.1"
    client = peer[0] if isinstance(peer, tuple) else "127.0.0.1"
    headers["X-Forwarded-For"] = ", ".join([*headers.popall("X-Forwarded-For", []), client])
    headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"] = protocol, str(port)
    headers.setdefault("X-Amzn-Trace-Id", f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}")
    return headers
