"""The health checks: one task for each target of each group in use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import aiohttp
from yarl import URL

from deployer.sandbox.fronts.health import FAILED, INITIAL_PAUSE, TIMED_OUT, Health, accepts, mismatch
from deployer.sandbox.fronts.view import LAYER4, Address, Check, Group, Target, Told, View

LOG = logging.getLogger("deployer.sandbox")
HANGS_UP_WITHIN = 0.1
AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

Key = tuple[str, str, int]  # group ARN, target id, port


class Checks:
    """Follows the view; all but `told` and `state` belongs to the event loop."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[Group, Target]] = {}
        self._health: dict[Key, Health] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._checked: dict[Key, float] = {}
        self._wakes: dict[Key, asyncio.Event] = {}

    def state(self, group: str, target: Target) -> str:
        health = self._health.get((group, target.id, target.port))
        return health.state if health else "initial"

    def told(self) -> dict[tuple[str, str], Told]:
        return {(group, target): health.told for (group, target, _), health in list(self._health.items())}

    def follow(self, view: View, session: aiohttp.ClientSession) -> None:
        self._known = {
            (group.arn, target.id, target.port): (group, target)
            for group in view.groups.values()
            for target in group.targets
        }
        for key in set(self._tasks) - set(self._known):
            self._tasks.pop(key).cancel()
            for kept in (self._health, self._wakes, self._checked):
                kept.pop(key, None)
        for key in self._known:
            if key not in self._tasks or self._tasks[key].done():
                self._health.setdefault(key, Health(time.monotonic()))
                self._wakes[key] = asyncio.Event()
                self._tasks[key] = asyncio.create_task(self._watch(key, session))

    def recheck(self, target: Target) -> None:
        """A front was refused: what was healthy may no longer be. Not more often than a new target is checked."""
        for key, wake in self._wakes.items():
            if key[1:] == (target.id, target.port) and time.monotonic() - self._checked.get(key, 0) > INITIAL_PAUSE:
                wake.set()

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _watch(self, key: Key, session: aiohttp.ClientSession) -> None:
        health, wake = self._health[key], self._wakes[key]
        while key in self._known:
            group, target = self._known[key]
            try:
                failure = await _check(session, group, target)
            except Exception:
                LOG.exception("The health check of %s:%s broke.", target.id, target.port)
                failure = FAILED
            self._checked[key] = time.monotonic()
            health.note(failure, group.check, time.monotonic())
            wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(health.pause(group.check)):
                    await wake.wait()


async def _check(session: aiohttp.ClientSession, group: Group, target: Target) -> Told | None:
    if target.check_address is None:
        return FAILED
    try:
        async with asyncio.timeout(group.check.timeout):
            if group.check.protocol in ("HTTP", "HTTPS"):
                failure = await _ask(session, group.check, target, target.check_address)
            else:
                failure = await _connect(target.check_address)
    except TimeoutError:
        failure = TIMED_OUT
    except (OSError, aiohttp.ClientError):
        failure = FAILED
    # A network load balancer knows one reason only.
    return FAILED if failure and group.protocol in LAYER4 else failure


async def _ask(session: aiohttp.ClientSession, check: Check, target: Target, address: Address) -> Told | None:
    url = URL(f"{check.protocol.lower()}://{address[0]}:{address[1]}{check.path}", encoded=True)
    headers = {"Host": f"{target.id}:{target.port}", "User-Agent": "ELB-HealthChecker/2.0"}
    async with session.get(
        url, headers=headers, allow_redirects=False, ssl=False, skip_auto_headers=AUTOMATIC
    ) as answer:
        return None if accepts(check.codes, answer.status) else mismatch(answer.status)


async def _connect(address: Address) -> Told | None:
    """Docker's proxy takes the connection before it knows whether the container will, and then hangs up at once."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(HANGS_UP_WITHIN):
            return None if await reader.read(1) else FAILED
    except TimeoutError:
        return None
    finally:
        writer.transport.abort()
