"""What of the record still exists: few, batched, parallel reads. Changes nothing in the account."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from deployer import aws as door
from deployer.aws import Aws
from deployer.drift import strays
from deployer.errors import DeployerError, ForeignError, StateError
from deployer.resource import SEEN, TYPES, Found, Outputs, Resource
from deployer.state import Record, State

LISTED_AFTER = 5.0  # seconds after which AWS lists what it has made


def refresh(aws: Aws, state: State, parallel: int = 16, inspect: bool = False) -> frozenset[str]:
    """Brings the records' outputs up to date and returns the keys of what is gone from the account.

    A record without an id is a create that was cut off: what it made is looked for by its tags. `inspect`: look for
    drift where that takes calls of its own, too.
    Raises AwsError when AWS refuses a read.
    """
    records = state.records
    begun = [record for record in records.values() if record.id is None]
    until = min(state.touched, time.time()) + LISTED_AFTER
    with ThreadPoolExecutor(parallel) as pool:
        looked = list(pool.map(lambda record: _look(aws, record, records, until), begun))
    for record, id in zip(begun, looked, strict=True):
        if id is None:
            state.forget(record.key)
        else:
            state.observe(record.but(id=id, status="unfinished"))
            for former in records.values():
                same = former.base == record.key != former.key and former.id == id
                if same and not TYPES[record.type].revisions:
                    state.forget(former.key)  # it was set aside, and is wanted again
    missing = _read(aws, state, parallel, inspect)
    while (missing or (inspect and any(map(strays, state.records.values())))) and time.time() < until:
        # so soon after a change it proves nothing
        time.sleep(0.5)
        missing &= _read(aws, state, parallel, inspect)
    return missing


def _look(aws: Aws, record: Record, records: Mapping[str, Record], until: float) -> str | None:
    """Looks again until `until`: what was made a moment ago may not be listed yet."""
    resource = TYPES[record.type].recorded(record.name, record.inputs)
    try:
        while (id := find(aws, resource, records)) is None and time.time() < until:
            time.sleep(0.5)
        return id
    except ForeignError:  # its creation was refused
        return None
    except Exception as error:
        raise door.explain(error, f"Looking for {record.key}, whose creation was cut off") from error


def find(aws: Aws, resource: Resource, records: Mapping[str, Record]) -> str | None:
    """The id of this very object. One that was set aside may be just like it: it is meant only if there is no other."""
    aside = {record.id for key, record in records.items() if record.base == resource.key != key}
    id = resource.find(aws)
    if id not in aside:
        return id
    this = (resource.key, resource.fingerprint)
    others = (one.id for one in resource.scan(aws) if (one.key, one.fingerprint) == this)
    return next((other for other in others if other not in aside), id)


def _read(aws: Aws, state: State, parallel: int, inspect: bool) -> frozenset[str]:
    by_type: dict[str, list[Record]] = {}
    for record in state.records.values():
        if record.type not in TYPES:
            raise StateError(
                f"{state.path} records {record.key}, a type that this deployer does not know.",
                "Use the deployer that made it, or a newer one.",
            )
        by_type.setdefault(record.type, []).append(record)
    aws = aws.sharing()
    with ThreadPoolExecutor(parallel) as pool:
        reads = {type: pool.submit(read_type, aws, type, records) for type, records in by_type.items()}
        looks = {type: pool.submit(inspect_type, aws, type, records) for type, records in by_type.items() if inspect}
        seen = {type: future.result() for type, future in reads.items()}
        more = {type: future.result() for type, future in looks.items()}
    missing = set()
    for type, records in by_type.items():
        for record in records:
            outputs, extra = seen[type].get(record.id or ""), more.get(type, {}).get(record.id or "")
            if outputs is None:
                missing.add(record.key)
                continue
            if extra:
                outputs = {**outputs, SEEN: {**extra, **outputs.get(SEEN, {})}}
            if outputs != record.outputs:
                state.observe(record.but(outputs=outputs))
    return frozenset(missing)


def read_type(aws: Aws, type: str, records: Iterable[Record]) -> dict[str, Outputs | None]:
    ids = sorted({record.id for record in records if record.id})
    try:
        return TYPES[type].read(aws, ids)
    except Exception as error:
        raise door.explain(error, f"Reading the {type} resources of {aws.stack}") from error


def inspect_type(aws: Aws, type: str, records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """Without what AWS refuses to tell, for want of a permission, or the endpoint does not know: then it is not
    compared."""
    try:
        return TYPES[type].inspect(aws, sorted({record.id for record in records if record.id}))
    except Exception as error:
        if door.code(error) and door.code(error) not in door.EXPIRED:
            return {}
        raise door.explain(error, f"Looking at the {type} resources of {aws.stack}") from error


def scan(aws: Aws, types: Collection[str] | None = None, parallel: int = 16) -> list[Found]:
    """Everything in the account (of these types) that carries the stack's tags, whatever the state says; by key, of one
    key as scanned (revisions: the newest last)."""
    return _each(aws, "scan", TYPES if types is None else types, parallel)


def named(aws: Aws, parallel: int = 16) -> list[Found]:
    """Everything in the account that bears the stack's names, by key, whosever it is."""
    return _each(aws, "named", TYPES, parallel)


def _each(aws: Aws, verb: Literal["scan", "named"], types: Collection[str], parallel: int) -> list[Found]:
    with ThreadPoolExecutor(parallel) as pool:
        futures = [(name, pool.submit(getattr(TYPES[name], verb), aws)) for name in types]
        found: list[Found] = []
        for name, future in futures:
            try:
                found += future.result()
            except DeployerError:
                raise
            except Exception as error:
                raise door.explain(error, f"Looking for {name} resources of {aws.stack}") from error
    return sorted(found, key=lambda one: one.key)
