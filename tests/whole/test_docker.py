"""`up` with images that are really built and really pushed: once for each content, and deployed by digest."""

# ruff: noqa: F811  (fixtures are imported by name)
from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.registry import LABEL, docker_engine, import_image, shell_image  # noqa: F401
from tests.whole.images import NO_ENGINE, Shop, built, carried, idle, pushed, refused, remove_images, shop  # noqa: F401
from tests.whole.project import Warm

pytestmark = pytest.mark.docker
OTHER = f"registry.invalid/web@sha256:{'9' * 64}"
CHOSEN = ("--image", f"web={OTHER}")


@pytest.fixture
def voting(registry_cloud: Cloud, docker_engine: Any, warm: Warm, tmp_path: Path) -> Iterator[Shop]:
    """The voting app with its own Dockerfile; only a label in both stages is added, by which its images are found."""
    registry_cloud.tempo(task=0.02, drain=0.02, nat=0.02)
    label = f"{LABEL}={uuid.uuid4().hex[:8]}"
    voting = Shop(registry_cloud, tmp_path / "voting", app=True, start=warm)
    recipe = (voting.folder / "Dockerfile").read_text()
    first, last = "COPY app /srv/app\n", "COPY --from=build /srv /srv\n"
    assert first in recipe and last in recipe
    voting.write("Dockerfile", recipe.replace(first, f"{first}LABEL {label}\n").replace(last, f"{last}LABEL {label}\n"))
    yield voting
    remove_images(docker_engine, label)


def test_the_voting_app_is_built_pushed_and_deployed_by_digest(voting: Shop, docker_engine: Any) -> None:
    run = voting.run("up").ended(0)
    assert built(run) and pushed(run)
    assert re.fullmatch(rf"{voting.cloud.registry}/voting/web@sha256:[0-9a-f]{{64}}", voting.deployed)
    assert voting.deployed == voting.image == voting.in_registry(voting.content)
    assert voting.tags == {voting.content: voting.image}
    image = docker_engine.images.get(f"deployer/web:{voting.content}").attrs
    assert image["Config"]["Cmd"][0] == "gunicorn" and image["Config"]["User"] == "10001"
    idle(voting.run("up", env=NO_ENGINE))


def test_the_second_up_neither_builds_nor_pushes_nor_changes_anything(shop: Shop, docker_engine: Any) -> None:
    shop.run("up").ended(0)
    docker_engine.api.remove_image(f"deployer/web:{shop.content}", force=True)
    second = shop.run("up")
    idle(second)
    assert len(second.calls) <= 33, sorted(map(str, second.calls))
    assert not docker_engine.images.list(name=f"deployer/web:{shop.content}")


def test_up_with_everything_pushed_needs_no_engine(shop: Shop) -> None:
    shop.run("up").ended(0)
    idle(shop.run("up", env=NO_ENGINE))


def test_plan_shows_the_image_and_neither_builds_nor_pushes(shop: Shop, docker_engine: Any) -> None:
    run = shop.run("plan", env=NO_ENGINE).ended(0)
    assert run.mutations == [] and "image.web" in run.text
    assert shop.run("plan", "--detailed-exitcode").code == 2
    images = docker_engine.images.list(filters={"label": f"{LABEL}={shop.base}"})
    assert [image.tags for image in images] == [[shop.base]]


# --- edits


def test_an_edit_of_the_app_rolls_the_service_to_a_new_image_and_the_former_stays(shop: Shop) -> None:
    shop.run("up").ended(0)
    image, content, definition = shop.image, shop.content, shop.service["taskDefinition"]
    shop.write("app/voting.py", "# another\n")
    run = shop.run("up", "--json").ended(0)
    assert built(run) and pushed(run)
    assert run.summary["updated"] == 3 and run.summary["created"] == run.summary["deleted"] == 0
    assert run.mutations == ["ecs.RegisterTaskDefinition", "ecs.UpdateService", "ecs.TagResource"]
    assert shop.deployed == shop.image == shop.in_registry(shop.content) != image
    assert shop.service["taskDefinition"] != definition and shop.image_of(definition) == image
    assert shop.tags == {content: image, shop.content: shop.image}
    idle(shop.run("up"))


