"""What happens between the engine and the registry: `push-image`, tokens, images deleted by hand, killed pushes."""

# ruff: noqa: F811  (fixtures are imported by name)
from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.registry import docker_engine, import_image, shell_image  # noqa: F401
from tests.whole.images import NO_ENGINE, Shop, built, carried, idle, pushed, refused, shop  # noqa: F401

pytestmark = pytest.mark.docker


# --- push-image


def test_push_image_makes_only_the_repository_and_prints_the_reference(shop: Shop) -> None:
    run = shop.run("push-image").ended(0)
    assert run.out == f"{shop.in_registry(shop.content)}\n" and "@sha256:" in run.out
    assert {kind for kind, found in shop.cloud.inventory().items() if found} == {"repositories"}
    assert shop.cloud.inventory()["repositories"] == ["repository.web 1 images"]
    again = shop.run("push-image", "web", env=NO_ENGINE)
    assert again.out == run.out and again.mutations == [] and not pushed(again)


def test_up_after_push_image_neither_builds_nor_pushes(shop: Shop) -> None:
    reference = shop.run("push-image", "web").ended(0).out.strip()
    carried(shop.run("up", env=NO_ENGINE))
    assert shop.deployed == reference


def test_push_image_rolls_nothing(shop: Shop) -> None:
    shop.run("up").ended(0)
    image = shop.image
    shop.write("app/voting.py", "# another\n")
    reference = shop.run("push-image").ended(0).out.strip()
    assert shop.deployed == image != reference == shop.image
    carried(shop.run("up", env=NO_ENGINE))
    assert shop.deployed == reference


def test_push_image_prints_json_on_request(shop: Shop) -> None:
    run = shop.run("push-image", "--json").ended(0)
    assert json.loads(run.out) == {"web": shop.image}


def test_push_image_creates_nothing_when_told_so(shop: Shop) -> None:
    refused(shop.run("push-image", "--no-create"), 4, "no repository")
    assert shop.cloud.is_empty() and not shop.state_file.exists()
    shop.run("push-image").ended(0)
    shop.write("app/voting.py", "# another\n")
    assert shop.run("push-image", "--no-create").ended(0).out.strip() == shop.image
    assert len(shop.tags) == 2


@pytest.mark.parametrize(("name", "said"), [("nosuch", "redis, web"), ("redis", "no `build:`")])
def test_push_image_knows_what_it_can_push(shop: Shop, name: str, said: str) -> None:
    refused(shop.run("push-image", name), 2, name, said)


# --- the registry


def test_an_expired_token_is_renewed(shop: Shop) -> None:
    shop.cloud.token_expired(times=2)
    run = shop.run("up").ended(0)
    assert [str(call) for call in run.calls].count("ecr.GetAuthorizationToken") == 2
    assert shop.deployed == shop.in_registry(shop.content)


def test_a_refused_push_fails_and_the_next_up_goes_on(shop: Shop) -> None:
    shop.cloud.token_expired(times=50)
    run = shop.run("up").ended(1)
    assert "Pushing" in run.text and "unauthorized" in run.text and "may push" in run.text
    shop.cloud.token_expired()
    again = shop.run("up").ended(0)
    assert shop.deployed == shop.image and not built(again)
    idle(shop.run("up"))


def test_an_image_deleted_by_hand_is_seen_and_pushed_again(shop: Shop) -> None:
    shop.run("up").ended(0)
    image, content = shop.image, shop.content
    ecr = shop.cloud.client("ecr", hidden=True)
    ecr.batch_delete_image(repositoryName="voting/web", imageIds=[{"imageDigest": image.partition("@")[2]}])
    assert shop.in_registry(content) is None
    seen = shop.run("plan").ended(0)
    assert "image.web" in seen.text and "gone from the account" in seen.text
    run = shop.run("up").ended(0)
    assert run.mutations == [] and pushed(run)
    assert shop.tags == {content: image} and shop.deployed == shop.in_registry(content)
    idle(shop.run("up"))


def test_a_repository_deleted_by_hand_is_made_and_filled_again(shop: Shop) -> None:
    shop.run("up").ended(0)
    image, content = shop.image, shop.content
    shop.cloud.client("ecr", hidden=True).delete_repository(repositoryName="voting/web", force=True)
    shop.run("up", "-y").ended(0)
    assert shop.tags == {content: image} and shop.deployed == shop.in_registry(content)
    idle(shop.run("up"))


@pytest.mark.parametrize("kind", ["kill-before", "kill-after"])
@pytest.mark.parametrize(("operation", "nth"), [("GetAuthorizationToken", 1), ("DescribeImages", 2)])
def test_an_up_killed_around_the_push_is_finished_by_the_next_one(
    shop: Shop, kind: str, operation: str, nth: int
) -> None:
    shop.cloud.fault(kind, service="ecr", operation=operation, nth=nth)
    assert shop.run("up").code == -signal.SIGKILL
    again = shop.run("up").ended(0)
    assert pushed(again) == (operation == "GetAuthorizationToken")
    assert shop.tags == {shop.content: shop.image} and shop.deployed == shop.in_registry(shop.content)
    idle(shop.run("up"))


def test_an_up_killed_after_the_push_is_taken_away_by_down(shop: Shop) -> None:
    shop.cloud.fault("kill-after", service="ecr", operation="DescribeImages", nth=2)
    assert shop.run("up").code == -signal.SIGKILL
    shop.down().ended(0)
    assert shop.cloud.is_empty()


# --- secrets


CANARY = "canary-of-a-build-5f1c"


def test_a_secret_build_argument_appears_nowhere(shop: Shop, docker_engine: Any) -> None:
    shop.edit(("build: .", "build: {context: ., args: {TOKEN: '${BUILD_TOKEN}'}}"))
    shop.dockerfile("ARG TOKEN", 'RUN echo "I have $TOKEN"')
    env = {"BUILD_TOKEN": CANARY}
    runs = [shop.run("up", "--json", env=env).ended(0), shop.run("plan", "--verbose", env=env).ended(0)]
    shop.write("app/voting.py", "# another\n")
    runs += [shop.run("push-image", "--verbose", env=env).ended(0), shop.run("up", "--verbose", env=env).ended(0)]
    shop.dockerfile("ARG TOKEN", 'RUN echo "I have $TOKEN" && false')
    runs += [refused(shop.run("up", "--verbose", env=env), 1, "I have ***"), shop.run("status", env=env).ended(0)]
    assert CANARY not in "".join(run.out + run.err for run in runs)
    files = [path for path in (shop.folder / ".deployer").rglob("*") if path.is_file()]
    assert files and not [path for path in files if CANARY in path.read_text()]
    image = docker_engine.images.get(f"deployer/web:{shop.content}")
    assert CANARY not in json.dumps([image.labels, image.tags, image.attrs["Config"], list(shop.tags)])
    idle(shop.run("up", "--no-build", env=env))


def test_another_value_of_a_build_argument_is_another_image(shop: Shop) -> None:
    shop.edit(("build: .", "build: {context: ., args: {TOKEN: '${BUILD_TOKEN}'}}"))
    shop.dockerfile("ARG TOKEN", "ENV SIGN=$TOKEN")
    shop.run("up", env={"BUILD_TOKEN": "first"}).ended(0)
    image = shop.image
    idle(shop.run("up", env={"BUILD_TOKEN": "first"}))
    assert built(shop.run("up", env={"BUILD_TOKEN": "second"}).ended(0)) and shop.deployed != image
