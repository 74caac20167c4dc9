"""CloudWatch log group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring
from deployer.grants import NEW, Grant
from deployer.resource import SEEN, Found, Made, Outputs, Resource, Retry, bearing

# CloudWatch Logs itself writes a group's ARN with `:*`, but for tags.
GROUP = "logs:log-group:{group}*"


@dataclass(frozen=True, kw_only=True)
class LogGroup(Resource):
    """`group`: its name; `retention`: days, one of CloudWatch's own steps; `kms_key`: ARN, or None for AWS's own."""

    type = "log-group"
    exists_on = ("ResourceAlreadyExistsException",)
    retry_on = (Retry("OperationAbortedException"), Retry("ResourceNotFoundException", seconds=60))

    replace_on = frozenset({"group"})
    scans = (Grant("logs:DescribeLogGroups"),)
    grants = (
        Grant("logs:CreateLogGroup logs:PutRetentionPolicy logs:DeleteLogGroup logs:ListTagsForResource", GROUP),
        Grant("logs:TagResource", GROUP, (NEW,)),
        Grant("logs:AssociateKmsKey", GROUP, given="kms_key"),
        Grant("logs:DisassociateKmsKey", GROUP),
    )

    group: str
    retention: int
    kms_key: str | None

    def create(self, aws: Aws) -> Made:
        extra = {"kmsKeyId": self.kms_key} if self.kms_key else {}
        aws.logs.create_log_group(logGroupName=self.group, tags=aws.tags(self.key, self.fingerprint), **extra)
        return Made(self.group, {"arn": _arn(aws, self.group)})

    def configure(self, aws: Aws, id: str) -> None:
        aws.logs.put_retention_policy(logGroupName=id, retentionInDays=self.retention)
        if id == insights(aws.stack):
            self.tag(aws, id)

    def update(self, aws: Aws, id: str, old: LogGroup) -> None:
        """The key from what it is now: somebody may have changed it."""
        self.configure(aws, id)
        key = _groups(aws).get(id, {}).get("kmsKeyId")
        if self.kms_key and self.kms_key != key:
            aws.logs.associate_kms_key(logGroupName=id, kmsKeyId=self.kms_key)
        elif key and not self.kms_key:
            aws.logs.disassociate_kms_key(logGroupName=id)

    def expected(self) -> dict[str, Any]:
        return {"retention": _days(self.retention), "kms key": self.kms_key}

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        seen = {name: _outputs(aws, group) for name, group in _groups(aws).items()}
        return {id: seen.get(id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        found = [aws.found(name, _tags_if_there(aws, name)) for name in _groups(aws)]
        return [one for one in found if one]

    def account_name(self, aws: Aws) -> str:
        return self.group

    @classmethod
    def taken(cls, aws: Aws, names: list[str]) -> set[str]:
        return set(names) & set(_groups(aws))

    @classmethod
    def named(cls, aws: Aws) -> list[Found]:
        """Container Insights makes its group again, without tags, if it writes once more."""
        return [bearing(cls.type, name, _tags_if_there(aws, name)) for name in _groups(aws)]

    def find(self, aws: Aws) -> str | None:
        if self.group in _groups(aws):  # not every endpoint refuses to list the tags of a group that is not there
            with ignoring("ResourceNotFoundException"):
                tags = _tags(aws, self.group)
                if self.group == insights(aws.stack) and "deployer:id" not in tags:
                    return self.group  # AWS leaves it behind a cluster of that name
                return aws.claim(self.key, self.group, tags)
        return None

    def tag(self, aws: Aws, id: str) -> None:
        aws.logs.tag_resource(resourceArn=_arn(aws, id), tags=aws.tags(self.key, self.fingerprint))

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("ResourceNotFoundException"):
            aws.logs.delete_log_group(logGroupName=id)


def own(stack: str, name: str) -> str:
    return f"/deployer/{stack}/{name}"


def insights(stack: str) -> str:
    """Where Container Insights writes. Made beforehand it is ours: with a retention, and gone with the stack."""
    return f"/aws/ecs/containerinsights/{stack}/performance"


def _groups(aws: Aws) -> dict[str, dict[str, Any]]:
    """By name. AWS matches by prefix only."""
    groups: dict[str, dict[str, Any]] = {}
    for prefix in (own(aws.stack, ""), insights(aws.stack)):
        pages = aws.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        groups |= {group["logGroupName"]: group for page in pages for group in page["logGroups"]}
    return groups


def _outputs(aws: Aws, group: dict[str, Any]) -> Outputs:
    seen = {"retention": _days(group.get("retentionInDays")), "kms key": group.get("kmsKeyId")}
    return {"arn": _arn(aws, group["logGroupName"]), SEEN: seen}


def _days(retention: int | None) -> str:
    return f"{retention} days" if retention else "never"


def _arn(aws: Aws, name: str) -> str:
    """Without the `:*` with which DescribeLogGroups ends it: the tagging calls want it so."""
    return aws.arn("logs", f"log-group:{name}")


def _tags(aws: Aws, name: str) -> dict[str, str]:
    return dict(aws.logs.list_tags_for_resource(resourceArn=_arn(aws, name))["tags"])


def _tags_if_there(aws: Aws, name: str) -> dict[str, str]:
    with ignoring("ResourceNotFoundException"):
        return _tags(aws, name)
    return {}
