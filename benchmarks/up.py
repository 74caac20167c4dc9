"""How near a run comes to the longest chain of calls that its dependencies force on it.

`python -m benchmarks.up [--latency 0.05] [--services N]`: the voting app (or a stack of N services) against the
simulated AWS with that many seconds added to each call. For `up`, a second `up` and `down` it prints the calls, the
longest chain of calls that have to follow each other, the seconds, and seconds / (chain x seconds of one call).
Neither the program's start, its asking who it is, nor the building of images counts: images are given by digest.
"""

from __future__ import annotations

import argparse
import collections
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from deployer import config as configuration
from deployer import plan as planning
from deployer.apply import Apply
from deployer.cli.session import Session, opened, patient
from deployer.events import Event
from deployer.preflight import look
from deployer.preflight.linked import made
from deployer.preflight.run import Run
from deployer.removal import Removal
from deployer.resource import Resource
from deployer.settings import Settings
from deployer.state import Record
from tests.cloud import Cloud

ROOT = Path(__file__).resolve().parents[1]
DIGEST = "@sha256:" + "0" * 64


@dataclass
class Trace:
    """The calls of one run, by the step whose thread made them; what comes before the first step, by thread."""

    steps: collections.Counter[str] = field(default_factory=collections.Counter)
    before: collections.Counter[int] = field(default_factory=collections.Counter)
    doing: dict[int, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, event: Event) -> None:
        if event.event == "started":
            self.doing[threading.get_ident()] = event.key

    def call(self, **_: Any) -> None:
        with self.lock:
            key = self.doing.get(threading.get_ident())
            if key:
                self.steps[key] += 1
            else:
                self.before[threading.get_ident()] += 1

    def chain(self, needs: dict[str, set[str]]) -> int:
        """Calls that have to follow each other: the reading beforehand, then the longest path through the steps."""
        longest: dict[str, int] = {}

        def path(key: str) -> int:
            if key not in longest:
                longest[key] = self.steps[key] + max((path(need) for need in needs.get(key, ())), default=0)
            return longest[key]

        main = self.before.pop(threading.get_ident(), 0)
        return main + max(self.before.values(), default=0) + max(map(path, needs), default=0)


class Traced(Apply):
    """Tells which step a thread works for; a look at something that is not usable yet may be any thread's."""

    trace: Trace

    def _call(self, resource: Resource, call: Callable[[], Any]) -> Any:
        self.trace.doing[threading.get_ident()] = resource.key
        return super()._call(resource, call)

    def _begin_removal(self, record: Record) -> Removal:
        removal = super()._begin_removal(record)
        attempt = removal.call

        def call(*args: Any, **more: Any) -> Any:
            self.trace.doing[threading.get_ident()] = record.key
            return attempt(*args, **more)

        removal.call = call
        return removal


@dataclass(frozen=True)
class Measured:
    """One run. `seconds`: without the program's start; `call`: the median of a call's seconds."""

    calls: int
    chain: int
    seconds: float
    call: float

    def __str__(self) -> str:
        ratio = self.seconds / (self.chain * self.call)
        return f"{self.calls:6} {self.chain:6} {self.seconds:8.2f} {self.call * 1000:9.1f} {ratio:6.2f}"


def measured(cloud: Cloud, settings: Settings, run: Callable[[Session, Trace], dict[str, set[str]]]) -> Measured:
    trace = Trace()
    register(trace)
    with opened(settings, configuration.load(settings.file).config, "benchmark") as session:
        trace.before.clear()
        cloud.forget_calls()
        began = time.monotonic()
        needs = run(session, trace)
        seconds = time.monotonic() - began
    calls = cloud.calls()
    one = statistics.median(call.finished - call.started for call in calls)
    return Measured(len(calls), trace.chain(needs), seconds, one)


def register(trace: Trace) -> None:
    """Every session that is made from here on tells the trace of each call."""
    make = boto3.session.Session.__init__

    def init(self: Any, *args: Any, **names: Any) -> None:
        make(self, *args, **names)
        self.events.register("before-send.*.*", trace.call)

    boto3.Session = type("Session", (boto3.session.Session,), {"__init__": init})


def up(session: Session, trace: Trace) -> dict[str, set[str]]:
    session.survey()
    images = {name: f"registry.invalid/{name}{DIGEST}" for name in session.config.services}
    plan = planning.make(session.wanted(images), session.state.records, missing=session.missing)
    loaded = configuration.load(session.settings.file)
    outlook = look(Run(session.aws, plan, session.state.records, loaded.config, loaded.line))
    outlook.refuse()
    with made(session.aws, outlook.linked, 16):
        carry_out(session, plan, trace)
    return {step.key: step.resource.needs() for step in plan.steps if step.resource}


def down(session: Session, trace: Trace) -> dict[str, set[str]]:
    session.refresh()
    plan = planning.make([], session.state.records, missing=session.missing)
    carry_out(session, plan, trace)
    return planning.dependents({step.key: step.record for step in plan.removals if step.record})


def carry_out(session: Session, plan: planning.Plan, trace: Trace) -> None:
    with patient(600) as patience:
        apply = Traced(session.aws, session.state, patience, listen=trace.hear)
        apply.trace = trace
        outcome = apply.run(plan)
    assert outcome.ok, outcome


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    options.add_argument("--latency", type=float, default=0.05, help="seconds added to each call")
    options.add_argument("--services", type=int, default=0, help="so many services instead of the voting app")
    chosen = options.parse_args()
    with Cloud.start() as cloud, tempfile.TemporaryDirectory() as folder:
        enter(cloud)
        file = Path(folder) / "deploy.yaml"
        file.write_text(text_of(chosen.services))
        settings = Settings(file, quiet=True)
        cloud.tempo(task=0.0, drain=0.0, nat=0.0)
        warm_up(cloud)
        cloud.latency(chosen.latency)
        print(f"{'run':10} {'calls':>6} {'chain':>6} {'seconds':>8} {'a call/ms':>9} {'ratio':>6}")
        for name, run in (("up", up), ("up again", up), ("down", down)):
            print(f"{name:10} {measured(cloud, settings, run)}", flush=True)


def enter(cloud: Cloud) -> None:
    """This process sees that cloud and no other."""
    os.environ.update({name: value for name, value in cloud.env().items() if name.startswith("AWS_")})


def warm_up(cloud: Cloud) -> None:
    """moto imports a service at its first call."""
    for service, call in (("ec2", "describe_vpcs"), ("elbv2", "describe_load_balancers"), ("iam", "list_roles"),
                          ("ecs", "list_clusters"), ("ecr", "describe_repositories"), ("logs", "describe_log_groups"),
                          ("secretsmanager", "list_secrets"), ("sts", "get_caller_identity")):  # fmt: skip
        getattr(cloud.client(service), call)()


def text_of(services: int) -> str:
    if not services:
        return (ROOT / "deploy.yaml").read_text()
    each = "".join(f"  s{number}:\n    image: app:1\n" for number in range(services))
    return f"name: large\nregion: us-east-1\nservices:\n{each}"


if __name__ == "__main__":
    main()
