"""Who may take a role on: the workflows of a GitHub repository, another account, or one principal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from deployer.errors import UsageError
from deployer.policy.document import VERSION, Site

GITHUB = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
FORMS = (
    "Write github:OWNER/REPO, github:OWNER/REPO:ref:refs/heads/main, github:OWNER/REPO:environment:prod, "
    "an account's 12 digits, or the ARN of a principal."
)
SUBJECT = re.compile(r"github:([\w.-]+/[\w.-]+)(?::(.+))?")
PRINCIPAL = re.compile(r"arn:[\w-]+:(?:iam|sts)::\d{12}:(?:root|(?:user|role|assumed-role)/\S+)")


@dataclass(frozen=True)
class Trust:
    """`document`: the trust policy. `first`: a command that has to be run before the role is made, if there is one."""

    document: dict[str, Any]
    first: str = ""


def trust(who: str, site: Site, external_id: str | None = None) -> Trust:
    """For `github:OWNER/REPO[:ref:REF | :environment:NAME | :pull_request]`, an account's id, or a principal's ARN.

    Raises UsageError: it is none of these; GitHub without an account, in whose ARN its provider stands."""
    if match := SUBJECT.fullmatch(who):
        return _github(match[1], match[2], site, external_id)
    if re.fullmatch(r"\d{12}", who):
        principal = f"arn:{site.partition}:iam::{who}:root"
    elif PRINCIPAL.fullmatch(who):
        principal = who
    else:
        raise UsageError(f"--role: {who} is nobody who can be trusted.", FORMS)
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return Trust({"Version": VERSION, "Statement": [statement]})


def _github(repository: str, scope: str | None, site: Site, external_id: str | None) -> Trust:
    """https://docs.github.com/en/actions/reference/security/oidc: `sub` is repo:OWNER/REPO:ref:REF and the like."""
    if external_id:
        raise UsageError("--external-id: GitHub sends none.", "Leave it away; the condition is on the repository.")
    if site.account == "*":
        raise UsageError(
            "--role: the account is not known, and the ARN of GitHub's provider has it.", "Give --account."
        )
    if scope and not re.fullmatch(r"(?:ref:refs/|environment:).+|pull_request", scope):
        raise UsageError(f"--role: {scope} is neither a ref nor an environment.", FORMS)
    subject = f"repo:{repository}:{scope or '*'}"
    operator = "StringLike" if "*" in subject else "StringEquals"
    conditions = {"StringEquals": {f"{GITHUB}:aud": AUDIENCE}}
    conditions.setdefault(operator, {})[f"{GITHUB}:sub"] = subject
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": site.arn(f"iam:oidc-provider/{GITHUB}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    }
    provider = f"aws iam create-open-id-connect-provider --url https://{GITHUB} --client-id-list {AUDIENCE}"
    return Trust({"Version": VERSION, "Statement": [statement]}, provider)
