"""A WebSocket: after the target has agreed, bytes in both directions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http_writer import StreamWriter

from deployer.sandbox.fronts.headers import end_to_end

CHUNK = 64 * 1024


class Inlet:
    """Takes over from aiohttp's HTTP parser, and stops the sender when nobody reads."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.reader = asyncio.StreamReader(CHUNK)
        self.reader.set_transport(transport)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self.reader.feed_eof()


async def tunnel(request: web.BaseRequest, answer: aiohttp.ClientResponse, idle: float) -> web.StreamResponse:
    """Ends when either side does, or as with AWS when both were silent for the idle timeout."""
    connection: Any = answer.connection
    headers = end_to_end(answer.headers)
    headers["Connection"], headers["Upgrade"] = "Upgrade", answer.headers.get("Upgrade", "websocket")
    response = web.StreamResponse(status=101, reason=answer.reason, headers=headers)
    response.force_close()
    await response.prepare(request)
    server_protocol: Any = request.protocol
    client, target = Inlet(server_protocol.transport), Inlet(connection.transport)
    server_protocol.set_parser(client)
    connection.protocol.read_timeout = None  # it is not only the target that must not be silent
    connection.protocol.set_parser(target, target.reader)
    upstream = StreamWriter(connection.protocol, asyncio.get_running_loop())
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(idle) as patience:

            def heard() -> None:
                patience.reschedule(asyncio.get_running_loop().time() + idle)

            await _either(_pour(client.reader, upstream.write, heard), _pour(target.reader, response.write, heard))
    return response


async def _pour(
    source: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]], heard: Callable[[], None]
) -> None:
    while data := await source.read(CHUNK):
        heard()
        await write(data)


async def _either(*pouring: Any) -> None:
    tasks = [asyncio.ensure_future(each) for each in pouring]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
