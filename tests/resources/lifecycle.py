"""One life cycle for every resource type: what each must do, whatever it is, through the real engine.

A module of a family lists its `CASES` and has a class `TestLifeCycle(LifeCycle)`; the checks look at the account
through boto3, never at our own types.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployer import plan as planning
from deployer import refresh
from deployer import resources as _types  # noqa: F401  makes every resource type known
from deployer.apply import Apply
from deployer.aws import SERVICES, Aws
from deployer.errors import AwsError
from deployer.events import Outcome
from deployer.patience import Patience
from deployer.plan import Action, Plan
from deployer.prepare import prepare
from deployer.resource import SEEN, Outputs, Resource
from deployer.state import State
from tests.cloud import Call, Cloud

ACCOUNT, REGION, STACK = "123456789012", "us-east-1", "voting"
OURS, THEIRS = "0123456789ab", "ffffffffffff"
TAGGING = ("AddTags", "CreateTags", "TagResource", "TagRole", "UntagResource", "DeleteTags", "RemoveTags")
Tags = dict[str, str]


class Hasty(Patience):
    """The engine's own patience with a clock that runs thirty times as fast."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 30)


class Thrifty(Aws):
    """Its clients are made once for all tests: making them would take half of the time."""

    def __post_init__(self) -> None:
        made = CLIENTS.setdefault((id(self.session), self.region, self.attempts), {})
        if not made:
            super().__post_init__()
            made |= {service: getattr(self, service) for service in SERVICES}
        vars(self).update(made)

    def once(self) -> Aws:
        return replace(self, attempts=1)


CLIENTS: dict[tuple[int, str, int], dict[str, Any]] = {}


class Nobody(Thrifty):
    """Somebody who makes things of the same names without any tag of ours."""

    def tags(self, key: str, fingerprint: str) -> Tags:
        return {"owner": "somebody else"}


class Account:
    """An account in the cloud, and one stack's engine and record in it."""

    def __init__(self, cloud: Cloud, directory: Path, stack: str = STACK) -> None:
        self.cloud = cloud
        self.stack = stack
        self.aws = self.seen_by(OURS, extra_tags={"team": "red"})
        self.state = State(directory / ".deployer" / f"{stack}.json", stack, ACCOUNT, REGION, OURS)
        self.state.saved = False

    def seen_by(self, stack_id: str, kind: type[Aws] = Thrifty, extra_tags: Tags | None = None) -> Aws:
        session = _session(self.cloud.url)
        return kind(
            session, self.stack, stack_id, ACCOUNT, REGION, "aws", extra_tags=extra_tags or {}
        )

    def client(self, service: str) -> Any:
        """For looking and for meddling: these calls are not counted and no fault strikes them."""
        return self.cloud.client(service, hidden=True)

    def plan(self, *wanted: Resource, delete_data: bool = False, inspect: bool = False) -> Plan:
        missing = refresh.refresh(self.aws, self.state, inspect=inspect)
        return planning.make(wanted, self.state.records, missing=missing, delete_data=delete_data)

    def attempt(self, plan: Plan, wait: bool = True) -> Outcome:
        prepare(plan, self.aws, self.state, lambda key, text: None)
        patience = Hasty(time.monotonic() + 60)
        return Apply(self.aws, self.state, patience, wait=wait).run(plan)

    def up(self, *wanted: Resource) -> Outcome:
        """As `deployer up`; the first failure comes through."""
        outcome = self.attempt(self.plan(*wanted))
        for error in outcome.failures.values():
            raise error
        assert outcome.ok
        return outcome

    def id(self, key: str) -> str:
        record = self.state.records[key]
        assert record.id
        return record.id

    def concrete(self, resource: Resource) -> Resource:
        """The resource as its verbs see it: every reference replaced by what the record knows."""

        def known(ref: Any) -> Any:
            record = self.state.records[ref.key]
            return record.id if ref.output == "id" else record.outputs[ref.output]

        return resource.resolved(known)

    def mutating(self) -> list[Call]:
        return [call for call in self.cloud.calls() if call.mutating]

    def count(self, operation: str) -> int:
        return sum(str(call) == operation for call in self.cloud.calls())


@functools.cache
def _session(url: str) -> boto3.Session:
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


def lasting(read: dict[str, Outputs | None]) -> dict[str, Outputs | None]:
    """Without what is of this moment."""
    return {
        id: outputs and {name: value for name, value in outputs.items() if name != SEEN}
        for id, outputs in read.items()
    }


Look = Callable[[Account, str], Any]


@dataclass(frozen=True)
class Change:
    """Other inputs, and what of the object shows them: `look` gives `before` at first and `after` in the end."""

    inputs: dict[str, Any]
    look: Look
    before: Any
    after: Any


