"""Repositories and the images in them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from deployer.errors import ImageError
from deployer.plan import Action
from deployer.resources.built_image import BuiltImage
from deployer.resources.public_image import PublicImage
from deployer.resources.repository import Repository
from tests.resources.lifecycle import OURS, Account, Case, LifeCycle, Tags, flat, pages

REPOSITORY = Repository(name="web", kms_key=None)
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
IMAGE = BuiltImage(name="web", repository=REPOSITORY.ref(), uri=REPOSITORY.ref("uri"), content="c0ffee", kms_key=None)


def repositories(account: Account) -> list[str]:
    found = pages(account.client("ecr"), "describe_repositories", "repositories")
    return [each["repositoryName"] for each in found]


def described(account: Account, id: str) -> dict[str, Any]:
    (found,) = account.client("ecr").describe_repositories(repositoryNames=[id])["repositories"]
    return dict(found)


def tags(account: Account, id: str) -> Tags:
    arn = described(account, id)["repositoryArn"]
    return flat(account.client("ecr").list_tags_for_resource(resourceArn=arn)["tags"])


def drop(account: Account, id: str) -> None:
    account.client("ecr").delete_repository(repositoryName=id, force=True)


CASES = [
    Case(
        REPOSITORY,
        "ecr.CreateRepository",
        repositories,
        tags=tags,
        replaced={"kms_key": KEY},
        spoil=drop,
        foreign=True,
    ),
]


class TestLifeCycle(LifeCycle):
    pass


def push(account: Account, content: str, name: str = "voting/web") -> str:
    """What a push leaves in ECR."""
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"digest": "sha256:" + hashlib.sha256(content.encode()).hexdigest(), "size": 1},
            "layers": [],
        }
    )
    put = account.client("ecr").put_image(repositoryName=name, imageManifest=manifest, imageTag=content)
    return str(put["image"]["imageId"]["imageDigest"])


def test_lifecycle_spares_what_a_task_may_still_need(account: Account) -> None:
    """Untagged images go by age, tagged ones by number alone: one that runs for a year must stay."""
    account.up(REPOSITORY)
    text = account.client("ecr").get_lifecycle_policy(repositoryName=account.id(REPOSITORY.key))["lifecyclePolicyText"]
    untagged, tagged = sorted(json.loads(text)["rules"], key=lambda rule: rule["rulePriority"])
    assert untagged["selection"]["tagStatus"] == "untagged"
    assert untagged["selection"]["countType"] == "sinceImagePushed"
    assert tagged["selection"]["tagStatus"] == "tagged" and tagged["selection"]["tagPatternList"] == ["*"]
    assert tagged["selection"]["countType"] == "imageCountMoreThan" and tagged["selection"]["countNumber"] >= 100


def test_repository_is_encrypted_with_the_key(account: Account) -> None:
    account.up(REPOSITORY)
    assert described(account, "voting/web")["encryptionConfiguration"]["encryptionType"] == "AES256"
    account.up(replace(REPOSITORY, kms_key=KEY))
    assert described(account, "voting/web")["encryptionConfiguration"] == {"encryptionType": "KMS", "kmsKey": KEY}


def test_repository_with_images_can_be_removed(account: Account) -> None:
    account.up(REPOSITORY)
    push(account, "c0ffee")
    account.up()
    assert account.cloud.is_empty()


def test_image_that_ecr_has_is_neither_built_nor_pushed(account: Account) -> None:
    """`build=None` could not be built."""
    account.up(REPOSITORY)
    digest = push(account, "c0ffee")
    account.cloud.forget_calls()
    account.up(REPOSITORY, IMAGE)
    assert not account.mutating()
    uri = described(account, "voting/web")["repositoryUri"]
    assert account.id(IMAGE.key) == f"{uri}@{digest}"
    assert account.plan(REPOSITORY, IMAGE).idle
    assert account.concrete(IMAGE).find(account.seen_by(OURS)) == account.id(IMAGE.key)


def test_image_of_other_content_is_another_revision(account: Account) -> None:
    account.up(REPOSITORY)
    first, second = push(account, "c0ffee"), push(account, "decade")
    account.up(REPOSITORY, IMAGE)
    newer = replace(IMAGE, content="decade")
    (step,) = account.plan(REPOSITORY, newer).changes
    assert step.action is Action.UPDATE
    account.up(REPOSITORY, newer)
    assert account.id(IMAGE.key).endswith(second) and account.id(f"{IMAGE.key}~1").endswith(first)
    assert account.plan(REPOSITORY, newer).idle


def test_image_deleted_by_hand_is_noticed_before_anything_is_touched(account: Account) -> None:
    account.up(REPOSITORY)
    digest = push(account, "c0ffee")
    account.up(REPOSITORY, IMAGE)
    account.client("ecr").batch_delete_image(repositoryName="voting/web", imageIds=[{"imageDigest": digest}])
    (step,) = account.plan(REPOSITORY, IMAGE).changes
    assert (step.key, step.action, step.reason) == (IMAGE.key, Action.CREATE, "gone from the account")
    account.cloud.forget_calls()
    with pytest.raises(ImageError):
        account.up(REPOSITORY, IMAGE)
    assert not account.mutating()


def test_images_of_one_repository_are_read_in_one_call(account: Account) -> None:
    account.up(REPOSITORY)
    uri = described(account, "voting/web")["repositoryUri"]
    ids = [f"{uri}@{push(account, f'content{n}')}" for n in range(30)]
    account.cloud.forget_calls()
    assert BuiltImage.read(account.aws, ids) == {id: {} for id in ids}
    assert account.count("ecr.DescribeImages") == len(account.cloud.calls()) == 1


def test_repositories_are_read_in_one_call(account: Account) -> None:
    many = [replace(REPOSITORY, name=f"app{n}") for n in range(30)]
    account.up(*many)
    account.cloud.forget_calls()
    assert account.plan(*many).idle
    assert [str(call) for call in account.cloud.calls()] == ["ecr.DescribeRepositories"]


def test_public_image_is_pinned_once_and_is_never_ours_to_delete(account: Account) -> None:
    digests = ["a" * 64, "b" * 64]
    one, two = (
        PublicImage(name="redis", reference=f"redis@sha256:{digest}", platform="linux/amd64") for digest in digests
    )
    account.up(one)
    assert account.id(one.key) == one.reference and account.plan(one).idle
    (step,) = account.plan(two).changes
    assert step.action is Action.UPDATE
    account.up(two)
    assert account.id(two.key) == two.reference and account.id(f"{one.key}~1") == one.reference
    account.up()
    assert account.state.records == {} and not account.cloud.calls()


def test_a_repository_that_was_opened_to_everybody_is_closed_again(account: Account) -> None:
    """Whom somebody has let in by name stays in."""
    account.up(REPOSITORY)
    ecr = account.client("ecr")
    pull = {"Effect": "Allow", "Action": "ecr:BatchGetImage"}
    partner = {**pull, "Principal": {"AWS": "arn:aws:iam::210987654321:root"}}
    policy = {"Version": "2012-10-17", "Statement": [{**pull, "Principal": "*"}, partner]}
    ecr.set_repository_policy(repositoryName="voting/web", policyText=json.dumps(policy))
    ecr.put_image_scanning_configuration(repositoryName="voting/web", imageScanningConfiguration={"scanOnPush": False})
    ecr.put_image_tag_mutability(repositoryName="voting/web", imageTagMutability="MUTABLE")
    (step,) = account.plan(REPOSITORY, inspect=True).changes
    assert set(step.drift) == {
        "tag mutability: MUTABLE instead of IMMUTABLE",
        "scan on push: false instead of true",
        "public access: true instead of false",
    }
    account.attempt(account.plan(REPOSITORY, inspect=True))
    assert not account.plan(REPOSITORY, inspect=True).changes
    found = described(account, "voting/web")
    assert (found["imageTagMutability"], found["imageScanningConfiguration"]["scanOnPush"]) == ("IMMUTABLE", True)
    text = ecr.get_repository_policy(repositoryName="voting/web")["policyText"]
    assert json.loads(text)["Statement"] == [partner]


def test_of_many_repositories_none_is_inspected(account: Account) -> None:
    many = [replace(REPOSITORY, name=f"app{n}") for n in range(6)]
    account.up(*many)
    account.cloud.forget_calls()
    assert account.plan(*many, inspect=True).idle
    assert [str(call) for call in account.cloud.calls()] == ["ecr.DescribeRepositories"]
