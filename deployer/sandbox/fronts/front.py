"""What both kinds of front have in common."""

from __future__ import annotations

import abc
from pathlib import Path

from deployer.sandbox.fronts.door import Door, Protocols, secured
from deployer.sandbox.fronts.traffic import Traffic
from deployer.sandbox.fronts.view import SECURE, Balancer, Listener

SERVED = {"HTTP", "HTTPS", "TCP", "TLS", "TCP_UDP"}


class NotServedError(Exception):
    """The message says why."""


class Front(abc.ABC):
    """One listener, open. `balancer` and `listener` are replaced whenever they change."""

    def __init__(self, balancer: Balancer, listener: Listener, traffic: Traffic, sockets: Path) -> None:
        self.balancer, self.listener, self.traffic = balancer, listener, traffic
        self.door = Door(sockets / balancer.vpc_id / f"{balancer.number}_{listener.port}")

    @property
    def port(self) -> int:
        return self.door.port

    async def open(self) -> None:
        listener, tls = self.listener, None
        if listener.protocol not in SERVED:
            raise NotServedError("the sandbox does not serve this protocol")
        if listener.protocol in SECURE:
            if listener.certificate is None:
                raise NotServedError("its certificate is not one of ACM's here")
            try:
                tls = secured(listener.certificate)
            except OSError as error:
                raise NotServedError(f"its certificate cannot be used: {error}") from error
        await self.door.open(self.protocols(), filter(None, (listener.bound, listener.port)), tls)

    async def close(self) -> None:
        self.door.close()
        await self.finish()

    @abc.abstractmethod
    def protocols(self) -> Protocols:
        """Makes asyncio's protocol for a new connection."""

    @abc.abstractmethod
    async def finish(self) -> None:
        """Ends what is under way."""