@dataclass(frozen=True)
class Case:
    """A resource as `stack.py` makes it, what it stands on, and how the account is asked about it.

    `ids`: every object of that kind that exists; `tags`: of one, None where AWS has no tags; `spoil`: deletes one
    behind our back; `foreign`: somebody else's can be in its way; `repeated`: the call is one that botocore may repeat.
    """

    subject: Resource
    creating: str
    ids: Callable[[Account], list[str]]
    beneath: tuple[Resource, ...] = ()
    tags: Callable[[Account, str], Tags] | None = None
    change: Change | None = None
    replaced: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[Account, str], Any] | None = None
    foreign: bool = False
    repeated: bool = False
    ready: Callable[[Account], Any] = lambda account: None  # what the account has beforehand

    def __str__(self) -> str:
        return f"{self.subject.type}-{self.subject.name}"

    @property
    def scanned(self) -> bool:
        return type(self.subject).scan.__func__ is not Resource.scan.__func__  # type: ignore[attr-defined]

    def other(self, inputs: dict[str, Any]) -> Resource:
        return replace(self.subject, **inputs)


Test = Callable[..., None]


def only(applies: Callable[[Case], Any]) -> Callable[[Test], Test]:
    """Marks a test that has a meaning for some types only."""

    def mark(test: Test) -> Test:
        test.applies = applies  # type: ignore[attr-defined]
        return test

    return mark


