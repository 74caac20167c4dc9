"""How each wrong value of a `deploy.yaml` is refused: in plain words, with its line, and without the environment's."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import load
from deployer.errors import ConfigError
from tests.yamlfile import WEB, errors, top, web, written

NAME = "small letters, digits and single hyphens, a letter first"
AT_THE_TOP = [
    ("regoin: x", 'regoin: is not a known key; did you mean "region"?'),
    ("volumes: {}", "volumes: is not a known key; known here: name, region, account, network, insights, logs, kms_key, "
     "secrets, services, tags or environments"),
    ("region: Frankfurt", 'region: must be an AWS region such as us-east-1, not "Frankfurt"'),
    ("account: 12345", "account: must be an account number of 12 digits, not 12345"),
    ("insights: maybe", 'insights: must be true or false, not "maybe"'),
    ("network: 5", "network: must be a mapping (key: value), not 5"),
    ("network: {zones: 7}", "network.zones: must be from 1 to 6, not 7"),
    ("network: {nat: double}", 'network.nat: must be none, single or per-zone, not "double"'),
    ("network: {nat: singel}", 'network.nat: must be none, single or per-zone, not "singel"; did you mean "single"?'),
    ("logs: {retention: 10}", "logs.retention: must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, "
     "1096, 1827, 2192, 2557, 2922, 3288 or 3653, not 10"),
    ("kms_key: alias/mine", 'kms_key: must be the ARN of a KMS key (arn:aws:kms:...:key/...), not "alias/mine"'),
    ("secrets: {a: {generate: 7}}", "secrets.a.generate: must be from 8 to 128, not 7"),
    ("secrets: {a: {from_env: A B}}", 'secrets.a.from_env: must be the name of an environment variable, not "A B"'),
    ("secrets: {a: {arn: x}}", 'secrets.a.arn: must be the ARN of a secret (arn:aws:secretsmanager:...), not "x"'),
    ("secrets: {a: {generat: 8}}", 'secrets.a.generat: is not a known key; did you mean "generate"?'),
    ("secrets: {A_b: {generate: 8}}", f'secrets.A_b: must be 1 to 32 characters: {NAME}, not "A_b"'),
    ("tags: {'aws:x': y}", "tags.aws:x: must be a tag: up to 128 letters, digits, spaces or .:/=+@_-, not starting "
     'with aws: or deployer:, not "aws:x"'),
    ("tags: {'deployer:x': y}", "tags.deployer:x: must be a tag: "),
    ("tags: [a]", "tags: must be a mapping (key: value), not a list"),
]  # fmt: skip
IN_THE_SERVICE = [
    ("comand: x", 'comand: is not a known key; did you mean "command"?'),
    ("cpu: abc", 'cpu: must be a whole number, not "abc"'),
    ("cpu: '256'", "cpu: must be a whole number: 256, without quotes"),
    ("memory: 1.5", 'memory: must be a whole number, not "1.5"'),
    ("count: true", "count: must be a whole number, not true"),
    ("count: [1]", "count: must be a whole number, not a list"),
    ("count: -1", "count: must be 0 or more, not -1"),
    ("architecture: arm", 'architecture: must be x86_64 or arm64, not "arm"; did you mean "arm64"?'),
    ("user: a b", 'user: must be a user, or user:group, not "a b"'),
    ("read_only: 1", "read_only: must be true or false, not 1"),
    ("tmpfs: [tmp]", 'tmpfs[0]: must be an absolute path such as /tmp, without options, not "tmp"'),
    ("tmpfs: {a: b}", "tmpfs: must be a list, not a mapping"),
    ("egress: 443", "egress: must be a list of TCP ports, or all, not 443"),
    ("egress: [443, 0]", "egress: must be from 1 to 65535, not 0"),
    ("command: a 'b", "command: cannot be split into words: no closing quotation; write a list"),
    ("command: [a, [b]]", "command[1]: must be text, not a list"),
    ("environment: {A: }", 'environment.A: has no value; write "" for an empty one or ${NAME} to take it from the '
     "environment"),
    ("environment: {A: [b]}", "environment.A: must be text, not a list"),
    ("environment: {a b: c}", 'environment.a b: must be the name of a variable, not "a b"'),
    ("environment: [A]", "environment: each item must look like NAME=value"),
    ("environment: [A=1, A=2]", "environment: the same variable stands here twice: A"),
    ("environment: 5", "environment: must be a mapping (key: value), not 5"),
    ("secrets: {A: 'b:'}", 'secrets.A: must be the name of a secret, or name:json-key, not "b:"'),
    ("secrets: [a]", "secrets: must be a mapping (key: value), not a list"),
    ("load_balancer: publik", 'load_balancer: must be public or internal, not "publik"; did you mean "public"?'),
    ("load_balancer: [public]", "load_balancer: must be a mapping (key: value), not a list"),
    ("load_balancer: {port: 65536}", "load_balancer.port: must be from 1 to 65535, not 65536"),
    ("load_balancer: {type: gateway}", 'load_balancer.type: must be application or network, not "gateway"'),
    ("load_balancer: {health: up}", 'load_balancer.health: must be a path such as /healthz, not "up"'),
    ("load_balancer: {health: [a]}", "load_balancer.health: must be a mapping (key: value), not a list"),
    ("load_balancer: {health: {interval: 4}}", "load_balancer.health.interval: must be from 5 to 300, not 4"),
    ("load_balancer: {health: {healthy: 11}}", "load_balancer.health.healthy: must be from 2 to 10, not 11"),
    ("load_balancer: {health: {unhealthy: 1}}", "load_balancer.health.unhealthy: must be from 2 to 10, not 1"),
    ("load_balancer: {health: {pth: /}}", 'load_balancer.health.pth: is not a known key; did you mean "path"?'),
    ("load_balancer: {grace: -1}", "load_balancer.grace: must be from 0 to 2147483647, not -1"),
    ("load_balancer: {certificate: x}", "load_balancer.certificate: must be the ARN of an ACM certificate "),
    ("load_balancer: {protect: 2}", "load_balancer.protect: must be true or false, not 2"),
    ("load_balancer: {access_logs: A}", 'load_balancer.access_logs: must be the name of a bucket, not "A"'),
    ("load_balancer: {backend: grpc}", 'load_balancer.backend: must be http or https, not "grpc"'),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), AT_THE_TOP)
def test_a_wrong_value_at_the_top_is_refused_in_plain_words(tmp_path: Path, line: str, said: str) -> None:
    (problem,) = errors(tmp_path, top(line))
    assert problem.startswith(f"7: {said}")


@pytest.mark.parametrize(("line", "said"), IN_THE_SERVICE)
def test_a_wrong_value_in_a_service_is_refused_in_plain_words(tmp_path: Path, line: str, said: str) -> None:
    (problem,) = errors(tmp_path, web(line))
    assert problem.startswith(f"7: services.web.{said}")


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_outside_its_range_is_refused_once(tmp_path: Path, port: str) -> None:
    text = web("load_balancer: internal").replace("8080", port)
    assert errors(tmp_path, text) == [f"6: services.web.port: must be from 1 to 65535, not {port}"]


@pytest.mark.parametrize("name", ["a", "Voting", "1a", "a--b", "a-", "-a", "a_b", "x" * 25, "a b"])
def test_a_stack_name_has_its_rules(tmp_path: Path, name: str) -> None:
    said = f'2: name: must be 2 to 24 characters: {NAME}, not "{name}"'
    assert errors(tmp_path, WEB.replace("voting", f'"{name}"')) == [said]


@pytest.mark.parametrize("name", ["Web", "1a", "a--b", "a-", "a_b", "x" * 33])
def test_a_service_name_has_its_rules(tmp_path: Path, name: str) -> None:
    said = f'4: services.{name}: must be 1 to 32 characters: {NAME}, not "{name}"'
    assert errors(tmp_path, WEB.replace("web:\n", f"{name}:\n")) == [said]


def test_missing_keys_are_named(tmp_path: Path) -> None:
    assert errors(tmp_path, "region: us-east-1\n") == ['the key "name" is missing', 'the key "services" is missing']


def test_a_long_value_is_cut_in_the_message(tmp_path: Path) -> None:
    assert errors(tmp_path, web(f"cpu: {'x' * 500}")) == [
        f'7: services.web.cpu: must be a whole number, not "{"x" * 57}..."'
    ]


HIDDEN = [
    "cpu: '@'", "cpu: @", "memory: @", "architecture: @", "user: '@ x'", "read_only: @", "egress: ['@']",
    "tmpfs: ['@']",    "load_balancer: '@'", "load_balancer: {health: '@'}", "secrets: {A: '@'}", "environment: ['@']",
    "environment: ['@=1', '@=2']", "environment: ['a @=1']", "command: '\"@'",
]  # fmt: skip


@pytest.mark.parametrize("value", ["hunter2", "1234567"])
@pytest.mark.parametrize("line", HIDDEN)
def test_a_value_from_the_environment_is_never_quoted(tmp_path: Path, line: str, value: str) -> None:
    said = errors(tmp_path, web(line.replace("@", "${V}")), environ={"V": value})
    assert said
    assert not any(value in problem for problem in said)


def test_a_wrong_range_from_the_environment_is_not_quoted(tmp_path: Path) -> None:
    for cidr in ("10.1.2.3/16", "10.1.2.0/28", "8.8.0.0/16", "10.0.0.0/8", "hunter2"):
        said = errors(tmp_path, top("network: {cidr: '${V}'}"), environ={"V": cidr})
        assert said
        assert not any(cidr in problem or "10.1.0.0" in problem for problem in said)


def test_all_problems_come_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = web("cpu: 300", "comand: x", "count: -1", "secrets: {A: nope}", "user: ${NONE}") + "regon: x\n"
    said = errors(tmp_path, text)
    assert [int(problem.split(":")[0]) for problem in said] == [7, 8, 9, 10, 11, 12]


def test_a_problem_prints_with_its_file_line_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, web("cpu: 300"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(Path("deploy.yaml"), None, {})
    assert str(caught.value) == "deploy.yaml:7: services.web.cpu: 300 is not a Fargate size; with memory 512 use 256"
