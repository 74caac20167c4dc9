"""The sandbox's one background process, as a command sees it: find it, start it, stop it.

Its folder holds `lock` (held by the process for as long as it lives, with its pid, so a stale pid means nothing),
`address.json` (where it listens), `state.pickle` (what the account holds), `registry/` (what was pushed) and `log`.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.errors import DeployerError, UsageError
from deployer.sandbox.control.manner import asked

NEEDS = {"moto": "moto", "aiohttp": "aiohttp", "bcrypt": "bcrypt", "cloudpickle": "cloudpickle"}
REGION = "us-east-1"  # where nothing else is said
START_SECONDS, STOP_SECONDS = 60.0, 60.0
OWN = ("address.json", "address.new", "key", "log", "log.old", "owner", "registry", "state.new", "state.pickle",
       "state.unusable", "lock")  # fmt: skip
MANNERS = "DEPLOYER_SANDBOX_MANNERS"  # the variable that says which of AWS's manners are on: all, or some by name
HELD = 3  # the process's exit code when another one holds the folder
UNSEEN = 4  # when Docker could not be asked what is left in it


@dataclass(frozen=True)
class Address:
    """`key`: the access key that this sandbox takes; whoever has it may do anything in it."""

    url: str
    pid: int
    key: str = field(repr=False)


def folder() -> Path:
    """DEPLOYER_SANDBOX, else `deployer/sandbox` in the user's state directory."""
    if chosen := os.environ.get("DEPLOYER_SANDBOX"):
        return Path(chosen).absolute()
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "deployer" / "sandbox"


def running(where: Path) -> Address | None:
    """Where it listens, if it lives."""
    pid = _holder(where)
    with contextlib.suppress(OSError, ValueError, KeyError):
        told = json.loads((where / "address.json").read_text("utf-8"))
        if pid and told["pid"] == pid:  # else it is another one's, which has ended
            return Address(told["url"], told["pid"], told["key"])
    return None


def start(where: Path) -> Address:
    """The one that runs, else a new one, once it answers. Raises UsageError without the extra, else DeployerError."""
    refuse_without_extra()
    deadline, process = time.monotonic() + START_SECONDS, None
    while time.monotonic() < deadline:
        if address := running(where):
            with contextlib.suppress(OSError):
                ask(address, "ping", 5)
                return address
        if process is None and not _held(where):
            process = _spawn(where)
        if process and process.poll() not in (None, HELD) and not _held(where):
            break
        time.sleep(0.02)
    raise DeployerError(
        f"The sandbox did not start; the end of {where / 'log'}: {_last_words(where)}",
        "`deployer sandbox down` and `up` start it anew; `down --wipe` forgets what it holds.",
    )


def stop(where: Path, wipe: bool = False) -> tuple[bool, bool]:
    """Ends it with all its containers, networks and volumes; also those of one that was killed.

    Whether it ran, and whether Docker was asked: else its name is kept, so that the next `down` finds what is left."""
    pid = _holder(where)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if not _released(where, STOP_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _released(where, 5)
    if not (where / "owner").exists():
        return bool(pid), True
    swept = _sweep(where, wipe)
    if wipe:
        _forget(where, () if swept else ("owner",))
    return bool(pid), swept


def environment(address: Address, into: MutableMapping[str, str]) -> None:
    """Leads every AWS call of this process into the sandbox: nothing of the user's own settings stays in force."""
    region = into.get("AWS_REGION") or into.get("AWS_DEFAULT_REGION") or REGION
    for name in [name for name in into if name.startswith("AWS_")]:
        del into[name]
    into.update(variables(address), AWS_REGION=region, AWS_DEFAULT_REGION=region, AWS_EC2_METADATA_DISABLED="true",
                AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)  # fmt: skip
    for name in ("NO_PROXY", "no_proxy"):
        into[name] = ",".join(filter(None, [into.get(name, ""), "127.0.0.1,localhost"]))


def variables(address: Address) -> dict[str, str]:
    """What another program needs, e.g. `aws`."""
    return {"AWS_ENDPOINT_URL": address.url, "AWS_ACCESS_KEY_ID": address.key, "AWS_SECRET_ACCESS_KEY": "sandbox"}


def ask(address: Address, what: str, seconds: float = 10.0) -> Any:
    """`ping` or `status`. Raises OSError when nothing answers."""
    request = urllib.request.Request(f"{address.url}/_sandbox/{what}", headers={"X-Sandbox-Key": address.key})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=max(seconds, 0.1)) as answer:
        return json.loads(answer.read())


def refuse_without_extra() -> None:
    missing = [package for module, package in NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(f"The sandbox needs packages that are not installed: {', '.join(missing)}.",
                         "Install its extra: pip install 'deployer[sandbox]'")  # fmt: skip


def _spawn(where: Path) -> subprocess.Popen[bytes]:
    try:
        _refuse_manners()
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_foreign(where)
        with contextlib.suppress(FileNotFoundError):
            (where / "log").replace(where / "log.old")  # it may say why the last one died
        with (where / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "deployer.sandbox", str(where)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip
    except OSError as error:
        raise DeployerError(f"The sandbox cannot be started in {where}: {error.strerror}.",
                            "Choose another directory with DEPLOYER_SANDBOX.") from error  # fmt: skip


def _refuse_manners() -> None:
    try:
        asked(os.environ.get(MANNERS, ""))
    except ValueError as error:
        raise UsageError(f"{MANNERS}: {error}.", "Correct it, or unset it: then AWS is at its best.") from error


def _refuse_foreign(where: Path) -> None:
    """What lies there is read as its own, so it has to be."""
    others = [file.name for file in where.iterdir() if file.name not in OWN]
    if where.stat().st_uid != os.getuid() or (others and not (where / "owner").exists()):
        raise UsageError(f"{where} is no folder of the sandbox's: it belongs to another user, or holds other files.",
                         "Choose an empty one of your own with DEPLOYER_SANDBOX.")  # fmt: skip


def _held(where: Path) -> bool:
    """Whether a process lives that holds the folder: the kernel releases the lock with it."""
    try:
        descriptor = os.open(where / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _holder(where: Path) -> int:
    """The pid of the sandbox that holds the folder; 0 without one."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        if _held(where):
            said = (where / "lock").read_text()  # nothing, if it is of an older deployer
            return int(said or json.loads((where / "address.json").read_text("utf-8"))["pid"])
    return 0


def _released(where: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _held(where) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _held(where)


def _sweep(where: Path, wipe: bool) -> bool:
    """What a killed sandbox has left in the Docker engine. Whether that was to be had."""
    command = [sys.executable, "-m", "deployer.sandbox", str(where), "--sweep", *(["--wipe"] if wipe else [])]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=120, check=False, cwd="/")  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _forget(where: Path, kept: tuple[str, ...]) -> None:
    """Its own files only: DEPLOYER_SANDBOX may name a folder with others in it."""
    for name in [name for name in OWN if name not in kept]:
        if (where / name).is_dir():
            shutil.rmtree(where / name, ignore_errors=True)
        else:
            (where / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        where.rmdir()


def _last_words(where: Path) -> str:
    with contextlib.suppress(OSError):
        return (where / "log").read_text("utf-8", "replace")[-800:].strip() or "nothing"
    return "there is none"
