"""A container's image: in the engine already for the task's platform, or pulled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

from deployer.docker_errors import words_of
from deployer.sandbox.containers.engine import Engine
from deployer.sandbox.containers.reasons import Ended, cannot_pull, other_platform

Login = Callable[[str], dict[str, str] | None]


def obtain(
    engine: Engine, container: str, image: str, platform: str, login: Login, proceed: Callable[[], None]
) -> str:
    """Its digest. `proceed` is asked while it is pulled, and may raise."""
    found = _inspect(engine, image)
    if found is None or _platform(found) != platform:
        refused = _pull(engine, image, platform, login, proceed)
        if refused:
            raise _other_or_absent(container, image, platform, refused, found)
        found = _inspect(engine, image)
    if found is None or _platform(found) != platform:
        raise other_platform(container, platform)
    return _digest(found, image)


def _other_or_absent(container: str, image: str, platform: str, words: str, found: dict[str, Any] | None) -> Ended:
    return other_platform(container, platform) if found else cannot_pull(container, image, platform, words)


def _inspect(engine: Engine, image: str) -> dict[str, Any] | None:
    try:
        return dict(engine.client.images.get(image).attrs)
    except ImageNotFound:
        return None


def _platform(found: dict[str, Any]) -> str:
    return f"{found['Os']}/{found['Architecture']}"


def _digest(found: dict[str, Any], image: str) -> str:
    repository = parse_repository_tag(image)[0]
    digests = dict(each.split("@", 1) for each in found.get("RepoDigests") or [])
    return str(digests.get(repository) or found["Id"])


def _pull(engine: Engine, image: str, platform: str, login: Login, proceed: Callable[[], None]) -> str:
    """Empty, or the engine's words. Most failures stand inside the stream of an answer that says 200."""
    repository, tag = parse_repository_tag(image)
    try:
        known = login(_registry(image))
        events = engine.client.api.pull(
            repository, tag or "latest", stream=True, decode=True, platform=platform, auth_config=known
        )
        for event in events:
            proceed()
            if "error" in event:
                return str(event["error"])
    except APIError as error:
        return words_of(error)
    return ""


def _registry(image: str) -> str:
    first, _, rest = image.partition("/")
    return first if rest and ("." in first or ":" in first or first == "localhost") else "docker.io"
