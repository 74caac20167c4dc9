"""`python -m deployer.sandbox FOLDER`: the sandbox's process. SIGTERM ends it, and all its containers with it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from deployer.sandbox.folder import owner_of, sockets_of, write
from deployer.sandbox.process import HELD, REGION, UNSEEN

ACCOUNT = "0" * 12  # nobody's
ENVIRONMENT = {  # most of it is read when moto is imported
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ACCOUNT_ID": ACCOUNT,
}
SUFFIX = "elb.localhost"  # browsers and resolvers lead every name under `localhost` to this machine (RFC 6761)
log = logging.getLogger("deployer.sandbox")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deployer.sandbox")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sweep", action="store_true", help="remove what a killed sandbox has left in Docker, and end")
    parser.add_argument("--wipe", action="store_true", help="with --sweep: its images too")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = take(options.folder)
    if lock is None:
        sys.exit(HELD)
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"0" if options.sweep else str(os.getpid()).encode(), 0)  # whom `down` has to stop
    if options.sweep:
        sweep(options.folder, options.wipe)
    else:
        run(options.folder)


def take(folder: Path) -> int | None:
    """The lock, held until this process ends. Who only looks whether it is held holds it for an instant."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(50):
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        time.sleep(0.01)
    return None


def sweep(folder: Path, wipe: bool) -> None:
    from .containers import Containers
    from .supplies import Supplies

    supplies, owner = Supplies(ACCOUNT), owner_of(folder)
    containers = Containers(owner, sockets_of(owner), supplies.secret, supplies.log, lambda host: None)
    shutil.rmtree(sockets_of(owner), ignore_errors=True)
    if containers.available():
        sys.exit(UNSEEN)
    containers.clean()
    if wipe:
        containers.forget_image()


def run(folder: Path) -> None:
    told, port = folder / "address.json", 0
    with contextlib.suppress(OSError, ValueError, KeyError):
        port = int(json.loads(told.read_text("utf-8"))["url"].rpartition(":")[2])
    told.unlink(missing_ok=True)  # it was the last one's, and is believed as long as the lock is held
    from .life import Life

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    life = Life(folder, owner_of(folder), ACCOUNT, SUFFIX)
    life.port = port
    try:
        url = life.listen()
        address = {"url": url, "pid": os.getpid(), "key": life.key, "account": ACCOUNT}
        write(told, json.dumps(address).encode())
        life.begin()
        while not stop.wait(0.25):
            life.tend()
    finally:
        life.end()
    os._exit(0)  # calls still running are nobody's any more


if __name__ == "__main__":
    main()
