"""What the sandbox keeps in its folder: files that only the user can read, and that are never half-written."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """All of it or nothing. Raises OSError, e.g. when the disk is full; the former file then stays."""
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def kept(file: Path, make: Callable[[], str]) -> str:
    """The text in the file; made once, and again when the disk was full and nothing was written."""
    with contextlib.suppress(OSError):
        if found := file.read_text("utf-8").strip():
            return found
    made = make()
    write(file, made.encode())
    return made


def owner_of(folder: Path) -> str:
    """The name by which its containers are known, for as long as the folder lives."""
    return kept(folder / "owner", lambda: secrets.token_hex(4))


def sockets_of(owner: str) -> Path:
    """A short path: that of a Unix socket has at most 108 bytes."""
    folder = Path(tempfile.gettempdir()) / f"deployer-{os.getuid()}-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder
