"""Tasks as real containers: how they start, what they get, how they end."""

from __future__ import annotations

import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import psutil
import pytest

from deployer.sandbox.containers.engine import OWNER
from tests.sandbox.engine import DEAF, SERVER, Place, container, place, saved_image, spec, until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(60)]
WEB = {"portMappings": [{"containerPort": 8080}]}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def fetched(here: Place, ip: str) -> str:
    reached = here.containers.reach(ip, 8080)
    assert reached
    with urllib.request.urlopen(f"http://{reached[0]}:{reached[1]}/", timeout=2) as answer:
        return answer.read().decode()


def answer(here: Place, ip: str) -> str:
    def attempt() -> str:
        try:
            return fetched(here, ip)
        except OSError:
            return ""

    return until(attempt)


def test_a_server_is_reached_and_gets_what_is_its_own(here: Place) -> None:
    plain = [{"name": "PYTHONUNBUFFERED", "value": "1"}]
    task = here.run(spec(container(**WEB, environment=plain, secrets=[{"name": "ANSWER", "valueFrom": "arn:secret"}])))
    other = here.run(spec(container("import time; time.sleep(60)")))
    seen = here.until(task, "RUNNING")
    assert answer(here, seen.ip) == "s3cr3t-value"
    assert seen.started_at >= seen.pull_stopped_at >= seen.pull_started_at > 0
    assert seen.containers["web"].image_digest.startswith("sha256:")
    second = here.until(other, "RUNNING").containers["web"]
    inspected = docker.from_env().api.inspect_container(second.runtime_id)
    assert "s3cr3t-value" not in str(inspected)
    assert inspected["HostConfig"]["Memory"] == inspected["HostConfig"]["MemorySwap"] == 128 << 20
    assert inspected["HostConfig"]["NanoCpus"] == 500_000_000
    assert inspected["Config"]["Labels"][OWNER] == here.owner
    listening = {each.laddr for each in psutil.net_connections("inet") if each.status == psutil.CONN_LISTEN}
    mine = [address for address in listening if address.port in seen.ports.values()]
    assert [address.ip for address in mine] == ["127.0.0.1"]
    here.containers.stop(task)
    stopped = here.until(task, "STOPPED", 6)
    assert (stopped.stop_code, stopped.stopped_reason) == ("", "")
    assert here.containers.reach(seen.ip, 8080) is None


def test_nothing_listens_outside_loopback(here: Place) -> None:
    def outside() -> set[str]:
        lines = subprocess.run(["ss", "-Hlntu"], capture_output=True, text=True, check=True).stdout.splitlines()
        return {line.split()[4] for line in lines if "docker" in line or not line.split()[4].startswith("127.")}

    before = outside()
    here.until(here.run(spec(container(**WEB))), "RUNNING")
    assert outside() <= before


@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [
        ("import sys; print('going'); sys.exit(3)", 3, ""),
        ("x = bytearray(400 << 20)", 137, "OutOfMemoryError: Container killed due to memory usage"),
    ],
)
def test_a_container_that_exits_ends_its_task(here: Place, code: str, exit_code: int, reason: str) -> None:
    seen = here.until(here.run(spec(container(code))), "STOPPED")
    assert (seen.stop_code, seen.stopped_reason) == ("EssentialContainerExited", "Essential container in task exited")
    assert (seen.containers["web"].exit_code, seen.containers["web"].reason) == (exit_code, reason)
    assert seen.stopped_at >= seen.started_at


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": "registry.invalid/a:1"}, "failed to resolve ref registry.invalid/a:1: failed to do request: Get"),
        ({"secrets": [{"name": "A", "valueFrom": "arn:none"}]}, "unable to retrieve secret from asm: service call has "
         "been retried 1 time(s): ResourceNotFoundException: Secrets Manager can't find the specified secret."),
        ({"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/none"}}},
         "ResourceNotFoundException: The specified log group does not exist. : exit status 1"),
    ],
)  # fmt: skip
def test_what_cannot_start_says_why(here: Place, change: dict[str, object], words: str) -> None:
    seen = here.until(here.run(spec({**container(), **change})), "STOPPED")
    assert seen.stop_code == "TaskFailedToStart"
    assert words in seen.stopped_reason
    assert seen.started_at == 0


def test_a_command_that_is_not_there(here: Place) -> None:
    seen = here.until(here.run(spec(container() | {"command": ["no-such-program"]})), "STOPPED")
    assert (seen.stop_code, seen.stopped_reason) == ("TaskFailedToStart", "Task failed to start")
    reason = seen.containers["web"].reason
    assert reason.startswith("CannotStartContainerError: ResourceInitializationError: failed to create new container")
    assert '"no-such-program": executable file not found in $PATH' in reason


