"""ECR repository: scanned on push, immutable tags, and a lifecycle policy that spares what may still be needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, describe, ignoring, tag_dict, tag_list
from deployer.resource import Found, Made, Outputs, Resource, Retry, bearing

GONE = "RepositoryNotFoundException"
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

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        items = describe(lambda names: aws.ecr.describe_repositories(repositoryNames=names)["repositories"],
                         ids, 100, (GONE,))  # fmt: skip
        seen = {item["repositoryName"]: _outputs(item) for item in items}
        return {id: seen.get(id) for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        found = [aws.found(name, _tags_if_there(aws, arn)) for name, arn in _names(aws)]
        return [one for one in found if one]

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
    pages = aws.ecr.get_paginator("describe_repositories").paginate()
    items = [(item["repositoryName"], item["repositoryArn"]) for page in pages for item in page["repositories"]]
    return [(name, arn) for name, arn in items if name.startswith(f"{aws.stack}/")]


def _outputs(repository: dict[str, Any]) -> Outputs:
    return {"uri": repository["repositoryUri"], "arn": repository["repositoryArn"]}


def _tags(aws: Aws, arn: str) -> dict[str, str]:
    return tag_dict(aws.ecr.list_tags_for_resource(resourceArn=arn)["tags"])


def _tags_if_there(aws: Aws, arn: str) -> dict[str, str]:
    with ignoring(GONE):
        return _tags(aws, arn)
    return {}
