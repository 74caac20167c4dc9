"""The lock of a stack. The kernel releases it when its owner dies, so it is never stale."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from deployer.errors import LockedError, StateError


@contextlib.contextmanager
def lock(path: Path, command: str) -> Iterator[None]:
    """Holds the stack for this process. The kernel releases the lock when its owner dies, so it is never stale.

    `path` is the state file's; raises LockedError saying who holds it, StateError if it cannot be made.
    """
    file = path.with_suffix(".lock")
    descriptor = _take(file)
    try:
        who = {
            "command": command,
            "user": _user(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        }
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(who).encode(), 0)
        except OSError as error:
            raise _unkept(file, error) from error
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()
        os.close(descriptor)


def _take(file: Path) -> int:
    while True:
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unkept(file, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StateError(f"Locking {file}: {error.strerror}.") from error
            raise LockedError(
                f"Another run holds this stack: {_holder(holder)}.", "Wait for it, or stop it; the lock goes with it."
            ) from error
        # The former holder may have removed the file between our open and our flock.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == os.stat(file).st_ino:
                return descriptor
        os.close(descriptor)


def _unkept(file: Path, error: OSError) -> StateError:
    return StateError(
        f"The state cannot be kept in {file.parent}: {error.strerror}. Nothing was changed.",
        "Make room, or make the directory writable, or run from one that is.",
    )


def _holder(text: bytes) -> str:
    try:
        who = json.loads(text)
        return "`{command}` by {user} on {host}, pid {pid}, since {since}".format(**who)
    except (ValueError, KeyError, TypeError):
        return "it is just starting"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
