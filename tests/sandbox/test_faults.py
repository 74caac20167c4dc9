"""Stacks and users beside each other, ports that others hold, and what listens where."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import docker
import pytest
from botocore.exceptions import ClientError

from .faulty import SERVES, Stack, listening, service
from .house import House, get, until, url_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]
ASKS = SERVES.replace("import ", """import urllib.request
import """, 1).replace("server = ", """
where = os.environ["WHERE"]
os.environ["TEXT"] = "web said " + urllib.request.urlopen(where, timeout=5).read().decode()
server = """)  # fmt: skip


@contextlib.contextmanager
def taken(port: int = 0) -> Iterator[int]:
    """A port on which another program listens, on every interface."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("0.0.0.0", port))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_that_another_program_has_is_another_everywhere(shared: House, tmp_path: Path) -> None:
    with taken() as port:
        address = "http://${services.web.host}:${services.web.port}/"
        stack = Stack(shared, tmp_path, "taken", web=service(port=port),
                      front=service(ASKS, port=port, WHERE=address))  # fmt: skip
        run = stack.up().ended(0)
        web, front = url_of(run), url_of(run, "front")
        assert len({web.rpartition(":")[2], front.rpartition(":")[2], str(port)}) == 3
        assert get(web) == (200, "one")
        assert get(front) == (200, "web said one")
        assert f"{web}\n" in stack.status.ended(0).out
        fronts = {each["bound"]: each["port"] for each in shared.status["load_balancers"]}
        assert fronts == {int(web.rpartition(":")[2]): port, int(front.rpartition(":")[2]): port}
        shown = shared.deployer("sandbox", "status").ended(0).out
        assert f"port {port}: http://127.0.0.1:{web.rpartition(':')[2]}" in shown
    assert "nothing to do" in stack.up().ended(0).out and get(web) == (200, "one"), "a front stays where it is"
    stack.down()
    assert shared.left() == {}


def test_two_stacks_at_once_do_not_know_of_each_other(shared: House, tmp_path: Path) -> None:
    stacks = [Stack(shared, tmp_path, name, web=service(port=8090, TEXT=name)) for name in ("left", "right")]
    with ThreadPoolExecutor(2) as pool:
        urls = [url_of(run.ended(0)) for run in pool.map(Stack.up, stacks)]
    assert [get(url) for url in urls] == [(200, "left"), (200, "right")]
    cidrs = [each["CidrBlock"] for each in shared.client("ec2").describe_vpcs()["Vpcs"] if not each["IsDefault"]]
    assert cidrs == ["10.0.0.0/16"] * 2
    stacks[0].down()
    assert get(urls[0])[0] == 0 and get(urls[1]) == (200, "right")
    assert "nothing to do" in stacks[1].up().ended(0).out
    stacks[1].down()
    assert shared.left() == {}


def test_two_users_at_once_cannot_touch_each_other(shared: House, tmp_path: Path) -> None:
    second = House()
    try:
        mine = Stack(shared, tmp_path, "mine", web=service(TEXT="mine"))
        (tmp_path / "2").mkdir()
        theirs = Stack(second, tmp_path / "2", "mine", web=service(TEXT="theirs"))
        with ThreadPoolExecutor(2) as pool:
            urls = [url_of(run.ended(0)) for run in pool.map(Stack.up, (mine, theirs))]
        assert [get(url) for url in urls] == [(200, "mine"), (200, "theirs")]
        assert len({shared.owner, second.owner}) == 2 and shared.address.key != second.address.key
        stranger = boto3.client("ecs", endpoint_url=shared.address.url, region_name="us-east-1",
                                aws_access_key_id=second.address.key, aws_secret_access_key="x")  # fmt: skip
        with pytest.raises(ClientError, match="not this sandbox's access key"):
            stranger.list_clusters()
        theirs.down()
        assert second.left() == {} and get(urls[0]) == (200, "mine")
        second.deployer("sandbox", "down", "--wipe").ended(0)
        assert get(urls[0]) == (200, "mine")
        assert "nothing to do" in mine.up().ended(0).out
        mine.down()
    finally:
        second.close()


def test_only_loopback_is_ever_bound(shared: House, tmp_path: Path) -> None:
    before = listening()
    hidden = service(port=None) | {"port": 6379, "load_balancer": "internal", "environment": {"PORT": "6379"}}
    stack = Stack(shared, tmp_path, "inside", web=service(), hidden=hidden)
    stack.up().ended(0)
    new = listening() - before
    fronts = {each["bound"] for each in shared.status["load_balancers"]}
    published = {int(bound["HostPort"]) for one in shared.containers() for each in one.ports.values() for bound in each}
    assert len(fronts) == 2 and len(published) == 2
    own = {one.laddr.port for one in shared.listening()}
    assert fronts <= own and fronts | published <= {port for _, port in new}
    assert {host for host, port in new if port in own | published} == {"127.0.0.1"}
    (gateway,) = [one for one in shared.containers(task=False) if one.labels.get("deployer.sandbox.part") == "gateway"]
    settings = docker.from_env().api.inspect_container(gateway.id)["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]
    assert not settings["Privileged"] and settings["NetworkMode"].startswith("deployer-") and not gateway.ports
    can = {name.removeprefix("CAP_") for name in settings["CapAdd"]}
    assert can == {"NET_ADMIN", "DAC_OVERRIDE"}, "its addresses, and a folder that is its user's alone"
    for one in shared.containers():
        bound = docker.from_env().api.inspect_container(one.id)["HostConfig"]
        assert not bound["Privileged"] and not bound["Binds"] and bound["NetworkMode"] != "host"
    stack.down()
    assert not {port for _, port in listening()} & (fronts | published)


def test_stopped_and_started_it_serves_where_it_did(shared: House, tmp_path: Path) -> None:
    stack = Stack(shared, tmp_path, "again", web=service(count=2))
    run = stack.up().ended(0)
    tasks = {task["taskArn"] for task in stack.tasks("RUNNING")}
    shared.deployer("sandbox", "down").ended(0)
    assert shared.left() == {} and get(url_of(run))[0] == 0
    shared.deployer("sandbox", "up").ended(0)
    until(lambda: get(url_of(run)) == (200, "one"), 20)
    until(lambda: stack.service()["runningCount"] == 2, 20)
    assert "nothing to do" in stack.up().ended(0).out
    assert not tasks & {task["taskArn"] for task in stack.tasks("RUNNING")}, "others in their place"
    lost = [task for task in stack.failed() if task["taskArn"] in tasks]
    assert len(lost) == 2 and all(task["stoppedReason"].startswith("Host: the ") for task in lost)
    assert json.loads(stack.run("status", "--json").ended(0).out)["healthy"]
    stack.down()
