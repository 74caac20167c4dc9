"""What others write does not steer the terminal, and a reader who has gone does not stop the run."""

from __future__ import annotations

import os
import re

import pytest

from tests.whole.project import IMAGES, Project, Terminal

HOSTILE = "All\x1b[2J \x1b]0;title\x07well\x9b31m\u202e\x7f\nError: forged\r\x1b[1;1Hvoting: 41 created"
OF_THE_TREE = re.compile(r"\x1b\[(?:[0-9;]*m|1?A|2K|\?25[hl])|\r\n|\r")


def hostile(project: Project) -> None:
    project.cloud.fault("error", service="ecs", operation="CreateCluster", code="ClientException", message=HOSTILE)


def test_what_aws_says_cannot_steer_a_terminal_or_forge_a_line(project: Project) -> None:
    hostile(project)
    rest = OF_THE_TREE.sub("\n", Terminal.begin(project, "up", *IMAGES).end(1))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", rest), repr(rest)
    told = [line for line in rest.split("\n") if "forged" in line]
    assert told and all(line.startswith("Error: Creating cluster.main: AWS said ClientException:") for line in told)


@pytest.mark.parametrize("option", ["--quiet", "--verbose", "--json"])
def test_nor_with_any_form_of_output(project: Project, option: str) -> None:
    hostile(project)
    run = project.up(option).ended(1)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.out)
    if option != "--verbose":  # a traceback shows what came as it came, but for what Python escapes
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", run.err), repr(run.err)


def test_a_final_screen_holds_the_result_and_the_address_and_the_cursor(project: Project) -> None:
    project.cloud.latency(0.05)
    shown = Terminal.begin(project, "up", *IMAGES).end(0)
    last = shown.rstrip().split("\r\n")[-2:]
    host = project.record("load-balancer.web")["outputs"]["host"]
    assert re.search(r"voting: \d+ created \(", last[0]) and last[1] == f"web: http://{host}"
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is hidden"


@pytest.mark.parametrize("args", [("up", "--json"), ("plan",), ("plan", "--json")])
def test_a_reader_of_the_result_who_goes_early_gets_no_traceback(project: Project, args: tuple[str, ...]) -> None:
    process = project.begin(*args, *IMAGES)
    assert process.stdout and process.stderr
    assert process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(60) in (0, 1) and "Traceback" not in said and "unexpected" not in said
    if args[0] == "up":  # it is not left half-way
        assert project.up().ended(0).mutations == []


def test_a_reader_of_the_progress_who_goes_early_leaves_the_run_and_its_result(project: Project) -> None:
    process = project.begin("up", *IMAGES)
    assert process.stdout and process.stderr
    assert process.stderr.readline()
    process.stderr.close()
    assert "web: http://" in process.stdout.read()
    assert process.wait(60) == 0
    assert project.up().ended(0).mutations == []


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_was_closed_from_the_start_is_done_without(project: Project, closed: int) -> None:
    process = project.begin("plan", *IMAGES, preexec_fn=lambda: os.close(closed))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Error" not in err, err
    assert closed == 1 or "to create" in out
