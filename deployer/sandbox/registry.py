"""A real image registry on loopback, with TLS and a password: Debian's docker-registry, else the image registry:2.

Docker trusts `localhost` whatever the certificate.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

USER = "AWS"
IMAGE = "registry:2"
PROGRAM = "docker-registry"
CONFIG = """
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}/data}}
  delete: {{enabled: true}}
http:
  addr: {listen}:{port}
  tls: {{certificate: {root}/tls.crt, key: {root}/tls.key}}
auth:
  htpasswd: {{realm: ecr, path: {root}/htpasswd}}
"""


class NoRegistryError(Exception):
    """There is no registry to push to; the text says why and what to do."""


@dataclass(frozen=True)
class Stored:
    """An image manifest in the registry."""

    digest: str
    tags: tuple[str, ...]
    manifest: str
    pushed: float

    @property
    def media_type(self) -> str:
        return str(json.loads(self.manifest).get("mediaType", "application/vnd.oci.image.manifest.v1+json"))

    @property
    def size(self) -> int:
        parsed = json.loads(self.manifest)
        parts: list[dict[str, Any]] = [*parsed.get("layers", []), parsed.get("config", {})]
        return sum(int(part.get("size", 0)) for part in parts)


class Served(Protocol):
    """A registry at work."""

    def poll(self) -> object: ...
    def terminate(self) -> None: ...
    def wait(self, timeout: float) -> object: ...


Contained = Callable[[Path, int], Served]  # runs IMAGE on the folder and the port, from a container


class Registry:
    """`root` is its folder; what was pushed stays in it. `contained` is asked where the program is not installed."""

    def __init__(self, root: Path, contained: Contained | None = None) -> None:
        self.root = root
        self.address = ""
        self._contained = contained
        self._served: Served | None = None
        self._password = ""
        self._stale = 0
        self._stamp = time.time()

    # --- the process ---

    def start(self) -> None:
        """On the main thread: the program dies with the thread that has started it. Raises NoRegistryError."""
        self.address = ""
        (self.root / "data").mkdir(parents=True, exist_ok=True)
        port = self._port()
        self._change_password()
        _certificate(self.root)
        if shutil.which(PROGRAM):
            self._served = self._program(port)
        elif self._contained:
            self._configure("0.0.0.0", port, Path("/registry"))  # inside its container; published on loopback only
            self._served = self._contained(self.root, port)
        else:
            raise NoRegistryError(f"There is no image registry: install {PROGRAM}, or a Docker engine for {IMAGE}.")
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                self.address = f"localhost:{port}"
                return
            if self._served.poll() is not None:
                break
            time.sleep(0.02)
        raise NoRegistryError(f"The image registry did not start; it says in {self.root}/log: {self._last_words()}")

    def alive(self) -> bool:
        return bool(self.address) and self._served is not None and self._served.poll() is None

    def _program(self, port: int) -> Served:
        self._configure("127.0.0.1", port, self.root)
        with (self.root / "log").open("wb") as log:
            return subprocess.Popen(
                [PROGRAM, "serve", str(self.root / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )

    def _configure(self, listen: str, port: int, root: Path) -> None:
        (self.root / "config.yml").write_text(CONFIG.format(root=root, port=port, listen=listen))

    def _port(self) -> int:
        """The same as before if it is free: images are known by it."""
        kept = self.root / "port"
        with contextlib.suppress(OSError, ValueError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = int(kept.read_text())
            probe.bind(("127.0.0.1", port))
            return port
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        kept.write_text(str(port))
        return port

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return (self.root / "log").read_text()[-500:].strip()
        return ""

    def stop(self) -> None:
        if self._served is not None:
            self._served.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._served.wait(5)
        self._served, self.address = None, ""

    def wipe(self) -> None:
        shutil.rmtree(self.root / "data" / "docker", ignore_errors=True)
        self._stale = 0

    # --- passwords ---

    def _change_password(self) -> None:
        """The registry reads the file again when its time has changed: to the second, so the time is moved on."""
        import bcrypt

        self._password = secrets.token_urlsafe(24)
        mark = bcrypt.hashpw(self._password.encode(), bcrypt.gensalt(5)).decode()
        fresh = self.root / "htpasswd.new"
        fresh.write_text(f"{USER}:{mark}\n")
        self._stamp += 2
        os.utime(fresh, (self._stamp, self._stamp))
        fresh.replace(self.root / "htpasswd")

    def token(self) -> str:
        """USER:password; a stale one when that was asked for."""
        if self._stale > 0:
            self._stale -= 1
            return f"{USER}:expired-{secrets.token_urlsafe(8)}"
        return f"{USER}:{self._password}"

    def login(self, host: str) -> dict[str, str] | None:
        """What docker-py wants for pulling from that host; None when it is another's."""
        return {"username": USER, "password": self._password} if self.address and host == self.address else None

    def expire(self, times: int = 1) -> None:
        self._change_password()
        self._stale = times - 1

    # --- what is in it: the registry's own files tell more than its API (untagged manifests, times) ---

    def _folder(self, repository: str) -> Path:
        return self.root / "data/docker/registry/v2/repositories" / repository / "_manifests"

    def images(self, repository: str) -> list[Stored]:
        """Oldest first."""
        tags: dict[str, list[str]] = {}
        for link in sorted(self._folder(repository).glob("tags/*/current/link")):
            tags.setdefault(link.read_text(), []).append(link.parent.parent.name)
        found = []
        for link in self._folder(repository).glob("revisions/sha256/*/link"):
            digest = link.read_text()
            blob = self.root / "data/docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"
            with contextlib.suppress(FileNotFoundError):
                found.append(Stored(digest, tuple(tags.get(digest, ())), blob.read_text(), link.stat().st_mtime))
        return sorted(found, key=lambda image: image.pushed)

    def tag(self, repository: str, tag: str, digest: str) -> None:
        for link in (f"tags/{tag}/current/link", f"tags/{tag}/index/sha256/{digest[7:]}/link"):
            file = self._folder(repository) / link
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(digest)

    def untag(self, repository: str, tag: str) -> None:
        shutil.rmtree(self._folder(repository) / "tags" / tag, ignore_errors=True)

    def delete(self, repository: str, digest: str) -> None:
        for image in self.images(repository):
            if image.digest == digest:
                for tag in image.tags:
                    self.untag(repository, tag)
        shutil.rmtree(self._folder(repository) / "revisions/sha256" / digest[7:], ignore_errors=True)

    def forget(self, repository: str) -> None:
        shutil.rmtree(self._folder(repository).parent, ignore_errors=True)


def _die_with_parent() -> None:
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # Linux: PR_SET_PDEATHSIG


def _certificate(root: Path) -> None:
    """tls.crt and tls.key for `localhost`, signed by themselves."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=3650))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    encoding, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (root / "tls.crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(encoding))
    with os.fdopen(os.open(root / "tls.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key.private_bytes(encoding, private, serialization.NoEncryption()))
