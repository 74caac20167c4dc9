"""Fronts come and go with moto's listeners: ports, names, sockets, health, and the end."""

from __future__ import annotations

import os
import pickle
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployer.sandbox.fronts.health import CHECKING, FAILED, HEALTHY, REGISTERING, Health, accepts, mismatch
from deployer.sandbox.fronts.view import Check
from tests.sandbox.fronts_scene import Scene, call, connected, fixed, free_port, read_all, until

# --- ports and names ---


def test_its_own_port_when_it_is_free(scene: Scene) -> None:
    balancer = scene.balancer()
    listener = scene.listener(balancer, fixed("here"))
    assert scene.port(listener) == listener.port
    assert balancer.dns_name == "lb-0.localhost"
    assert balancer.fronted and balancer.number == 1
    assert call(listener.port)[2] == b"here"


def test_a_free_port_when_it_is_taken_and_the_name_says_so(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        balancer = scene.balancer()
        listener = scene.listener(balancer, scene.group(), port=taken.getsockname()[1])
        redirect = scene.listener(balancer, fixed("no"), port=free_port())
        bound = scene.port(listener)
        assert bound != listener.port
        assert scene.port(redirect) == redirect.port
        until(lambda: balancer.dns_name == f"lb-0.localhost:{bound}")
        row = next(each for each in scene.fronts.table() if each.port == listener.port)
        assert (row.balancer, row.dns_name, row.bound, row.targets) == ("lb-0", "lb-0.localhost", bound, 0)


def test_two_balancers_want_the_same_port(scene: Scene) -> None:
    port = free_port()
    one, two = scene.balancer(), scene.balancer("network")
    first = scene.listener(one, fixed("one"), port=port)
    second = scene.listener(two, scene.group("TCP"), "TCP", port=port)
    assert scene.port(first) == port != scene.port(second)
    assert {one.number, two.number} == {1, 2}


def test_the_port_outlives_a_restart(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = scene.listener(scene.balancer(), fixed("a"), port=taken.getsockname()[1])
        bound = scene.port(listener)
        scene.fronts.stop()
    assert pickle.loads(pickle.dumps(listener)).bound_port == bound
    scene.fronts = scene.new_fronts()
    scene.fronts.start()
    until(lambda: scene.fronts.table() and scene.fronts.table()[0].bound)
    assert scene.fronts.table()[0].bound == bound != listener.port


def test_nothing_listens_outside(scene: Scene) -> None:
    before = {each.laddr for each in psutil.Process().net_connections("inet") if each.status == psutil.CONN_LISTEN}
    scene.port(scene.listener(scene.balancer(), fixed("a")))
    scene.port(scene.listener(scene.balancer("network"), scene.group("TCP"), "TCP"))
    after = {each.laddr for each in psutil.Process().net_connections("inet") if each.status == psutil.CONN_LISTEN}
    assert len(after - before) == 2
    assert {address.ip for address in after - before} == {"127.0.0.1"}


# --- the unix socket ---


def test_containers_come_by_a_unix_socket(scene: Scene, tmp_path: Path) -> None:
    group = scene.group()
    balancer = scene.balancer()
    path = tmp_path / scene.vpc / "1_80"
    path.parent.mkdir()
    path.write_text("left over")
    listener = scene.listener(balancer, group, port=80)
    ip, _ = scene.web(group)
    scene.healthy(group, ip)
    until(lambda: stat.S_ISSOCK(os.stat(path).st_mode))
    assert path.with_name("1_80.port").read_text().strip() == str(scene.port(listener))
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        one.sendall(b"GET /headers HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
        assert b'["X-Forwarded-Port", "80"]' in read_all(one)
    with scene.lock:
        del balancer.listeners[listener.arn]
    until(lambda: not path.exists() and not path.with_name("1_80.port").exists())


def test_a_path_too_long_leaves_the_port_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(tmp_path / ("x" * 100))
    scene.fronts.start()
    assert call(scene.port(scene.listener(scene.balancer(), fixed("a"))))[2] == b"a"
    assert "Containers cannot reach" in caplog.text
    scene.close()


# --- health ---

CHECK = Check("HTTP", "/", "200-399", None, interval=10, timeout=5, healthy=3, unhealthy=2)


def test_codes() -> None:
    assert accepts("200-399", 302) and not accepts("200-399", 404)
    assert accepts("200,301", 301) and not accepts("200, 301", 300)


def test_a_new_target_is_healthy_at_its_first_success() -> None:
    health = Health(0)
    assert health.told == REGISTERING
    health.note(FAILED, CHECK, 0.3)
    assert (health.told, health.pause(CHECK)) == (CHECKING, 0.3)
    health.note(None, CHECK, 0.6)
    assert (health.told, health.pause(CHECK)) == (HEALTHY, 5)


def test_a_new_target_fails_only_after_its_time() -> None:
    health = Health(0)
    for tenth in range(3, 100, 3):
        health.note(mismatch(500), CHECK, tenth / 10)
    assert health.state == "initial"
    health.note(mismatch(500), CHECK, 10)
    assert health.told == ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]")


def test_thresholds() -> None:
    health = Health(0, HEALTHY)
    for failure in (FAILED, None, FAILED):
        health.note(failure, CHECK, 0)
        assert health.told == HEALTHY
    health.note(FAILED, CHECK, 0)
    assert (health.told, health.pause(CHECK)) == (FAILED, 1)
    for _ in range(2):
        health.note(None, CHECK, 0)
        assert health.state == "unhealthy"
    health.note(None, CHECK, 0)
    assert health.told == HEALTHY


def test_health_is_told_in_the_words_of_aws(scene: Scene) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    group = scene.group()
    ip, target = scene.web(group)
    target.code = 404
    hanging = scene.register(group, silent.getsockname()[1])
    nowhere = scene.register(group, None)
    time.sleep(0.3)
    assert scene.health(group, ip) is None, "no listener forwards to the group"
    listener = scene.listener(scene.balancer(), group)
    until(lambda: scene.health(group, ip) == CHECKING)
    until(lambda: scene.state(group, ip) == "unhealthy")
    assert scene.health(group, ip)[1] == "Target.ResponseCodeMismatch"
    assert scene.health(group, ip)[2] == "Health checks failed with these codes: [404]"
    until(lambda: scene.health(group, nowhere) == FAILED)
    until(lambda: scene.health(group, hanging) == ("unhealthy", "Target.Timeout", "Request timed out"))
    target.code = 204
    assert (group.matcher, scene.health(group, ip)[0]) == ({"HttpCode": "200"}, "unhealthy")
    with scene.lock:
        group.matcher = {"HttpCode": "200-299"}
    scene.healthy(group, ip)
    scene.deregister(group, ip)
    until(lambda: scene.health(group, ip) is None)
    with scene.lock:
        scene.backend.load_balancers.clear()
    until(lambda: "health" not in group.__dict__)
    until(lambda: not scene.fronts.table())
    time.sleep(0.2)
    with pytest.raises(ConnectionRefusedError):
        call(listener.port)
    silent.close()


def test_another_port_for_the_checks(scene: Scene) -> None:
    group = scene.group(health_check_port="9999")
    scene.listener(scene.balancer(), group)
    ip, target = scene.web(group)
    scene.places[ip, 9999] = scene.places.pop((ip, 8080))
    scene.healthy(group, ip)
    assert target.checks and scene.fronts.table()[0].healthy == 1


# --- robustness ---


def test_a_target_is_busy_until_the_fronts_know_that_it_has_left(scene: Scene) -> None:
    group = scene.group()
    scene.listener(scene.balancer(), group)
    ip, _ = scene.web(group)
    scene.healthy(group, ip)
    with scene.lock:
        scene.deregister(group, ip)
        time.sleep(0.3)
        assert scene.fronts.busy(ip, 8080) == 1
    until(lambda: scene.fronts.busy(ip, 8080) == 0)


def test_what_is_not_understood_stops_no_other(scene: Scene) -> None:
    balancer = scene.balancer()
    odd = scene.listener(balancer, fixed("a"))
    with scene.lock:
        odd.rules["default" if "default" in odd.rules else 0].actions.clear()
    assert call(scene.port(scene.listener(balancer, fixed("b"))))[2] == b"b"


def test_a_held_lock_stops_no_traffic(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployer.sandbox.fronts.account.LOCK_PATIENCE", 3)
    port = scene.port(scene.listener(scene.balancer(), fixed("a")))
    with scene.lock:
        time.sleep(0.2)
        began = time.monotonic()
        assert [call(port)[2] for _ in range(20)] == [b"a"] * 20
        assert time.monotonic() - began < 1


def test_stop_closes_everything_in_time(scene: Scene, tmp_path: Path) -> None:
    group, tcp = scene.group(), scene.group("TCP")
    listener = scene.listener(scene.balancer(), group)
    network = scene.listener(scene.balancer("network"), tcp, "TCP")
    ip, target = scene.web(group)
    scene.register(tcp, target.port)
    scene.healthy(group, ip)
    ports = [scene.port(listener), scene.port(network)]
    with connected(ports[0]) as busy, connected(ports[1]) as piped:
        busy.sendall(b"GET /slow?seconds=30 HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: scene.fronts.busy(ip, 8080) == 2)
        began = time.monotonic()
        with scene.lock:
            time.sleep(0.2)
            scene.fronts.stop()
        assert time.monotonic() - began < 2.2
        assert not any(each.name == "fronts" for each in threading.enumerate())
        for one in (busy, piped):
            assert _ended(one)
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            call(port)
    assert not list((tmp_path / scene.vpc).iterdir())
    scene.fronts.stop()


def _ended(one: Any) -> bool:
    try:
        return bool(one.recv(10) == b"")
    except ConnectionResetError:
        return True
