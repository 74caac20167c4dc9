"""Whatever is wrong beforehand is one clear error, and nothing is changed."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.whole.project import COMMAND, IMAGES, Project, Run, cold, path

Edit = tuple[str, str]


def errors(run: Run) -> list[str]:
    """The lines of the one error that a run ends with."""
    assert run.err.count("Error: ") == 1, run.err
    return run.err[run.err.index("Error: ") + 7 :].splitlines()


def untouched(run: Run, code: int = 2) -> list[str]:
    assert run.ended(code).mutations == [], run.mutations
    return errors(run)


# --- deploy.yaml

# what is edited, a piece of the line that is to blame, and what is said of it
FILES: dict[str, tuple[list[Edit], str, str]] = {
    "an unknown key": ([("count: 1", "cuont: 1")], "cuont", 'services.web.cuont: *did you mean "count"'),
    "a duplicate key": ([("name: voting\n", "name: voting\nname: polls\n")], "name: polls", "name: *twice*line 1"),
    "a wrong type": ([("zones: 2 ", "zones: two ")], "zones:", "network.zones: *two"),
    "a bad name": ([("name: voting\n", "name: Voting_App\n")], "name:", "name: *Voting_App"),
    "a double hyphen in the name": ([("name: voting\n", "name: a--b\n")], "name:", "name: "),
    "a name that is too long": ([("name: voting\n", f"name: {'a' * 25}\n")], "name:", "name: "),
    "no Fargate size": ([("memory: 512", "memory: 300")], "memory:", "services.web.memory: *300"),
    "no Fargate pair": ([("cpu: 256", "cpu: 4096")], "", "services.web.*4096"),
    "a port out of range": ([("port: 8080", "port: 65536")], "65536", "services.web.port: *65535"),
    "a range that is too small": ([("10.0.0.0/16", "10.0.0.0/28")], "cidr", "network.cidr: *too small"),
    "a range that is not private": ([("10.0.0.0/16", "8.8.0.0/16")], "cidr", "network.cidr: *not private"),
    "a range that is none": ([("10.0.0.0/16", "ten")], "cidr", "network.cidr: *ten"),
    "a reference to nothing": (
        [("services.redis.host", "services.rediss.host")], "rediss", 'REDIS_HOST: *did you mean "redis"',
    ),
    "a reference to no attribute": ([("services.redis.host", "services.redis.hots")], "hots", "REDIS_HOST: *hots"),
    "an unknown secret": (
        [("{REDIS_PASSWORD: redis-password}\n    user", "{REDIS_PASSWORD: redis-pass}\n    user")],
        "redis-pass}", 'REDIS_PASSWORD: *did you mean "redis-password"',
    ),
    "an unset variable": ([("cpu: 256", "cpu: ${NOT_SET}")], "NOT_SET", "services.web.cpu: *NOT_SET is not set"),
    "an unset variable with a message": (
        [("cpu: 256", "cpu: ${NOT_SET:?choose a size}")], "NOT_SET", "services.web.cpu: *choose a size",
    ),
    "a secret that is generated and given": (
        [("{generate: 32}", "{generate: 32, from_env: HOME}")], "from_env", "secrets.redis-password: *exactly one",
    ),
    "a service with image and build": ([("build: .", "build: .\n    image: web:1")], "  web:", "services.web: *both"),
    "a service with neither": ([("    build: .\n", "")], "  web:", "services.web: *image"),
    "not YAML": ([("name: voting\n", "name: [voting\n")], "", "is not YAML"),
    "tabs": ([("  cidr:", "\tcidr:")], "cidr", "is not YAML*tabs"),
    "an application load balancer in one zone": ([("zones: 2 ", "zones: 1 ")], "zones:", "network.zones: *web"),
}  # fmt: skip


def matches(text: str, pattern: str) -> bool:
    position = 0
    for piece in pattern.split("*"):
        position = text.find(piece, position)
        if position < 0:
            return False
        position += len(piece)
    return True


@pytest.mark.parametrize("what", FILES)
def test_a_bad_file_is_one_error_with_its_line(project: Project, what: str) -> None:
    edits, blamed, wanted = FILES[what]
    project.edit(*edits)
    number = next(n for n, line in enumerate(project.file.read_text().splitlines(), start=1) if blamed in line)
    run = project.run("up")
    (line, *rest) = untouched(run)
    assert run.calls == [] and not project.state_file.parent.exists()
    assert matches(line, f"deploy.yaml:{number if blamed else ''}*{wanted}"), line
    assert not any(other.startswith("deploy.yaml") for other in rest), "one mistake is one error"
    assert project.run("validate").ended(2).err == run.err


def test_a_file_without_services(project: Project) -> None:
    project.file.write_text("name: voting\n")
    assert "services" in untouched(project.run("up"))[0]


def test_a_circle_of_references(project: Project) -> None:
    project.edit(("    port: 6379\n", "    port: 6379\n    environment: {WEB: '${services.web.host}'}\n"))
    (line,) = untouched(project.run("up"))
    assert "redis → web → redis" in line and "deploy.yaml:" in line


def test_all_errors_of_a_file_are_told_at_once_in_the_order_of_their_lines(project: Project) -> None:
    project.edit(
        ("zones: 2 ", "zones: 9 "), ("cpu: 256", "cpu: 100"), ("port: 8080", "prot: 8080"), ("count: 1", "count: x")
    )
    lines = untouched(project.run("up"))
    numbers = [int(line.split(":")[1]) for line in lines if line.startswith("deploy.yaml:")]
    assert len(numbers) >= 4 and numbers == sorted(numbers)


def test_no_file(project: Project) -> None:
    project.file.unlink()
    run = project.run("up")
    assert untouched(run)[0] == "deploy.yaml: there is no such file" and "deployer init" in run.err
    assert "elsewhere.yaml" in project.run("up", "-f", "elsewhere.yaml").ended(2).err


@pytest.mark.parametrize("content, wanted", [
    (b"", "is empty"), (b"\xff\xfe\x00", "not UTF-8"), (b"- a\n- b\n", "must be a mapping"),
    (b"name: a\n---\nname: b\n", "second document"), (b"a: &x [*x]\n", "contains itself"),
    (b"name: !!python/object/apply:os.system [id]\n", "not understood"), (b"name: a\x00b\n", "not YAML"),
])  # fmt: skip
def test_content_that_is_no_deploy_yaml(project: Project, content: bytes, wanted: str) -> None:
    project.file.write_bytes(content)
    run = project.run("up")
    assert run.calls == [] and wanted in " ".join(untouched(run))


def bomb() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(["name: voting", *lines, "services: *a11"]).encode()


@pytest.mark.parametrize("content", [
    bomb(), b"name: voting\n" + b"# nothing\n" * 5_000_000, b"a: " + b"[" * 200_000, b"{" * 900_000,
    b"name: voting\nservices:\n" + b"".join(b"  s%d: {image: a}\n" % n for n in range(20_000)),
], ids=["aliases", "50 MB", "deep list", "deep mapping", "many services"])  # fmt: skip
def test_a_file_made_to_hang_us_does_not(project: Project, content: bytes) -> None:
    project.file.write_bytes(content)
    done = subprocess.run(
        [*COMMAND, "validate"], cwd=project.folder, env=path(project.cloud.env()), capture_output=True, timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
    )  # fmt: skip
    assert done.returncode == 2 and b"Traceback" not in done.stderr and done.stderr.startswith(b"Error: deploy.yaml")


# --- the account


def without(project: Project, *names: str, **others: str) -> Run:
    env = {name: value for name, value in project.cloud.env().items() if name not in names} | others
    project.cloud.forget_calls()
    run = cold(("up", *IMAGES), env, project.folder)
    run.calls = project.cloud.calls()
    return run


def test_no_credentials(project: Project) -> None:
    run = without(project, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert "No AWS credentials" in untouched(run)[0] and "aws sso login" in run.err and run.calls == []


def test_no_region(project: Project) -> None:
    project.edit(("region: us-east-1\n", ""))
    run = without(project, "AWS_REGION", "AWS_DEFAULT_REGION")
    assert "No AWS region" in untouched(run)[0] and "--region" in run.err and run.calls == []


def test_the_wrong_account(project: Project) -> None:
    project.edit(("region: us-east-1\n", 'region: us-east-1\naccount: "999999999999"\n'))
    (line, *_) = untouched(project.up())
    assert "999999999999" in line and "123456789012" in line


def test_credentials_that_aws_does_not_accept(project: Project) -> None:
    for service in ("sts", "iam"):
        project.cloud.fault(
            "error", service=service, code="InvalidClientTokenId", status=403,
            message="The security token included in the request is invalid.",
        )  # fmt: skip
    run = project.up()
    assert "InvalidClientTokenId" in untouched(run, 1)[0] and "does not accept these credentials" in run.err


class Nonsense(BaseHTTPRequestHandler):
    answer = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(params=[b"<html><body>Welcome to the hotel WLAN</body></html>", b"\x00\xff garbage", b"", b"{}"],
                ids=["html", "garbage", "nothing", "json"])  # fmt: skip
def nonsense(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Handler", (Nonsense,), {"answer": request.param})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_endpoint_that_answers_nonsense(project: Project, nonsense: str) -> None:
    run = project.up(env={"AWS_ENDPOINT_URL": nonsense})
    assert "does not answer as AWS does" in untouched(run, 1)[0] and "AWS_ENDPOINT_URL" in run.err
    assert not project.state_file.exists()


def test_an_endpoint_that_nobody_listens_on(project: Project) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    run = project.up(env={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
    assert "no answer from AWS" in untouched(run, 1)[0] and "AWS_ENDPOINT_URL" in run.err


def test_an_endpoint_that_is_no_address(project: Project) -> None:
    run = project.up(env={"AWS_ENDPOINT_URL": "not an address"})
    assert run.code in (1, 2) and len(errors(run)) <= 3


DENIED = "User: arn:aws:iam::123456789012:user/test is not authorized to perform: {} on resource: *"


@pytest.mark.parametrize("service, operation, code, key", [
    ("ec2", "CreateVpc", "UnauthorizedOperation", "vpc.main"),
    ("iam", "CreateRole", "AccessDenied", "role."),
    ("ecs", "CreateCluster", "AccessDeniedException", "cluster.main"),
    ("elbv2", "CreateTargetGroup", "AccessDenied", "target-group."),
    ("secretsmanager", "CreateSecret", "AccessDeniedException", "secret.redis-password"),
    ("ec2", "DescribeAvailabilityZones", "UnauthorizedOperation", "availability zones"),
])  # fmt: skip
def test_no_permission_names_the_action_and_the_resource(
    project: Project, service: str, operation: str, code: str, key: str
) -> None:
    said = DENIED.format(f"{service}:{operation}")
    project.cloud.fault("error", service=service, operation=operation, code=code, message=said, status=403)
    run = project.up().ended(1)
    text = " ".join(errors(run))
    assert key in text and operation in text and code in text and f":{operation}: ask for that permission" in text


@pytest.mark.parametrize("service, operation, code, key", [
    ("ec2", "CreateVpc", "VpcLimitExceeded", "vpc.main"),
    ("ec2", "CreateInternetGateway", "InternetGatewayLimitExceeded", "igw.main"),
    ("ecs", "CreateCluster", "LimitExceededException", "cluster.main"),
    ("iam", "CreateRole", "LimitExceeded", "role."),
    ("elbv2", "CreateLoadBalancer", "TooManyLoadBalancers", "load-balancer."),
])  # fmt: skip
def test_a_quota_is_told_at_once_and_not_taken_for_throttling(
    project: Project, service: str, operation: str, code: str, key: str
) -> None:
    whole = project.up().ended(0).mutations.count(f"{service}.{operation}")
    project.down().ended(0)
    project.cloud.fault("error", service=service, operation=operation, code=code, message="The maximum is reached.")
    run = project.up().ended(1)
    text = " ".join(errors(run))
    assert key in text and code in text and "quota" in text
    assert run.mutations.count(f"{service}.{operation}") == whole  # none of them was made twice
    project.up().ended(0)


# --- the state

DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "truncated": (lambda text: text[: len(text) // 2], "not a valid state file"),
    "empty": (lambda text: "", "not a valid state file"),
    "not JSON": (lambda text: "<html>", "not a valid state file"),
    "a list": (lambda text: "[]", "not a valid state file"),
    "a newer format": (lambda text: text.replace('"format": 1', '"format": 2'), "newer deployer"),
    "another account": (lambda text: text.replace("123456789012", "999999999999"), "records account 999999999999"),
    "another region": (lambda text: text.replace('"region": "us-east-1"', '"region": "eu-west-1"'), "region eu-west-1"),
    "another stack": (lambda text: text.replace('"stack": "voting"', '"stack": "polls"'), "stack polls"),
    "records that make no sense": (lambda text: text.replace('"key":', '"clef":'), "makes no sense"),
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("args", [("up", *IMAGES, "-y"), ("down", "-y"), ("plan", *IMAGES), ("status",)])
def test_a_state_that_cannot_be_used_is_refused_and_left_as_it_was(
    project: Project, stale: str, what: str, args: tuple[str, ...]
) -> None:
    damage, wanted = DAMAGE[what]
    project.state_file.parent.mkdir()
    project.state_file.write_text(damage(stale))
    run = project.run(*args)
    assert wanted in " ".join(untouched(run, 1))
    assert project.state_file.read_text() == damage(stale)


@pytest.fixture
def stale() -> str:
    """A state like that of a deployed stack; nothing of it exists."""
    record = {"key": "vpc.main", "type": "vpc", "id": "vpc-1", "status": "ready", "inputs": {"cidr": "10.0.0.0/16"},
              "outputs": {}, "depends_on": []}  # fmt: skip
    head = {"account": "123456789012", "format": 1, "id": "0123456789ab", "region": "us-east-1", "stack": "voting"}
    return json.dumps(head | {"records": [record]})


def test_a_state_of_another_region_is_refused(project: Project) -> None:
    project.stand()
    before = project.state_file.read_bytes()
    run = project.up("--region", "eu-west-1", "-y")
    assert "us-east-1" in untouched(run, 1)[0] and "eu-west-1" in errors(run)[0]
    assert project.state_file.read_bytes() == before


def small_disk(project: Project, size: str) -> Path:
    """`.deployer` on a disk of its own."""
    folder = project.state_file.parent
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)])
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    return folder


@pytest.fixture
def disk(project: Project) -> Iterator[Callable[[str], Path]]:
    yield lambda size: small_disk(project, size)
    if os.path.ismount(project.state_file.parent):
        subprocess.run(["umount", "-l", str(project.state_file.parent)], check=True)


def test_a_full_disk_is_told_before_anything_is_created(project: Project, disk: Callable[[str], Path]) -> None:
    folder = disk("16k")
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 512)
    run = project.up()
    assert "No space left" in " ".join(untouched(run, 1)) and project.cloud.is_empty()


def test_a_disk_that_fills_up_half_way_shows_the_record_and_stops(
    project: Project, disk: Callable[[str], Path]
) -> None:
    disk("32k")
    run = project.up().ended(1)
    assert "No space left" in run.err and "could not be saved" in run.err
    shown = run.err[run.err.index("could not be saved:") :]
    record, _ = json.JSONDecoder().raw_decode(shown[shown.index("{") :])
    assert {"key", "type", "id", "status"} <= set(record)
    assert project.cloud.inventory()["services"] == []


def test_a_read_only_directory_is_told_before_anything_is_created(
    project: Project, disk: Callable[[str], Path]
) -> None:
    folder = disk("64k")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    lines = untouched(project.up(), 1)
    assert "Read-only" in lines[0] and "Nothing was changed" in lines[0] and project.cloud.is_empty()
    assert project.run("status").code == 4 and project.plan().code == 0


def test_a_state_of_a_file_that_is_too_large_is_told(project: Project) -> None:
    """The limit on the size of a file stands for any failure to write."""
    done = subprocess.run(
        [*COMMAND, "up", *IMAGES], cwd=project.folder, env=path(project.cloud.env()), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )  # fmt: skip
    assert done.returncode == 1 and "File too large" in done.stderr and "Traceback" not in done.stderr
    project.up().ended(0)
    project.down().ended(0)
    assert project.cloud.is_empty()


# --- somebody else's


def test_an_object_in_the_way_is_named_with_its_owner_and_left_alone(project: Project) -> None:
    logs = project.cloud.client("logs", hidden=True)
    logs.create_log_group(logGroupName="/deployer/voting/web", tags={"team": "theirs"})
    run = project.up().ended(1)
    assert "/deployer/voting/web" in run.text and "nobody that deployer knows" in run.text
    assert "this stack, voting, has id" in run.text
    assert run.mutations == [] and not project.state_file.exists()
    project.down().ended(0)
    assert [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]] == ["/deployer/voting/web"]


def test_a_stack_of_the_same_name_from_elsewhere_is_left_alone(
    project: Project, other: Callable[[str], Project]
) -> None:
    project.up().ended(0)
    before = project.cloud.inventory()
    second = other("second")
    for run in (second.up("-y"), second.down()):
        assert project.state["id"] in " ".join(untouched(run, 1))
    assert project.cloud.inventory() == before
