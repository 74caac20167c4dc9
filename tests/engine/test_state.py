"""The record on disk: whole at every instant, refused rather than guessed, never touched when it is not ours."""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import StateError
from deployer.lock import lock
from deployer.state import FORMAT, Record, State

from .world import ACCOUNT, REGION, STACK, ended, fork

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".deployer" / "voting.json"


def opened(path: Path) -> State:
    return State.open(path, STACK, ACCOUNT, REGION)


def record(key: str = "thing.a", **changes: Any) -> Record:
    return Record(key, "thing", "id-1", "ready", {"x": [1, {"y": None}]}, {"arn": "ä"}, ["thing.b"]).but(**changes)


def test_what_was_put_is_there_when_the_file_is_opened_again(path: Path) -> None:
    state = opened(path)
    state.put(record("thing.b"))
    state.put(record("thing.a", id=None, status="creating"))
    state.put(record("thing.gone"))
    state.drop("thing.gone")
    again = opened(path)
    assert again.records == state.records
    assert list(again.records) == ["thing.a", "thing.b"]
    assert (again.id, again.saved) == (state.id, True)


def test_a_new_stack_has_a_random_id_and_no_file_until_something_is_saved(path: Path) -> None:
    state = opened(path)
    assert not state.saved and not path.exists()
    assert state.id != opened(path).id
    state.save()
    assert opened(path).id == state.id


def test_the_file_is_the_same_whatever_the_order_of_the_records(path: Path) -> None:
    state = opened(path)
    for name in "cab":
        state.put(record(f"thing.{name}", inputs={"z": 1, "a": 2}))
    text = path.read_text()
    data = json.loads(text)
    assert [one["key"] for one in data["records"]] == ["thing.a", "thing.b", "thing.c"]
    assert list(data["records"][0]["inputs"]) == ["a", "z"]
    assert list(data) == ["account", "format", "id", "region", "stack", "records"]
    other = State(path, STACK, ACCOUNT, REGION, state.id)
    for name in "bca":
        other.put(record(f"thing.{name}", inputs={"a": 2, "z": 1}))
    assert path.read_text() == text


def test_nothing_is_written_when_nothing_has_changed(path: Path) -> None:
    opened(path).put(record())
    before = path.stat()
    opened(path).save()
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_only_the_owner_can_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        opened(path).put(record())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_object_set_aside_keeps_everything_but_its_key_in_one_save(path: Path) -> None:
    state = opened(path)
    state.put(record())
    before = path.stat().st_ino
    state.rename(record(), "thing.a~1")
    assert path.stat().st_ino != before
    assert opened(path).records == {"thing.a~1": record("thing.a~1")}
    assert record("thing.a~1").base == "thing.a" and record("thing.a~1").name == "a"


def test_what_was_only_seen_is_saved_with_the_next_change(path: Path) -> None:
    state = opened(path)
    state.put(record())
    text = path.read_text()
    state.observe(record(outputs={"seen": 1}))
    assert path.read_text() == text
    state.put(record("thing.b"))
    assert opened(path).records["thing.a"].outputs == {"seen": 1}


def test_when_nothing_is_left_the_file_goes(path: Path) -> None:
    state = opened(path)
    state.save()
    state.remove()
    assert list(path.parent.iterdir()) == []
    state.remove()


def save_for_ever(path: Path) -> None:
    state = opened(path)
    for number in range(10**9):
        state.put(record(f"thing.k{number % 20}", outputs={"n": number, "filler": "x" * 2000}))


def test_killed_while_saving_it_is_always_whole(path: Path) -> None:
    whole = 0
    for round in range(15):
        process = fork.Process(target=save_for_ever, args=(path,))
        process.start()
        deadline = time.monotonic() + 10
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.003 * round)
        process.kill()
        process.join()
        whole += len(opened(path).records) > 0
    assert whole == 15


def test_threads_that_save_at_once_share_a_write_and_each_finds_its_record_on_disk(path: Path) -> None:
    state = opened(path)
    state.save()
    threads = 16
    absent: list[str] = []
    writes: set[int] = set()

    def work(name: int) -> None:
        key = f"thing.t{name}"
        state.put(record(key, inputs={}))
        if f'"{key}"' not in path.read_text():
            absent.append(key)
        writes.add(path.stat().st_mtime_ns)

    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    with state._disk:  # the disk is busy while all of them come
        for worker in workers:
            worker.start()
        until = time.monotonic() + 30
        while len(state.records) < threads and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)
    for worker in workers:
        worker.join(30)
    assert not absent
    assert len(opened(path).records) == threads
    assert len(writes) <= 2, "one write each: nothing was shared"


# What is not ours, or makes no sense, is refused and left as it was.

GOOD: dict[str, Any] = {
    "account": ACCOUNT, "format": FORMAT, "id": "abc", "region": REGION, "stack": STACK,
    "records": [{"key": "thing.a", "type": "thing", "id": "i", "status": "ready", "inputs": {}, "outputs": {},
                 "depends_on": []}],
}  # fmt: skip


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def one(**changes: Any) -> dict[str, Any]:
    return GOOD | {"records": [GOOD["records"][0] | changes]}


