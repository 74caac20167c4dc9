"""What goes wrong around tasks: the sandbox ends, the engine ends, a registry hangs, others are there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deployer.sandbox.containers import Containers, watch
from tests.sandbox.engine import DEAF, PYTHON, Place, container, place, spec, until

from .faulty import Relay

pytestmark = [pytest.mark.docker, pytest.mark.timeout(60)]
ENDS = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(print("ending") or 4))
print("going", flush=True); time.sleep(99)
"""
COUNTS = "import time\nfor n in range(999): print(n, flush=True); time.sleep(.05)"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def test_a_restarted_sandbox_goes_on_with_its_tasks(here: Place) -> None:
    known, unknown = spec(container(COUNTS)), spec(container(DEAF))
    ended = spec(container(ENDS))
    for each in (known, ended, unknown):
        here.run(each)
    for each in (known, ended, unknown):
        here.until(each.id, "RUNNING")
    until(lambda: here.account.events.get(f"web/web/{known.id}"))
    until(lambda: here.account.events.get(f"web/web/{ended.id}"))
    others = {"deployer.sandbox": "another"}
    foreign = docker.from_env().containers.run(PYTHON, ["sleep", "60"], detach=True, labels=others)
    half = spec(container())
    labels = {"deployer.sandbox": here.owner, "deployer.sandbox.task": half.id, "deployer.sandbox.container": "web"}
    docker.from_env().containers.create(PYTHON, labels=labels)
    try:
        here.containers.close()
        running = docker.from_env().containers.list(filters={"label": f"deployer.sandbox.task={ended.id}"})
        running[0].kill("SIGUSR1")
        assert running[0].wait()["StatusCode"] == 4
        here.again().adopt(
            [known, ended, half, gone := spec(container())],
            lambda group, stream: (here.account.events.get(stream) or [(0, "")])[-1][0],
        )
        seen = here.until(known.id, "RUNNING")
        assert seen.ip and here.containers.look(unknown.id) is None
        assert here.until(ended.id, "STOPPED").containers["web"].exit_code == 4
        assert here.account.events[f"web/web/{ended.id}"][-1][1] == "ending"
        assert here.until(gone.id, "STOPPED").stop_code == "TaskFailedToStart"
        assert here.until(half.id, "STOPPED", 3).stop_code == "TaskFailedToStart"
        assert not any(unknown.id[:8] in name for name in here.left())
        before = len(here.account.events[f"web/web/{known.id}"])
        until(lambda: len(here.account.events[f"web/web/{known.id}"]) > before + 5)
        numbers = [int(text) for _, text in here.account.events[f"web/web/{known.id}"]]
        assert numbers == list(range(len(numbers)))
        here.containers.stop(known.id, kill_after=0)
        assert here.until(known.id, "STOPPED").containers["web"].exit_code == 137
        foreign.reload()
        assert foreign.status == "running"
    finally:
        foreign.remove(force=True)


def test_stop_while_an_image_is_pulled(here: Place) -> None:
    """A registry that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as registry:
        task = here.run(spec(container(image=f"127.0.0.1:{registry.getsockname()[1]}/shop:1")))
        here.until(task, "PENDING")
        until(lambda: here.containers.look(task).pull_started_at)  # type: ignore[union-attr]
        here.containers.stop(task)
        assert here.until(task, "STOPPED", 5).started_at == 0


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    containers = Containers("nobody", tmp_path, str, lambda *_: None, lambda _: None)
    assert containers.available().startswith(f"No Docker engine answers at unix://{tmp_path}/none.sock: ")
    task = spec(container())
    containers.run(task)
    until(lambda: containers.look(task.id).phase == "STOPPED")  # type: ignore[union-attr]
    seen = containers.look(task.id)
    assert seen and (seen.stop_code, seen.stopped_reason) == (
        "TaskFailedToStart", "Host: the Docker engine stopped answering")  # fmt: skip
    containers.adopt([again := spec(container())])
    until(lambda: containers.look(again.id).phase == "STOPPED")  # type: ignore[union-attr]
    containers.close()


def test_the_engine_stops_answering(here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay(tmp_path / "d.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{relay.path}")
    monkeypatch.setattr(watch, "GRACE", 1.0)
    here.again()
    task = spec(container(COUNTS))
    here.run(task)
    here.until(task.id, "RUNNING")
    relay.cut()  # shortly: nothing is lost
    relay.mend()
    before = len(here.account.lines())
    until(lambda: len(here.account.lines()) > before + 5)
    assert [int(line) for line in here.account.lines()] == list(range(len(here.account.lines())))
    assert here.containers.look(task.id).phase == "RUNNING"  # type: ignore[union-attr]
    relay.cut()
    seen = here.until(task.id, "STOPPED", 10)
    assert (seen.stop_code, seen.stopped_reason) == (
        "EssentialContainerExited", "Host: the Docker engine stopped answering")  # fmt: skip
    until(lambda: here.containers.available() != "")
    relay.mend()
    monkeypatch.delenv("DOCKER_HOST")
    until(lambda: not any(task.id[:8] in name for name in here.left()))
    until(lambda: here.containers.available() == "")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{relay.path}")
    here.until(here.run(spec(container("import time; time.sleep(60)"))), "RUNNING")


def test_a_container_removed_by_hand_counts_as_killed(here: Place) -> None:
    task = here.run(spec(container(COUNTS)))
    identifier = here.until(task, "RUNNING").containers["web"].runtime_id
    docker.from_env().api.remove_container(identifier, force=True)
    seen = here.until(task, "STOPPED")
    assert (seen.stop_code, seen.containers["web"].exit_code) == ("EssentialContainerExited", 137)


def test_a_worker_killed_for_memory_is_named_when_its_task_exits(here: Place) -> None:
    code = """
import os, sys
pid = os.fork()
if not pid: x = bytearray(400 << 20)
sys.exit(1 if os.waitpid(pid, 0)[1] else 0)
"""
    seen = here.until(here.run(spec(container(code))), "STOPPED")
    assert seen.containers["web"].exit_code == 1
    assert seen.containers["web"].reason == "OutOfMemoryError: Container killed due to memory usage"


def test_two_sandboxes_share_an_engine(here: Place, tmp_path: Path) -> None:
    task = here.run(spec(container(COUNTS)))
    here.until(task, "RUNNING")
    with place(tmp_path / "second") as second:
        other = second.run(spec(container(COUNTS)))
        assert second.until(other, "RUNNING").ip != here.containers.look(task).ip  # type: ignore[union-attr]
    assert here.containers.look(task).phase == "RUNNING"  # type: ignore[union-attr]


def test_tasks_stay_cheap(here: Place) -> None:
    before = threading.active_count()
    tasks = [here.run(spec(container("import time; time.sleep(60)", memory=32), cpu=256)) for _ in range(6)]
    for task in tasks:
        here.until(task, "RUNNING", 40)
    assert threading.active_count() - before <= 2 + 2 * len(tasks)
    began = time.monotonic()
    for task in tasks:
        here.containers.look(task)
        here.containers.stop(task, kill_after=0)
    assert time.monotonic() - began < 0.2
    for task in tasks:
        here.until(task, "STOPPED")
    until(lambda: threading.active_count() <= before + 2)
