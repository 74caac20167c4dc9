"""The gateway's copying by itself, without an engine: to a unix socket, and to a port as for Docker Desktop."""

from __future__ import annotations

import contextlib
import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox.containers.gateway import Listener

BIG = bytes(range(256)) * 8_000


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(b"got " + self.rfile.read())


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class TCPServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture(params=["unix", "port"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Of a gateway's listener in front of an echo."""
    path, host = str(tmp_path / "1_80"), "127.0.0.1" if request.param == "port" else ""
    server = TCPServer(("127.0.0.1", 0), Echo) if host else UnixServer(path, Echo)
    if isinstance(server, TCPServer):
        (tmp_path / "1_80.port").write_text(str(server.server_address[1]))
    selector, ended = selectors.DefaultSelector(), threading.Event()
    listener = Listener(selector, "127.0.0.1", 0, path, host)

    def gateway() -> None:
        while not ended.is_set():
            for key, events in selector.select(0.05):
                key.data(events)

    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)), threading.Thread(target=gateway)]
    for thread in threads:
        thread.start()
    yield listener.sock.getsockname()
    ended.set()
    server.shutdown()
    server.server_close()
    for thread in threads:
        thread.join()
    left = [key.data for key in selector.get_map().values()]
    assert left == [listener.accept], "connections are left"
    listener.close()


def ask(address: tuple[str, int], data: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as sock:
        writer = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        writer.start()
        got = b"".join(iter(lambda: sock.recv(65536), b""))
        writer.join()
        return got


@pytest.mark.parametrize("data", [b"", b"hello", BIG])
def test_bytes_and_ends_go_both_ways(address: tuple[str, int], data: bytes) -> None:
    assert ask(address, data) == b"got " + data


def test_a_client_that_vanishes_takes_nothing_along(address: tuple[str, int]) -> None:
    for _ in range(20):
        sock = socket.create_connection(address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
        sock.send(b"x")
        sock.close()
    assert ask(address, b"still") == b"got still"


def test_nobody_behind_means_closed_at_once(tmp_path: Path) -> None:
    with selectors.DefaultSelector() as selector:
        listener = Listener(selector, "127.0.0.1", 0, str(tmp_path / "none"), "")
        client = socket.create_connection(listener.sock.getsockname(), timeout=5)
        for key, events in selector.select(1):
            key.data(events)
        assert client.recv(1) == b""
        client.close()
        listener.close()