REFUSED: dict[str, tuple[Any, str]] = {
    "another account": (GOOD | {"account": "999999999999"}, r"records account 999999999999.*this run is for account"),
    "another region": (GOOD | {"region": "us-east-1"}, r"records region us-east-1"),
    "another stack": (GOOD | {"stack": "other"}, r"records stack other"),
    "a newer format": (GOOD | {"format": FORMAT + 1}, r"newer deployer \(format 2, this one knows 1\)"),
    "a format that is no number": (GOOD | {"format": "1"}, "not a valid state file"),
    "no format": (without("format"), "not a valid state file"),
    "no id": (without("id"), "not a valid state file"),
    "no account": (without("account"), "not a valid state file"),
    "no records": (without("records"), "not a valid state file"),
    "records that are no list": (GOOD | {"records": {}}, "not a valid state file"),
    "an id that is no text": (GOOD | {"id": 5}, "not a valid state file"),
    "a list": ([], "not a valid state file"),
    "null": (None, "not a valid state file"),
    "cut off": (json.dumps(GOOD)[:-20].encode(), "not a valid state file"),
    "empty": (b"", "not a valid state file"),
    "no JSON": (b"hello", "not a valid state file"),
    "no text": (b"\xff\xfe\x00", "not a valid state file"),
    "a record that is no object": (GOOD | {"records": ["thing.a"]}, "makes no sense"),
    "a record of unknown fields": (one(colour="red"), "makes no sense"),
    "a record without a key": (GOOD | {"records": [{"type": "thing"}]}, "makes no sense"),
    "a record of an unknown status": (one(status="happy"), "makes no sense"),
    "a record whose inputs are no object": (one(inputs=[]), "makes no sense"),
    "a record whose outputs are no object": (one(outputs=None), "makes no sense"),
    "a record whose id is a number": (one(id=7), "makes no sense"),
    "a record whose key is null": (one(key=None), "makes no sense"),
    "a record whose dependencies are no list": (one(depends_on="thing.b"), "makes no sense"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cannot_be_ours_is_refused_and_left_byte_for_byte(path: Path, what: str) -> None:
    content, message = REFUSED[what]
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(StateError, match=message) as refused:
        opened(path)
    assert refused.value.hint
    assert str(path) in refused.value.message
    assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


def test_the_same_file_without_a_fault_is_accepted(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(GOOD))
    assert list(opened(path).records) == ["thing.a"]


# Where it cannot be written.


def as_nobody(work: Callable[[], None]) -> int | None:
    """In a process that may not write where root may."""

    def run() -> None:
        if os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        work()

    return ended(run)


def expect(work: Callable[[], Any], *texts: str) -> Callable[[], None]:
    """Ends with 42 if `work` raises a StateError with all of these texts."""

    def run() -> None:
        try:
            work()
        except StateError as error:
            whole = f"{error.message}\n{error.hint}"
            os._exit(42 if all(text in whole for text in texts) else print(whole) or 1)
        os._exit(2)

    return run


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """In a directory that everybody can reach."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
        if parent.name.startswith("pytest-of"):
            break
    return tmp_path / ".deployer" / "voting.json"


def test_in_a_read_only_directory_the_save_says_so_and_shows_the_record(open_path: Path) -> None:
    open_path.parent.mkdir()
    open_path.parent.chmod(0o555)
    texts = (str(open_path), os.strerror(errno.EACCES), "could not be saved", '"id-4711"', "permissions")
    put = expect(lambda: State(open_path, STACK, ACCOUNT, REGION).put(record(id="id-4711")), *texts)
    assert as_nobody(put) == 42
    assert list(open_path.parent.iterdir()) == []


def test_in_a_read_only_directory_the_lock_is_refused_before_anything_is_changed(open_path: Path) -> None:
    open_path.parent.parent.chmod(0o555)

    def take() -> None:
        with lock(open_path, "up"):
            pass

    texts = (str(open_path.parent), os.strerror(errno.EACCES), "Nothing was changed", "writable")
    assert as_nobody(expect(take, *texts)) == 42


def test_a_file_that_may_not_be_read_is_an_error_and_not_a_new_stack(open_path: Path) -> None:
    opened(open_path).save()
    open_path.parent.chmod(0o755)
    open_path.chmod(0)
    text = os.strerror(errno.EACCES)
    assert as_nobody(expect(lambda: opened(open_path), str(open_path), text)) == 42


def test_a_directory_that_may_not_be_entered_is_an_error_and_not_a_new_stack(open_path: Path) -> None:
    opened(open_path).save()
    open_path.parent.chmod(0)
    assert as_nobody(expect(lambda: opened(open_path), str(open_path), os.strerror(errno.EACCES))) == 42
    open_path.parent.chmod(0o700)


def disk_full(after: int = 0) -> None:
    """From now on no file of this process grows beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, after))


def test_on_a_full_disk_the_save_shows_the_record_and_leaves_the_former_file(path: Path) -> None:
    opened(path).put(record("thing.before"))
    text = path.read_bytes()

    def work() -> None:
        state = opened(path)
        disk_full(len(text))
        state.put(record("thing.new", id="id-4711"))

    assert ended(expect(work, str(path), '"thing.new"', '"id-4711"', "Make room")) == 42
    assert path.read_bytes() == text
    assert list(path.parent.iterdir()) == [path]


def test_on_a_full_disk_the_lock_is_an_error_that_says_so(path: Path) -> None:
    def work() -> None:
        disk_full()
        with lock(path, "up"):
            pass

    assert ended(expect(work, str(path.parent), os.strerror(errno.EFBIG), "Nothing was changed")) == 42


def test_where_a_file_stands_in_the_way_of_the_directory_it_is_an_error(path: Path) -> None:
    path.parent.write_text("in the way")
    with pytest.raises(StateError, match="could not be saved"):
        opened(path).put(record())
    with pytest.raises(StateError, match="Nothing was changed"), lock(path, "up"):
        pass
