"""`logs`, `run` and `exec` against real containers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole.project import COMMAND, Run

from .house import House, project, until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


class Deployed:
    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder

    def run(self, *args: str) -> Run:
        return self.house.deployer(*args, cwd=self.folder)


@pytest.fixture(scope="module")
def app(shared: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    deployed = Deployed(shared, project(tmp_path_factory.mktemp("o") / "app", "operating", port=8095))
    deployed.run("up", "--sandbox", "-y").ended(0)
    yield deployed
    deployed.run("down", "--sandbox", "-y")


def test_run_prints_what_it_writes_and_ends_with_its_exit_code(app: Deployed) -> None:
    run = app.run("run", "web", "--sandbox", "--", "sh", "-c", "echo hi; echo there >&2; exit 3").ended(3)
    assert sorted(run.out.splitlines()) == ["hi", "there"]
    assert app.run("run", "--sandbox", "--quiet", "web", "true").ended(0).text == ""


def test_a_command_that_does_not_exist_says_why(app: Deployed) -> None:
    run = app.run("run", "web", "--sandbox", "/no/such/command")
    assert run.code not in (0, 2) and "no such file" in run.err.lower()


def test_logs_of_service_and_task(app: Deployed) -> None:
    until(lambda: "serving one" in app.run("logs", "web", "--sandbox").ended(0).out)
    app.run("run", "web", "--sandbox", "echo", "of a task of its own").ended(0)
    events = app.run("logs", "web", "--sandbox", "--json", "--filter", "of a task of its").ended(0).events
    assert [event["message"] for event in events] == ["of a task of its own"]
    own = app.run("logs", "web", "--sandbox", "--task", events[0]["task"]).ended(0).out
    assert own.endswith("of a task of its own\n") and "serving" not in own


def test_follow_shows_what_comes(app: Deployed) -> None:
    process = subprocess.Popen([*COMMAND, "logs", "--follow", "--sandbox", "--json"], cwd=app.folder, text=True,
                               env=app.house.env, stdout=subprocess.PIPE)  # fmt: skip
    app.run("run", "web", "--sandbox", "--detach", "--", "sh", "-c", "sleep 2; echo followed").ended(0)
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["message"] == "followed":
            break
    process.terminate()
    process.wait(10)


def test_ctrl_c_ends_the_container(app: Deployed) -> None:
    before = {one.id for one in app.house.containers()}
    process = subprocess.Popen([*COMMAND, "run", "web", "--sandbox", "sleep", "1000"], cwd=app.folder,
                               env=app.house.env, stderr=subprocess.PIPE, text=True)  # fmt: skip
    (mine,) = until(lambda: {one.id for one in app.house.containers()} - before, 60)
    process.terminate()
    assert "is being stopped" in process.communicate(timeout=30)[1] and process.returncode == 130
    until(lambda: mine not in {one.id for one in app.house.containers()}, 60)


def test_exec_names_the_container(app: Deployed) -> None:
    run = app.run("exec", "web", "--sandbox").ended(1)
    words = run.err.strip().splitlines()[-1].split("docker exec -it ")[1].split()
    said = subprocess.run(["docker", "exec", words[0], "echo", "inside"], capture_output=True, text=True)
    assert said.stdout == "inside\n"
