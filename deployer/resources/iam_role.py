"""IAM role with one inline policy, under a path of the stack's own, trusted by one service for this account only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring, tag_dict, tag_list
from deployer.documents import meaning
from deployer.grants import NEW, OWN, Grant
from deployer.resource import SEEN, Found, Made, Outputs, Resource, Retry, bearing

POLICY = "deployer"
PAGES = 4  # of the account's roles, a thousand each, that are looked through for the policies of ours
ROLE = "iam:role/deployer/{stack}/{stack}-{region}-*"
GONE = "iam:role/{stack}-{region}-*"  # a role that is not there has no path


@dataclass(frozen=True, kw_only=True)
class IamRole(Resource):
    """`service`: such as `ecs-tasks.amazonaws.com`; `source`: the ARN pattern for which it may assume the role;
    `statements`: of the inline policy, none for a role without any permission."""

    type = "role"
    exists_on = ("EntityAlreadyExists",)
    scans = (Grant("iam:ListRoles"),)
    grants = (
        Grant("iam:CreateRole iam:TagRole", ROLE, (NEW,)),
        Grant("iam:PutRolePolicy", ROLE),
        Grant("iam:GetRole iam:ListRoleTags iam:ListRolePolicies iam:ListAttachedRolePolicies", f"{ROLE} {GONE}"),
        Grant("iam:GetAccountAuthorizationDetails"),
        Grant("iam:UpdateAssumeRolePolicy iam:UpdateRole", ROLE, (OWN,)),
        Grant("iam:DeleteRolePolicy iam:DetachRolePolicy iam:DeleteRole", ROLE, (OWN,)),
        Grant("iam:PassRole", ROLE, (("StringEquals", "iam:PassedToService", "{service}"),)),
    )
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

    def trust(self) -> dict[str, Any]:
        """`source` names the account."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": self.service},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": self.source.split(":")[4]},
                "ArnLike": {"aws:SourceArn": self.source},
            },
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def policy(self) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": self.statements}

    def create(self, aws: Aws) -> Made:
        role = aws.iam.create_role(
            Path=path(aws),
            RoleName=self.role_name(aws),
            Description=self.description,
            AssumeRolePolicyDocument=json.dumps(self.trust()),
            Tags=tag_list(aws.tags(self.key, self.fingerprint)),
        )["Role"]
        return Made(role["RoleName"], {"arn": _arn(aws, role)})

    def configure(self, aws: Aws, id: str) -> None:
        if self.statements:
            aws.iam.put_role_policy(RoleName=id, PolicyName=POLICY, PolicyDocument=json.dumps(self.policy()))

    def update(self, aws: Aws, id: str, old: IamRole) -> None:
        aws.iam.update_assume_role_policy(RoleName=id, PolicyDocument=json.dumps(self.trust()))
        aws.iam.update_role(RoleName=id, Description=self.description)
        self.configure(aws, id)
        _strip(aws, id, but=POLICY if self.statements else "")

    def expected(self) -> dict[str, Any]:
        """A permissions boundary is not looked at: it only narrows, and is the guard of whoever owns the account."""
        policy = meaning(self.policy()) if self.statements else None
        return {"trust": meaning(self.trust()), "policy": policy, "other policies": []}

    @classmethod
    def inspect(cls, aws: Aws, ids: list[str]) -> dict[str, dict[str, Any]]:
        """One call tells the policies of all roles; any other would be three for each role. It is account-wide: there
        is no filter by path."""
        paginator = aws.iam.get_paginator("get_account_authorization_details")
        pages = paginator.paginate(Filter=["Role"], PaginationConfig={"PageSize": 1000})
        seen: dict[str, dict[str, Any]] = {}
        for number, page in enumerate(pages, start=1):
            ours = (role for role in page["RoleDetailList"] if role["RoleName"] in ids and role["Path"] == path(aws))
            seen |= {role["RoleName"]: _policies(role) for role in ours}
            if number == PAGES or len(seen) == len(ids):
                break
        return seen

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        pages = aws.iam.get_paginator("list_roles").paginate(PathPrefix=path(aws))
        seen = {role["RoleName"]: _outputs(aws, role) for page in pages for role in page["Roles"]}
        return {id: seen[id] if id in seen else _asked(aws, id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        found = [aws.found(name, _tags_if_there(aws, name)) for name in _names(aws)]
        return [one for one in found if one]

    @classmethod
    def named(cls, aws: Aws) -> list[Found]:
        return [bearing(cls.type, name, _tags_if_there(aws, name)) for name in _names(aws)]

    def account_name(self, aws: Aws) -> str:
        return self.role_name(aws)

    @classmethod
    def taken(cls, aws: Aws, names: list[str]) -> set[str]:
        """Under any path; a thousand a page."""
        pages = aws.iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1000})
        return {role["RoleName"] for page in pages for role in page["Roles"]} & set(names)

    def find(self, aws: Aws) -> str | None:
        name = self.role_name(aws)
        with ignoring("NoSuchEntity"):
            return aws.claim(self.key, name, _tags(aws, name))
        return None

    def tag(self, aws: Aws, id: str) -> None:
        aws.iam.tag_role(RoleName=id, Tags=tag_list(aws.tags(self.key, self.fingerprint)))

    def delete(self, aws: Aws, id: str) -> None:
        """That a policy is gone, because an answer was lost, does not say that the role is."""
        with ignoring("NoSuchEntity"):
            _strip(aws, id)
            aws.iam.delete_role(RoleName=id)


