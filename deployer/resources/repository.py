"""ECR repository: scanned on push, immutable tags, and a lifecycle policy that spares what may still be needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deployer.aws import DENIED, Aws, describe, ignoring, tag_dict, tag_list
from deployer.documents import is_public, statements
from deployer.grants import NEW, OWN, Grant
from deployer.resource import SEEN, Found, Made, Outputs, Resource, Retry, bearing

GONE = "RepositoryNotFoundException"
NO_POLICY = "RepositoryPolicyNotFoundException"
FEW = 5  # up to so many are inspected one by one; of more, this is not looked at
REPOSITORY = "ecr:repository/{stack}/{name}"

# Every image that a task may run is tagged: those are kept in number. Only untagged ones go by age.
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "untagged images go after two weeks",
            "selection": {
                "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": "the newest 500 tagged images stay, whatever their age",
            "selection": {
                "tagStatus": "tagged", "tagPatternList": ["*"], "countType": "imageCountMoreThan", "countNumber": 500,
            },
            "action": {"type": "expire"},
        },
    ]
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Repository(Resource):
    type = "repository"
    replace_on = frozenset({"kms_key"})
    delete_first = True  # the name stays; images are rebuilt
    exists_on = ("RepositoryAlreadyExistsException",)
    scans = (Grant("ecr:DescribeRepositories"),)
    grants = (
        Grant("ecr:CreateRepository ecr:TagResource", REPOSITORY, (NEW,)),
        Grant("ecr:PutLifecyclePolicy ecr:ListTagsForResource ecr:GetRepositoryPolicy", REPOSITORY),
        Grant("ecr:PutImageTagMutability ecr:PutImageScanningConfiguration ecr:DeleteRepository", REPOSITORY, (OWN,)),
        Grant("ecr:SetRepositoryPolicy ecr:DeleteRepositoryPolicy", REPOSITORY, (OWN,)),
        Grant("ecr:GetRegistryScanningConfiguration"),
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
        Grant("kms:CreateGrant kms:RetireGrant kms:DescribeKey", "{kms_key}", given="kms_key"),
    )
    retry_on = (Retry(GONE, seconds=60),)

    kms_key: str | None

    def repository_name(self, aws: Aws) -> str:
        return f"{aws.stack}/{self.name}"

    def create(self, aws: Aws) -> Made:
        encryption = {"encryptionType": "KMS", "kmsKey": self.kms_key} if self.kms_key else {"encryptionType": "AES256"}
        repository = aws.ecr.create_repository(
            repositoryName=self.repository_name(aws),
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration=encryption,
            tags=tag_list(aws.tags(self.key, self.fingerprint)),
        )["repository"]
        return Made(repository["repositoryName"], _outputs(repository))

    def configure(self, aws: Aws, id: str) -> None:
        aws.ecr.put_lifecycle_policy(repositoryName=id, lifecyclePolicyText=json.dumps(LIFECYCLE))

    def update(self, aws: Aws, id: str, old: Repository) -> None:
        aws.ecr.put_image_tag_mutability(repositoryName=id, imageTagMutability="IMMUTABLE")
        aws.ecr.put_image_scanning_configuration(repositoryName=id, imageScanningConfiguration={"scanOnPush": True})
        self.configure(aws, id)
        self._close(aws, id)

    def _close(self, aws: Aws, id: str) -> None:
        """What admits everybody goes; whom somebody has let in by name may stay."""
        with ignoring(NO_POLICY, *DENIED):
            text = aws.ecr.get_repository_policy(repositoryName=id)["policyText"]
            kept = [statement for statement in statements(text) if not is_public(statement)]
            if not kept:
                aws.ecr.delete_repository_policy(repositoryName=id)
            elif kept != statements(text):
                policy = json.dumps({**json.loads(text), "Statement": kept})
                aws.ecr.set_repository_policy(repositoryName=id, policyText=policy)

    def expected(self) -> dict[str, Any]:
        return {"tag mutability": "IMMUTABLE", "scan on push": True, "public access": False}

    @classmethod
    def inspect(cls, aws: Aws, ids: list[str]) -> dict[str, dict[str, Any]]:
        """Scanning is the repository's own matter only where the registry has no rules and Inspector does not scan."""
        if len(ids) > FEW:
            return {}
        seen: dict[str, dict[str, Any]] = {id: {"public access": _is_public(aws, id)} for id in ids}
        with ignoring(*DENIED):
            registry = aws.ecr.get_registry_scanning_configuration()["scanningConfiguration"]
            if registry.get("scanType") == "BASIC" and not registry.get("rules"):
                seen = {id: {**fields, "scan on push": False} for id, fields in seen.items()}  # if `read` does not know
        return seen

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        seen = {item["repositoryName"]: _outputs(item) | {SEEN: _seen(item)} for item in _described(aws, ids)}
        return {id: seen.get(id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        found = [aws.found(name, _tags_if_there(aws, arn)) for name, arn in _names(aws)]
        return [one for one in found if one]

    def account_name(self, aws: Aws) -> str:
        return self.repository_name(aws)

    @classmethod
    def taken(cls, aws: Aws, names: list[str]) -> set[str]:
        """One name that is free would fail a call for several: all are listed."""
        return {name for name, _ in _names(aws)} & set(names)

    @classmethod
    def named(cls, aws: Aws) -> list[Found]:
        return [bearing(cls.type, name, _tags_if_there(aws, arn)) for name, arn in _names(aws)]

    def find(self, aws: Aws) -> str | None:
        name = self.repository_name(aws)
        with ignoring(GONE):
            for item in aws.ecr.describe_repositories(repositoryNames=[name])["repositories"]:
                return aws.claim(self.key, name, _tags(aws, item["repositoryArn"]))
        return None

    def tag(self, aws: Aws, id: str) -> None:
        arn = aws.arn("ecr", f"repository/{id}")
        aws.ecr.tag_resource(resourceArn=arn, tags=tag_list(aws.tags(self.key, self.fingerprint)))

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring(GONE):
            aws.ecr.delete_repository(repositoryName=id, force=True)


def _names(aws: Aws) -> list[tuple[str, str]]:
    """Name and ARN of each repository under the stack's name."""
    pages = aws.ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 1000})
    items = [(item["repositoryName"], item["repositoryArn"]) for page in pages for item in page["repositories"]]
    return [(name, arn) for name, arn in items if name.startswith(f"{aws.stack}/")]


