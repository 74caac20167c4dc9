"""No engine where something must be built, and images of another architecture, are told beforehand."""

# ruff: noqa: F811  (fixtures are imported by name)
from __future__ import annotations

import json
from typing import Any

import pytest

from tests.preflight.conftest import Ahead
from tests.registry import Import, docker_engine, import_image  # noqa: F401
from tests.whole.images import NO_ENGINE

INDEX = "application/vnd.oci.image.index.v1+json"


def service(image: str, architecture: str = "x86_64") -> str:
    return f"services:\n  web:\n    image: {image}\n    architecture: {architecture}\n"


def pushed(ahead: Ahead, *architectures: str) -> str:
    """A repository's address, with an image of these architectures in it as `:1`."""
    ecr = ahead.cloud.client("ecr")
    uri = ecr.create_repository(repositoryName="shop")["repository"]["repositoryUri"]
    variants = [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": f"sha256:{number:064x}", "size": 1,
         "platform": {"os": "linux", "architecture": architecture}}
        for number, architecture in enumerate(architectures)
    ]  # fmt: skip
    manifest = {"schemaVersion": 2, "mediaType": INDEX, "manifests": variants}
    ecr.put_image(repositoryName="shop", imageManifest=json.dumps(manifest), imageManifestMediaType=INDEX, imageTag="1")
    return str(uri)


def test_an_image_in_ecr_for_another_architecture(ahead: Ahead) -> None:
    uri = pushed(ahead, "amd64", "unknown")
    (problem,) = ahead.problems(service(f"{uri}:1", "arm64"))
    assert "has no variant for linux/arm64; it has linux/amd64." in problem and "`architecture`" in problem
    assert ahead.problems(service(f"{uri}:1")) == []


def test_an_image_that_is_not_in_ecr(ahead: Ahead) -> None:
    uri = pushed(ahead, "amd64")
    (problem,) = ahead.problems(service(f"{uri}:2"))
    assert f"The image {uri}:2 is not in ECR" in problem
    assert "is not in ECR" in ahead.problems(service(f"{uri}-nowhere:1"))[0]
    ahead.cloud.fault("error", service="ecr", operation="BatchGetImage", code="AccessDeniedException", times=99)
    assert ahead.problems(service(f"{uri}:2")) == []


def test_no_engine_is_told_together_with_the_rest(ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    (ahead.file.parent / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE["DOCKER_HOST"])
    monkeypatch.delenv("MISSING", raising=False)
    problems = ahead.problems("secrets:\n  key: {from_env: MISSING}\nservices:\n  web:\n    build: .\n")
    assert "secret.key: the environment variable MISSING is not set" in problems[0]
    assert "No Docker engine answers" in problems[1] and len(problems) == 2


@pytest.mark.docker
def test_a_local_image_of_another_architecture(ahead: Ahead, docker_engine: Any, import_image: Import) -> None:
    """Its registry does not answer: what was built here, and never pulled, tells."""
    image = "localhost:1/preflight:1"
    docker_engine.api.tag(import_image({"x": b""}, "linux/amd64"), *image.rsplit(":", 1))
    try:
        (problem,) = ahead.problems(service(image, "arm64"))
        assert f"The image {image} has no variant for linux/arm64; it has linux/amd64." in problem
        assert ahead.problems(service(image)) == []
    finally:
        docker_engine.api.remove_image(image, force=True)
