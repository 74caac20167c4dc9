"""What a command works with: the file, the account, the record; and how they are opened, in that order."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from deployer import aws as door
from deployer import config as configuration
from deployer import recover, refresh, stack
from deployer import resources as _types  # noqa: F401  makes every resource type known
from deployer.caller import connect
from deployer.config import Config
from deployer.errors import ConfigError, DeployerError, UsageError
from deployer.lock import lock
from deployer.patience import Patience
from deployer.place import Place
from deployer.plan import Action, Plan
from deployer.resource import Resource
from deployer.settings import Settings
from deployer.state import Record, State


@dataclass
class Session:
    """One stack as a command sees it. `missing`: recorded, but gone from the account."""

    settings: Settings
    config: Config
    aws: door.Aws
    state: State
    missing: frozenset[str] = frozenset()
    idle: str = ""  # why no service can run: a sandbox without a Docker engine
    _zones: list[str] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        return not self.state.saved

    def refresh(self, parallel: int = 16, inspect: bool = False) -> None:
        """`inspect`: look for drift as well."""
        self.missing = refresh.refresh(self.aws, self.state, parallel, inspect)

    def refuse_strangers(self) -> None:
        """Without a record, objects of this stack's name may be its own or another's: nothing is touched."""
        if not self.is_new:
            return
        self.aws.stack_id = ""
        found = refresh.scan(self.aws)
        self.aws.stack_id = self.state.id
        if found:
            ids = sorted({one.stack_id for one in found})
            which = f" --id {'|'.join(ids)}" if len(ids) > 1 else ""
            raise DeployerError(
                f"There is no record of {self.config.stack} ({self.state.path}), but {len(found)} resources in account "
                f"{self.aws.account}, {self.aws.region}, carry its name (stack id "
                f"{', '.join(ids)}). Nothing was changed.",
                "If they are yours, work where the record is, or copy it here, or let "
                f"`deployer state rebuild{which}` make it again; else choose another `name:`.",
            )

    def survey(self, parallel: int = 16) -> None:
        """What a plan needs to know, in as few rounds as can be: strangers, zones, what still exists.

        Raises as `refuse_strangers`, `zones` and `refresh` do."""
        if self.is_new:
            with ThreadPoolExecutor(1) as pool:
                zones = pool.submit(self.zones)
                self.refuse_strangers()
                zones.result()
        self.refresh(parallel, inspect=True)

    def renewed(self, plan: Plan) -> bool:
        """Whether the record was older than the account, and has been made again: the plan is no longer true then.
        Looks only for what the plan would make a second time, since no name in AWS forbids it."""
        types = unnamed(plan, self.state.records)
        if self.is_new or not types:
            return False
        wanted = [step.resource for step in plan.steps if step.resource]
        keys = recover.renew(self.aws, self.state, wanted, types, self.missing)
        self.missing &= frozenset(self.state.records)
        return self._older(keys)

    def gather(self) -> None:
        """Takes into the record whatever carries the stack's own id, so that it goes as well."""
        if self.state.records:
            self._older(recover.gather(self.aws, self.state, self._likely))

    def _likely(self) -> list[Resource]:
        with contextlib.suppress(DeployerError):  # what an image is built from may be gone
            return self.wanted(build=False)
        return []

    def _older(self, keys: list[str]) -> bool:
        if keys and not self.settings.quiet:
            click.echo(f"The record is older than the account: {few(keys)} carried this stack's id and were not in it. "
                       "They are taken into it.", err=True)  # fmt: skip
        return bool(keys)

    def place(self, images: dict[str, str] | None = None, build: bool = True) -> Place:
        return Place(
            self.aws.account, self.aws.region, self.aws.partition, self.zones(), self.settings.file.parent.resolve(),
            self.state.id, os.environ, images or {}, build,
        )  # fmt: skip

    def zones(self) -> list[str]:
        """The zones that the recorded subnets stand in, then others: a stack does not move when AWS adds one."""
        if not self._zones:
            records = self.state.records
            names = [f"subnet.public-{chr(ord('a') + index)}" for index in range(self.config.network.zones)]
            zones = [str(records[name].inputs.get("zone") or "") if name in records else "" for name in names]
            if "" in zones:  # each recorded one keeps its letter
                spare = [zone for zone in available_zones(self.aws) if zone not in zones]
                if len(spare) < zones.count(""):
                    found = len(spare) + len(zones) - zones.count("")
                    raise UsageError(
                        f"{self.aws.region} has {found} availability zones with Fargate, "
                        f"and `network.zones` asks for {len(zones)}.",
                        f"Write `zones: {found}` or choose another region.",
                    )
                zones = [zone or spare.pop(0) for zone in zones]
            self._zones = zones
        return self._zones

    def wanted(self, images: dict[str, str] | None = None, build: bool = True) -> list[Resource]:
        return stack.build(self.config, self.place(images, build), self.state.records)

    def outputs(self) -> dict[str, str]:
        return stack.outputs(self.state.records)


