"""The voting app with an image of its own, against a cloud whose registry takes real pushes."""

# ruff: noqa: F811  (fixtures are imported by name)
from __future__ import annotations

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.registry import LABEL, MANIFESTS, docker_engine, import_image, shell_image  # noqa: F401
from tests.whole.project import Project, Run, Warm

NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
REDIS = f"redis@sha256:{'7' * 64}"  # taken as it is: no test waits for a registry somewhere else


class Shop(Project):
    """`web` is built from a Dockerfile that only copies app/ over `base`, so that a build takes a moment."""

    base = ""

    def small(self, base: str) -> Shop:
        self.base = base
        self.edit(("redis:7-alpine", REDIS))
        self.dockerfile()
        return self

    def dockerfile(self, *lines: str) -> None:
        self.write("Dockerfile", "\n".join([f"FROM {self.base}", *lines, "COPY app /srv/app", ""]))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    # --- what is recorded

    @property
    def image(self) -> str:
        """REGISTRY/voting/web@sha256:..."""
        return str(self.record("image.web")["id"])

    @property
    def content(self) -> str:
        """The tag of the image."""
        return str(self.record("image.web")["inputs"]["content"])

    # --- what is in the account

    @property
    def service(self) -> dict[str, Any]:
        ecs = self.cloud.client("ecs", hidden=True)
        return dict(ecs.describe_services(cluster="voting", services=["web"])["services"][0])

    @property
    def deployed(self) -> str:
        """The image that the service runs."""
        assert self.service["runningCount"] == 1 and len(self.service["deployments"]) == 1
        return self.image_of(self.service["taskDefinition"])

    def image_of(self, definition: str) -> str:
        ecs = self.cloud.client("ecs", hidden=True)
        found = ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
        assert found["status"] == "ACTIVE"
        return str(found["containerDefinitions"][0]["image"])

    @property
    def tags(self) -> dict[str, str]:
        """What ECR has: each tag and its image."""
        ecr = self.cloud.client("ecr", hidden=True)
        found = ecr.describe_images(repositoryName="voting/web")["imageDetails"]
        uri = f"{self.cloud.registry}/voting/web"
        return {tag: f"{uri}@{image['imageDigest']}" for image in found for tag in image.get("imageTags", [])}

    def in_registry(self, tag: str) -> str | None:
        """The image that the registry itself has under this tag."""
        ecr = self.cloud.client("ecr", hidden=True)
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        request = urllib.request.Request(
            f"https://{self.cloud.registry}/v2/voting/web/manifests/{tag}",
            headers={"Authorization": f"Basic {token}", "Accept": ", ".join(MANIFESTS)},
        )
        trusting = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting).open(request) as answer:
                return f"{self.cloud.registry}/voting/web@{answer.headers['Docker-Content-Digest']}"
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            return None


@pytest.fixture
def shop(registry_cloud: Cloud, docker_engine: Any, shell_image: str, warm: Warm, tmp_path: Path) -> Iterator[Shop]:
    """The voting app in a directory of its own, an empty account with a registry, and a Docker engine."""
    registry_cloud.tempo(task=0.02, drain=0.02, nat=0.02)
    yield Shop(registry_cloud, tmp_path / "voting", app=True, start=warm).small(shell_image)
    remove_images(docker_engine, f"{LABEL}={shell_image}", but=shell_image)
    assert not registry_cloud.errors(), "the cloud itself failed"


def remove_images(engine: Any, label: str, but: str = "") -> None:
    """All that carry this label and have a name, and what only they stand on."""
    from docker.errors import ImageNotFound

    for image in engine.images.list(filters={"label": label}):
        for name in image.tags or [image.id]:
            with contextlib.suppress(ImageNotFound):
                if name != but:
                    engine.api.remove_image(name, force=True)


def built(run: Run) -> bool:
    return "step 1/" in run.text


def pushed(run: Run) -> bool:
    return "ecr.GetAuthorizationToken" in map(str, run.calls)


def carried(run: Run) -> Run:
    """This very run, which has succeeded without building or pushing anything."""
    assert not built(run.ended(0)) and not pushed(run), run
    return run


def idle(run: Run) -> Run:
    """This very run, which had nothing to do."""
    assert carried(run).mutations == [] and "nothing to do" in run.text
    return run


def refused(run: Run, code: int, *words: str) -> Run:
    """This very run, which has changed nothing and said all of this."""
    assert run.ended(code).mutations == [] and not pushed(run), run
    missing = [word for word in words if word not in run.text]
    assert not missing, f"{missing} is not said: {run.err}"
    return run
