"""The network load balancer: connections, byte for byte."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import struct
import threading

from tests.sandbox.fronts_scene import Scene, connected, read_all, until


async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads to the end, and answers only then."""
    seen = hashlib.sha256()
    while data := await reader.read(65536):
        seen.update(data)
    writer.write(seen.hexdigest().encode())
    writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As Docker's proxy does when the container takes no connection."""
    writer.close()


def start(scene: Scene, handler: object) -> asyncio.Server:
    return scene.stage.do(asyncio.start_server(handler, "127.0.0.1", 0))  # type: ignore[arg-type]


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def test_each_side_may_end_its_half(scene: Scene) -> None:
    group = scene.group("TCP")
    port = scene.port(scene.listener(scene.balancer("network"), group, "TCP"))
    scene.healthy(group, scene.register(group, port_of(start(scene, digest))))
    data = os.urandom(8_000_000)
    with connected(port) as one:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        assert read_all(one).decode() == hashlib.sha256(data).hexdigest()


def test_a_slow_reader_stops_the_sender(scene: Scene) -> None:
    group = scene.group("TCP")
    port = scene.port(scene.listener(scene.balancer("network"), group, "TCP"))
    scene.healthy(group, scene.register(group, port_of(start(scene, echo))))
    data = os.urandom(60_000_000)
    with connected(port) as one:
        sender = threading.Thread(target=lambda: (one.sendall(data), one.shutdown(socket.SHUT_WR)))
        sender.start()
        sender.join(0.5)
        assert sender.is_alive()
        assert read_all(one) == data
        sender.join()


def test_connections_outlive_the_registration_of_their_target(scene: Scene) -> None:
    group = scene.group("TCP")
    port = scene.port(scene.listener(scene.balancer("network"), group, "TCP"))
    ip = scene.register(group, port_of(start(scene, echo)))
    scene.healthy(group, ip)
    with connected(port) as one:
        one.sendall(b"a")
        assert one.recv(1) == b"a"
        scene.deregister(group, ip)
        until(lambda: scene.fronts.busy(ip, 8080) == 1)
        one.sendall(b"b")
        assert one.recv(1) == b"b"
        with connected(port) as other:
            assert read_all(other) == b""
    until(lambda: scene.fronts.busy(ip, 8080) == 0)


def test_a_reset_is_passed_on(scene: Scene) -> None:
    group = scene.group("TCP")
    port = scene.port(scene.listener(scene.balancer("network"), group, "TCP"))
    ip = scene.register(group, port_of(start(scene, echo)))
    scene.healthy(group, ip)
    with connected(port) as one:
        one.sendall(b"a")
        assert one.recv(1) == b"a"
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: scene.fronts.busy(ip, 8080) == 1)


def test_no_target_closes_the_connection(scene: Scene) -> None:
    port = scene.port(scene.listener(scene.balancer("network"), scene.group("TCP"), "TCP"))
    with connected(port) as one:
        assert read_all(one) == b""


def test_only_unhealthy_targets_are_used_nevertheless_and_a_refused_one_is_passed_over(scene: Scene) -> None:
    group = scene.group("TCP", health_check_port="1")
    port = scene.port(scene.listener(scene.balancer("network"), group, "TCP"))
    gone = start(scene, echo)
    scene.register(group, port_of(gone))
    scene.register(group, port_of(start(scene, echo)))
    gone.close()
    until(lambda: scene.fronts.table() and scene.fronts.table()[0].targets == 2)
    for _ in range(4):
        with connected(port) as one:
            one.sendall(b"a")
            assert one.recv(1) == b"a"


def test_who_hangs_up_at_once_is_not_healthy(scene: Scene) -> None:
    group = scene.group("TCP")
    scene.listener(scene.balancer("network"), group, "TCP")
    ip = scene.register(group, port_of(start(scene, hang_up)))
    until(lambda: scene.state(group, ip) == "unhealthy")
    assert scene.health(group, ip) == ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