def _outputs(repository: dict[str, Any]) -> Outputs:
    return {"uri": repository["repositoryUri"], "arn": repository["repositoryArn"]}


def _seen(repository: dict[str, Any]) -> dict[str, Any]:
    seen: dict[str, Any] = {"tag mutability": repository.get("imageTagMutability", "IMMUTABLE")}
    if repository.get("imageScanningConfiguration", {}).get("scanOnPush"):
        seen["scan on push"] = True  # if not, the registry may scan it nevertheless: see `inspect`
    return seen


def _described(aws: Aws, names: list[str]) -> list[dict[str, Any]]:
    return describe(
        lambda batch: aws.ecr.describe_repositories(repositoryNames=batch)["repositories"], names, 100, (GONE,)
    )


def _is_public(aws: Aws, name: str) -> bool:
    with ignoring(GONE, NO_POLICY):
        return any(map(is_public, statements(aws.ecr.get_repository_policy(repositoryName=name)["policyText"])))
    return False


def _tags(aws: Aws, arn: str) -> dict[str, str]:
    return tag_dict(aws.ecr.list_tags_for_resource(resourceArn=arn)["tags"])


def _tags_if_there(aws: Aws, arn: str) -> dict[str, str]:
    with ignoring(GONE):
        return _tags(aws, arn)
    return {}
