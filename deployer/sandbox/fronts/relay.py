"""One request, from the client to a target and back, streaming."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from deployer.sandbox.fronts.checks import AUTOMATIC
from deployer.sandbox.fronts.conditions import path_and_query
from deployer.sandbox.fronts.headers import end_to_end
from deployer.sandbox.fronts.tunnel import tunnel
from deployer.sandbox.fronts.view import Address

CONNECT_SECONDS = 10


class Answer(web.StreamResponse):
    """The target's own, without the headers that aiohttp would add for it."""

    async def _prepare_headers(self) -> None:
        given = {name.lower() for name in self.headers}
        await super()._prepare_headers()
        for name in ("content-type", "server"):
            if name not in given:
                self.headers.popall(name, None)


async def relay(
    session: aiohttp.ClientSession,
    request: web.BaseRequest,
    address: Address,
    protocol: str,
    headers: CIMultiDict[str],
    idle: float,
) -> web.StreamResponse:
    """Raises what aiohttp does while nothing was answered yet; later a failure cuts the client off, so that it sees."""
    path, query = path_and_query(request)
    url = URL(f"{protocol}://{address[0]}:{address[1]}{path}{'?' if query else ''}{query}", encoded=True)
    async with session.request(
        request.method,
        url,
        headers=headers,
        data=_body(request) if request.body_exists else None,
        allow_redirects=False,
        skip_auto_headers=AUTOMATIC,
        ssl=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle),
    ) as answer:
        if answer.status == 101:
            return await tunnel(request, answer, idle)
        response = Answer(status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers))
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        except (OSError, aiohttp.ClientError):
            if request.transport:
                request.transport.abort()
        return response


async def _body(request: web.BaseRequest) -> AsyncIterator[bytes]:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    async for chunk in request.content.iter_any():
        yield chunk