class LifeCycle:
    """Each test gets an account in which `case.beneath` stands already."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "case" in metafunc.fixturenames:
            applies = getattr(metafunc.function, "applies", bool)
            metafunc.parametrize("case", [case for case in metafunc.module.CASES if applies(case)], ids=str)

    @pytest.fixture
    def begun(self, case: Case, account: Account) -> Account:
        case.ready(account)
        account.up(*case.beneath)
        account.cloud.forget_calls()
        return account

    def test_created_once_with_its_tags(self, case: Case, begun: Account) -> None:
        """The tags come with the creating call itself; the second run finds nothing to do."""
        wanted, resource = [*case.beneath, case.subject], case.subject
        begun.up(*wanted)
        record = begun.state.records[resource.key]
        assert record.id and record.status == "ready" and case.ids(begun)
        assert [call for call in begun.mutating() if str(call) == case.creating]
        assert not [call for call in begun.mutating() if call.operation in TAGGING]
        if case.tags:
            assert case.tags(begun, record.id).items() >= {
                "deployer:stack": STACK,
                "deployer:id": OURS,
                "deployer:key": resource.key,
                "deployer:inputs": begun.concrete(resource).fingerprint,
                "Name": f"{STACK}-{resource.name}",
                "team": "red",
            }.items()
        assert lasting(type(resource).read(begun.aws, [record.id])) == {record.id: record.outputs}
        begun.cloud.forget_calls()
        plan = begun.plan(*wanted, inspect=True)
        assert plan.idle and not plan.changes
        seen = begun.state.records[resource.key].outputs.get(SEEN, {})
        assert begun.concrete(resource).expected().items() <= seen.items()  # nothing is expected that nobody sees
        begun.attempt(plan)
        assert not begun.mutating()

    @only(lambda case: case.change)
    def test_change_is_made_in_place(self, case: Case, begun: Account) -> None:
        change = case.change
        assert change
        begun.up(*case.beneath, case.subject)
        id = begun.id(case.subject.key)
        assert change.look(begun, id) == change.before
        wanted = [*case.beneath, case.other(change.inputs)]
        (step,) = begun.plan(*wanted).changes
        assert (step.key, step.action) == (case.subject.key, Action.UPDATE)
        assert {one.field for one in step.changes} == set(change.inputs)
        begun.up(*wanted)
        assert begun.id(case.subject.key) == id
        assert change.look(begun, id) == change.after
        assert not begun.plan(*wanted).changes
        if case.tags:
            resource = begun.concrete(case.other(change.inputs))
            assert case.tags(begun, id).items() >= begun.aws.tags(resource.key, resource.fingerprint).items()

    @only(lambda case: case.replaced and not case.subject.revisions)
    def test_replacement_is_new_beside_old(self, case: Case, begun: Account) -> None:
        begun.up(*case.beneath, case.subject)
        old, before = begun.id(case.subject.key), case.ids(begun)
        wanted = [*case.beneath, case.other(case.replaced)]
        (step,) = begun.plan(*wanted).changes
        assert (step.key, step.action) == (case.subject.key, Action.REPLACE)
        begun.cloud.forget_calls()
        begun.up(*wanted)
        new = begun.id(case.subject.key)
        after = case.ids(begun)
        assert len(after) == len(before)
        if not case.subject.delete_first:
            assert old != new
            deletions = [call.n for call in begun.mutating() if call.operation.startswith(REMOVING)]
            assert min(deletions, default=10**9) > min(_creations(begun, case), default=-1)
        if old != new:
            assert old not in after and new in after
        assert not begun.plan(*wanted).changes
        assert [key for key in begun.state.records if "~" in key] == []

    @only(lambda case: case.replaced and case.subject.revisions)
    def test_change_makes_a_new_revision(self, case: Case, begun: Account) -> None:
        begun.up(*case.beneath, case.subject)
        old = begun.id(case.subject.key)
        wanted = [*case.beneath, case.other(case.replaced)]
        (step,) = begun.plan(*wanted).changes
        assert (step.key, step.action) == (case.subject.key, Action.UPDATE)
        begun.up(*wanted)
        assert begun.id(case.subject.key) != old
        assert begun.id(f"{case.subject.key}~1") == old, "a rollback needs it"
        assert {old, begun.id(case.subject.key)} <= set(case.ids(begun))
        assert not begun.plan(*wanted).changes

    def test_found_again(self, case: Case, begun: Account) -> None:
        """By its tags, or by its parent, when nothing but the stack's id is known."""
        begun.up(*case.beneath, case.subject)
        id = begun.id(case.subject.key)
        resource = begun.concrete(case.subject)
        fresh, stranger = begun.seen_by(OURS), begun.seen_by(THEIRS)
        assert resource.find(fresh) == id
        if not case.scanned:
            return
        scanned = {(one.key, one.id): one for one in type(resource).scan(fresh)}
        assert scanned[resource.key, id].stack_id == OURS
        assert scanned[resource.key, id].fingerprint == resource.fingerprint
        assert {one.key.partition(".")[0] for one in scanned.values()} == {resource.type}
        by_name = type(resource).scan(begun.seen_by(""))
        assert (resource.key, id) in {(one.key, one.id) for one in by_name}
        assert type(resource).scan(stranger) == []
        try:
            assert resource.find(stranger) is None
        except AwsError as error:
            assert OURS in error.message and THEIRS in error.message

    @only(lambda case: case.spoil)
    def test_deleted_by_hand(self, case: Case, begun: Account) -> None:
        wanted = [*case.beneath, case.subject]
        begun.up(*wanted)
        assert case.spoil
        before = case.ids(begun)
        case.spoil(begun, begun.id(case.subject.key))
        steps = {step.key: step for step in begun.plan(*wanted).changes}
        assert steps[case.subject.key].action is Action.CREATE
        assert steps[case.subject.key].reason == "gone from the account"
        begun.up(*wanted)
        assert len(case.ids(begun)) == len(before)
        assert not begun.plan(*wanted).changes

    def test_removed_and_removed_again(self, case: Case, begun: Account) -> None:
        before = case.ids(begun)
        begun.up(*case.beneath, case.subject)
        resource, id = begun.concrete(case.subject), begun.id(case.subject.key)
        begun.up(*case.beneath)
        assert case.subject.key not in begun.state.records
        assert case.ids(begun) == before
        resource.delete(begun.aws, id)
        resource.delete(begun.aws, id)
        assert resource.leaving(begun.aws, id) is None
        begun.up()
        assert begun.cloud.is_empty(), begun.cloud.inventory()
        assert begun.state.records == {}

    @only(lambda case: case.foreign)
    @pytest.mark.parametrize("owner", [THEIRS, ""], ids=["another-stack", "nobody"])
    def test_object_in_the_way(self, case: Case, begun: Account, owner: str) -> None:
        resource = begun.concrete(case.subject)
        other = begun.seen_by(THEIRS, Thrifty if owner else Nobody)
        made = resource.create(other)
        resource.configure(other, made.id)
        before = begun.cloud.inventory()
        begun.cloud.forget_calls()
        with pytest.raises(AwsError) as caught:
            begun.up(*case.beneath, case.subject)
        message = caught.value.message
        assert made.id in message and OURS in message and owner in message
        assert "name" in caught.value.hint
        assert not [call for call in begun.mutating() if call.status == 200]
        assert begun.cloud.inventory() == before

    def test_throttled_and_then_the_answer_is_lost(self, case: Case, begun: Account) -> None:
        """Refused five times; then carried out, and the connection was cut before AWS's answer."""
        service, _, operation = case.creating.partition(".")
        before, times = case.ids(begun), 1 if case.repeated else 5  # botocore's own pauses are long
        begun.cloud.fault("throttle", service, operation, times=times)
        begun.cloud.fault("lost", service, operation, nth=times + 1)
        begun.up(*case.beneath, case.subject)
        assert [fault["fired"] for fault in begun.cloud.faults()] == [times, 1]
        assert begun.count(case.creating) == times + 1 or case.repeated
        assert len(case.ids(begun)) == len(before) + 1
        assert not begun.plan(*case.beneath, case.subject).changes


REMOVING = ("Delete", "Release", "Disassociate", "Detach", "Deregister")


def _creations(account: Account, case: Case) -> list[int]:
    return [call.n for call in account.mutating() if str(call) == case.creating]


def pages(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    if client.can_paginate(operation):
        return list(client.get_paginator(operation).paginate(**arguments).build_full_result().get(key, []))
    return list(getattr(client, operation)(**arguments)[key])


def flat(tags: list[dict[str, str]] | None) -> Tags:
    """Either spelling of AWS's lists of tags."""
    return {tag.get("Key") or tag["key"]: tag.get("Value") or tag.get("value", "") for tag in tags or []}
