"""Images: built in the local Docker engine, pushed to a registry, or looked up in one.

An image is named by what goes into it (`content_hash`), so an unchanged service is neither built nor pushed again.
docker-py reports most failures inside the stream of an answer that says 200; every stream is read to its end here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.context import OWN, Build, archive, content_hash, dockerfile_bytes, ignore_text, needs_buildkit
from deployer.docker_errors import LOST, advice, hidden, translated, unfit, words_of
from deployer.errors import ImageError

if TYPE_CHECKING:
    import docker

__all__ = ["Build", "Login", "build", "content_hash", "engine", "needs_buildkit", "push", "resolve"]

Progress = Callable[[str], None]

QUICK, PATIENT = 10, 300  # seconds of silence: a look-up, and an engine at work
TAIL = 15  # lines of a failed build's output that are shown
CLASSIC_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
BUILDX_STEP = re.compile(r"(?:#\d+| >) \[(?:\S+ )? *(\d+)/(\d+)\] (.*?):?$")
BUILDX_OWN = re.compile(r"PATH|HOME|(DOCKER|BUILDX|BUILDKIT|XDG)_.*")
COLOUR = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
EXPIRED = re.compile(r"unauthorized|authentication (required|failed)|no basic auth|token has expired|\b401\b", re.I)
ABSENT = re.compile(r"manifest unknown|name unknown|no such manifest|does not exist|invalid reference format", re.I)
DENIED = re.compile(r"access to the resource is denied|unauthorized", re.I)
START = "Start Docker (Docker Desktop, or `sudo systemctl start docker`), or point DOCKER_HOST at an engine. " \
    "To install one: https://docs.docker.com/engine/install/"
JOIN = "Let your user reach the engine: `sudo usermod -aG docker $USER`, then log in again."


@dataclass(frozen=True)
class Login:
    username: str
    password: str = field(repr=False)
    registry: str


def engine() -> docker.DockerClient:
    """The engine that `docker` itself would use: DOCKER_HOST, else the current context."""
    return _client(PATIENT, os.environ.get("DOCKER_HOST"), os.environ.get("DOCKER_CONTEXT"))


@lru_cache
def _client(seconds: int, host: str | None, context: str | None) -> docker.DockerClient:
    import docker

    where = host or (f"context {context}" if context else "the default address")
    try:
        client = docker.from_env(timeout=QUICK)
    except Exception as error:  # of many libraries: TLS files, contexts, ssh, sockets
        said = words_of(error)
        hint = JOIN if "ermission denied" in said else START
        raise ImageError(f"No Docker engine answers at {where}: {said}", hint) from None
    client.api.timeout = seconds
    return client


def build(build: Build, tag: str, progress: Progress) -> None:
    """Builds into the local engine as `tag`, unless it is there already for that platform."""
    client = engine()
    doing = f"Building {tag} from {build.dockerfile_path} for {build.platform}"
    with translated(doing, build.args.values()):
        if _platform(client, tag) == build.platform:
            progress(f"{tag} is built already")
            return
    line = needs_buildkit(dockerfile_bytes(build).decode("utf-8", "replace"))
    if line:
        _build_with_buildx(build, tag, _Transcript(doing, build, progress), line)
    else:
        _build_with_engine(build, tag, _Transcript(doing, build, progress))
    with translated(doing):
        _refuse_other_platform(client, tag, build.platform, doing)


def _build_with_engine(build: Build, tag: str, transcript: _Transcript) -> None:
    tar, dockerfile = archive(build)
    with tar, translated(transcript.doing, build.args.values()):
        events = engine().api.build(
            fileobj=tar, custom_context=True, dockerfile=dockerfile, tag=tag, platform=build.platform,
            target=build.target, buildargs=dict(build.args), rm=True, forcerm=True, decode=True,
        )  # fmt: skip
        for event in events:
            if "error" in event:
                raise transcript.failure(event["error"])
            if str(event.get("status", "")).startswith("Pulling from"):
                transcript.progress(f"pulling {event['status'].removeprefix('Pulling from ')}")
            transcript.add(event.get("stream", ""), CLASSIC_STEP)


def _build_with_buildx(build: Build, tag: str, transcript: _Transcript, line: str) -> None:
    program = shutil.which("docker")
    if not program or subprocess.run([program, "buildx", "version"], capture_output=True, check=False).returncode:
        raise ImageError(
            f"{transcript.doing} needs BuildKit, for this line: {transcript.clean(line[:200])}",
            "Install the plug-in `docker buildx` (https://docs.docker.com/go/buildx/; in Docker Desktop it is there), "
            "or write the line without it.",
        )
    with tempfile.TemporaryDirectory() as folder, translated(transcript.doing, build.args.values()):
        command = [program, *_buildx_arguments(build, tag, Path(folder))]
        hidden_args = {name: value for name, value in build.args.items() if not BUILDX_OWN.fullmatch(name)}
        environment = {**os.environ, **hidden_args, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as process:
            assert process.stdout
            try:
                for text in process.stdout:
                    transcript.add(text, BUILDX_STEP)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise transcript.failure(transcript.last("ERROR: ") or f"buildx ended with code {process.returncode}")


def _buildx_arguments(build: Build, tag: str, folder: Path) -> list[str]:
    """The Dockerfile goes beside the context, with an ignore file of its own that also leaves our state out.
    Values of arguments go through the environment, where no process list shows them, but for those it lives by."""
    (folder / "Dockerfile").write_bytes(dockerfile_bytes(build))
    ignore = f"{ignore_text(build)}\n{OWN}\n"
    (folder / "Dockerfile.dockerignore").write_bytes(ignore.encode("utf-8", "surrogateescape"))
    words = ["buildx", "build", "--load", "--progress", "plain", "--platform", build.platform, "--tag", tag]
    words += ["--file", str(folder / "Dockerfile")]
    if build.target:
        words += ["--target", build.target]
    for name, value in build.args.items():
        words += ["--build-arg", f"{name}={value}" if BUILDX_OWN.fullmatch(name) else name]
    return [*words, str(build.context)]


class _Transcript:
    """What a build says: steps go to `progress`, the last lines into the error; values of build arguments nowhere."""

    def __init__(self, doing: str, build: Build, progress: Progress) -> None:
        self.doing = doing
        self.again = "To see all of its output: " \
            f"docker build --platform {build.platform} --file {build.dockerfile_path} {build.context}"
        self.secrets = build.args.values()
        self.step = ""
        self.lines: deque[str] = deque(maxlen=TAIL)
        self._partial = ""
        self._report = progress

    def clean(self, text: str) -> str:
        return hidden(COLOUR.sub("", text), self.secrets)

    def progress(self, text: str) -> None:
        self._report(self.clean(text)[:200])

    def add(self, text: str, pattern: re.Pattern[str]) -> None:
        *lines, self._partial = (self._partial + text).replace("\r", "\n").split("\n")
        for line in lines:
            self._line(COLOUR.sub("", line), pattern)

    def _line(self, line: str, pattern: re.Pattern[str]) -> None:
        match = pattern.match(line)
        if match:
            step = f"step {match[1]}/{match[2]}: {match[3].strip()}"
            if step != self.step and not line.startswith(" >"):
                self.progress(step)
            self.step = step
        elif line.strip() and not line.startswith((" --->", "Removing intermediate container")):
            self.lines.append(line)

    def last(self, start: str) -> str:
        return next((line.removeprefix(start) for line in reversed(self.lines) if line.startswith(start)), "")

    def failure(self, said: str) -> ImageError:
        where = f" failed at {self.step}" if self.step else " failed"
        shown = [line.rstrip() for line in [*self.lines, self._partial] if line.strip() and said.strip() not in line]
        text = "\n".join([where, *(f"  {line}" for line in shown), f"  {said.strip()}"])
        return ImageError(self.doing + self.clean(text), advice(text) or self.again)


def _platform(client: docker.DockerClient, tag: str) -> str | None:
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(tag).attrs
    except ImageNotFound:
        return None
    return f"{image['Os']}/{image['Architecture']}"


def _refuse_other_platform(client: docker.DockerClient, tag: str, platform: str, doing: str) -> None:
    actual = _platform(client, tag)
    if actual is None:
        raise ImageError(f"{doing}: the engine's answer ended without an image.", LOST)
    if actual != platform:
        client.api.remove_image(tag, noprune=True)
        raise ImageError(
            f"{doing} gave an image for {actual}, which would not start on {platform}.",
            "A base image is for another architecture (pinned by digest, imported, or `FROM --platform=`): choose one "
            f"for {platform}, or set `architecture` in deploy.yaml to the image's.",
        )


def push(tag: str, repository: str, remote_tag: str, login: Callable[[bool], Login], progress: Progress) -> str:
    """Pushes the local `tag` as `repository:remote_tag`; the digest is the one the registry gave."""
    doing = f"Pushing {tag} to {repository}:{remote_tag}"
    api = engine().api
    with translated(doing):
        api.tag(tag, repository, remote_tag)
    said = ""
    for renew in (False, True):
        credentials = login(renew)
        with translated(doing, [credentials.password]):
            digest, said = _push_once(api, repository, remote_tag, credentials, progress)
        if digest:
            return digest
        said = hidden(said, [credentials.password])
        if not EXPIRED.search(said):
            break
    hint = "See that the credentials may push to this repository." if EXPIRED.search(said) else advice(said)
    raise ImageError(f"{doing} failed: {said}", hint or "Run the command again: layers that arrived are kept.")


def _push_once(
    api: docker.APIClient, repository: str, remote_tag: str, login: Login, progress: Progress
) -> tuple[str, str]:
    """The digest, or what the registry said instead."""
    auth = {"username": login.username, "password": login.password, "serveraddress": login.registry}
    layers: dict[str, bool] = {}
    shown = digest = ""
    for event in api.push(repository, remote_tag, stream=True, decode=True, auth_config=auth):
        if "error" in event:
            return "", str(event["error"]).strip()
        digest = (event.get("aux") or {}).get("Digest") or digest
        status, layer = str(event.get("status", "")), event.get("id")
        if layer and layer != remote_tag:
            layers[layer] = status.startswith(("Pushed", "Layer already exists", "Mounted from"))
        line = f"pushing {sum(layers.values())} of {len(layers)} layers"
        if status.startswith("Retrying"):
            line = f"pushing: the registry does not answer for layer {layer}, trying again"
        if line != shown and (layers and status not in ("Preparing", "Waiting")):
            progress(shown := line)
    return digest, "" if digest else "the engine's answer ended without a digest"


def resolve(reference: str, platform: str) -> str | None:
    """The reference pinned by digest; None where neither engine nor registry can be asked."""
    import docker.errors
    import requests

    if "@sha256:" in reference:
        return reference
    try:
        client = _client(QUICK, os.environ.get("DOCKER_HOST"), os.environ.get("DOCKER_CONTEXT"))
        data = client.images.get_registry_data(reference)
    except docker.errors.APIError as error:
        _refuse_absent(reference, error)
        _refuse_local(client, reference, platform)
        return None
    except (ImageError, docker.errors.DockerException, requests.RequestException, OSError):
        return None
    variants = [f"{each.get('os')}/{each.get('architecture')}" for each in data.attrs.get("Platforms") or []]
    if variants and platform not in variants:
        raise unfit(reference, platform, variants)
    name, _, last = reference.rpartition("/")
    return f"{name}{'/' if name else ''}{last.partition(':')[0]}@{data.attrs['Descriptor']['digest']}"


def _refuse_local(client: docker.DockerClient, reference: str, platform: str) -> None:
    """Where no registry tells, what was built here does; of what was pulled there may be other variants."""
    import docker.errors

    try:
        image = client.images.get(reference).attrs
    except docker.errors.APIError:
        return
    has = f"{image['Os']}/{image['Architecture']}"
    if not image.get("RepoDigests") and has != platform:
        raise unfit(reference, platform, [has])


def _refuse_absent(reference: str, error: docker.errors.APIError) -> None:
    from docker.auth import resolve_repository_name

    said = words_of(error)
    hub = resolve_repository_name(reference)[0] == "docker.io"
    if ABSENT.search(said) or (hub and DENIED.search(said)):
        raise ImageError(f"The image {reference} cannot be found: {said}",
                         "Check its name and tag. A private image is not looked up if you pin it: NAME@sha256:DIGEST.")
