"""Secrets that are given by ARN exist, can be read some day, and have the keys that are named."""

from __future__ import annotations

import pytest

from tests.preflight.conftest import WEB, Ahead

VALUE = "hunter2-and-more"


def stack(arn: str, ref: str = "shared") -> str:
    return f"secrets:\n  shared:\n    arn: {arn}\n{WEB}    secrets: {{KEY: {ref}}}\n"


def made(ahead: Ahead, value: str = f'{{"user": "me", "password": "{VALUE}"}}') -> str:
    answer = ahead.cloud.client("secretsmanager").create_secret(Name="elsewhere", SecretString=value)
    return str(answer["ARN"])


ABSENT = "arn:aws:secretsmanager:us-east-1:{}:secret:nothing-AbCdEf"


def test_a_secret_that_is_not_there_is_told_with_its_line(ahead: Ahead) -> None:
    arn = ABSENT.format("123456789012")
    (problem,) = ahead.problems(stack(arn))
    assert f"deploy.yaml:5: secrets.shared.arn: there is no secret {arn}" in problem and "Correct the ARN" in problem
    assert len(ahead.problems(stack(arn, "shared:key"))) == 1


def test_of_another_account_aws_tells_nothing(ahead: Ahead) -> None:
    assert ahead.problems(stack(ABSENT.format("999999999999"))) == []


@pytest.mark.parametrize("ref", ["shared", "shared:user"])
def test_a_secret_that_is_going(ahead: Ahead, ref: str) -> None:
    arn = made(ahead)
    ahead.cloud.client("secretsmanager").delete_secret(SecretId=arn)
    (problem,) = ahead.problems(stack(arn, ref))
    assert "is scheduled for deletion" in problem and "restore-secret" in problem


def test_a_key_that_is_not_in_the_value(ahead: Ahead) -> None:
    arn = made(ahead)
    (problem,) = ahead.problems(stack(arn, "shared:pasword"))
    assert "deploy.yaml:10: services.web.secrets.KEY: the secret's value has no JSON key" in problem
    assert '"pasword"; did you mean "password"?' in problem and VALUE not in problem
    assert ahead.problems(stack(arn, "shared:password")) == []


def test_a_value_that_has_no_keys(ahead: Ahead) -> None:
    (problem,) = ahead.problems(stack(made(ahead, VALUE), "shared:key"))
    assert "no JSON object" in problem and VALUE not in problem


def test_who_may_not_read_the_value_is_not_held_up(ahead: Ahead) -> None:
    arn = made(ahead)
    ahead.cloud.fault("error", service="secretsmanager", operation="GetSecretValue", code="AccessDeniedException",
                      times=99)  # fmt: skip
    assert ahead.problems(stack(arn, "shared:nosuch")) == []


def test_a_value_is_read_only_for_its_keys(ahead: Ahead) -> None:
    ahead.look(stack(made(ahead)))
    assert "secretsmanager.GetSecretValue" not in ahead.asked and "secretsmanager.DescribeSecret" in ahead.asked


def test_a_key_of_a_value_from_the_environment(ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIN", f'{{"password": "{VALUE}"}}')
    text = f"secrets:\n  login: {{from_env: LOGIN}}\n{WEB}    secrets: {{KEY: 'login:user'}}\n"
    (problem,) = ahead.problems(text)
    assert 'no JSON key "user"' in problem and VALUE not in problem