def _strip(aws: Aws, id: str, but: str = "") -> None:
    """Takes every policy off the role, by whomever it was put there, `but` the inline one of that name."""
    for page in aws.iam.get_paginator("list_role_policies").paginate(RoleName=id):
        for policy in page["PolicyNames"]:
            if policy != but:
                with ignoring("NoSuchEntity"):
                    aws.iam.delete_role_policy(RoleName=id, PolicyName=policy)
    for page in aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=id):
        for attached in page["AttachedPolicies"]:
            with ignoring("NoSuchEntity"):
                aws.iam.detach_role_policy(RoleName=id, PolicyArn=attached["PolicyArn"])


def _outputs(aws: Aws, role: dict[str, Any]) -> Outputs:
    document = role.get("AssumeRolePolicyDocument")
    return {"arn": _arn(aws, role), SEEN: {"trust": meaning(document)} if document else {}}


def _asked(aws: Aws, name: str) -> Outputs | None:
    """Asks for one that is not listed: the list may lag."""
    with ignoring("NoSuchEntity"):
        role = aws.iam.get_role(RoleName=name)["Role"]
        return _outputs(aws, role) if role["Path"] == path(aws) else None
    return None


def _policies(role: dict[str, Any]) -> dict[str, Any]:
    inline = {one["PolicyName"]: one["PolicyDocument"] for one in role["RolePolicyList"]}
    ours = inline.pop(POLICY, None)
    others = [*inline, *(one["PolicyArn"] for one in role["AttachedManagedPolicies"])]
    return {"policy": meaning(ours) if ours else None, "other policies": sorted(others)}


def _names(aws: Aws) -> list[str]:
    """Roles are global: another region's stack of the same name has its own."""
    pages = aws.iam.get_paginator("list_roles").paginate(PathPrefix=path(aws))
    names = [role["RoleName"] for page in pages for role in page["Roles"]]
    return [name for name in names if name.startswith(f"{aws.stack}-{aws.region}-")]


def _arn(aws: Aws, role: dict[str, Any]) -> str:
    """A new role's may read as its unique id, AROA..., for a moment (terraform-provider-aws: iam/role.go)."""
    arn = str(role["Arn"])
    return arn if arn.startswith("arn:") else aws.arn("iam", f"role{path(aws)}{role['RoleName']}", region="")


def path(aws: Aws) -> str:
    return f"/deployer/{aws.stack}/"


def _tags(aws: Aws, name: str) -> dict[str, str]:
    pages = aws.iam.get_paginator("list_role_tags").paginate(RoleName=name)
    return tag_dict(tag for page in pages for tag in page["Tags"])


def _tags_if_there(aws: Aws, name: str) -> dict[str, str]:
    with ignoring("NoSuchEntity"):
        return _tags(aws, name)
    return {}
