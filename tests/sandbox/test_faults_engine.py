"""Docker stops answering while the sandbox is at work, and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .faulty import Relay, Stack, service
from .house import House, get, until, url_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


@pytest.fixture
def relay(engine_needed: None, tmp_path: Path) -> Iterator[Relay]:
    made = Relay(tmp_path / "d.sock")
    yield made
    made.cut()


@pytest.fixture
def behind(relay: Relay) -> Iterator[House]:
    """A sandbox whose engine can be cut off."""
    house = House(DOCKER_HOST=f"unix://{relay.path}")
    yield house
    relay.mend()
    house.close()


def test_docker_stops_in_the_middle_and_comes_back(behind: House, relay: Relay, tmp_path: Path) -> None:
    stack = Stack(behind, tmp_path, "cut", web=service())
    url = url_of(stack.up().ended(0))
    (before,) = stack.tasks("RUNNING")
    relay.cut()
    time.sleep(1)
    relay.mend()  # shortly: nobody has noticed
    time.sleep(2)
    assert [task["taskArn"] for task in stack.tasks("RUNNING")] == [before["taskArn"]] and get(url) == (200, "one")
    relay.cut()
    until(lambda: stack.failed(), 20, "the task counts as lost")
    (lost,) = [task for task in stack.failed() if task["taskArn"] == before["taskArn"]]
    assert lost["stoppedReason"] == "Host: the Docker engine stopped answering"
    status = stack.status.ended(0)
    assert "not healthy" in status.out and "the Docker engine stopped answering" in status.text, status.text
    assert f"none can run: No Docker engine answers at unix://{relay.path}" in behind.deployer("sandbox", "status").out
    assert behind.status["engine"].startswith("No Docker engine answers")
    refused = stack.up()
    assert "not running" in refused.err and "Traceback" not in refused.text
    relay.mend()
    until(lambda: get(url) == (200, "one"), 30, "another task in its place")
    until(lambda: len(behind.containers()) == 1, 15, "the lost one is removed")
    assert "nothing to do" in stack.up().ended(0).out
    assert stack.status.ended(0).out.splitlines()[0].endswith("  healthy")
    assert "Traceback" not in behind.log, behind.log
    stack.down()
    assert behind.left() == {}


def test_docker_is_gone_when_the_stack_and_the_sandbox_end(behind: House, relay: Relay, tmp_path: Path) -> None:
    stack = Stack(behind, tmp_path, "gone", web=service())
    stack.up().ended(0)
    relay.cut()
    stack.down()
    behind.deployer("sandbox", "down").ended(0)
    relay.mend()
    behind.deployer("sandbox", "up").ended(0)
    until(lambda: behind.left() == {}, 20, "what is nobody's is removed")
