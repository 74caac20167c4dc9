"""One stack whose services fail each in its own way, in real containers: every one gets its sentence, and soon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.whole.project import Run

from .engine import saved_image
from .house import House

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

HEAD = """
name: broken
services:
"""
SERVE = (
    "import http.server as h\\n"
    "class H(h.BaseHTTPRequestHandler):\\n"
    "  def do_GET(self):\\n"
    "    self.send_response(%s); self.send_header('Location', '/other'); self.end_headers()\\n"
    "print('Running on http://%s:8080', flush=True)\\n"
    "h.HTTPServer(('%s', 8080), H).serve_forever()"
)


def serves(code: int, address: str = "0.0.0.0") -> str:
    """A web server that gives this answer, with an application load balancer in front."""
    text = SERVE % (code, address, address)
    return f'{{command: [python3, -c, "{text}"], port: 8080, load_balancer: {{scheme: public, health: {{path: /, ' \
        "interval: 5, unhealthy: 2}, grace: 0}}"  # fmt: skip


def runs(shell: str, more: str = "") -> str:
    return f'{{command: [sh, -c, "{shell}"]{more}}}'


CAUSES = {  # of a service, by the name of its cause
    "exit-0": runs("echo all done"),
    "exit-code": runs("echo broken; sleep 0.2; exit 3"),
    "exit-127": runs("no-such-program --serve"),
    "exit-139": runs("exec python3 -c 'import ctypes; ctypes.string_at(0)'"),
    "exit-137": runs("sleep 0.2; exit 137"),
    # With a check: without one it would count as well after 3 s, before a busy machine has eaten the memory.
    "out-of-memory": runs("exec python3 -c 'x = bytes(range(256)) * (3 << 20)'", ", port: 8080, load_balancer: "
                          "{scheme: public, health: {path: /}, grace: 60}"),
    "command-not-found": "{command: [no-such-program]}",
    "module-missing": runs("exec python3 -c 'import nowhere_to_be_found'"),
    "image-not-found": '{image: "REGISTRY/none:1"}',
    "health-error": serves(500),
    "health-path-404": serves(404),
    "listens-locally": serves(200, "127.0.0.1"),
    "nobody-listens": "{command: [sleep, '600'], port: 8080, load_balancer: {scheme: public, health: {path: /, "
                      "interval: 5, unhealthy: 2}, grace: 0}}",
}  # fmt: skip
# What `up` would not even begin with: it is so only after the deployment.
LATER = """
name: later
secrets: {token: {arn: "SECRET"}}
services:
  imagearchitecture: {image: "FOREIGN", command: [sh, -c, "trap exit TERM; sleep 600 & wait"]}
  secretnotfound:
    image: python:3.12-slim
    command: [sh, -c, "trap exit TERM; sleep 600 & wait"]
    secrets: {TOKEN: token}
