"""A record that cannot be used, and disks on which none can be kept."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator

import pytest

from deployer.lock import lock
from tests.whole.project import COMMAND, IMAGES, Project, path

GOOD = {
    "account": "123456789012", "format": 1, "id": "0123456789ab", "region": "us-east-1", "stack": "voting",
    "records": [],
}  # fmt: skip
TEXTS = {
    "truncated": (json.dumps(GOOD)[:-20], "not a valid state file"),
    "empty": ("", "not a valid state file"),
    "too deep": ("[" * 100_000, "not a valid state file"),
    "a newer format": (json.dumps(GOOD | {"format": 2}), "newer deployer"),
    "no record": (json.dumps(GOOD | {"records": ["vpc.main"]}), "makes no sense"),
}
COMMANDS = [("up", *IMAGES, "-y"), ("plan", *IMAGES), ("down", "-y"), ("status",), ("push-image",), ("state", "show"),
            ("state", "show", "--json"), ("state", "rebuild")]  # fmt: skip


def written(project: Project, text: str) -> None:
    project.state_file.parent.mkdir(exist_ok=True)
    project.state_file.write_text(text)


@pytest.mark.parametrize("what", TEXTS)
def test_no_command_takes_a_damaged_record_or_touches_it(project: Project, what: str) -> None:
    text, message = TEXTS[what]
    written(project, text)
    for args in COMMANDS:
        run = project.run(*args).ended(1)
        assert run.mutations == [] and run.out == "" and message in run.err and "unexpected" not in run.err, run
        assert len(run.err.splitlines()) == 2, "one error and what to do next"
    assert project.state_file.read_text() == text


def in_its_place(project: Project, what: str) -> None:
    project.state_file.parent.mkdir()
    if what == "a directory":
        project.state_file.mkdir()
    else:  # nobody can read it, not even root
        project.state_file.symlink_to(project.state_file.name)


@pytest.mark.parametrize("what", ["a directory", "what cannot be read"])
def test_something_else_in_its_place_is_no_new_stack(project: Project, what: str) -> None:
    in_its_place(project, what)
    for args in COMMANDS:
        run = project.run(*args).ended(1)
        assert run.mutations == [] and f"Reading .deployer/{project.state_file.name}" in run.err, run
    assert os.path.lexists(project.state_file) and project.cloud.is_empty()


def test_while_another_run_holds_the_stack_only_reading_is_possible(project: Project) -> None:
    with lock(project.state_file, "up"):
        for args in (*COMMANDS[:1], *COMMANDS[2:3], ("push-image",), ("state", "rebuild"), ("state", "unlock")):
            run = project.run(*args).ended(3)
            assert run.mutations == [] and f"pid {os.getpid()}" in run.err and "Wait for it" in run.err
        project.plan().ended(0)
        project.run("status").ended(4)
    project.run("state", "unlock").ended(0)


# --- the disk


def limited(project: Project, size: int) -> subprocess.CompletedProcess[str]:
    """`up` where no file may become larger: what a full disk is, without one."""
    return subprocess.run(
        [*COMMAND, "up", *IMAGES], cwd=project.folder, env=path(project.cloud.env()), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )  # fmt: skip


@pytest.fixture
def tiny(project: Project) -> Iterator[Callable[[str], None]]:
    """Gives `.deployer` a disk of its own."""

    def mount(options: str) -> None:
        project.state_file.parent.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(project.state_file.parent)]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk cannot be mounted here: that takes root and the right to mount")

    yield mount
    if os.path.ismount(project.state_file.parent):
        subprocess.run(["umount", str(project.state_file.parent)], check=True)


def test_room_for_the_lock_alone_is_told_before_anything_is_created(
    project: Project, tiny: Callable[[str], None]
) -> None:
    tiny("size=4k")
    run = project.up().ended(1)
    assert run.mutations == [] and "No space left" in run.err and "Make room" in run.err
    assert list(project.state_file.parent.iterdir()) == []


def test_no_room_at_all_is_told_before_anything_is_created(project: Project) -> None:
    done = limited(project, 0)
    assert done.returncode == 1 and "File too large" in done.stderr and "Nothing was changed" in done.stderr
    assert project.cloud.is_empty()


@pytest.mark.parametrize("size", [4_000, 12_000])
def test_a_disk_that_is_full_half_way_shows_what_it_could_not_record_and_the_next_up_goes_on(
    project: Project, size: int
) -> None:
    project.up().ended(0)
    whole = project.cloud.inventory()
    project.down().ended(0)
    done = limited(project, size)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "Interrupted" not in done.stderr and "was made is recorded" not in done.stderr
    shown = done.stderr.split("This record could not be saved:\n")[1:]
    known = {record["id"] for record in project.state["records"]}
    known |= {json.JSONDecoder().raw_decode(text)[0]["id"] for text in shown}
    ec2 = project.cloud.client("ec2", hidden=True)
    assert {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]} <= known
    project.up().ended(0)
    assert project.cloud.inventory() == whole and project.up().ended(0).mutations == []
