"""An imaginary cloud, kept in files so that it outlives a killed process, and the types of things that live in it.

Only the edge is made up: `Aws` is the real one, and its session hands out this cloud for every client.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError

from deployer.aws import Aws
from deployer.resource import TYPES, Found, Made, Outputs, Progress, Resource, Retry

Hook = Exception | Callable[[], Any]


def refusal(code: str, message: str = "", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Imagine")  # type: ignore[arg-type]


def lost() -> ConnectionClosedError:
    return ConnectionClosedError(endpoint_url="https://imaginary.test")


def changes(call: str) -> bool:
    return call.split()[0] in ("create", "configure", "update", "tag", "delete")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Cloud:
    """`before` and `after`: what happens at a call (`create thing.a`), once each; `awaits`: what keeps a thing busy."""

    root: Path
    before: dict[str, list[Hook]] = field(default_factory=dict)
    after: dict[str, list[Hook]] = field(default_factory=dict)
    awaits: dict[str, Callable[[], str | None]] = field(default_factory=dict)
    watch: Callable[[str], None] = lambda call: None
    watch_after: Callable[[str], None] = lambda call: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str, region_name: str, config: Any) -> Client:
        return Client(self, once=config.retries["total_max_attempts"] == 1)

    def call(self, verb: str, key: str, work: Callable[[], Any]) -> Any:
        name = f"{verb} {key}"
        with self._lock, (self.root / "calls").open("a") as log:
            log.write(f"{name}\n")
        self.watch(name)
        self._strike(self.before, name)
        result = work()
        self.watch_after(name)
        self._strike(self.after, name)
        return result

    def _strike(self, hooks: dict[str, list[Hook]], name: str) -> None:
        with self._lock:
            hook = hooks[name].pop(0) if hooks.get(name) else None
        if isinstance(hook, Exception):
            raise hook
        if hook is not None:
            hook()

    @property
    def calls(self) -> list[str]:
        log = self.root / "calls"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def changes(self) -> list[str]:
        return [call for call in self.calls if changes(call)]

    def objects(self) -> list[dict[str, Any]]:
        """Everything there is, oldest first."""
        items = []
        for file in sorted(self.root.glob("object-*"), key=lambda file: int(file.name.rpartition("-")[2])):
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                items.append(json.loads(file.read_text()))
        return items

    def file(self, id: str) -> Path:
        return self.root / f"object-{id}"

    def make(self, aws: Aws, thing: Thing) -> Made:
        same = [item for item in self.objects() if item["tags"]["deployer:key"] == thing.key]
        if thing.delete_first and same:
            raise refusal("Conflict", "there is one already")
        if thing.exists_on and any(item["fixed"] == thing.fixed for item in same):
            raise refusal("Taken", "the name is taken")
        id = f"{thing.name}-{time.time_ns()}"
        self.put(id, {"id": id, "fixed": thing.fixed, "tags": aws.tags(thing.key, thing.fingerprint)})
        return Made(id, outputs(id))

    def put(self, id: str, item: dict[str, Any]) -> None:
        new = self.root / f"new-{id}"
        new.write_text(json.dumps(item))
        new.replace(self.file(id))

    def set(self, id: str, **values: Any) -> None:
        if not self.file(id).exists():
            raise refusal("NotFound", f"{id} is not there")
        self.put(id, json.loads(self.file(id).read_text()) | values)

    def remove(self, id: str) -> None:
        self.file(id).unlink(missing_ok=True)


@dataclass
class Client:
    cloud: Cloud
    once: bool


def outputs(id: str) -> Outputs:
    return {"arn": f"arn:{id}"}


@dataclass(frozen=True, kw_only=True)
class Thing(Resource):
    """`fixed` cannot change in place, `loose` can."""

    type = "thing"
    replace_on = frozenset({"fixed"})
    retry_on = (Retry("NotYet", "settling", 5),)

    fixed: Any = None
    loose: Any = None

    def prepare(self, aws: Aws, progress: Progress) -> None:
        aws.ec2.cloud.call("prepare", self.key, lambda: None)

    def create(self, aws: Aws) -> Made:
        assert aws.ec2.once, "a creating call must go through a client that never repeats it"
        return aws.ec2.cloud.call("create", self.key, lambda: aws.ec2.cloud.make(aws, self))

    def configure(self, aws: Aws, id: str) -> None:
        aws.ec2.cloud.call("configure", self.key, lambda: aws.ec2.cloud.set(id, loose=self.loose))

    def update(self, aws: Aws, id: str, old: Thing) -> None:
        aws.ec2.cloud.call("update", self.key, lambda: aws.ec2.cloud.set(id, loose=self.loose))

    def tag(self, aws: Aws, id: str) -> None:
        tags = aws.tags(self.key, self.fingerprint)
        aws.ec2.cloud.call("tag", self.key, lambda: aws.ec2.cloud.set(id, tags=tags))

    def pending(self, aws: Aws, id: str) -> str | None:
        return aws.ec2.cloud.call("pending", self.key, aws.ec2.cloud.awaits.get(self.key, lambda: None))

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        cloud = aws.ec2.cloud
        return cloud.call(
            "read", cls.type, lambda: {id: outputs(id) if cloud.file(id).exists() else None for id in ids}
        )

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        found = [
            aws.found(item["id"], item["tags"]) for item in aws.ec2.cloud.call("scan", cls.type, aws.ec2.cloud.objects)
        ]
        return [one for one in found if one and one.key.startswith(f"{cls.type}.")]

    def delete(self, aws: Aws, id: str) -> None:
        aws.ec2.cloud.call("delete", self.key, lambda: aws.ec2.cloud.remove(id))

    def leaving(self, aws: Aws, id: str) -> str | None:
        return aws.ec2.cloud.call("leaving", self.key, aws.ec2.cloud.awaits.get(f"leaving {self.key}", lambda: None))


@dataclass(frozen=True, kw_only=True)
class Plain(Thing):
    """Usable as soon as it is configured: nothing to poll."""

    type = "plain"
    pending = Resource.pending


@dataclass(frozen=True, kw_only=True)
class Balancer(Thing):
    """Others need not wait until it is usable."""

    type = "balancer"
    holds_dependents = False


@dataclass(frozen=True, kw_only=True)
class Revision(Thing):
    """A change makes a new one; two former ones are kept."""

    type = "revision"
    revisions = 2


@dataclass(frozen=True, kw_only=True)
class Single(Thing):
    """Two cannot stand side by side."""

    type = "single"
    delete_first = True


@dataclass(frozen=True, kw_only=True)
class Store(Thing):
    """Holds data."""

    type = "store"
    holds_data = True


@dataclass(frozen=True, kw_only=True)
class Named(Thing):
    """Its name, made of `fixed`, is unique in the account, whoever owns it."""

    type = "named"
    exists_on = ("Taken",)

    def find(self, aws: Aws) -> str | None:
        for item in aws.ec2.cloud.call("find", self.key, aws.ec2.cloud.objects):
            if item["tags"]["deployer:key"] == self.key and item["fixed"] == self.fixed:
                return aws.claim(self.key, item["id"], item["tags"])
        return None


@dataclass(frozen=True, kw_only=True)
class Shared(Named):
    """Creating one that exists would answer with somebody else's."""

    type = "shared"
    look_first = True


# Known to the engine during these tests only: see conftest.
KINDS = {kind.type: TYPES.pop(kind.type) for kind in (Thing, Plain, Balancer, Revision, Single, Store, Named, Shared)}