"""
ALL = (*CAUSES, "image-architecture", "secret-not-found")
FOREIGN = "deployer-test-foreign:1"


@dataclass
class Failed:
    """`later`: what became of running services, by a restart."""

    run: Run
    seconds: float
    status: Run
    later: Run

    @property
    def verdicts(self) -> dict[str, Any]:
        return {**self.run.summary["verdicts"], **self.later.summary["verdicts"]}


def named(cause: str) -> str:
    return cause.replace("-", "")


@pytest.fixture(scope="module")
def failed(shared: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failed]:
    folder, second = tmp_path_factory.mktemp("v"), tmp_path_factory.mktemp("l")
    shared.deployer("sandbox", "up").ended(0)
    registry, lines = shared.status["registry"], []
    for cause, text in CAUSES.items():
        body = text.replace("REGISTRY", registry)
        image = "" if "image:" in body else "image: 'python:3.12-slim', "
        lines.append(f"  {named(cause)}: {{{image}{body[1:]}\n")
    (folder / "deploy.yaml").write_text(HEAD + "".join(lines))
    began = time.monotonic()
    run = shared.deployer("up", "--sandbox", "-y", "--json", "--timeout", "150s", cwd=folder, quotes=True)
    seconds = time.monotonic() - began
    status = shared.deployer("status", "--sandbox", "--json", cwd=folder, quotes=True)
    yield Failed(run, seconds, status, restarted(shared, second))
    for each in (folder, second):
        shared.deployer("down", "--sandbox", "-y", cwd=each)
    docker.from_env().images.remove(FOREIGN, force=True)


def restarted(shared: House, folder: Path) -> Run:
    """Two services run well; then one's secret is deleted, and the other's image is replaced by a foreign one."""
    secrets, engine = shared.client("secretsmanager"), docker.from_env()
    arn = secrets.create_secret(Name="token", SecretString="t0ken")["ARN"]
    engine.images.get("python:3.12-slim").tag(FOREIGN)
    (folder / "deploy.yaml").write_text(LATER.replace("SECRET", arn).replace("FOREIGN", FOREIGN))
    shared.deployer("up", "--sandbox", "-y", cwd=folder).ended(0)
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    engine.images.remove(FOREIGN)
    engine.images.load(saved_image(FOREIGN, "arm64"))
    return shared.deployer("restart", "--sandbox", "--json", "--timeout", "100s", cwd=folder, quotes=True)


def test_the_deployment_ends_by_itself_and_in_time(failed: Failed) -> None:
    failed.run.ended(1)
    assert failed.seconds < 150
    missing = {named(cause) for cause in CAUSES} - failed.run.summary["verdicts"].keys()
    assert failed.run.summary["failed"] == len(CAUSES), missing


@pytest.mark.parametrize("cause", ALL)
def test_each_failure_gets_its_cause(failed: Failed, cause: str) -> None:
    verdict = failed.verdicts[named(cause)]
    assert verdict["cause"] == cause, verdict
    assert (verdict["serving"] is None) == (cause in CAUSES) and verdict["sentence"] and verdict["advice"]


@pytest.mark.parametrize("cause", CAUSES)
def test_status_says_the_same_afterwards(failed: Failed, cause: str) -> None:
    services = {one["name"]: one for one in failed.status.json["services"]}
    found = services[named(cause)]
    assert found["verdict"] is None or found["verdict"]["cause"] == cause
    assert found["reasons"]


def test_the_log_is_part_of_the_evidence(failed: Failed) -> None:
    assert "broken" in failed.verdicts[named("exit-code")]["evidence"]["log"]
    assert any("nowhere_to_be_found" in line for line in failed.verdicts[named("module-missing")]["evidence"]["log"])


@pytest.mark.parametrize(("cause", "reason", "code"), [
    ("exit-code", "Essential container in task exited", 3),
    ("out-of-memory", "OutOfMemoryError: Container killed due to memory usage", 137),
    ("command-not-found", "CannotStartContainerError", None),
    ("image-not-found", "CannotPullContainerError", None),
    ("image-architecture", "descriptor matching platform 'linux/amd64'", None),
    ("secret-not-found", "ResourceInitializationError", None),
    ("health-error", "Task failed ELB health checks in (target-group ", None),
    ("nobody-listens", "Task failed ELB health checks in (target-group ", None),
])  # fmt: skip
def test_tasks_end_in_the_words_of_aws(failed: Failed, cause: str, reason: str, code: int | None) -> None:
    task = failed.verdicts[named(cause)]["evidence"]["tasks"][0]
    (container,) = task["containers"]
    assert reason in task["stopped_reason"] + container["reason"], task
    assert code is None or container["exit_code"] == code


def test_a_first_deployment_with_the_usual_settings_ends_within_a_minute(shared: House, tmp_path: Path) -> None:
    command = "command: [sleep, '600'], port: 8080, load_balancer: public"
    (tmp_path / "deploy.yaml").write_text(f"name: alone\nservices:\n  web: {{image: 'python:3.12-slim', {command}}}\n")
    began = time.monotonic()
    run = shared.deployer("up", "--sandbox", "-y", cwd=tmp_path).ended(1)
    assert time.monotonic() - began < 60
    assert "Nobody listens on port 8080" in run.text and "nothing serves" in run.text
    shared.deployer("down", "--sandbox", "-y", cwd=tmp_path).ended(0)
