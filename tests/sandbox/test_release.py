"""A release command in a real container: before the service, with its log and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from .house import House, get, project, url_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
RELEASE = '    release: [sh, -c, "echo {said}; exit {code}"]\n'


def test_it_runs_in_a_container_and_a_failure_rolls_nothing(shared: House, tmp_path: Path) -> None:
    folder = project(tmp_path / "p", "rel", port=8097, more=RELEASE.format(said="migrated", code=0))
    first = shared.deployer("up", "--sandbox", "-y", cwd=folder).ended(0)
    assert "release.web created" in first.err
    events = shared.client("logs").filter_log_events(logGroupName="/deployer/rel/web")["events"]
    said = [event["message"] for event in events]
    assert said.index("migrated") < next(index for index, text in enumerate(said) if "serving" in text)
    file = folder / "deploy.yaml"
    file.write_text(file.read_text().replace("echo migrated; exit 0", "echo no such table; exit 4"))
    (folder / "server.py").write_text((folder / "server.py").read_text().replace("one", "two"))
    failed = shared.deployer("up", "--sandbox", "-y", cwd=folder).ended(1)
    assert "web: the release command of rel-web:2 failed; rel-web:1" in failed.text
    assert "nothing was rolled" in failed.text and "exit code 4" in failed.text and "| no such table" in failed.err
    assert get(url_of(first))[1] == "one"
    file.write_text(file.read_text().replace("exit 4", "exit 0"))
    shared.deployer("up", "--sandbox", "-y", cwd=folder).ended(0)
    assert get(url_of(first))[1] == "two"
    shared.deployer("down", "--sandbox", "-y", cwd=folder).ended(0)
