"""The load balancers' event loop: moto's listeners are looked at again and again, and fronts opened and closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deployer.sandbox.fronts.account import Account, News
from deployer.sandbox.fronts.application import LONGEST_HEADER, LONGEST_LINE, MOST_HEADERS, ApplicationFront
from deployer.sandbox.fronts.checks import Checks
from deployer.sandbox.fronts.front import Front, NotServedError
from deployer.sandbox.fronts.network import NetworkFront
from deployer.sandbox.fronts.traffic import Traffic
from deployer.sandbox.fronts.view import Balancer, Listener, Reach, View

LOG = logging.getLogger("deployer.sandbox")
TICK = 0.1
STOP_SECONDS = 2
RETRY_SECONDS = 60


@dataclass(frozen=True)
class FrontInfo:
    """`bound` is None for a listener that is not served (yet)."""

    balancer: str
    dns_name: str
    protocol: str
    port: int
    bound: int | None
    healthy: int
    targets: int


class Fronts:
    """`lock`: under which moto's objects are read and changed. `reach`: where a target is reached from this machine."""

    def __init__(self, lock: threading.RLock, reach: Reach, sockets: Path, backends: Any = None) -> None:
        if backends is None:
            from moto.elbv2.models import elbv2_backends

            backends = elbv2_backends
        self._account, self._sockets = Account(lock, reach, backends), sockets
        self._fronts: dict[str, Front] = {}  # by listener ARN
        self._unserved: dict[str, tuple[object, float]] = {}  # listener ARN -> what could not be opened, till when
        self._checks = Checks()
        self._traffic = Traffic(self._checks)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="fronts", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has closed in between
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(STOP_SECONDS)

    def busy(self, ip: str, port: int) -> int:
        """What is under way to the target; never 0 while the fronts may still send it something."""
        return self._traffic.busy(ip, port)

    def table(self) -> list[FrontInfo]:
        view = self._traffic.view
        return [self._info(view, balancer, each) for balancer in view.balancers for each in balancer.listeners]

    def _info(self, view: View, balancer: Balancer, listener: Listener) -> FrontInfo:
        groups = [view.groups[arn] for arn in listener.groups if arn in view.groups]
        return FrontInfo(
            balancer=balancer.name,
            dns_name=balancer.dns_name,
            protocol=listener.protocol,
            port=listener.port,
            bound=self._traffic.bound.get(listener.arn),
            healthy=sum(len(self._traffic.healthy(group)) for group in groups),
            targets=sum(len(group.targets) for group in groups),
        )

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with _session() as session:
            self._ready.set()
            while not self._stopping.is_set():
                try:
                    await self._turn(session)
                except Exception:
                    LOG.exception("The load balancers could not be brought up to date.")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK):
                        await self._stopping.wait()
            await asyncio.gather(*(each.close() for each in self._fronts.values()), return_exceptions=True)
            await self._checks.close()

    async def _turn(self, session: aiohttp.ClientSession) -> None:
        news = News(dict(self._traffic.bound), self._checks.told())
        view = await asyncio.to_thread(self._account.exchange, news)
        if view is None:
            return
        self._traffic.view = view
        self._checks.follow(view, session)
        wanted = {each.arn: (balancer, each) for balancer in view.balancers for each in balancer.listeners}
        for arn, front in list(self._fronts.items()):
            if arn not in wanted or wanted[arn][1].door != front.listener.door:
                await self._close(self._fronts.pop(arn))
        for balancer, listener in wanted.values():
            if listener.arn in self._fronts:
                self._fronts[listener.arn].balancer, self._fronts[listener.arn].listener = balancer, listener
            elif not self._is_hopeless(listener):
                await self._open(session, balancer, listener)

    def _is_hopeless(self, listener: Listener) -> bool:
        door, until = self._unserved.get(listener.arn, (None, 0.0))
        return door == listener.door and time.monotonic() < until

    async def _open(self, session: aiohttp.ClientSession, balancer: Balancer, listener: Listener) -> None:
        given = (balancer, listener, self._traffic, self._sockets)
        is_application = balancer.kind == "application"
        front: Front = ApplicationFront(session, *given) if is_application else NetworkFront(*given)
        try:
            await front.open()
        except (NotServedError, OSError) as error:
            self._unserved[listener.arn] = (listener.door, time.monotonic() + RETRY_SECONDS)
            LOG.error("%s: port %s (%s) is not served: %s", balancer.name, listener.port, listener.protocol, error)
            return
        self._unserved.pop(listener.arn, None)
        self._fronts[listener.arn], self._traffic.bound[listener.arn] = front, front.port

    async def _close(self, front: Front) -> None:
        self._traffic.bound.pop(front.listener.arn, None)
        try:
            await front.close()
        except Exception:
            LOG.exception("%s: port %s could not be closed properly.", front.balancer.name, front.listener.port)


def _session() -> aiohttp.ClientSession:
    """A connection for each request: one kept alive could be lost with a target that is being drained."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_HEADER,
        max_headers=MOST_HEADERS,
    )
