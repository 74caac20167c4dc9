"""`python -m tests.cloud`: the cloud in a process of its own. Prints `{"url": ...}` when it listens."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
from pathlib import Path

ENVIRONMENT = {  # most of it is read when moto is imported
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ACCOUNT_ID": "123456789012",
}


def end_with_parent(stop: threading.Event) -> None:
    """Stop when the parent dies, or when standard input, if it is a pipe, reaches its end."""
    parent = os.getppid()

    def watch_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        stop.set()

    def watch_stdin() -> None:
        while os.read(0, 4096):
            pass
        stop.set()

    threading.Thread(target=watch_parent, daemon=True).start()
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=watch_stdin, daemon=True).start()


def free_port() -> int:
    """Linux lets a socket listen again at a port that was asked for by number, and only there (see `away`)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cloud", description="An AWS to test against, on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--registry", action="store_true", help="with a real image registry behind ECR")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="of every AWS call")
    options = parser.parse_args()

    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    from deployer.sandbox.control.tempo import TEMPO
    from deployer.sandbox.endpoint import serve

    from .server import Application

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    end_with_parent(stop)

    TEMPO.change(call=options.latency)
    application = Application()
    folder = Path(tempfile.mkdtemp(prefix="cloud-registry-"))
    if options.registry:
        from deployer.sandbox.registry import Registry

        application.registry = Registry(folder)
    try:
        if application.registry:
            application.registry.start()
        server = application.server = serve(application, options.port or free_port())
        application.listen()
        print(json.dumps({"url": f"http://127.0.0.1:{server.port}"}), flush=True)
        application.prepare(application.load)
        stop.wait()
    finally:
        if application.registry:
            application.registry.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)  # calls still running are nobody's any more


if __name__ == "__main__":
    main()
