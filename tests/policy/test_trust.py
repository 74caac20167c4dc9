"""`deployer policy --role`: who may take the role on."""

from __future__ import annotations

import pytest

from deployer.errors import UsageError
from deployer.policy import Site, trust

HERE = Site("voting", "123456789012", "eu-west-1", "aws")
CHINA = Site("voting", "123456789012", "cn-north-1", "aws-cn")
ISSUER = "token.actions.githubusercontent.com"


@pytest.mark.parametrize(("who", "operator", "subject"), [
    ("github:acme/shop", "StringLike", "repo:acme/shop:*"),
    ("github:acme/shop:ref:refs/heads/main", "StringEquals", "repo:acme/shop:ref:refs/heads/main"),
    ("github:acme/shop:environment:prod", "StringEquals", "repo:acme/shop:environment:prod"),
    ("github:acme/shop:ref:refs/tags/v*", "StringLike", "repo:acme/shop:ref:refs/tags/v*"),
])  # fmt: skip
def test_github_is_trusted_for_this_repository_alone(who: str, operator: str, subject: str) -> None:
    made = trust(who, HERE)
    (statement,) = made.document["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:aud"] == "sts.amazonaws.com"
    assert statement["Condition"][operator][f"{ISSUER}:sub"] == subject
    assert "create-open-id-connect-provider" in made.first


@pytest.mark.parametrize(("who", "principal"), [
    ("210987654321", "arn:aws-cn:iam::210987654321:root"),
    ("arn:aws-cn:iam::210987654321:role/path/ci", "arn:aws-cn:iam::210987654321:role/path/ci"),
])  # fmt: skip
def test_an_account_or_a_principal_is_trusted_in_the_right_partition(who: str, principal: str) -> None:
    (statement,) = trust(who, CHINA).document["Statement"]
    assert statement == {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}


def test_an_external_id_is_asked_for() -> None:
    (statement,) = trust("210987654321", HERE, "secret-word").document["Statement"]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "secret-word"}}


@pytest.mark.parametrize(("who", "site", "external", "words"), [
    ("everybody", HERE, None, "nobody who can be trusted"), ("*", HERE, None, "nobody who can be trusted"),
    ("github:acme", HERE, None, "nobody who can be trusted"),
    ("github:acme/*", HERE, None, "nobody who can be trusted"),
    ("github:acme/shop:main", HERE, None, "neither a ref nor an environment"),
    ("github:acme/shop", HERE, "x", "GitHub sends none"),
    ("github:acme/shop", Site("voting", "*", "eu-west-1", "aws"), None, "account is not known"),
])  # fmt: skip
def test_nobody_else_is_trusted(who: str, site: Site, external: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        trust(who, site, external)
