"""The application load balancer: requests are passed on whole, and what goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import threading
import time
from typing import Any

import aiohttp
import pytest

from tests.sandbox.fronts_scene import Scene, call, connected, read_all, until


@pytest.fixture
def served(scene: Scene) -> tuple[int, Any]:
    """One healthy target behind a listener."""
    group = scene.group()
    listener = scene.listener(scene.balancer(), group)
    ip, target = scene.web(group)
    scene.healthy(group, ip)
    return scene.port(listener), target


def test_no_target_is_503_with_the_page_of_aws(scene: Scene) -> None:
    status, headers, body = call(scene.port(scene.listener(scene.balancer(), scene.group())))
    assert (status, headers["Server"]) == (503, "awselb/2.0")
    assert b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>" in body


def test_only_unhealthy_targets_are_used_nevertheless(scene: Scene) -> None:
    group = scene.group()
    port = scene.port(scene.listener(scene.balancer(), group))
    ip, target = scene.web(group, "ill")
    target.code = 500
    until(lambda: scene.state(group, ip) == "unhealthy")
    assert call(port)[2] == b"ill /"


def test_a_target_that_refuses_or_hangs_up_is_502(scene: Scene, served: tuple[int, Any]) -> None:
    port, target = served
    assert call(port, "/cut")[0] == 502
    assert call(port, "/cut", "POST")[0] == 502
    with pytest.raises(http.client.IncompleteRead):
        call(port, "/half")
    target.stop()
    status, _, body = call(port)
    assert (status, b"502 Bad Gateway" in body) == (502, True)


def test_a_target_that_is_not_there_yet_is_502(scene: Scene) -> None:
    group = scene.group()
    port = scene.port(scene.listener(scene.balancer(), group))
    scene.web(group, reachable=False)
    until(lambda: call(port)[0] == 502)


def test_a_silent_target_is_504(scene: Scene) -> None:
    group, balancer = scene.group(), scene.balancer()
    balancer.attrs["idle_timeout.timeout_seconds"] = "1"
    port = scene.port(scene.listener(balancer, group))
    ip, _ = scene.web(group)
    scene.healthy(group, ip)
    began = time.monotonic()
    assert call(port, "/slow?seconds=5")[0] == 504
    assert time.monotonic() - began < 3


def test_a_refused_get_is_tried_on_another_target(scene: Scene) -> None:
    group = scene.group(health_check_interval_seconds=30)
    port = scene.port(scene.listener(scene.balancer(), group))
    (first, one), (second, _) = scene.web(group), scene.web(group, "two")
    scene.healthy(group, first, second)
    one.stop()
    assert [call(port)[2] for _ in range(4)] == [b"two /"] * 4
    until(lambda: call(port)[0] == 200 and scene.state(group, first) == "unhealthy")


def test_headers_on_both_sides(served: tuple[int, Any]) -> None:
    port, _ = served
    with connected(port) as one:
        one.sendall(
            b"GET /headers?a=%2F+b HTTP/1.1\r\nHost: my.host:81\r\nCookie: a=1; b=2\r\nX-Two: 1\r\nX-Two: 2\r\n"
            b"X-Forwarded-For: 1.2.3.4\r\nAccept-Encoding: br\r\nTE: trailers\r\nX-Hop: 1\r\n"
            b"Connection: close, X-Hop, Upgrade\r\nUpgrade: h2c\r\n\r\n"
        )
        head, _, body = read_all(one).partition(b"\r\n\r\n")
    names = [(name, value) for name, value in json.loads(body)]
    sent = dict(names)
    assert [value for name, value in names if name == "X-Two"] == ["1", "2"]
    assert sent["Host"] == "my.host:81"
    assert sent["Cookie"] == "a=1; b=2"
    assert sent["X-Forwarded-For"] == "1.2.3.4, 127.0.0.1"
    assert (sent["X-Forwarded-Proto"], sent["X-Forwarded-Port"]) == ("http", str(port))
    assert not {"TE", "X-Hop", "Upgrade", "User-Agent"} & set(sent)
    assert sent["Accept-Encoding"] == "br"
    assert head.count(b"Set-Cookie: ") == 2
    assert head.lower().count(b"content-type: ") == head.lower().count(b"server: ") == 1


def test_an_answer_gets_no_headers_that_the_target_did_not_give(scene: Scene) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 203 Fine\r\nTransfer-Encoding: chunked\r\nX-a: 1\r\nx-A: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = scene.stage.do(asyncio.start_server(answer, "127.0.0.1", 0))
    group = scene.group()
    port = scene.port(scene.listener(scene.balancer(), group))
    scene.register(group, server.sockets[0].getsockname()[1])
    until(lambda: call(port)[0] == 203)
    with connected(port) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = read_all(one).partition(b"\r\n\r\n")
    first, *headers = [line.decode() for line in head.split(b"\r\n")]
    assert (first, body) == ("HTTP/1.1 203 Fine", b"2\r\nok\r\n0\r\n\r\n")
    kept = [line for line in headers if not line.startswith("Date: ")]
    assert sorted(kept) == ["Connection: close", "Transfer-Encoding: chunked", "X-a: 1", "x-A: 2"]


def test_paths_are_not_touched(served: tuple[int, Any]) -> None:
    port, _ = served
    for path in ("/a/../b%2Fc", "//double//", "/%7Euser/%E2%82%AC?x=%zz&y=a+b;c", "/?", "/x?a?b"):
        with connected(port) as one:
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            answer = read_all(one).decode()
        assert answer.endswith(f" {path.rstrip('?')}"), (path, answer)


def test_head_and_empty_answers(served: tuple[int, Any]) -> None:
    status, headers, body = call(served[0], "/x", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "11", b"")


@pytest.mark.parametrize("chunked", [True, False])
def test_large_bodies_stream_both_ways(served: tuple[int, Any], chunked: bool) -> None:
    block = os.urandom(1024 * 1024)
    sent, got = hashlib.sha256(), hashlib.sha256()

    async def body() -> Any:
        for _ in range(40):
            sent.update(block)
            yield block

    async def run() -> None:
        headers = {} if chunked else {"Content-Length": str(40 * len(block))}
        async with (
            aiohttp.ClientSession(read_bufsize=2**20) as session,
            session.post(f"http://127.0.0.1:{served[0]}/echo", data=body(), headers=headers) as answer,
        ):
            assert ("Content-Length" in answer.headers) is not chunked
            async for chunk in answer.content.iter_any():
                got.update(chunk)

    asyncio.run(run())
    assert sent.digest() == got.digest()


def test_100_continue(served: tuple[int, Any]) -> None:
    with connected(served[0]) as one:
        one.sendall(b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n")
        one.sendall(b"Connection: close\r\n\r\n")
        assert one.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b"body")
        assert read_all(one).endswith(b"\r\n\r\nbody")


def test_compressed_bodies_are_not_opened(served: tuple[int, Any]) -> None:
    status, _, body = call(served[0], "/echo", "POST", b"not gzip", {"Content-Encoding": "gzip"})
    assert (status, body) == (200, b"not gzip")


def test_websocket(served: tuple[int, Any]) -> None:
    async def run() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"http://127.0.0.1:{served[0]}/ws", protocols=["chat"], compress=15, max_msg_size=0
            ) as one,
        ):
            assert one.protocol == "chat"
            assert await one.receive_str() == "hello from target-0"
            for size in (1, 70_000, 5_000_000):
                data = os.urandom(size)
                await one.send_bytes(data)
                assert await one.receive_bytes() == data
            await one.close()
            assert one.close_code == 1000

    asyncio.run(run())


def test_a_silent_websocket_ends_at_the_idle_timeout(scene: Scene) -> None:
    group, balancer = scene.group(), scene.balancer()
    balancer.attrs["idle_timeout.timeout_seconds"] = "1"
    port = scene.port(scene.listener(balancer, group))
    ip, _ = scene.web(group)
    scene.healthy(group, ip)

    async def run() -> float:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as one:
            began = time.monotonic()
            for _ in range(4):
                await one.send_str("still here")
                assert (await one.receive()).type is aiohttp.WSMsgType.TEXT
                await asyncio.sleep(0.4)
            while (await one.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            return time.monotonic() - began

    assert 2 < asyncio.run(run()) < 3.5


def test_a_client_that_leaves_frees_its_target(scene: Scene) -> None:
    group = scene.group()
    port = scene.port(scene.listener(scene.balancer(), group))
    ip, _ = scene.web(group)
    scene.healthy(group, ip)
    with connected(port) as one:
        one.sendall(b"GET /slow?seconds=30 HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: scene.fronts.busy(ip, 8080) == 2)
    until(lambda: scene.fronts.busy(ip, 8080) == 1)
    scene.deregister(group, ip)
    until(lambda: scene.fronts.busy(ip, 8080) == 0)


def test_exchanging_the_targets_under_load_loses_nothing(scene: Scene) -> None:
    group = scene.group()
    port = scene.port(scene.listener(scene.balancer(), group))
    running = [scene.web(group) for _ in range(2)]
    scene.healthy(group, *(ip for ip, _ in running))
    done, answers = threading.Event(), []

    def load() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while not done.is_set():
            connection.request("POST", "/work", b"vote")
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()[:6]))

    threads = [threading.Thread(target=load) for _ in range(20)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        ip, target = scene.web(group)
        scene.healthy(group, ip)
        old, leaving = running.pop(0)
        scene.deregister(group, old)
        until(lambda old=old: scene.fronts.busy(old, 8080) == 0)
        leaving.stop()
        running.append((ip, target))
    done.set()
    for thread in threads:
        thread.join(10)
    assert {status for status, _ in answers} == {200}
    assert sum(target.served for target in scene.targets) == len(answers) > 200
