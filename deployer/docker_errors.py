"""What Docker, its library and the network say, in our words: translated in one place, without secrets."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator

from deployer.errors import ImageError

HINTS = {
    r"no space left on device":
        "Make room: `docker system df` says what takes it, `docker system prune` frees it.",
    r"exec format error|exec user process":
        "The engine cannot run programs of this platform. Teach it with `docker run --privileged --rm "
        "tonistiigi/binfmt --install all`, or build on a machine of that architecture.",
    r"does not match the specified platform|no matching manifest|no match for platform":
        "Choose a base image that has this platform, or set `architecture` in deploy.yaml to the one it has.",
    r"toomanyrequests|rate limit":
        "Wait, run `docker login`, or take the base image from public.ecr.aws/docker/library.",
    r"manifest unknown|pull access denied|repository does not exist|not found: does not exist":
        "Check the image's name and tag; if it is private, run `docker login` first.",
    r"build target|target stage":
        "Correct `build.target` in deploy.yaml.",
    r"name resolution|no such host|i/o timeout|TLS handshake|server misbehaving":
        "Check that the engine has a network.",
}  # fmt: skip
LOST = "See that the engine still runs (`docker info`), and run the command again: finished steps are kept."


@contextlib.contextmanager
def translated(doing: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    """What Docker, its library and the network may raise, in our words and without secrets."""
    from http.client import HTTPException

    from docker.errors import DockerException
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, RequestException, HTTPError, HTTPException, OSError) as error:
        said = hidden(words_of(error), secrets)
        hint = advice(said) or ("" if isinstance(error, DockerException) else LOST)
        raise ImageError(f"{doing} failed: {said}", hint) from None


def words_of(error: BaseException) -> str:
    """The innermost words: docker-py's and requests' own repeat the whole URL, build arguments included."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return str(explanation).strip()
    causes = (getattr(error, "reason", None), error.__cause__, *error.args)
    inner = next((cause for cause in causes if isinstance(cause, BaseException)), None)
    return words_of(inner) if inner else re.sub(r"https?\S*://\S+", "(address)", str(error)) or type(error).__name__


def advice(said: str) -> str:
    return next((hint for pattern, hint in HINTS.items() if re.search(pattern, said, re.I)), "")


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Three characters and less are no secret, and hiding them would garble the text."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) > 3 else text
    return text


def unfit(reference: str, platform: str, variants: Iterable[str]) -> ImageError:
    has = ", ".join(sorted({variant for variant in variants if "unknown" not in variant}))
    return ImageError(f"The image {reference} has no variant for {platform}; it has {has}.",
                      "Choose another image or tag, or set `architecture` in deploy.yaml to one it has.")
