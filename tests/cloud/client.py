"""`Cloud`: starts the cloud's process and talks to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config

from .calls import HIDDEN, Call
from .inventory import Inventory

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
AWAY = 5.0  # seconds for which an order waits until the cloud listens


class Cloud:
    """A running cloud. `Cloud.start()` makes one of its own; `Cloud(url)` talks to one that runs already."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[tuple[str, str, bool], Any] = {}
        self._lock = threading.Lock()
        self.users: list[str] = []
        self._session = _session()

    @classmethod
    @contextlib.contextmanager
    def start(cls, registry: bool = False, latency: float = 0.0) -> Iterator[Cloud]:
        command = [sys.executable, "-m", "tests.cloud", "--latency", str(latency)]
        command += ["--registry"] if registry else []
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin and process.stdout
            try:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"the cloud did not start (exit code {process.wait(10)})")
                yield cls(json.loads(line)["url"])
            finally:
                process.stdin.close()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()

    def env(self) -> dict[str, str]:
        """The environment of a child process that shall see this cloud and no other."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        direct = ",".join(filter(None, [inherited.get("NO_PROXY", ""), "127.0.0.1,localhost"]))
        return inherited | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": direct,
            "no_proxy": direct,
        }

    def client(self, service: str, region: str = REGION, hidden: bool = False) -> Any:
        """A boto3 client without retries. The calls of a `hidden` one are not recorded, delayed or disturbed."""
        with self._lock:
            key = (service, region, hidden)
            if key not in self._clients:
                config = Config(
                    retries={"total_max_attempts": 1},
                    inject_host_prefix=False,
                    user_agent_extra=HIDDEN if hidden else "tests-cloud",
                    max_pool_connections=50,
                    proxies={},
                )
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self.url,
                    aws_access_key_id="test",
                    aws_secret_access_key="test",
                    config=config,
                )
            return self._clients[key]

    # --- what happened ---

    def calls(self) -> list[Call]:
        return [Call(**call) for call in self._do("calls")]

    def forget_calls(self) -> None:
        self._do("forget-calls")

    def errors(self) -> list[str]:
        """Tracebacks of what moto could not do, since the last reset."""
        return list(self._do("errors"))

    # --- what shall happen ---

    def reset(self) -> None:
        self._do("reset")

    def keep(self, path: Path) -> None:
        """What exists now, as a file from which this or another cloud restores it."""
        self._do("keep", path=str(path))

    def restore(self, path: Path) -> None:
        """A reset, and then exactly what `keep` found."""
        self._do("restore", path=str(path))

    def latency(self, seconds: float) -> None:
        self._do("tempo", call=seconds)

    def tempo(
        self,
        task: float | None = None,
        drain: float | None = None,
        nat: float | None = None,
        load_balancer: float | None = None,
    ) -> None:
        """How long a task takes to run, a service to drain, a gateway and a load balancer to be there (seconds)."""
        self._do("tempo", task=task, drain=drain, nat=nat, load_balancer=load_balancer)

    def manners(self, *names: str, **numbers: float) -> None:
        """From now on AWS's manners of these names ("all"), and no others, until the next reset.

        `numbers`: seconds or counts of single ones, by name, with _ for -; they are switched on by that too."""
        self._do("manners", names=names, numbers=numbers)

    def scheduler(self, mode: str, service: str | None = None) -> None:
        """ok, stuck, crash, unhealthy or off; for one service (by name) or for all."""
        self._do("scheduler", mode=mode, service=service)

    def oneoff(self, code: int | None, *lines: str) -> None:
        """Tasks of RunTask end a moment after their start, with this exit code and these lines in their log; None (at
        first): they run for ever."""
        self._do("oneoff", code=code, lines=list(lines))

    def fault(
        self,
        kind: str,
        service: str | None = None,
        operation: str | None = None,
        nth: int = 1,
        times: int = 1,
        mutating: bool = False,
        code: str | None = None,
        message: str | None = None,
        status: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Strike the nth matching call from now on and the `times - 1` after it; see faults.py for the kinds."""
        wanted = {name: value for name, value in locals().items() if name != "self" and value is not None}
        self._do("fault", owner=os.getpid(), **wanted)

    def faults(self) -> list[dict[str, Any]]:
        """The faults asked for, each with how often it has matched (`seen`) and struck (`fired`)."""
        return list(self._do("faults"))

    def clear_faults(self, fired: bool = False) -> None:
        """All, or those that have struck."""
        self._do("clear-faults", fired=fired)

    def quota(self, service: str, code: str, value: float) -> None:
        """What Service Quotas tells; at first it tells none."""
        self._do("quota", service=service, code=code, value=value)

    def token_expired(self, times: int = 1) -> None:
        """The registry refuses every token given so far, and those given by the next `times - 1` calls."""
        self._do("token-expired", times=times)

    # --- who may do what ---

    def user(self, *documents: dict[str, Any]) -> dict[str, str]:
        """A new user with these policies alone, as the environment of a child process; IAM is enforced from here on."""
        iam, name = self.client("iam", hidden=True), f"user-{len(self.users)}"
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self.users.append(name)
        self.allow(name, *documents)
        self._do("enforce", on=True)
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def allow(self, name: str, *documents: dict[str, Any]) -> None:
        """Puts other policies in the place of a user's."""
        iam = self.client("iam", hidden=True)
        for attached in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=name, PolicyArn=attached["PolicyArn"])
            iam.delete_policy(PolicyArn=attached["PolicyArn"])
        for number, document in enumerate(documents):
            text = json.dumps(document, separators=(",", ":"))
            made = iam.create_policy(PolicyName=f"{name}-{number}", PolicyDocument=text)["Policy"]
            iam.attach_user_policy(UserName=name, PolicyArn=made["Arn"])

    def checks(self) -> list[dict[str, Any]]:
        """What IAM was asked of enforced users' calls: action, resource, context, allowed, call."""
        return list(self._do("checks"))

    def forget_checks(self) -> None:
        self._do("forget-checks")

    # --- what exists ---

    @property
    def registry(self) -> str | None:
        """localhost:PORT of the real registry behind ECR, if the cloud was started with one."""
        address = self._do("ping")["registry"]
        return str(address) if address else None

    def survey(self, region: str = REGION) -> tuple[Inventory, dict[str, str]]:
        """The inventory, and the ids of all that is in it, each with the key in its tags."""
        found, keys = self._do("survey", region=region)
        return found, keys

    def inventory(self, region: str = REGION) -> Inventory:
        return self.survey(region)[0]

    def is_empty(self, region: str = REGION) -> bool:
        return not any(self.inventory(region).values())

    def _do(self, command: str, **arguments: Any) -> Any:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        try:
            _connect(connection)
            connection.request("POST", f"/_cloud/{command}", json.dumps(arguments))
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status == 400:
            raise ValueError(json.loads(content)["error"])
        if response.status != 200:
            raise RuntimeError(content.decode(errors="replace"))
        return json.loads(content)


def _connect(connection: http.client.HTTPConnection) -> None:
    """The cloud may be away for a while, as a fault of that name asks it to be."""
    deadline = time.monotonic() + AWAY
    while True:
        try:
            return connection.connect()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _session() -> boto3.Session:
    """A session that reads nobody's AWS configuration."""
    core = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(botocore_session=core)
