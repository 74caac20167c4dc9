"""What of the record still exists: few, batched, parallel reads. Changes nothing in the account."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from deployer import aws as door
from deployer.aws import Aws
from deployer.errors import DeployerError
from deployer.resource import TYPES, Found, Outputs
from deployer.state import Record, State


def refresh(aws: Aws, state: State, parallel: int = 16) -> frozenset[str]:
    """Brings the records' outputs up to date and returns the keys of what is gone from the account.

    A record without an id is a create that was cut off: what it made is looked for by its tags.
    Raises AwsError when AWS refuses a read.
    """
    records = state.records
    begun = [record for record in records.values() if record.id is None]
    with ThreadPoolExecutor(parallel) as pool:
        looked = list(pool.map(lambda record: _look(aws, record), begun))
    for record, id in zip(begun, looked, strict=True):
        if id is None:
            state.forget(record.key)
        else:
            state.observe(record.but(id=id, status="unfinished"))
    return _read(aws, state, parallel)


def _look(aws: Aws, record: Record) -> str | None:
    try:
        return TYPES[record.type].recorded(record.name, record.inputs).find(aws)
    except Exception as error:
        raise door.explain(error, f"Looking for {record.key}, whose creation was cut off") from error


def _read(aws: Aws, state: State, parallel: int) -> frozenset[str]:
    by_type: dict[str, list[Record]] = {}
    for record in state.records.values():
        by_type.setdefault(record.type, []).append(record)
    with ThreadPoolExecutor(parallel) as pool:
        reads = {type: pool.submit(read_type, aws, type, records) for type, records in by_type.items()}
        seen = {type: future.result() for type, future in reads.items()}
    missing = set()
    for type, records in by_type.items():
        for record in records:
            outputs = seen[type].get(record.id or "")
            if outputs is None:
                missing.add(record.key)
            elif outputs != record.outputs:
                state.observe(record.but(outputs=outputs))
    return frozenset(missing)


def read_type(aws: Aws, type: str, records: Iterable[Record]) -> dict[str, Outputs | None]:
    ids = sorted({record.id for record in records if record.id})
    try:
        return TYPES[type].read(aws, ids)
    except Exception as error:
        raise door.explain(error, f"Reading the {type} resources of {aws.stack}") from error


def scan(aws: Aws, parallel: int = 16) -> list[Found]:
    """Everything in the account that carries the stack's tags, whatever the state says."""
    with ThreadPoolExecutor(parallel) as pool:
        futures = [(name, pool.submit(type.scan, aws)) for name, type in TYPES.items()]
        found: list[Found] = []
        for name, future in futures:
            try:
                found += future.result()
            except DeployerError:
                raise
            except Exception as error:
                raise door.explain(error, f"Looking for {name} resources tagged {aws.stack}") from error
    return sorted(found)
