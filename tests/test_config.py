"""What a `deploy.yaml` says, what is filled in, and how each wrong value is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pydantic
import pytest

from deployer.config import Build, LoadBalancer, Reference, SecretRef, Service, Text, load
from tests.yamlfile import WEB, config, loaded, top, web

CONTRACT = """
name: voting
region: us-east-1
account: "123456789012"
network: {cidr: 10.0.0.0/16, zones: 2, nat: none}
secrets:
  redis-password: {generate: 32}
  api-key: {from_env: API_KEY}
  shared: {arn: "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:shared-a1b2c3"}
services:
  redis:
    image: redis:7-alpine
    command: ["sh", "-c", "exec redis-server --requirepass \\"$REDIS_PASSWORD\\""]
    port: 6379
    load_balancer: internal
    secrets: {REDIS_PASSWORD: redis-password}
  web:
    build: .
    port: 8080
    load_balancer: public
    environment:
      REDIS_HOST: ${services.redis.host}
      REDIS_PORT: ${services.redis.port}
    secrets: {REDIS_PASSWORD: redis-password}
    cpu: 256
    memory: 512
    count: 1
    architecture: x86_64
"""


def service(directory: Path, *lines: str) -> Service:
    return config(directory, web(*lines)).services["web"]


def balancer(directory: Path, line: str) -> LoadBalancer:
    made = service(directory, f"load_balancer: {line}").load_balancer
    assert made is not None
    return made


def test_the_contracts_example_loads_without_warnings(tmp_path: Path) -> None:
    result = loaded(tmp_path, CONTRACT)
    redis, front = result.config.services["redis"], result.config.services["web"]
    assert result.warnings == []
    assert redis.command == (Text(("sh",)), Text(("-c",)), Text(('exec redis-server --requirepass "$REDIS_PASSWORD"',)))
    assert front.build == Build(context=".", dockerfile="Dockerfile", args={}, target=None)
    assert front.environment["REDIS_PORT"] == Text((Reference("redis", "port"),))
    assert front.secrets == {"REDIS_PASSWORD": SecretRef("redis-password", None)}


def test_the_voting_apps_own_file_loads_without_warnings() -> None:
    result = load(Path(__file__).parent.parent / "deploy.yaml", None, {})
    assert (result.config.stack, result.warnings) == ("voting", [])


def test_every_default_is_concrete(tmp_path: Path) -> None:
    made = config(tmp_path, WEB)
    assert (made.region, made.account, made.environment, made.stack, made.insights, made.kms_key, made.tags) == (
        None, None, None, "voting", True, None, {},
    )  # fmt: skip
    assert (made.network.cidr, made.network.zones, made.network.nat, made.logs.retention) == (
        "10.0.0.0/16", 2, "none", 30,
    )  # fmt: skip
    assert made.services["web"].model_dump() == {
        "image": "web:1", "build": None, "command": None, "entrypoint": None, "release": None, "port": 8080,
        "load_balancer": None, "environment": {}, "secrets": {}, "cpu": 256, "memory": 512, "count": 1,
        "architecture": "x86_64", "user": None, "read_only": False, "tmpfs": (), "egress": (443,), "exec": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "scheme", "kind", "port", "path", "unhealthy", "grace"),
    [
        ("public", "public", "application", 80, "/", 3, 60),
        ("internal", "internal", "network", 8080, None, 2, 300),
        ("{}", "public", "application", 80, "/", 3, 60),
        ("{type: network}", "public", "network", 8080, None, 2, 300),
        ("{scheme: internal, type: application}", "internal", "application", 80, "/", 3, 60),
        ("{scheme: internal, port: 443, health: /up, grace: 5}", "internal", "network", 443, "/up", 2, 5),
        ("{health: /up}", "public", "application", 80, "/up", 3, 60),
        ("{health: {unhealthy: 5}}", "public", "application", 80, "/", 5, 60),
        ("{certificate: 'arn:aws-cn:acm:cn-north-1:123456789012:certificate/x'}", "public", "application", 443, "/",
         3, 60),
    ],
)  # fmt: skip
def test_a_load_balancer_is_completed(
    tmp_path: Path, line: str, scheme: str, kind: str, port: int, path: str | None, unhealthy: int, grace: int
) -> None:
    made = balancer(tmp_path, line)
    assert (made.scheme, made.type, made.port, made.health.path) == (scheme, kind, port, path)
    assert (made.health.unhealthy, made.health.healthy, made.health.interval, made.grace) == (unhealthy, 2, 10, grace)
    assert (made.protect, made.access_logs, made.backend) == (False, None, "http")


@pytest.mark.parametrize("line", ["none", "", "~"])
def test_no_load_balancer_is_none(tmp_path: Path, line: str) -> None:
    assert service(tmp_path, f"load_balancer: {line}").load_balancer is None


@pytest.mark.parametrize(
    ("lines", "tmpfs"),
    [
        (["read_only: true"], ("/tmp",)),
        (["read_only: false"], ()),
        (["read_only: true", "tmpfs: [/run, /var/cache]"], ("/run", "/var/cache")),
        (["read_only: true", "tmpfs: []"], ()),
        (["tmpfs: /run"], ("/run",)),
    ],
)
def test_a_read_only_container_may_still_write_to_tmp(tmp_path: Path, lines: list[str], tmpfs: tuple[str]) -> None:
    assert service(tmp_path, *lines).tmpfs == tmpfs


def test_texts_are_kept_as_they_were_written(tmp_path: Path) -> None:
    made = service(tmp_path, "user: 0123", "environment: {A: 1.10, B: yes, C: 22:22, D: 2024-01-01, E: 0x1F, F: 1e3}")
    assert made.user == "0123"
    assert [str(text) for text in made.environment.values()] == ["1.10", "yes", "22:22", "2024-01-01", "0x1F", "1e3"]


def test_an_unquoted_account_keeps_its_zeros(tmp_path: Path) -> None:
    assert config(tmp_path, top("account: 012345670123")).account == "012345670123"


def test_short_forms_of_compose_are_understood(tmp_path: Path) -> None:
    made = service(tmp_path, "environment: [A=1, B=x=y, C=]", "entrypoint: /bin/sh -c 'a b'", "egress: all")
    assert made.environment == {"A": Text(("1",)), "B": Text(("x=y",)), "C": Text(())}
    assert made.entrypoint == (Text(("/bin/sh",)), Text(("-c",)), Text(("a b",)))
    assert made.egress == "all"


def test_a_secret_may_be_a_key_of_a_json_value(tmp_path: Path) -> None:
    made = config(tmp_path, top("secrets: {db: {from_env: DB}}").replace("8080", "8080\n    secrets: {P: db:password}"))
    assert made.services["web"].secrets == {"P": SecretRef("db", "password")}


def test_a_section_with_nothing_in_it_counts_as_absent(tmp_path: Path) -> None:
    made = config(tmp_path, top("network:", "secrets:", "tags:", "logs:", "environments:"))
    assert (made.network.zones, made.secrets, made.tags) == (2, {}, {})


def test_what_is_loaded_cannot_be_changed(tmp_path: Path) -> None:
    made = config(tmp_path, WEB)
    with pytest.raises(pydantic.ValidationError):
        made.name = "other"
    with pytest.raises(pydantic.ValidationError):
        made.services["web"].cpu = 512


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "us-iso-east-1", "cn-north-1", "eusc-de-east-1"])
def test_regions_of_every_partition_are_known(tmp_path: Path, region: str) -> None:
    assert config(tmp_path, top(f"region: {region}")).region == region


def test_neither_aws_nor_docker_is_imported_to_check_a_file() -> None:
    modules = "{'boto3', 'botocore', 'docker'} & set(sys.modules)"
    code = f"import deployer.config, deployer.template, sys; sys.exit(bool({modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
