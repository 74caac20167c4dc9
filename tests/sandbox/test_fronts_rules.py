"""The application load balancer: its listeners, and where their rules lead."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

from tests.sandbox.fronts_scene import Scene, call, fixed, forward, free_port, until


def test_requests_go_round_the_healthy_targets(scene: Scene) -> None:
    group = scene.group()
    port = scene.port(scene.listener(scene.balancer(), group))
    (first, _), (second, two), (third, three) = [scene.web(group, name) for name in ("one", "two", "three")]
    scene.healthy(group, first, second, third)
    assert sorted(call(port)[2] for _ in range(3)) == [b"one /", b"three /", b"two /"]
    three.code = 500
    until(lambda: scene.state(group, third) == "unhealthy")
    assert {call(port)[2] for _ in range(6)} == {b"one /", b"two /"}
    assert two.served >= 3


def test_rules_by_priority(scene: Scene) -> None:
    listener = scene.listener(scene.balancer(), fixed("default", 404))
    scene.rule(listener, 20, fixed("api"), path_pattern=["/api/*"])
    scene.rule(listener, 10, fixed("v?"), path_pattern=["/api/v?/[x]"])
    scene.rule(listener, 30, fixed("host"), host_header=["*.example.com"], path_pattern=["/h*"])
    port = scene.port(listener)
    assert call(port, "/api/v1/x")[2] == b"api"
    assert call(port, "/api/v1/[x]")[2] == b"v?"
    assert call(port, "/api")[:3:2] == (404, b"default")
    assert call(port, "/hello", headers={"Host": "A.Example.com:81"})[2] == b"host"
    assert call(port, "/hello")[2] == b"default"
    assert call(port, "/x", headers={"Host": "a.example.com"})[2] == b"default"


def test_weights(scene: Scene) -> None:
    light, heavy, none = scene.group(), scene.group(), scene.group()
    groups = [{"TargetGroupArn": g.arn, "Weight": w} for g, w in ((light, 1), (heavy, 3), (none, 0))]
    port = scene.port(scene.listener(scene.balancer(), {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}))
    for name, group in (("light", light), ("heavy", heavy), ("none", none)):
        scene.healthy(group, scene.web(group, name)[0])
    answers = [call(port)[2] for _ in range(80)]
    assert 0 < answers.count(b"light /") < answers.count(b"heavy /")
    assert b"none /" not in answers


def test_redirects(scene: Scene) -> None:
    balancer = scene.balancer()
    main = scene.listener(balancer, fixed("here"))
    blocked = socket.create_server(("127.0.0.1", 0))
    taken = scene.listener(balancer, fixed("there"), port=blocked.getsockname()[1])

    def action(**config: str) -> dict[str, Any]:
        return {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", **config}}

    scene.rule(main, 1, action(Protocol="HTTPS", Port="443"), path_pattern=["/secure*"])
    scene.rule(main, 2, action(Host="www.#{host}", Path="/new/#{path}", Query="#{query}&x=1"), path_pattern=["/old"])
    scene.rule(main, 3, action(Port=str(taken.port)), path_pattern=["/door"])
    port, host = scene.port(main), {"Host": "lb.localhost:99"}
    status, headers, _ = call(port, "/secure/a?b=c", headers=host)
    assert (status, headers["Location"]) == (301, "https://lb.localhost:443/secure/a?b=c")
    assert call(port, "/old?a=1", headers=host)[1]["Location"] == f"http://www.lb.localhost:{port}/new/old?a=1&x=1"
    bound = scene.port(taken)
    assert bound != taken.port
    until(lambda: call(port, "/door", headers=host)[1]["Location"] == f"http://lb.localhost:{bound}/door")
    blocked.close()


def test_https_with_a_certificate_of_acm(scene: Scene) -> None:
    from moto.acm.models import CertBundle, acm_backends

    bundle = CertBundle.generate_cert("web.example.com", scene.account, "us-east-1")
    acm_backends[scene.account]["us-east-1"]._certificates[bundle.arn] = bundle
    listener = scene.listener(scene.balancer(), fixed("safe"), "HTTPS", certificate=bundle.arn)
    port = scene.port(listener)

    async def run() -> str:
        url = f"https://127.0.0.1:{port}/"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as answer:
            return await answer.text()

    assert asyncio.run(run()) == "safe"


def test_a_listener_without_its_certificate_stops_no_other(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    balancer = scene.balancer()
    scene.listener(balancer, fixed("never"), "HTTPS", port=free_port())
    assert call(scene.port(scene.listener(balancer, fixed("yes"))))[2] == b"yes"
    assert "is not served: its certificate" in caplog.text


def test_a_listener_that_changes(scene: Scene) -> None:
    listener = scene.listener(scene.balancer(), fixed("old"))
    port = scene.port(listener)
    with scene.lock:
        scene.backend.modify_listener(listener.arn, actions=[fixed("new")], certificates=[])
    until(lambda: call(port)[2] == b"new")
    with scene.lock:
        listener.port = other = free_port()
    until(lambda: listener.bound_port == other)
    assert call(other)[2] == b"new"
    with pytest.raises(ConnectionRefusedError):
        call(port)


def test_forwarding_by_a_rule(scene: Scene) -> None:
    group = scene.group()
    listener = scene.listener(scene.balancer(), fixed("default"))
    scene.rule(listener, 1, forward(group), path_pattern=["/app"])
    ip, _ = scene.web(group, "app")
    scene.healthy(group, ip)
    assert call(scene.port(listener), "/app")[2] == b"app /app"
