"""Carries a plan out: grow, then shrink. Every step is recorded around the call that makes it.

A create is four saves: `creating`, the call, the id (`unfinished`), configured (`made`), seen usable (`ready`).
The engine prints nothing: it tells `listen` what happens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from deployer import aws as door
from deployer import plan as planning
from deployer.aside import removals, replaced, replaced_by
from deployer.aws import Aws
from deployer.errors import DeployerError, FailedError, Interrupted, RolloutError, StateError
from deployer.events import ING, Event, Listen, Outcome
from deployer.hold import Holders
from deployer.making import Maker
from deployer.pace import Pace
from deployer.patience import Patience
from deployer.plan import Action, Plan, Step
from deployer.removal import Removal
from deployer.resource import SEEN, TYPES, Ref, Resource
from deployer.state import Record, State
from deployer.walk import Wait, Walk


class Apply:
    """One run. `wait=False` leaves at once what nobody in the stack waits for (services, load balancers)."""

    def __init__(
        self, aws: Aws, state: State, patience: Patience, *,
        listen: Listen = lambda event: None, parallel: int = 16, wait: bool = True,
        holders: Holders = lambda key: [],
    ) -> None:  # fmt: skip
        self.aws = aws
        self.state = state
        self.patience = patience
        self.listen = listen
        self.parallel = parallel
        self.wait = wait
        self.holders = holders
        self.outcome = Outcome()
        self._began: dict[str, float] = {}
        self._actions: dict[str, Action] = {}
        self._maker: Maker | None = None
        self._unsettled = False
        self._stands_on: dict[str, list[str]] = {}
        self._lost: set[str] = set()
        self._updated: list[tuple[Resource, str]] = []
        self._turn = threading.Lock()
        self._pace = Pace()
        self._anew: set[str] = set()  # had failed by itself, and was made once more

    def run(self, plan: Plan) -> Outcome:
        """Carries out the plan; failures are in the outcome, one for each cause."""
        for step in plan.steps:
            self._stands_on[step.key] = sorted(step.resource.needs()) if step.resource else []
            if step.action is Action.CREATE and step.record:
                self._lost.add(step.key)  # seen as gone, which a list may be wrong about
                self.state.forget(step.key)
        self.state.save()
        if any(step.action is not Action.KEEP for step in plan.steps):
            self._maker = Maker(self.aws, self.aws.once(), self.state, self.patience, self._call)
        self._pass(plan.steps, {step.key: self._needs(step, plan) for step in plan.steps}, self._grow)
        if self.outcome.ok and self._unsettled:
            self.outcome.left = sum(step.action is Action.DELETE for step in removals(self.state.records, plan))
            return self.outcome
        self._trim()
        if self.outcome.ok:
            records = {step.key: step.record for step in plan.removals if step.record}
            going = planning.dependents(records | replaced(self.state.records, plan))
            steps = [step for step in removals(self.state.records, plan) if step.action is Action.DELETE]
            steps = [step for step in steps if self.state.get(step.key)]
            keys = {step.key for step in steps}
            self._pass(steps, {step.key: going[step.key] & keys for step in steps}, self._shrink)
            self.outcome.counts["unchanged"] += sum(step.action is Action.KEEP for step in plan.removals)
        return self.outcome

    def _trim(self) -> None:
        for resource, id in self._updated if self.outcome.ok else ():
            try:
                self._call(resource, lambda one=resource, id=id: one.trim(self.aws, id))  # type: ignore[misc]
            except Exception as error:
                self._failed(resource.key, error)

    def _needs(self, step: Step, plan: Plan) -> set[str]:
        keys = {other.key for other in plan.steps}
        return step.resource.needs() & keys if step.resource else set()

    def _pass(self, steps: list[Step], graph: dict[str, set[str]], work: Callable[[Step], Wait | None]) -> None:
        by_key = {step.key: step for step in steps}
        self._actions |= {step.key: step.action for step in steps}

        def begin(key: str) -> Wait | None:
            self._began[key] = time.monotonic()
            return work(by_key[key])

        progress = partial(self._tell, "progress")
        walk = Walk(graph, begin, self.patience, self.parallel, progress, lambda key: self._pace.before(by_key[key]))
        walk.run()
        for key, error in walk.failed.items():
            self._failed(key, error)
        self.outcome.skipped += walk.skipped
        self.outcome.interrupted = self.outcome.interrupted or (self.patience.stop.is_set() and bool(walk.skipped))
        if any(isinstance(error, StateError) for error in walk.failed.values()):
            self.outcome.interrupted = False  # it was not the user who stopped it

    def _failed(self, key: str, error: BaseException) -> None:
        if isinstance(error, Interrupted):
            self.outcome.interrupted = True
            return
        known = door.explain(error, f"{ING[self._actions[key].value]} {key}")
        known.__cause__ = known.__cause__ or (error if error is not known else None)
        self.outcome.failures[key] = known
        self.outcome.counts["failed"] += 1
        self._tell("failed", key, known.message)

    # Growing.

    def _grow(self, planned: Step) -> Wait | None:
        resource = planned.resource
        assert resource is not None
        # Decided again: by now every output is known, and much that might have changed has not.
        step = planning.decide(resource, self.state.get(resource.key), self._lookup)
        resource = resource.resolved(self._lookup)
        self._actions[step.key] = step.action
        if step.action is Action.KEEP:
            if step.waits:
                return self._settled(resource, step.record)
            self._kept(step)
            return None
        self._tell("started", step.key, step.reason)
        if planning.renews(step):
            return self._renew(resource, step)
        assert step.record is not None
        return self._update(resource, step.record)

    def _lookup(self, ref: Ref) -> Any:
        record = self.state.get(ref.key)
        if record is None or record.id is None:
            raise DeployerError(f"{ref.key} is needed and not there.", "Run `deployer up` for the whole stack.")
        return record.id if ref.output == "id" else record.outputs[ref.output]

    def _kept(self, step: Step) -> None:
        needs = self._stands_on[step.key]
        if step.record and step.record.depends_on != needs:
            self.state.put(step.record.but(depends_on=needs))
        self.outcome.counts["unchanged"] += 1

    def _renew(self, resource: Resource, step: Step) -> Wait | None:
        if step.record is not None and not resource.deed:
            old = step.record.but(key=self._former_key(step.key))
            self.state.rename(step.record, old.key)
        if resource.delete_first:  # also what an interrupted run has set aside
            for former in replaced_by(self.state.records, resource).values():
                self._remove_now(former)
        return self._create(resource)

    def _former_key(self, key: str) -> str:
        marks = [int(other.partition("~")[2]) for other in self.state.records if other.startswith(f"{key}~")]
        return f"{key}~{max(marks, default=0) + 1}"

    def _create(self, resource: Resource) -> Wait | None:
        needs = self._stands_on[resource.key]
        record = Record(resource.key, resource.type, None, "creating", resource.inputs, {}, needs)
        self.state.put(record)
        assert self._maker is not None  # there is one wherever a step changes something
        made = self._maker.make(resource, self._progress(resource), look=resource.key in self._lost)
        record = record.but(id=made.id, outputs=made.outputs, status="unfinished")
        self.state.put(record)
        self._call(resource, lambda: resource.configure(self.aws, made.id))
        return self._configured(resource, record)

    def _update(self, resource: Resource, record: Record) -> Wait | None:
        id = record.id
        assert id is not None
        old = TYPES[record.type].recorded(resource.name, record.inputs)
        self.state.put(record.but(status="unfinished"))
        self._call(resource, lambda: resource.update(self.aws, id, old))
        self._updated.append((resource, id))
        if resource.fingerprint != old.fingerprint:
            self._call(resource, lambda: resource.tag(self.aws, id))
        return self._configured(resource, record.but(inputs=resource.inputs, depends_on=self._stands_on[resource.key]))

    def _configured(self, resource: Resource, record: Record) -> Wait | None:
        record = record.but(status="made")
        self.state.put(record)
        return self._settled(resource, record)

    def _settled(self, resource: Resource, record: Record | None) -> Wait | None:
        assert record is not None and record.id is not None
        id = record.id
        if type(resource).pending is Resource.pending:
            self._ready(record)
            return None
        if not (self.wait or resource.holds_dependents):
            self._unsettled = True
            self._count(record.key)
            return None

        anew: Wait | None = None

        def poll() -> str | None:
            nonlocal anew
            if anew is not None:
                return anew.poll()
            try:
                awaited: str | None = self._call(resource, lambda: resource.pending(self.aws, id))
            except FailedError as error:
                if resource.key in self._anew:
                    raise
                self._anew.add(resource.key)
                anew = self._create(resource)
                return f"{error.message.rstrip('.')}; it is made anew"
            except RolloutError:
                failed = {"id": None, "status": "creating"} if resource.deed else {"status": "unfinished"}
                self.state.put(record.but(**failed))
                raise
            if awaited is None:
                self._ready(record)
            return awaited

        return Wait(poll, resource.holds_dependents)

    def _ready(self, record: Record) -> None:
        outputs = {name: value for name, value in record.outputs.items() if name not in ("settled", SEEN)}
        self.state.put(record.but(status="ready", outputs=outputs))
        self._count(record.key)

    def _count(self, key: str) -> None:
        action = self._actions[key]
        self.outcome.counts["unchanged" if action is Action.KEEP else f"{action}d"] += 1
        self._tell("done", key)

    # Shrinking.

    def _shrink(self, step: Step) -> Wait | None:
        record = step.record
        assert record is not None
        self._tell("started", step.key, step.reason)
        if step.gone or record.id is None or self._let_go(record):
            self._gone(step.key)
            return None
        removal = self._begin_removal(record)

        def poll() -> str | None:
            awaited = removal.poll()
            if awaited is None:
                self._gone(step.key)
            return awaited

        return Wait(poll)

    def _let_go(self, record: Record) -> bool:
        """Forgets a former revision whose content has come back: another record means the same object."""
        with self._turn:
            same = [one for one in self.state.records.values() if (one.base, one.id) == (record.base, record.id)]
            if len(same) < 2:
                return False
            self.state.drop(record.key)
            return True

    def _begin_removal(self, record: Record) -> Removal:
        resource = TYPES[record.type].recorded(record.name, record.inputs)
        self.state.put(record.but(status="deleting"))
        call = partial(self.patience.attempt, progress=self._progress(resource, record.key))
        return Removal(self.aws, record.key, resource, record.id or "", call, self.holders)

    def _remove_now(self, record: Record) -> None:
        self._begin_removal(record).finish(self.patience, lambda text: self._tell("progress", record.key, text))
        self.state.drop(record.key)

    def _gone(self, key: str) -> None:
        self.state.drop(key)
        self.outcome.counts["deleted"] += 1
        self._tell("done", key)

    # Both.

    def _call(self, resource: Resource, call: Callable[[], Any]) -> Any:
        return self.patience.attempt(call, resource.retry_on, None, self._progress(resource))

    def _progress(self, resource: Resource, key: str = "") -> Callable[[str], None]:
        return lambda text: self._tell("progress", key or resource.key, text)

    def _tell(self, event: Literal["started", "progress", "done", "failed"], key: str, message: str = "") -> None:
        seconds = time.monotonic() - self._began.get(key, time.monotonic())
        action = self._actions.get(key, Action.KEEP)
        self.listen(Event(event, key, key.partition(".")[0], action.value, round(seconds, 3), message))
