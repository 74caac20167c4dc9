"""Secret in Secrets Manager. Its value passes through once, at creation, and is kept nowhere."""

from __future__ import annotations

import os
import secrets as random
import string
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deployer.aws import Aws, ignoring, tag_dict, tag_list
from deployer.errors import ForeignError, UsageError
from deployer.grants import NEW, OWN, Grant
from deployer.resource import SEEN, Found, Made, Outputs, Resource, Retry, bearing

AT_ONCE = 600  # seconds around now: the date of a deletion without recovery
# Secrets Manager ends a name with six characters of its own, once the secret is made.
SECRET = "secretsmanager:secret:{stack}/{name}*"


ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, kw_only=True)
class Secret(Resource):
    """`generate`: length of a value made once; else `from_env`: the variable that holds it, of which `mark` is a
    one-way, salted and slow hash, so that a changed value is noticed."""

    type = "secret"
    exists_on = ("ResourceExistsException", "InvalidRequestException")
    scans = (Grant("secretsmanager:ListSecrets"),)
    grants = (
        Grant("secretsmanager:CreateSecret secretsmanager:TagResource", SECRET, (NEW,)),
        Grant("secretsmanager:DescribeSecret"),  # of one that is not there IAM is shown the bare name, no ARN
        Grant("secretsmanager:PutSecretValue secretsmanager:RestoreSecret secretsmanager:DeleteSecret", SECRET, (OWN,)),
        Grant("secretsmanager:UpdateSecret", SECRET, (OWN,), given="kms_key"),
        Grant("kms:GenerateDataKey kms:Decrypt", "{kms_key}", given="kms_key"),
    )
    # A deleted secret's name is free only after a while.
    retry_on = (
        Retry("InvalidRequestException", "scheduled for deletion"),
        Retry("InvalidRequestException", "was deleted"),
        Retry("ResourceNotFoundException", seconds=60),
    )

    generate: int | None
    from_env: str | None
    mark: str | None
    kms_key: str | None

    def _value(self) -> str:
        if self.generate:
            return "".join(random.choice(ALPHABET) for _ in range(self.generate))
        value = os.environ.get(self.from_env or "")
        if not value:
            raise UsageError(
                f"{self.key}: the environment variable {self.from_env} is not set.", "Set it and run again."
            )
        return value

    def check(self, aws: Aws) -> None:
        """A value that is stored already need not be there again."""
        unset = self.from_env and not os.environ.get(self.from_env)
        if unset and (self.mark is None or self.find(aws) is None):
            self._value()

    def secret_name(self, aws: Aws) -> str:
        return f"{aws.stack}/{self.name}"

    def create(self, aws: Aws) -> Made:
        extra = {"KmsKeyId": self.kms_key} if self.kms_key else {}
        secret = aws.secretsmanager.create_secret(
            Name=self.secret_name(aws),
            SecretString=self._value(),
            Tags=tag_list(aws.tags(self.key, self.fingerprint)),
            **extra,
        )
        return Made(secret["ARN"], {})

    def update(self, aws: Aws, id: str, old: Secret) -> None:
        """A generated value is never made again."""
        self._restore(aws, id)
        if self.kms_key != old.kms_key:
            aws.secretsmanager.update_secret(SecretId=id, KmsKeyId=self.kms_key or "alias/aws/secretsmanager")
        if (self.from_env and self.mark != old.mark) or (self.generate and not old.generate):
            aws.secretsmanager.put_secret_value(SecretId=id, SecretString=self._value())

    def configure(self, aws: Aws, id: str) -> None:
        if self._restore(aws, id) and self.from_env:
            aws.secretsmanager.put_secret_value(SecretId=id, SecretString=self._value())

    def _restore(self, aws: Aws, id: str) -> bool:
        """One deleted in the console is only scheduled for deletion, and its name not free: it is restored."""
        deleted = "DeletedDate" in aws.secretsmanager.describe_secret(SecretId=id)
        if deleted:
            aws.secretsmanager.restore_secret(SecretId=id)
        return deleted

    def expected(self) -> dict[str, Any]:
        return {"scheduled for deletion": False}

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        """ListSecrets lags by up to five minutes (its own documentation): what it does not list is asked for."""
        seen = {item["ARN"]: _outputs(item) for item in _listed(aws)}
        return {id: seen[id] if id in seen else _asked(aws, id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        found = [aws.found(item["ARN"], tag_dict(item.get("Tags"))) for item in _listed(aws)]
        return [one for one in found if one and _living(aws, one.id)]

    def account_name(self, aws: Aws) -> str:
        return self.secret_name(aws)

    @classmethod
    def taken(cls, aws: Aws, names: list[str]) -> set[str]:
        """Also those that are scheduled for deletion."""
        return {item["Name"] for item in _bearing(aws)} & set(names)

    def claimed(self, aws: Aws) -> None:
        """A name is not free while its secret waits for its deletion; one deleted at once frees it in a moment."""
        if self.find(aws) is None:
            with ignoring("ResourceNotFoundException"):
                deleted = aws.secretsmanager.describe_secret(SecretId=self.secret_name(aws)).get("DeletedDate")
                if deleted and abs(deleted.timestamp() - time.time()) > AT_ONCE:
                    raise ForeignError(*scheduled(self.key, self.secret_name(aws), deleted))

    @classmethod
    def named(cls, aws: Aws) -> list[Found]:
        """Also what is scheduled for deletion: its name is not free until then."""
        items = (item for item in _bearing(aws) if _known(aws, item["ARN"]))
        return [bearing(cls.type, item["ARN"], tag_dict(item.get("Tags"))) for item in items]

    def find(self, aws: Aws) -> str | None:
        """Also while it is scheduled for deletion, if it is ours."""
        with ignoring("ResourceNotFoundException"):
            secret = aws.secretsmanager.describe_secret(SecretId=self.secret_name(aws))
            tags = tag_dict(secret.get("Tags"))
            if "DeletedDate" not in secret or aws.owns(tags):
                return aws.claim(self.key, secret["ARN"], tags)
        return None

    def tag(self, aws: Aws, id: str) -> None:
        aws.secretsmanager.tag_resource(SecretId=id, Tags=tag_list(aws.tags(self.key, self.fingerprint)))

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("ResourceNotFoundException"):
            aws.secretsmanager.delete_secret(SecretId=id, ForceDeleteWithoutRecovery=True)


def scheduled(what: str, secret: str, deleted: datetime) -> tuple[str, str]:
    """Message and hint of what needs a secret that is scheduled for deletion."""
    return (
        f"{what}: the secret {secret} is scheduled for deletion ({deleted:%Y-%m-%d}); until then its name is not free.",
        f"`aws secretsmanager delete-secret --secret-id {secret} --force-delete-without-recovery` frees it at once; "
        "or give the secret another name in deploy.yaml.",
    )


def _listed(aws: Aws) -> list[dict[str, Any]]:
    filters = [{"Key": "tag-value", "Values": [aws.stack_id or aws.stack]}]
    pages = aws.secretsmanager.get_paginator("list_secrets").paginate(Filters=filters)
    return [item for page in pages for item in page["SecretList"] if "DeletedDate" not in item]


def _bearing(aws: Aws) -> list[dict[str, Any]]:
    """What bears the stack's names, also while it is scheduled for deletion. The filter is for words: it may let others
    through."""
    filters = [{"Key": "name", "Values": [f"{aws.stack}/"]}]
    pages = aws.secretsmanager.get_paginator("list_secrets").paginate(Filters=filters, IncludePlannedDeletion=True)
    return [item for page in pages for item in page["SecretList"]]


def _outputs(secret: dict[str, Any]) -> Outputs:
    return {SEEN: {"scheduled for deletion": "DeletedDate" in secret}}


def _asked(aws: Aws, id: str) -> Outputs | None:
    with ignoring("ResourceNotFoundException"):
        return _outputs(aws.secretsmanager.describe_secret(SecretId=id))
    return None


def _known(aws: Aws, id: str) -> bool:
    """The list may still tell of what is gone."""
    with ignoring("ResourceNotFoundException"):
        return bool(aws.secretsmanager.describe_secret(SecretId=id))
    return False


def _living(aws: Aws, id: str) -> bool:
    with ignoring("ResourceNotFoundException"):
        return "DeletedDate" not in aws.secretsmanager.describe_secret(SecretId=id)
    return False
