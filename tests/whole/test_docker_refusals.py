"""What cannot be built is refused, in clear words, before anything in the account is touched."""

# ruff: noqa: F811  (fixtures are imported by name)
from __future__ import annotations

from typing import Any

import pytest

from tests.registry import Import, docker_engine, import_image, native, shell_image  # noqa: F401
from tests.whole.images import NO_ENGINE, Shop, refused, shop  # noqa: F401

pytestmark = pytest.mark.docker


def test_a_step_that_fails_is_shown_with_its_output(shop: Shop) -> None:
    shop.dockerfile("RUN echo out-of-luck && false")
    refused(shop.run("up"), 1, "step 2/3: RUN echo out-of-luck && false", "out-of-luck", "docker build")
    assert shop.cloud.is_empty()


def test_the_same_failure_in_a_running_stack_leaves_it_as_it_is(shop: Shop) -> None:
    shop.run("up").ended(0)
    image = shop.image
    shop.dockerfile("RUN false")
    refused(shop.run("up"), 1, "RUN false")
    assert shop.deployed == shop.image == image


def test_a_missing_dockerfile_is_named(shop: Shop) -> None:
    (shop.folder / "Dockerfile").unlink()
    refused(shop.run("up"), 1, str(shop.folder / "Dockerfile"))


def test_a_missing_context_is_named(shop: Shop) -> None:
    shop.edit(("build: .", "build: elsewhere"))
    refused(shop.run("up"), 1, str(shop.folder / "elsewhere"))


def test_a_missing_file_of_a_copy_is_named(shop: Shop) -> None:
    shop.dockerfile("COPY nowhere /srv/nowhere")
    refused(shop.run("up"), 1, "nowhere")


@pytest.mark.parametrize("args", [("up",), ("push-image",)])
def test_without_an_engine_nothing_is_begun(shop: Shop, args: tuple[str, ...]) -> None:
    refused(shop.run(*args, env=NO_ENGINE), 1, "No Docker engine", NO_ENGINE["DOCKER_HOST"], "Start Docker")
    assert shop.cloud.is_empty()


def test_an_edit_without_an_engine_is_refused(shop: Shop) -> None:
    shop.run("up").ended(0)
    image = shop.image
    shop.write("app/voting.py", "# another\n")
    refused(shop.run("up", env=NO_ENGINE), 1, "No Docker engine")
    assert shop.deployed == image


def test_a_base_image_for_another_architecture_is_refused(shop: Shop, docker_engine: Any, import_image: Import) -> None:
    other = "arm64" if native(docker_engine) == "linux/amd64" else "x86_64"
    shop.edit(("architecture: x86_64", f"architecture: {other}"))
    refused(shop.run("up"), 1, "linux/amd64", "linux/arm64")


BUILDKIT = "RUN --mount=type=cache,target=/cache true"


@pytest.mark.parametrize(("before", "line"), [("", BUILDKIT), ("# syntax=docker/dockerfile:1\n", "RUN true")])
def test_a_dockerfile_for_buildkit_without_buildx_says_which_line_and_how_to_get_it(
    shop: Shop, before: str, line: str
) -> None:
    shop.dockerfile(line)
    shop.write("Dockerfile", before + (shop.folder / "Dockerfile").read_text())
    without = {"PATH": str(shop.folder)}
    refused(shop.run("up", env=without), 1, "BuildKit", before.strip() or line, "docker buildx", "https://")


def test_a_stage_that_is_not_there_is_named(shop: Shop) -> None:
    shop.edit(("build: .", "build: {context: ., target: nosuch}"))
    refused(shop.run("up"), 1, "nosuch", "build.target")


def test_a_base_image_that_nobody_has_is_named(shop: Shop) -> None:
    shop.write("Dockerfile", "FROM localhost:1/nosuch:1\n")
    refused(shop.run("up"), 1, "localhost:1")