def unnamed(plan: Plan, records: Mapping[str, Record]) -> list[str]:
    """The types of which a second object would be made beside an unrecorded one; and revisions, where ECS runs one that
    is not recorded."""
    creates = (step.type for step in plan.steps if step.action is Action.CREATE)
    types = {one.type for one in creates if not one.exists_on and not one.look_first and one.own_object}
    ids = {record.id for record in records.values()}
    runs = (record.outputs.get("task_definition") for record in records.values() if record.type == "service")
    return sorted(types | ({"task-definition"} if any(one and one not in ids for one in runs) else set()))


def load(settings: Settings) -> configuration.Loaded:
    return configuration.load(settings.file, settings.env)


class Anything(dict[str, str]):
    """An environment that has every variable: its own, and something for the others."""

    def get(self, name: str, default: object = None) -> str:
        return dict.get(self, name) or "1"


def load_standing(settings: Settings) -> Config:
    """For commands that deploy nothing: a variable that only `up` needs may be missing."""
    try:
        return load(settings).config
    except ConfigError as error:
        try:
            return configuration.load(settings.file, settings.env, Anything(os.environ)).config
        except ConfigError:
            raise error from None


@contextlib.contextmanager
def opened(settings: Settings, config: Config, command: str, *, locked: bool = True) -> Iterator[Session]:
    """Raises UsageError, StateError or LockedError before anything is changed."""
    idle, profile, account = "", settings.profile, config.account
    if settings.sandbox:
        from deployer.cli import sandbox

        idle, profile, account = sandbox.without_engine(sandbox.enter(settings)), None, None
    aws = connect(
        config.stack, region=settings.region or config.region, profile=profile, account=account,
        tags=dict(config.tags),
    )  # fmt: skip
    path = state_path(settings, config.stack)
    with lock(path, command) if locked else contextlib.nullcontext():
        state = State.open(path, config.stack, aws.account, aws.region)
        aws.stack_id = state.id
        yield Session(settings, config, aws, state, idle=idle)


def state_path(settings: Settings, stack: str) -> Path:
    return settings.file.parent / ".deployer" / f"{stack}{'.sandbox' if settings.sandbox else ''}.json"


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html; the letters of zones differ from
# account to account, their ids do not.
WITHOUT_FARGATE = frozenset({"use1-az3", "usw1-az2", "apne1-az3", "cac1-az3"})


def available_zones(aws: door.Aws) -> list[str]:
    """Where Fargate runs tasks; no local or wavelength zones."""
    filters = [{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    try:
        zones = aws.ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
    except Exception as error:
        raise door.explain(error, f"Listing the availability zones of {aws.region}") from error
    return sorted(zone["ZoneName"] for zone in zones if zone.get("ZoneId") not in WITHOUT_FARGATE)


def named(config: Config, names: list[str]) -> None:
    """Raises UsageError for a service that the file does not have."""
    for name in names:
        if name not in config.services:
            raise UsageError(f"There is no service {name} in the file.", f"It has: {', '.join(config.services)}.")


def few(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def patient(timeout: float) -> contextlib.AbstractContextManager[Patience]:
    """Ctrl-C once: nothing new starts, what has begun is finished and recorded. Twice: stop at once, still recorded."""
    return stoppable(
        time.monotonic() + timeout,
        "Stopping: what has begun is being finished. Press Ctrl-C again to stop at once.",
        "Stopped at once; what was made is recorded. Run the command again to continue.",
    )


@contextlib.contextmanager
def stoppable(deadline: float, once: str, twice: str) -> Iterator[Patience]:
    """Ctrl-C sets `stop` and says `once` (nothing if it is empty); a second one says `twice` and ends this process."""
    patience = Patience(deadline, threading.Event())

    def interrupt(number: int, frame: object) -> None:
        if patience.stop.is_set():
            os.write(2, f"\n{twice}\n".encode())
            os._exit(130)
        patience.stop.set()
        os.write(2, f"\n{once}\n".encode() if once else b"")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield patience
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
