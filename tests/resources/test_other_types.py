"""Log groups and secrets; and that no type is left out."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import UsageError
from deployer.resource import TYPES
from deployer.resources.log_group import LogGroup
from deployer.resources.secret import Secret
from tests.resources import test_ec2_types, test_ecr_types, test_ecs_types, test_elb_types, test_iam_types
from tests.resources.lifecycle import Account, Case, Change, LifeCycle, Tags, flat, pages

LOG = LogGroup(name="web", group="/deployer/voting/web", retention=30, kms_key=None)
GENERATED = Secret(name="password", generate=32, from_env=None, mark=None, kms_key=None)
GIVEN = Secret(name="given", generate=None, from_env="THE_VALUE", mark="mark-1", kms_key=None)
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


def log_groups(account: Account) -> list[str]:
    return [each["logGroupName"] for each in pages(account.client("logs"), "describe_log_groups", "logGroups")]


def log_group(account: Account, id: str) -> dict[str, Any]:
    (found,) = account.client("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"]
    return dict(found)


def log_tags(account: Account, id: str) -> Tags:
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{id}"
    return dict(account.client("logs").list_tags_for_resource(resourceArn=arn)["tags"])


def retention(account: Account, id: str) -> int:
    return int(log_group(account, id)["retentionInDays"])


def secrets(account: Account) -> list[str]:
    found = pages(account.client("secretsmanager"), "list_secrets", "SecretList")
    return [each["ARN"] for each in found if not each.get("DeletedDate")]


def secret_tags(account: Account, id: str) -> Tags:
    return flat(account.client("secretsmanager").describe_secret(SecretId=id)["Tags"])


def value(account: Account, id: str) -> str:
    return str(account.client("secretsmanager").get_secret_value(SecretId=id)["SecretString"])


def key_of(account: Account, id: str) -> str:
    return str(account.client("secretsmanager").describe_secret(SecretId=id).get("KmsKeyId"))


def drop_secret(account: Account, id: str) -> None:
    account.client("secretsmanager").delete_secret(SecretId=id, ForceDeleteWithoutRecovery=True)


CASES = [
    Case(
        LOG,
        "logs.CreateLogGroup",
        log_groups,
        tags=log_tags,
        change=Change({"retention": 7}, retention, 30, 7),
        replaced={"group": "/deployer/voting/other"},
        spoil=lambda account, id: account.client("logs").delete_log_group(logGroupName=id),
        foreign=True,
    ),
    Case(
        GENERATED,
        "secretsmanager.CreateSecret",
        secrets,
        tags=secret_tags,
        change=Change({"kms_key": KEY}, key_of, "None", KEY),
        spoil=drop_secret,
        foreign=True,
    ),
    Case(
        GIVEN,
        "secretsmanager.CreateSecret",
        secrets,
        tags=secret_tags,
        spoil=drop_secret,
        foreign=True,
    ),
]
# In tests of their own: no creating call, or none without an engine, or nothing of it stays.
ALONE = {"image", "pin", "default-group", "release"}


@pytest.fixture(autouse=True)
def the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_VALUE", "first")


class TestLifeCycle(LifeCycle):
    pass


def test_no_type_is_left_out() -> None:
    modules = (test_ec2_types, test_iam_types, test_ecs_types, test_elb_types, test_ecr_types)
    tested = {case.subject.type for module in modules for case in module.CASES} | {case.subject.type for case in CASES}
    ours = {name for name, type in TYPES.items() if type.__module__.startswith("deployer.")}
    assert tested | ALONE == ours
    assert not tested & ALONE


def test_types_that_can_be_replaced_are_replaced_in_their_life_cycle() -> None:
    modules = (test_ec2_types, test_iam_types, test_ecs_types, test_elb_types, test_ecr_types)
    cases = [case for module in modules for case in module.CASES] + CASES
    fixed = {case.subject.type for case in cases if case.subject.replace_on}
    assert fixed - {case.subject.type for case in cases if case.replaced} <= {"service"}  # moved in a test of its own


def test_log_group_is_encrypted_with_the_key_and_no_longer(account: Account) -> None:
    account.up(LOG)
    assert "kmsKeyId" not in log_group(account, LOG.group)
    account.up(replace(LOG, kms_key=KEY))
    assert log_group(account, LOG.group)["kmsKeyId"] == KEY
    account.up(LOG)
    assert "kmsKeyId" not in log_group(account, LOG.group)


def test_generated_value_is_made_once(account: Account) -> None:
    account.up(GENERATED)
    id = account.id(GENERATED.key)
    first = value(account, id)
    assert len(first) == 32 and first.isalnum()
    account.up(replace(GENERATED, generate=64))
    account.up(replace(GENERATED, kms_key=KEY))
    assert value(account, id) == first


def test_given_value_follows_its_mark(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.up(GIVEN)
    assert value(account, account.id(GIVEN.key)) == "first"
    monkeypatch.setenv("THE_VALUE", "second")
    account.up(GIVEN)
    assert value(account, account.id(GIVEN.key)) == "first", "nothing says that it has changed"
    account.up(replace(GIVEN, mark="mark-2"))
    assert value(account, account.id(GIVEN.key)) == "second"


def test_secret_changes_where_it_comes_from(account: Account) -> None:
    account.up(GENERATED)
    id = account.id(GENERATED.key)
    account.up(replace(GENERATED, generate=None, from_env="THE_VALUE", mark="mark-1"))
    assert (account.id(GENERATED.key), value(account, id)) == (id, "first")
    account.up(GENERATED)
    assert value(account, id) != "first" and len(value(account, id)) == 32


def test_value_that_is_missing_is_told_before_anything_is_touched(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THE_VALUE")
    with pytest.raises(UsageError, match="THE_VALUE"):
        GIVEN.check(account.aws)
    assert not account.mutating()


def test_values_are_kept_nowhere(account: Account, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    account.up(GENERATED, GIVEN)
    made = value(account, account.id(GENERATED.key))
    everything = caplog.text + "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    assert account.id(GENERATED.key) in everything
    assert made not in everything and "first" not in everything


def test_name_in_its_recovery_window_is_said_so(account: Account) -> None:
    """Somebody deleted it with the usual thirty days: AWS gives the name to nobody until then."""
    message = "You can't create this secret because a secret with this name is already scheduled for deletion."
    account.cloud.fault(
        "error", "secretsmanager", "CreateSecret", code="InvalidRequestException", message=message, times=2
    )
    account.up(GENERATED)
    assert [fault["fired"] for fault in account.cloud.faults()] == [2]


def test_reads_are_batched(account: Account) -> None:
    many = [replace(LOG, name=f"web{n}", group=f"/deployer/voting/web{n}") for n in range(40)]
    more = [replace(GENERATED, name=f"password{n}") for n in range(40)]
    account.up(*many, *more)
    account.cloud.forget_calls()
    assert account.plan(*many, *more).idle
    names = sorted(map(str, account.cloud.calls()))
    assert names == ["logs.DescribeLogGroups"] * 2 + ["secretsmanager.ListSecrets"]