def test_neither_times_nor_ignored_files_are_an_edit(shop: Shop) -> None:
    shop.run("up").ended(0)
    os.utime(shop.folder / "app/voting.py", (1, 1))
    shop.write("notes.txt", "not in .dockerignore's !app")
    (shop.folder / "app/__pycache__").mkdir()
    shop.write("app/__pycache__/voting.pyc", "compiled")
    idle(shop.run("up", env=NO_ENGINE))


def test_a_reverted_edit_goes_back_to_the_former_image_without_an_engine(shop: Shop) -> None:
    shop.run("up").ended(0)
    image, text = shop.image, (shop.folder / "app/voting.py").read_text()
    shop.write("app/voting.py", "# another\n")
    shop.run("up").ended(0)
    edited = shop.image
    shop.write("app/voting.py", text)
    carried(shop.run("up", env=NO_ENGINE))
    assert shop.deployed == shop.image == image != edited
    assert set(shop.tags.values()) == {image, edited}
    idle(shop.run("up", env=NO_ENGINE))


def test_many_edits_leave_every_image_that_was_pushed(shop: Shop) -> None:
    contents = {}
    for number in range(7):
        shop.write("app/voting.py", f"# edit {number}\n")
        shop.run("up").ended(0)
        contents[shop.content] = shop.image
    assert shop.tags == contents and len(contents) == 7
    idle(shop.run("up"))


# --- references instead of builds


def test_no_build_keeps_the_image_that_is_recorded(shop: Shop) -> None:
    shop.run("up").ended(0)
    image = shop.image
    shop.write("app/voting.py", "# another\n")
    idle(shop.run("up", "--no-build", env=NO_ENGINE))
    assert shop.deployed == image
    assert built(shop.run("up").ended(0)) and shop.deployed != image


def test_no_build_at_first_is_refused(shop: Shop) -> None:
    refused(shop.run("up", "--no-build"), 2, "--no-build", "web")
    assert not shop.state_file.exists()


def test_a_chosen_image_is_deployed_and_the_next_up_says_and_does_the_way_back(shop: Shop) -> None:
    shop.run("up").ended(0)
    image, tags = shop.image, shop.tags
    carried(shop.run("up", *CHOSEN, env=NO_ENGINE))
    assert shop.deployed == OTHER and shop.tags == tags
    idle(shop.run("up", *CHOSEN, env=NO_ENGINE))
    seen = shop.run("plan", env=NO_ENGINE).ended(0).text
    assert "+ image.web" in seen and "- pin.web" in seen and "~ service.web" in seen
    carried(shop.run("up", env=NO_ENGINE))
    assert shop.deployed == shop.image == image
    idle(shop.run("up", env=NO_ENGINE))


def test_a_former_image_of_the_stack_can_be_chosen_and_no_image_goes(shop: Shop) -> None:
    shop.run("up").ended(0)
    former = shop.image
    shop.write("app/voting.py", "# another\n")
    shop.run("up").ended(0)
    tags = shop.tags
    carried(shop.run("up", "-y", "--image", f"web={former}", env=NO_ENGINE))
    assert shop.deployed == former and shop.tags == tags and len(tags) == 2


def test_a_stack_that_began_with_a_chosen_image_is_built_by_the_next_up(shop: Shop) -> None:
    carried(shop.run("up", *CHOSEN, env=NO_ENGINE))
    assert shop.deployed == OTHER and shop.cloud.inventory()["repositories"] == []
    assert built(shop.run("up").ended(0)) and shop.deployed == shop.in_registry(shop.content)


# --- the end


def test_down_takes_the_repository_with_its_images(shop: Shop) -> None:
    shop.run("up").ended(0)
    content = shop.content
    shop.down().ended(0)
    assert shop.cloud.is_empty() and shop.in_registry(content) is None
    assert pushed(shop.run("up").ended(0)) and shop.deployed == shop.in_registry(content)
