"""`python -m tests.whole.warm`: for each order on standard input a child that runs `deployer`.

The child is a process like any other, and dies of the same signals; it only need not import boto3 and read its service
descriptions again. Answers each order with its exit code.

With an AWS_ENDPOINT_URL in the environment the clients for that cloud are made once, too: half of what a run without
changes costs. BACKOFF_MOST in an order's environment shortens botocore's pauses to so many seconds.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from functools import cache
from typing import Any

LISTED_AFTER = "TESTS_LISTED_AFTER"


def warm_up() -> None:
    import boto3
    from botocore import useragent
    from botocore.loaders import JSONFileLoader

    import deployer.apply
    import deployer.blocking.survey
    import deployer.cli
    import deployer.cli.session
    import deployer.console
    import deployer.departure
    import deployer.making
    import deployer.prepare
    import deployer.recover
    import deployer.refresh
    import deployer.removal
    import deployer.status
    import deployer.sweep
    import deployer.template
    from deployer.aws import SERVICES, client

    for command in deployer.cli.COMMANDS:
        deployer.cli.cli.get_command(None, command)  # type: ignore[arg-type]
    deployer.refresh.LISTED_AFTER = 0.0  # this cloud lists at once what it has made
    deployer.sweep.LOOKS = (0, 0.2)
    deployer.removal.STRANGERS = 0.5
    deployer.making.LOOKS = (0.0,)
    # botocore works it out anew for each call, with the same result: a good part of a client's time.
    useragent.sanitize_user_agent_string_component = cache(useragent.sanitize_user_agent_string_component)
    load, kept = JSONFileLoader.load_file, {}

    def load_file(self: Any, path: str) -> Any:
        if path not in kept:
            kept[path] = load(self, path)
        return kept[path]

    JSONFileLoader.load_file = load_file
    if "AWS_ENDPOINT_URL" in os.environ:
        connect()
    else:
        session = boto3.Session("none", "none", region_name="us-east-1")
        for service in ("sts", *SERVICES):
            client(session, service, "us-east-1", 1, 1)
    gc.collect()
    gc.freeze()


def connect() -> None:
    """The session and the clients that `deployer` is going to make, made before it is run."""
    import boto3

    from deployer import aws

    session, made = boto3.Session(), dict[Any, Any]()
    new = session.client

    def client(service: str, *, region_name: str, config: Any) -> Any:
        kind = (service, region_name, config.retries["total_max_attempts"], config.max_pool_connections)
        if kind not in made:
            made[kind] = new(service, region_name=region_name, config=config)
            any_call = next(iter(made[kind].meta.method_to_api_mapping))
            made[kind].can_paginate(any_call)  # reads what is known of pages
        return made[kind]

    session.client = client
    boto3.Session = lambda **_: session  # type: ignore[misc]
    aws.client(session, "sts", session.region_name, 3, 4)
    aws.Aws(session, "", "", "", session.region_name, "aws").once()


def hurry(most: float) -> None:
    from botocore.retries.standard import ExponentialBackoff

    usual = ExponentialBackoff.delay_amount
    ExponentialBackoff.delay_amount = lambda self, context: min(usual(self, context), most)  # type: ignore[method-assign]


def become(order: dict[str, Any]) -> None:
    """Does not return."""
    signal.alarm(order["seconds"])
    for number, (name, mode) in enumerate([(os.devnull, os.O_RDONLY), (order["stdout"], os.O_WRONLY),
                                           (order["stderr"], os.O_WRONLY)]):  # fmt: skip
        descriptor = os.open(name, mode | (os.O_CREAT | os.O_TRUNC if number else 0), 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["env"])
    if most := os.environ.pop("BACKOFF_MOST", ""):
        hurry(float(most))
    os.chdir(order["cwd"])
    sys.argv = ["deployer", *order["args"]]
    import deployer.cli
    import deployer.making
    import deployer.refresh

    if after := order["env"].get(LISTED_AFTER):  # not so a cloud in which new ids are not seen at once
        deployer.refresh.LISTED_AFTER = float(after)
        deployer.making.LOOKS = (0.0, float(after), float(after))
    deployer.cli.main()


def main() -> None:
    warm_up()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                become(json.loads(line))
            finally:
                os._exit(99)
        print(json.dumps({"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}), flush=True)


if __name__ == "__main__":
    main()
