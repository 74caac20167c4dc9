"""The front of an application load balancer: a reverse proxy that follows the listener's rules."""

from __future__ import annotations

import logging
from typing import Any

import aiohttp
from aiohttp import web

from deployer.sandbox.fronts.conditions import choose, hostname, path_and_query
from deployer.sandbox.fronts.door import Protocols
from deployer.sandbox.fronts.front import Front
from deployer.sandbox.fronts.headers import towards_target
from deployer.sandbox.fronts.pages import fixed, page, redirect
from deployer.sandbox.fronts.relay import relay
from deployer.sandbox.fronts.view import Fixed, Forward, Group, Redirect, Target

LOG = logging.getLogger("deployer.sandbox")
ATTEMPTS = 2
LONGEST_LINE, LONGEST_HEADER, MOST_HEADERS = 16 * 1024, 64 * 1024, 1000
REPEATABLE = {"GET", "HEAD"}
FINISH_SECONDS = 0.2


class ApplicationFront(Front):
    def __init__(self, session: aiohttp.ClientSession, *given: Any) -> None:
        super().__init__(*given)
        self._session = session
        self._server: web.Server | None = None

    def protocols(self) -> Protocols:
        self._server = web.Server(
            self._answer,
            handler_cancellation=True,
            access_log=None,
            logger=LOG,
            auto_decompress=False,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_HEADER,
            max_headers=MOST_HEADERS,
        )
        return self._server

    async def finish(self) -> None:
        if self._server:
            self._server.pre_shutdown()
            await self._server.shutdown(FINISH_SECONDS)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match choose(self.listener.rules, request):
            case Fixed() as action:
                return fixed(action)
            case Redirect() as action:
                return redirect(action, self._asked(request), self._doors(request))
            case Forward() as action:
                group = self.traffic.group(action)
                return await self._forward(request, group) if group else page(503)

    async def _forward(self, request: web.BaseRequest, group: Group) -> web.StreamResponse:
        """What was refused, or was only a question and got no answer, is tried once more, on another target."""
        tried: list[Target] = []
        while len(tried) < ATTEMPTS and (target := self.traffic.target(group, tried)):
            tried.append(target)
            try:
                with self.traffic.flight(target):
                    return await self._relay(request, group, target)
            except TimeoutError:
                return page(504)
            except (OSError, aiohttp.ClientError) as error:
                LOG.debug("Target %s:%s: %s", target.id, target.port, error)
                self.traffic.refused(target)
                refused = isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError)
                if not refused and (request.method not in REPEATABLE or request.body_exists):
                    break
        return page(502 if tried else 503)

    async def _relay(self, request: web.BaseRequest, group: Group, target: Target) -> web.StreamResponse:
        if target.address is None:
            raise ConnectionRefusedError("it cannot be reached yet")
        headers = towards_target(request, self._protocol, self._port(request))
        return await relay(self._session, request, target.address, group.protocol.lower(), headers, self.balancer.idle)

    @property
    def _protocol(self) -> str:
        return self.listener.protocol.lower()

    def _port(self, request: web.BaseRequest) -> int:
        """The one the client used: in the VPC the listener has its own."""
        return self.listener.port if _inside(request) else self.port

    def _asked(self, request: web.BaseRequest) -> dict[str, str]:
        path, query = path_and_query(request)
        return {
            "protocol": self._protocol,
            "host": hostname(request),
            "port": str(self.listener.port),
            "path": path.removeprefix("/"),
            "query": query,
        }

    def _doors(self, request: web.BaseRequest) -> dict[str, int]:
        if _inside(request):
            return {}
        bound = self.traffic.bound
        return {str(each.port): bound[each.arn] for each in self.balancer.listeners if each.arn in bound}


def _inside(request: web.BaseRequest) -> bool:
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return not isinstance(name, tuple)
