"""What `deployer policy` prints, without an account."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deployer.cli import cli
from deployer.policy.document import LIMIT

ACCOUNT = "123456789012"
PLAIN = "name: plain\nservices:\n  web: {image: 'nginx:1', port: 80}\n"
Print = Callable[..., Result]


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Print:
    """Runs `deployer policy` on a text, where no credentials and no account are to be found."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
                 "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)

    def run(text: str, *args: str, region: str = "eu-west-1", account: str = ACCOUNT) -> Result:
        (tmp_path / "deploy.yaml").write_text(text)
        known = ("--account", account) if account else ()
        return CliRunner().invoke(cli, ["policy", "--region", region, *known, *args])

    return run


def actions(result: Result) -> set[str]:
    assert result.exit_code == 0, result.output
    return {action for statement in json.loads(result.stdout)["Statement"] for action in statement["Action"]}


def resources(document: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for statement in document["Statement"]:
        found |= {statement["Resource"]} if isinstance(statement["Resource"], str) else set(statement["Resource"])
    return found


def many(count: int) -> str:
    service = "{{image: 'nginx:1', port: 80, load_balancer: public, secrets: {{KEY: key-{0}}}}}"
    names = [f"service-{index:02}" for index in range(count)]
    return "\n".join([
        "name: quite-a-long-stack-name", "secrets:", *[f"  key-{name}: {{generate: 20}}" for name in names],
        "services:", *[f"  {name}: {service.format(name)}" for name in names],
    ])  # fmt: skip


def test_the_same_file_gives_the_same_text(printed: Print) -> None:
    assert printed(PLAIN).stdout == printed(PLAIN).stdout


@pytest.mark.parametrize(("without", "with_it", "words"), [
    ("", "network: {nat: single}\n", ("NatGateway", "AllocateAddress", "VpcEndpoint")),
    ("", "secrets: {key: {generate: 20}}\n", ("secretsmanager:",)),
])  # fmt: skip
def test_what_the_stack_has_not_may_not_be_changed(
    printed: Print, without: str, with_it: str, words: tuple[str]
) -> None:
    def changing(text: str) -> set[str]:
        return {one for one in actions(printed(text)) if not re.search(":(Describe|List)", one)}

    less, more = changing(without + PLAIN), changing(with_it + PLAIN)
    for word in words:
        assert any(word in action for action in more) and not any(word in action for action in less), word


def test_without_a_build_a_load_balancer_or_a_shell_there_is_nothing_of_these(printed: Print) -> None:
    few = actions(printed(PLAIN))
    assert not {one for one in few if one.startswith("ecr:")} - {"ecr:DescribeRepositories"}
    assert not {one for one in few if re.match("elasticloadbalancing:(?!Describe)", one)}
    assert "ecs:ExecuteCommand" not in few and not any(one.startswith("kms:") for one in few)
    built = actions(printed(PLAIN.replace("image: 'nginx:1'", "build: ., exec: true, load_balancer: public")))
    assert {"ecr:PutImage", "ecr:GetAuthorizationToken", "ecs:ExecuteCommand"} <= built
    assert "elasticloadbalancing:CreateListener" in built


def test_what_is_recorded_may_be_removed(printed: Print, tmp_path: Path) -> None:
    """No longer in the file, and still in the account."""
    (tmp_path / ".deployer").mkdir()
    record = {"key": "nat.a", "type": "nat", "id": "nat-1", "status": "ready", "inputs": {"subnet_id": "subnet-1"},
              "outputs": {}, "depends_on": []}  # fmt: skip
    state = {"format": 1, "stack": "plain", "id": "ab", "account": ACCOUNT, "region": "eu-west-1", "records": [record]}
    (tmp_path / ".deployer" / "plain.json").write_text(json.dumps(state))
    assert "ec2:DeleteNatGateway" in actions(printed(PLAIN))


@pytest.mark.parametrize(("region", "partition"), [
    ("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"),
])  # fmt: skip
def test_arns_have_the_partition_the_region_and_the_account(printed: Print, region: str, partition: str) -> None:
    found = resources(json.loads(printed(PLAIN, region=region).stdout)) - {"*"}
    assert found
    for arn in found:
        _, where, service, place, owner, _ = arn.split(":", 5)
        assert (where, place, owner) == (partition, "" if service == "iam" else region, ACCOUNT), arn


def test_an_unknown_account_is_a_star_and_said(printed: Print) -> None:
    result = printed(PLAIN, account="")
    assert "arn:aws:ecs:eu-west-1:*:cluster/plain" in resources(json.loads(result.stdout))
    assert "The account is not known" in result.stderr


def test_the_files_account_needs_no_credentials(printed: Print) -> None:
    result = printed(f'account: "{ACCOUNT}"\n{PLAIN}', account="")
    assert f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/plain" in resources(json.loads(result.stdout))
    assert "not known" not in result.stderr


def test_services_are_named_as_long_as_that_takes_no_further_policy(printed: Print) -> None:
    one = printed(PLAIN)
    assert any(arn.endswith(":service/plain/web") for arn in resources(json.loads(one.stdout)))
    assert any(arn.endswith(":log-group:/deployer/plain/web*") for arn in resources(json.loads(one.stdout)))
    thirty = printed(many(30))
    assert "service-01" not in thirty.stdout
    assert len(thirty.stdout) < 1.1 * len(printed(many(29)).stdout)


@pytest.mark.parametrize("count", [1, 30])
def test_split_documents_fit_and_together_are_the_whole(printed: Print, tmp_path: Path, count: int) -> None:
    whole = printed(many(count))
    said = int(re.match(r"(\d+) characters", whole.stderr)[1])  # type: ignore[index]
    assert said == len(json.dumps(json.loads(whole.stdout), separators=(",", ":")))
    run = printed(many(count), "--split", "out")
    files = [tmp_path / name for name in run.stdout.split()]
    assert f"Use --split DIR for {len(files)} policies" in whole.stderr and 2 <= len(files) <= 3
    assert all(len(file.read_text().strip()) <= LIMIT for file in files)
    parts = [statement for file in files for statement in json.loads(file.read_text())["Statement"]]
    assert parts == json.loads(whole.stdout)["Statement"]


def test_a_policy_for_some_commands_has_no_more_than_they_need(printed: Print) -> None:
    whole = actions(printed(PLAIN))
    assert actions(printed(PLAIN, "--commands", "up,down")) < whole
    looking = actions(printed(PLAIN, "--commands", "plan"))
    assert looking and all(re.search(":(Describe|List|Get)", action) for action in looking)
    shrinking = actions(printed(PLAIN, "--commands", "down"))
    assert "ec2:DeleteVpc" in shrinking and "ec2:CreateVpc" not in shrinking and "ecs:RunTask" not in shrinking


def test_down_may_take_off_deletion_protection(printed: Print) -> None:
    text = PLAIN.replace("port: 80", "port: 80, load_balancer: public")
    assert "elasticloadbalancing:ModifyLoadBalancerAttributes" in actions(printed(text, "--commands", "down"))


def test_no_build_context_and_no_variable_is_needed(printed: Print) -> None:
    text = PLAIN.replace("image: 'nginx:1'", "build: nowhere, environment: {A: '${NOT_SET}'}")
    assert "ecr:PutImage" in actions(printed(f"secrets: {{key: {{from_env: NEITHER}}}}\n{text}"))


@pytest.mark.parametrize(("args", "words"), [
    (("--commands", "up,dwon"), "dwon is no command"), (("--account", "12"), "12 digits"),
    (("--external-id", "x"), "belongs to --role"), (("--region", "mars"), "mars is no AWS region"),
])  # fmt: skip
def test_mistakes_are_said(printed: Print, args: tuple[str, ...], words: str) -> None:
    result = printed(PLAIN, *args)
    assert result.exception is not None
    error: Any = result.exception
    assert error.exit_code == 2 and words in f"{error.message} {error.hint}"
