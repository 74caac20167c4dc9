"""Where a front is entered: a port of 127.0.0.1 from this machine, a unix socket from the VPC's gateway."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

LOG = logging.getLogger("deployer.sandbox")
LOOPBACK = "127.0.0.1"
BACKLOG = 512

Protocols = Callable[[], asyncio.Protocol]


class Door:
    def __init__(self, path: Path) -> None:
        """`path`: of the unix socket; a file `<path>.port` beside it says the TCP port."""
        self.port = 0
        self._path, self._note = path, path.with_name(path.name + ".port")
        self._servers: list[asyncio.Server] = []

    async def open(self, protocols: Protocols, ports: Iterable[int], tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        bound = bind(ports)
        self.port = bound.getsockname()[1]
        self._servers.append(await loop.create_server(protocols, sock=bound, ssl=tls, backlog=BACKLOG))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._servers.append(await loop.create_unix_server(protocols, self._path, ssl=tls, backlog=BACKLOG))
            self._note.write_text(f"{self.port}\n")
        except OSError as error:
            LOG.error("Containers cannot reach port %s of a load balancer: %s: %s", self.port, self._path, error)

    def close(self) -> None:
        """Nobody new; who is in stays."""
        for server in self._servers:
            server.close()
        for file in (self._path, self._note):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


def bind(ports: Iterable[int]) -> socket.socket:
    """The first of the ports that is free and allowed, or else any free one."""
    for port in (*ports, 0):
        candidate = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((LOOPBACK, port))
            candidate.listen(BACKLOG)  # with SO_REUSEADDR only this tells a port that is taken
            candidate.setblocking(False)
            return candidate
        except OSError as error:
            candidate.close()
            LOG.debug("Port %s: %s", port, error)
    raise OSError("There is no free port.")


def secured(certificate: tuple[bytes, bytes]) -> ssl.SSLContext:
    """Python reads certificates and keys from files only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("certificate", "key")]
        for file, content in zip(files, certificate, strict=True):
            file.touch(mode=0o600)
            file.write_bytes(content)
        context.load_cert_chain(*map(str, files))
    return context