def test_an_image_of_another_platform(here: Place) -> None:
    client, name = docker.from_env(), f"deployer-test-{uuid.uuid4().hex[:8]}"
    client.images.load(saved_image(f"{name}:latest", "arm64"))
    try:
        seen = here.until(here.run(spec(container(image=name))), "STOPPED")
    finally:
        client.images.remove(name)
        client.close()
    words = "image Manifest does not contain descriptor matching platform 'linux/amd64'"
    reason = f"CannotPullContainerError: pull image manifest has been retried 1 time(s): {words}"
    assert seen.stopped_reason == seen.containers["web"].reason == reason


def test_a_task_that_ignores_TERM_is_killed(here: Place) -> None:  # noqa: N802
    task = here.run(spec(container(DEAF)))
    here.until(task, "RUNNING")
    until(lambda: "deaf" in here.account.lines())
    began = time.monotonic()
    here.containers.stop(task)
    seen = here.until(task, "STOPPED", 8)
    assert 2 <= time.monotonic() - began < 5
    assert (seen.containers["web"].exit_code, seen.containers["web"].reason) == (137, "")


def test_output_becomes_log_events(here: Place) -> None:
    code = """
import sys, os
os.write(1, b"first\\n\\n" + b"x" * 300_000 + b"\\n")
os.write(2, b"bytes \\xff\\xfe\\n")
os.write(1, b"no end of line")
"""
    tasks = [here.run(spec(container(code))) for _ in range(5)]  # the engine loses last lines now and then
    for task in tasks:
        here.until(task, "STOPPED")
        whole(here, task)


def whole(here: Place, task: str) -> None:
    events = here.account.events[f"web/web/{task}"]
    lines = [text for _, text in events]
    assert "first" in lines and "no end of line" in lines and "bytes \ufffd\ufffd" in lines
    long = [line for line in lines if line.startswith("xxx")]
    assert [len(line) for line in long] == [262_118, 300_000 - 262_118]
    assert len(lines) == 5
    assert all(abs(when / 1000 - time.time()) < 60 for when, _ in events)


def test_health_checks_are_the_definitions_own(here: Place) -> None:
    check = {"interval": 1, "timeout": 5, "retries": 1, "startPeriod": 0}
    well = {"healthCheck": {"command": ["CMD-SHELL", "true"], **check}}
    ill = {"healthCheck": {"command": ["CMD-SHELL", "exit 1"], **check}}
    good, bad = here.run(spec(container(**well))), here.run(spec(container(**ill)))
    seen = here.until(bad, "STOPPED")
    assert (seen.stop_code, seen.stopped_reason) == ("ServiceSchedulerInitiated", "Task failed container health checks")
    assert seen.containers["web"].health == "UNHEALTHY"
    until(lambda: here.containers.look(good).containers["web"].health == "HEALTHY")  # type: ignore[union-attr]


def test_containers_of_a_task_share_network_and_volumes_and_wait_for_each_other(here: Place) -> None:
    mount = {"mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]}
    first = container("open('/data/x', 'w').write('from init')", name="init", essential=False, **mount)
    web = container(SERVER.replace('os.environ.get("ANSWER", "ok")', "open('/data/x').read()"), **WEB, **mount)
    asks = "import urllib.request as u, time\nprint(u.urlopen('http://localhost:8080').read().decode()); time.sleep(60)"
    waits = "import socket as s, time as t\nwhile s.socket().connect_ex(('localhost', 8080)): t.sleep(.1)"
    side = container(f"{waits}\n{asks}", name="side", essential=False)
    web["dependsOn"] = [{"containerName": "init", "condition": "SUCCESS"}]
    side["dependsOn"] = [{"containerName": "web", "condition": "START"}]
    task = here.run(spec(side, web, first, volumes=[{"name": "data"}]))
    seen = here.until(task, "RUNNING")
    assert (seen.containers["init"].status, seen.containers["init"].exit_code) == ("STOPPED", 0)
    assert answer(here, seen.ip) == "from init"
    until(lambda: "from init" in here.account.lines())
    here.containers.stop(task, kill_after=0)
    here.until(task, "STOPPED")
    assert [name for name in here.left() if task[:8] in name] == []


def test_limits_of_the_definition_hold(here: Place) -> None:
    code = """
import os, resource as r
caps = next(line.split()[1] for line in open("/proc/self/status") if "CapBnd" in line)
print("uid", os.getuid(), os.getcwd(), r.getrlimit(r.RLIMIT_NOFILE), caps)
try: open("/x", "w")
except OSError as error: print(error.strerror)
open("/tmp/x", "w"); print("tmp", os.getppid())
"""
    tmpfs = [{"containerPath": "/tmp", "size": 8}]
    linux = {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}, "tmpfs": tmpfs}
    files = [{"name": "nofile", "softLimit": 99, "hardLimit": 99}]
    given = {"user": "1234", "workingDirectory": "/usr", "readonlyRootFilesystem": True, "linuxParameters": linux}
    here.until(here.run(spec(container(code, ulimits=files, **given))), "STOPPED")
    assert here.account.lines() == ["uid 1234 /usr (99, 99) 0000000000000000", "Read-only file system", "tmp 1"]
