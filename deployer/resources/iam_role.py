"""IAM role with one inline policy, under a path of the stack's own, trusted by one service for this account only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring, tag_dict, tag_list
from deployer.resource import Found, Made, Outputs, Resource, Retry

POLICY = "deployer"


@dataclass(frozen=True, kw_only=True)
class IamRole(Resource):
    """`service`: such as `ecs-tasks.amazonaws.com`; `source`: the ARN pattern for which it may assume the role;
    `statements`: of the inline policy, none for a role without any permission."""

    type = "role"
    exists_on = ("EntityAlreadyExists",)
    retry_on = (
        Retry("NoSuchEntity"),
        Retry("DeleteConflict"),
        Retry("ConcurrentModification"),
        Retry("EntityTemporarilyUnmodifiable"),
    )

    service: str
    source: str
    statements: list[dict[str, Any]]
    description: str

    def role_name(self, aws: Aws) -> str:
        """Role names are unique in the account, over all regions."""
        return self.physical_name(aws, 64, [aws.region])

    def trust(self, aws: Aws) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": self.service},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": aws.account},
                "ArnLike": {"aws:SourceArn": self.source},
            },
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def create(self, aws: Aws) -> Made:
        role = aws.iam.create_role(
            Path=path(aws),
            RoleName=self.role_name(aws),
            Description=self.description,
            AssumeRolePolicyDocument=self.trust(aws),
            Tags=tag_list(aws.tags(self.key, self.fingerprint)),
        )["Role"]
        return Made(role["RoleName"], {"arn": role["Arn"]})

    def configure(self, aws: Aws, id: str) -> None:
        if self.statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": self.statements})
            aws.iam.put_role_policy(RoleName=id, PolicyName=POLICY, PolicyDocument=policy)

    def update(self, aws: Aws, id: str, old: IamRole) -> None:
        aws.iam.update_assume_role_policy(RoleName=id, PolicyDocument=self.trust(aws))
        aws.iam.update_role(RoleName=id, Description=self.description)
        self.configure(aws, id)
        if not self.statements:
            with ignoring("NoSuchEntity"):
                aws.iam.delete_role_policy(RoleName=id, PolicyName=POLICY)

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        pages = aws.iam.get_paginator("list_roles").paginate(PathPrefix=path(aws))
        seen = {role["RoleName"]: {"arn": role["Arn"]} for page in pages for role in page["Roles"]}
        return {id: seen[id] if id in seen else _outputs(aws, id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        pages = aws.iam.get_paginator("list_roles").paginate(PathPrefix=path(aws))
        names = [role["RoleName"] for page in pages for role in page["Roles"]]
        found = [aws.found(name, _tags_if_there(aws, name)) for name in names]
        # Roles are global: another region's stack of the same name has its own.
        return [one for one in found if one and one.id.startswith(f"{aws.stack}-{aws.region}-")]

    def find(self, aws: Aws) -> str | None:
        name = self.role_name(aws)
        with ignoring("NoSuchEntity"):
            return aws.claim(self.key, name, _tags(aws, name))
        return None

    def tag(self, aws: Aws, id: str) -> None:
        aws.iam.tag_role(RoleName=id, Tags=tag_list(aws.tags(self.key, self.fingerprint)))

    def delete(self, aws: Aws, id: str) -> None:
        """A call whose answer was lost is repeated: NoSuchEntity may mean the policy, and the role still stand."""
        with ignoring("NoSuchEntity"):
            for page in aws.iam.get_paginator("list_role_policies").paginate(RoleName=id):
                for policy in page["PolicyNames"]:
                    with ignoring("NoSuchEntity"):
                        aws.iam.delete_role_policy(RoleName=id, PolicyName=policy)
            for page in aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=id):
                for attached in page["AttachedPolicies"]:
                    with ignoring("NoSuchEntity"):
                        aws.iam.detach_role_policy(RoleName=id, PolicyArn=attached["PolicyArn"])
            aws.iam.delete_role(RoleName=id)


def _outputs(aws: Aws, name: str) -> Outputs | None:
    """Asks for one that is not listed: the list may lag."""
    with ignoring("NoSuchEntity"):
        role = aws.iam.get_role(RoleName=name)["Role"]
        return {"arn": role["Arn"]} if role["Path"] == path(aws) else None
    return None


def path(aws: Aws) -> str:
    return f"/deployer/{aws.stack}/"


def _tags(aws: Aws, name: str) -> dict[str, str]:
    pages = aws.iam.get_paginator("list_role_tags").paginate(RoleName=name)
    return tag_dict(tag for page in pages for tag in page["Tags"])


def _tags_if_there(aws: Aws, name: str) -> dict[str, str]:
    with ignoring("NoSuchEntity"):
        return _tags(aws, name)
    return {}
