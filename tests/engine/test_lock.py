"""One run at a time, and a lock that dies with its owner."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import LockedError
from deployer.lock import lock

from .world import fork

WON, LOST = 10, 11


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".deployer" / "voting.json"


def hold(path: Path, ours: Any) -> None:
    with lock(path, "up"):
        ours.send("held")
        ours.recv()


class Holder:
    """Another process that holds the lock until it is told to end."""

    def __init__(self, path: Path) -> None:
        self.line, theirs = fork.Pipe()
        self.process = fork.Process(target=hold, args=(path, theirs))
        self.process.start()
        assert self.line.poll(10)

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.line.send("end")
        self.process.join(10)


def test_a_second_run_is_refused_and_told_who_holds_the_stack(path: Path) -> None:
    with Holder(path) as holder, pytest.raises(LockedError) as refused, lock(path, "down"):
        pass
    message = refused.value.message
    assert "`up`" in message
    assert f"by {getpass.getuser()} on {socket.gethostname()}, pid {holder.process.pid}, since " in message
    assert time.strftime("%Y-%m-%d") in message or "since 2" in message
    assert refused.value.exit_code == 3
    assert refused.value.hint


def test_the_stack_is_free_again_when_the_holder_is_done(path: Path) -> None:
    with Holder(path):
        pass
    with lock(path, "down"):
        pass
    assert list(path.parent.iterdir()) == []


def test_the_stack_is_free_when_a_run_fails(path: Path) -> None:
    with pytest.raises(RuntimeError), lock(path, "up"):
        raise RuntimeError
    with lock(path, "up"):
        pass


def test_a_holder_that_is_killed_frees_the_stack_at_once(path: Path) -> None:
    with Holder(path) as holder:
        holder.process.kill()
        holder.process.join(10)
        assert holder.process.exitcode == -signal.SIGKILL
        assert path.with_suffix(".lock").exists(), "nobody was left to remove it"
        with lock(path, "up"):
            pass


@pytest.mark.parametrize("content", ["", "hello", '{"pid": 1}', '{"pid": %d, "user": "x"}'], ids=range(4))
def test_a_lock_file_that_was_left_behind_is_no_obstacle(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.with_suffix(".lock").write_text(content.replace("%d", str(os.getpid())))
    with lock(path, "up"):
        who = json.loads(path.with_suffix(".lock").read_text())
        assert (who["pid"], who["command"]) == (os.getpid(), "up")


@pytest.mark.parametrize("content", ["", "[]", "null", "hello", "{}"])
def test_a_holder_that_has_not_said_who_it_is_yet_is_respected(path: Path, content: str) -> None:
    with Holder(path):
        path.with_suffix(".lock").write_text(content)
        with pytest.raises(LockedError, match="Another run holds this stack"), lock(path, "up"):
            pass


def test_stacks_do_not_hold_up_each_other(path: Path) -> None:
    with lock(path, "up"), lock(path.with_name("voting-prod.json"), "up"):
        pass


def test_the_lock_is_not_the_state(path: Path) -> None:
    with lock(path, "up"):
        assert not path.exists()


def race(path: Path, start: Any, settled: Any) -> None:
    start.wait(20)
    try:
        with lock(path, "up"):
            settled.wait(20)  # until both have tried
            os._exit(WON)
    except LockedError:
        settled.wait(20)
        os._exit(LOST)


def test_of_two_that_race_exactly_one_wins(path: Path) -> None:
    for _ in range(50):
        start, settled = fork.Barrier(2), fork.Barrier(2)
        both = [fork.Process(target=race, args=(path, start, settled)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join(20)
        assert sorted(process.exitcode or 0 for process in both) == [WON, LOST]


def take_turns(path: Path, inside: Path, rounds: int) -> None:
    """Takes the lock so many times, and each time is alone with the file `inside`."""
    while rounds:
        try:
            with lock(path, "up"):
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if another one is here
                inside.unlink()
                rounds -= 1
        except LockedError:
            continue
    os._exit(WON)


def test_two_are_never_inside_though_each_removes_the_file_when_it_leaves(path: Path, tmp_path: Path) -> None:
    several = [fork.Process(target=take_turns, args=(path, tmp_path / "inside", 60)) for _ in range(3)]
    for process in several:
        process.start()
    for process in several:
        process.join(20)
    assert [process.exitcode for process in several] == [WON] * 3
