"""The front of a network load balancer: a connection to a target for each one from a client, byte for byte."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from deployer.sandbox.fronts.door import Protocols
from deployer.sandbox.fronts.front import Front
from deployer.sandbox.fronts.view import Forward, Target

LOG = logging.getLogger("deployer.sandbox")
CONNECT_SECONDS = 10
ATTEMPTS = 2
CHUNK = 256 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NetworkFront(Front):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._tasks: set[asyncio.Task[None]] = set()

    def protocols(self) -> Protocols:
        return lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._begin)

    async def finish(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve((reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: Streams) -> None:
        try:
            await self._forward(client)
        except OSError as error:
            LOG.debug("A connection through %s ended: %s", self.balancer.name, error)
        except Exception:
            LOG.exception("A connection through %s broke.", self.balancer.name)
        finally:
            client[1].transport.abort()

    async def _forward(self, client: Streams) -> None:
        action = self.listener.rules[-1].action
        group = self.traffic.group(action) if isinstance(action, Forward) else None
        tried: list[Target] = []
        while group and len(tried) < ATTEMPTS and (target := self.traffic.target(group, tried)):
            tried.append(target)
            with self.traffic.flight(target):
                if server := await self._connect(target):
                    await _join(client, server)
                    return

    async def _connect(self, target: Target) -> Streams | None:
        try:
            if target.address is None:
                raise ConnectionRefusedError("it cannot be reached yet")
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(*target.address)
        except OSError as error:
            LOG.debug("Target %s:%s refused: %s", target.id, target.port, error)
            self.traffic.refused(target)
            return None


async def _join(client: Streams, server: Streams) -> None:
    """Each side may end its half while the other still speaks; a reset ends both."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pour(client[0], server[1]))
            both.create_task(_pour(server[0], client[1]))
        client[1].close()
        await client[1].wait_closed()
    except* OSError as errors:
        LOG.debug("A connection was cut: %s", errors.exceptions)
    finally:
        server[1].transport.abort()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
    else:  # TLS has no half-closed connections
        sink.close()
