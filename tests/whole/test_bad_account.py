"""Credentials, regions, permissions and endpoints that are not what a run needs: one clear error, nothing changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.whole.project import IMAGES, Project, Run

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
UP = ("up", *IMAGES)


def with_env(project: Project, *args: str, drop: tuple[str, ...] = (), **others: str) -> Run:
    env = {name: value for name, value in project.cloud.env().items() if name not in drop}
    project.cloud.forget_calls()
    run = project.start(args, env | others, project.folder)
    run.calls = project.cloud.calls()
    return run


def refused(run: Run, code: int) -> str:
    """The only error of a run that changed nothing, on one line with what to do next."""
    assert run.ended(code).mutations == [] and run.out == "", run
    assert run.err.startswith("Error: ") and run.err.count("Error: ") == 1, run.err
    message, hint = run.err.strip().split("\n")
    assert hint.endswith((".", "?")), hint
    return f"{message} {hint}"


# --- who, and where


@pytest.mark.parametrize("args, drop", [
    (UP, KEYS), (UP, KEYS[1:]), (("plan",), KEYS), (("status",), KEYS), (("down", "-y"), KEYS), (("push-image",), KEYS),
    (("state", "rebuild"), KEYS),
])  # fmt: skip
def test_without_credentials_no_command_asks_anything(
    project: Project, args: tuple[str, ...], drop: tuple[str, ...]
) -> None:
    run = with_env(project, *args, drop=drop)
    assert "No AWS credentials" in refused(run, 2) and "aws sso login" in run.err and run.calls == []
    assert not project.state_file.parent.exists()


def test_a_profile_of_the_environment_that_does_not_exist(project: Project) -> None:
    assert "nobody" in refused(with_env(project, *UP, AWS_PROFILE="nobody"), 2)


def test_an_aws_configuration_that_cannot_be_read(project: Project, tmp_path: Path) -> None:
    broken = tmp_path / "config"
    broken.write_text("this is no configuration\n")
    assert str(broken) in refused(with_env(project, *UP, AWS_CONFIG_FILE=str(broken)), 2)


@pytest.mark.parametrize("name", REGIONS)
def test_either_variable_of_the_region_is_enough(project: Project, name: str) -> None:
    project.edit(("region: us-east-1\n", ""))
    run = with_env(project, "plan", *IMAGES, "--json", drop=REGIONS, **{name: "eu-west-1"}).ended(0)
    assert run.json["region"] == "eu-west-1"


@pytest.mark.parametrize("region", ["mars-1", "us east 1", "-"])
def test_a_region_that_is_none(project: Project, region: str) -> None:
    run = with_env(project, *UP, f"--region={region}")
    assert f"{region} is no AWS region" in refused(run, 2) and run.calls == []


def test_a_wrong_account_stops_every_command(project: Project) -> None:
    project.edit(("region: us-east-1\n", 'account: "999999999999"\n'))
    for args in (UP, ("plan",), ("down", "-y"), ("push-image",), ("state", "rebuild")):
        text = refused(project.run(*args), 2)
        assert "999999999999" in text and "123456789012" in text


# --- permission and time


@pytest.mark.parametrize("service, operation, code", [
    ("ec2", "DescribeAvailabilityZones", "UnauthorizedOperation"), ("iam", "ListRoles", "AccessDenied"),
    ("secretsmanager", "ListSecrets", "AccessDeniedException"), ("logs", "DescribeLogGroups", "AccessDeniedException"),
    ("ec2", "DescribeVpcs", "UnauthorizedOperation"), ("sts", "GetCallerIdentity", "AccessDenied"),
])  # fmt: skip
def test_where_reading_is_not_permitted_nothing_is_changed(
    project: Project, service: str, operation: str, code: str
) -> None:
    project.cloud.fault("error", service=service, operation=operation, code=code, message="not for you", times=99)
    text = refused(project.up(), 1)
    assert f"{code}: not for you" in text and f"may not call {operation}" in text


@pytest.mark.parametrize("args", [("status",), ("down", "-y"), ("plan", *IMAGES), UP])
def test_expired_credentials_leave_what_is_deployed(project: Project, args: tuple[str, ...]) -> None:
    project.stand()
    before = project.state_file.read_bytes()
    project.cloud.fault("error", service="ecs", code="ExpiredTokenException", message="The token has expired", times=99)
    assert "sign in again" in refused(project.run(*args), 1)
    assert project.state_file.read_bytes() == before


def test_credentials_that_expire_half_way_are_told_and_the_next_up_goes_on(project: Project) -> None:
    project.cloud.fault("error", service="ecs", mutating=True, code="ExpiredTokenException", message="late", times=99)
    run = project.up().ended(1)
    assert "Creating cluster.main" in run.err and "sign in again" in run.err
    project.cloud.clear_faults()
    project.up().ended(0)


@pytest.mark.parametrize("message, tried", [("You have reached the limit", 1), ("Rate exceeded", 2)])
def test_a_limit_is_a_quota_unless_it_speaks_of_a_rate(project: Project, message: str, tried: int) -> None:
    project.cloud.fault(
        "error", service="secretsmanager", operation="CreateSecret", code="LimitExceededException", message=message
    )
    run = project.up().ended(2 - tried)
    assert run.mutations.count("secretsmanager.CreateSecret") == tried
    assert ("Service Quotas" in run.err) == (tried == 1)


# --- endpoints

ANSWERS = {
    "a page that is not there": (404, "text/html", b"<html><body>Not here</body></html>"),
    "a page elsewhere": (301, "text/html", b"<html>moved</html>"),
    "other XML": (200, "text/xml", b"<a><b>c</b></a>"),
    "a list": (200, "application/json", b"[1, 2]"),
    "other JSON": (200, "application/json", b'{"hello": ["world"]}'),
    "garbage": (200, "application/octet-stream", bytes(range(256))),
    "nothing": (200, "text/xml", b""),
}


class Talker(BaseHTTPRequestHandler):
    answer = (200, "text/plain", b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def saying() -> Iterator[Callable[[str], str]]:
    """The address of a server that answers everything with one of ANSWERS."""
    handler = type("Handler", (Talker,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def address(what: str) -> str:
        handler.answer = ANSWERS[what]  # type: ignore[attr-defined]
        return f"http://127.0.0.1:{server.server_port}"

    yield address
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("what", ANSWERS)
def test_what_is_not_aws_is_told_as_that_whichever_service_it_stands_in_for(
    project: Project, saying: Callable[[str], str], what: str
) -> None:
    for service in ("STS", "EC2", "IAM", "ECS"):
        run = project.up(env={f"AWS_ENDPOINT_URL_{service}": saying(what)})
        assert "the endpoint does not answer as AWS does" in refused(run, 1), service
    assert project.cloud.is_empty()
