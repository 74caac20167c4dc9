"""A real registry on loopback, as ECR is one: TLS, basic auth; and small base images for which no network is needed.

`localhost` is trusted by Docker whatever the certificate. A test imports the fixtures it uses, and those they use.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LABEL = "deployer-test"
USER, PASSWORD = "AWS", "the-registry-password"
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


def unavailable(what: str) -> Any:
    """Skips on a laptop; on CI nothing is skipped in silence."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


class Registry:
    def __init__(self, folder: Path, password: str | None = PASSWORD) -> None:
        self.folder = folder
        self.password = password
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.host = f"localhost:{self.port}"
        self.storage = folder / "storage"
        self._prepare()

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        certificate, key, users = (str(self.folder / name) for name in ("cert.pem", "key.pem", "users"))
        _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate)  # fmt: skip
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}", "tls": {"certificate": certificate, "key": key}},
        }
        if self.password:
            _run("htpasswd", "-Bbc", users, USER, self.password)
            config["auth"] = {"htpasswd": {"realm": "registry", "path": users}}
        (self.folder / "config.yml").write_text(json.dumps(config))

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            ["docker-registry", "serve", str(self.folder / "config.yml")], stdout=log, stderr=log
        )
        log.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.get("/v2/")
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the registry did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
        if self.process:
            self.process.wait(20)

    def get(self, path: str, **headers: str) -> Any:
        return self._request("GET", path, None, headers)

    def put(self, path: str, data: bytes, **headers: str) -> Any:
        return self._request("PUT", path, data, headers)

    def _request(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(f"https://{self.host}{path}", data, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if self.password:
            token = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        trusted = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        return opener.open(request, timeout=10)

    def digest(self, repository: str, tag: str) -> str | None:
        try:
            with self.get(f"/v2/{repository}/manifests/{tag}", Accept=", ".join(MANIFESTS)) as answer:
                return str(answer.headers["Docker-Content-Digest"])
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def put_list(self, repository: str, tag: str, variants: dict[str, str]) -> str:
        """A manifest list of `{platform: tag that is there}`; returns its digest."""
        entries = []
        for platform, source in variants.items():
            system, architecture = platform.split("/")
            with self.get(f"/v2/{repository}/manifests/{source}", Accept=MANIFESTS[0]) as answer:
                size, digest = len(answer.read()), answer.headers["Docker-Content-Digest"]
            entries.append({"mediaType": MANIFESTS[0], "size": size, "digest": digest,
                            "platform": {"os": system, "architecture": architecture}})  # fmt: skip
        body = json.dumps({"schemaVersion": 2, "mediaType": MANIFESTS[1], "manifests": entries}).encode()
        with self.put(f"/v2/{repository}/manifests/{tag}", body, Content_Type=MANIFESTS[1]) as answer:
            return str(answer.headers["Docker-Content-Digest"])


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def _open(folder: Path, password: str | None) -> Iterator[Registry]:
    for program in ("docker-registry", "openssl", "htpasswd"):
        if not shutil.which(program):
            unavailable(f"no {program} on this machine")
    registry = Registry(folder, password)
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    yield from _open(tmp_path / "registry", PASSWORD)


@pytest.fixture
def public_registry(tmp_path: Path) -> Iterator[Registry]:
    """One that everybody may read, as Docker Hub."""
    yield from _open(tmp_path / "public-registry", None)


@pytest.fixture
def docker_engine() -> Any:
    from deployer import image
    from deployer.errors import ImageError

    try:
        return image.engine()
    except ImageError as error:
        return unavailable(f"no Docker engine: {error}")


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def image_of(name: str, layer: bytes, platform: str) -> bytes:
    """What `docker load` takes. (`docker import --platform` of Docker 20.10 makes an image of its own platform.)"""
    system, _, architecture = platform.partition("/")
    config = {
        "os": system,
        "architecture": architecture,
        "config": {"Labels": {LABEL: name}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    return tar_of({
        "config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode(), "layer.tar": layer
    })  # fmt: skip


Import = Callable[..., str]


@pytest.fixture
def import_image(docker_engine: Any) -> Iterator[Import]:
    """`import_image({"path": b"content"}, platform)` gives the name of an image made of just that.

    In the end it goes, and so does what failed builds left of it."""
    names: list[str] = []

    def make(files: dict[str, bytes], platform: str = "linux/amd64") -> str:
        name = f"deployer-test-{uuid.uuid4().hex[:8]}:base"
        names.append(name)
        docker_engine.images.load(image_of(name, tar_of(files), platform))
        return name

    yield make
    for name in names:
        docker_engine.api.remove_image(name, force=True)
        left = {"dangling": True, "label": [f"{LABEL}={name}"]}
        deadline = time.monotonic() + 15  # a build that was cut off holds its image for a moment
        while docker_engine.images.list(filters=left) and time.monotonic() < deadline:
            docker_engine.images.prune(left)
            time.sleep(0.1)


@pytest.fixture
def shell_image(import_image: Import, docker_engine: Any) -> str:
    """A base image with a shell, for the engine's own platform."""
    busybox = shutil.which("busybox")
    if not busybox:
        return str(unavailable("no busybox on this machine (Debian: busybox-static)"))
    content = Path(busybox).read_bytes()
    applets = {f"bin/{name}": content for name in ("sh", "sleep", "cat", "find", "dd")}
    return import_image(applets, native(docker_engine))


def native(docker_engine: Any) -> str:
    return f"linux/{docker_engine.version()['Arch']}"


@pytest.fixture
def tag(docker_engine: Any) -> Iterator[str]:
    """A name for an image that is built; it and all its other names are removed."""
    from docker.errors import ImageNotFound

    name = f"deployer-test-{uuid.uuid4().hex[:8]}:built"
    yield name
    with contextlib.suppress(ImageNotFound):
        for each in docker_engine.images.get(name).tags:
            docker_engine.api.remove_image(each, force=True)
