"""What the voting app's lives without an engine leave out: building, pushing, and an image that is not there."""

# ruff: noqa: F811  (fixtures are imported by name)
from __future__ import annotations

import json

import pytest

from tests.policy.life import Person
from tests.registry import docker_engine, import_image, shell_image  # noqa: F401
from tests.whole.conftest import warm  # noqa: F401
from tests.whole.images import Shop, shop  # noqa: F401

# The registry is asked for these, not the API; AWS lets nobody push who lacks one
# (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html).
BY_DOCKER = {"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:PutImage", "ecr:InitiateLayerUpload",
             "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"}  # fmt: skip
# A repository has nothing to change in place: an unfinished one is set right.
UNFINISHED = {"ecr:PutImageTagMutability", "ecr:PutImageScanningConfiguration"}
EVERYBODY, SOMEBODY = (
    {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "ecr:BatchGetImage"} for who in ("*", "123456789012")
)


@pytest.mark.docker
def test_building_pushing_and_a_hopeless_rollout_need_nothing_but_the_policy(shop: Shop) -> None:
    shop.cloud.client("ecs", hidden=True).create_cluster(clusterName="of-others")  # who may run our images
    before = shop.cloud.inventory()
    me = Person(shop)
    shop.cloud.fault("kill-after", "ecr", "CreateRepository")
    assert shop.run("push-image", env=me.env).code < 0
    opened(shop, EVERYBODY)
    me.run("up")
    opened(shop, EVERYBODY, SOMEBODY)
    shop.cloud.tempo(task=1.0)  # else ECS gives up before anybody has looked
    hopeless = me.run("up", "--image", f"web={shop.cloud.registry}/voting/web@sha256:{'9' * 64}", code=1)
    assert "ecs.StopServiceDeployment" in hopeless.mutations, hopeless.text
    assert "ECS goes back to what served before" in hopeless.text
    shop.state_file.unlink()
    me.run("state", "rebuild")
    me.run("down", "-y")
    life = me.life(before)
    assert not any(life.left.values()), life.left
    unused = {action for action in life.actions - life.used if action.startswith("ecr:")}
    assert unused - UNFINISHED == BY_DOCKER and "ecs:ListClusters" in life.used


def opened(shop: Shop, *statements: dict[str, object]) -> None:
    """By hand."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    shop.cloud.client("ecr", hidden=True).set_repository_policy(repositoryName="voting/web", policyText=policy)
