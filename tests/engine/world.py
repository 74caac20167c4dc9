"""A stack in the imaginary cloud: what `up` and `down` do, without the command line around it."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer import plan as planning
from deployer.apply import Apply
from deployer.aws import Aws
from deployer.events import Event, Outcome
from deployer.patience import Patience
from deployer.plan import Plan
from deployer.refresh import refresh
from deployer.resource import TYPES, Resource
from deployer.state import Record, State

from .imaginary import Cloud

STACK, ACCOUNT, REGION = "voting", "123456789012", "eu-test-1"
fork = multiprocessing.get_context("fork")


class Run(Outcome):
    @property
    def done(self) -> dict[str, int]:
        """How many of each there were, if any."""
        return {name: number for name, number in self.counts.items() if number}


@dataclass
class World:
    """`patience` and `events` are those of the last run."""

    cloud: Cloud
    path: Path
    patience: Patience = field(default_factory=lambda: Patience(time.monotonic() + 30))
    events: list[Event] = field(default_factory=list)
    state: State = None  # type: ignore[assignment]

    @classmethod
    def at(cls, folder: Path) -> World:
        (folder / "cloud").mkdir(parents=True, exist_ok=True)
        return cls(Cloud(folder / "cloud"), folder / ".deployer" / f"{STACK}.json")

    def copy(self, folder: Path) -> World:
        shutil.copytree(self.cloud.root.parent, folder)
        return World.at(folder)

    def open(self) -> tuple[Aws, State]:
        self.state = State.open(self.path, STACK, ACCOUNT, REGION)
        return self.aws(self.state.id), self.state

    def aws(self, stack_id: str) -> Aws:
        return Aws(self.cloud, STACK, stack_id, ACCOUNT, REGION, "aws")

    def plan(self, *wanted: Resource, delete_data: bool = False) -> Plan:
        aws, state = self.open()
        missing = refresh(aws, state)
        return planning.make(wanted, state.records, missing=missing, delete_data=delete_data)

    def up(
        self, *wanted: Resource, seconds: float = 30, parallel: int = 8, wait: bool = True, delete_data: bool = False
    ) -> Run:
        plan = self.plan(*wanted, delete_data=delete_data)
        return self.run(plan, seconds=seconds, parallel=parallel, wait=wait)

    def run(self, plan: Plan, *, seconds: float = 30, parallel: int = 8, wait: bool = True) -> Run:
        self.patience = Patience(time.monotonic() + seconds, threading.Event())
        self.events = []
        aws = self.aws(self.state.id)
        apply = Apply(aws, self.state, self.patience, listen=self.events.append, parallel=parallel, wait=wait)
        outcome = apply.run(plan)
        return Run(**vars(outcome))

    def down(self, *, delete_data: bool = False) -> Run:
        return self.up(delete_data=delete_data)

    # What there is, and what is written down.

    @property
    def recorded(self) -> dict[str, Record]:
        """The file on disk, at this moment."""
        data = json.loads(self.path.read_text()) if self.path.exists() else {"records": []}
        return {item["key"]: Record(**item) for item in data["records"]}

    @property
    def statuses(self) -> dict[str, str]:
        return {key: record.status for key, record in self.recorded.items()}

    @property
    def standing(self) -> list[str]:
        """The keys of the objects in the cloud, oldest first."""
        return [item["tags"]["deployer:key"] for item in self.cloud.objects()]

    def happened(self, event: str) -> list[str]:
        return [one.key for one in self.events if one.event == event]

    def forget_calls(self) -> None:
        (self.cloud.root / "calls").write_text("")

    def check(self, *wanted: Resource) -> None:
        """Everything stands exactly once, as wanted, recorded; nothing is forgotten; another run does nothing."""
        records = self.recorded
        assert {item["id"] for item in self.cloud.objects()} == {one.id for one in records.values()}
        ids = [record.id for record in records.values() if not TYPES[record.type].revisions]
        assert len(set(ids)) == len(ids)
        for thing in wanted:
            record = records[thing.key]
            concrete = thing.resolved(lambda ref: records[ref.key].id if ref.output == "id" else
                                      records[ref.key].outputs[ref.output])  # fmt: skip
            (item,) = [item for item in self.cloud.objects() if item["id"] == record.id]
            assert record.status == "ready", record
            assert record.inputs == concrete.inputs
            assert (item["fixed"], item["loose"]) == (concrete.inputs["fixed"], concrete.inputs["loose"])
            assert item["tags"]["deployer:inputs"] == concrete.fingerprint
        before, text = self.cloud.changes, self.path.read_bytes()
        assert self.up(*wanted).ok
        assert self.cloud.changes == before
        assert self.path.read_bytes() == text


def killed(work: Callable[[], Any]) -> None:
    """Runs `work` in a process of its own, which has to be killed on the way."""
    assert ended(work) == -signal.SIGKILL


def ended(work: Callable[[], Any]) -> int | None:
    process = fork.Process(target=work)
    process.start()
    process.join(20)
    if process.is_alive():
        process.kill()
        raise AssertionError("the process hangs")
    return process.exitcode
