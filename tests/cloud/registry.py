"""A real image registry: Debian's docker-registry on a loopback port, with TLS and a password."""

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
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = "AWS"
TOOLS = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils", "openssl": "openssl"}
CONFIG = """
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}/data}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {root}/tls.crt, key: {root}/tls.key}}
auth:
  htpasswd: {{realm: ecr, path: {root}/htpasswd}}
"""


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


class Registry:
    def __init__(self) -> None:
        missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
        if missing:
            raise SystemExit(f"the registry needs: apt-get install {' '.join(missing)}")
        self.root = Path(tempfile.mkdtemp(prefix="cloud-registry-"))
        self.address = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._password = ""
        self._stale = 0
        self._stamp = time.time()

    # --- the process ---

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"localhost:{port}"
        self._change_password()
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files = ["-keyout", str(self.root / "tls.key"), "-out", str(self.root / "tls.crt")]
        subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
        (self.root / "config.yml").write_text(CONFIG.format(root=self.root, port=port))
        with (self.root / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(self.root / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit(f"the registry did not start: {(self.root / 'log').read_text()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        shutil.rmtree(self.root, ignore_errors=True)

    def wipe(self) -> None:
        shutil.rmtree(self.root / "data" / "docker", ignore_errors=True)
        self._stale = 0

    # --- passwords ---

    def _change_password(self) -> None:
        """The registry reads the file again when its time has changed: to the second, so the time is moved on."""
        self._password = secrets.token_urlsafe(24)
        line = subprocess.run(["htpasswd", "-nbB", USER, self._password], check=True, capture_output=True).stdout
        fresh = self.root / "htpasswd.new"
        fresh.write_bytes(line)
        self._stamp += 2
        os.utime(fresh, (self._stamp, self._stamp))
        fresh.replace(self.root / "htpasswd")

    def token(self) -> str:
        """USER:password; a stale one when that was asked for."""
        if self._stale > 0:
            self._stale -= 1
            return f"{USER}:expired-{secrets.token_urlsafe(8)}"
        return f"{USER}:{self._password}"

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
