"""A lost record, made again from the tags in the account and from deploy.yaml."""

from __future__ import annotations

from collections.abc import Callable, Collection

from deployer import aws as door
from deployer import plan as planning
from deployer import refresh
from deployer.aws import Aws
from deployer.errors import DeployerError, ForeignError, NotDeployedError
from deployer.resource import TYPES, UNKNOWN, Found, Ref, Resource, Unknown
from deployer.state import Record, State, Status


def rebuild(aws: Aws, state: State, wanted: Callable[[], list[Resource]], id: str = "") -> int:
    """Records everything in the account that carries this stack's tags (and this id, if one is given); how many.

    `wanted` builds the resources of deploy.yaml once the stack's id is known. What matches them to the letter (by the
    hash in its tag) is recorded as ready, what does not as unfinished, so that the next `up` mends it.
    Raises NotDeployedError when there is nothing, DeployerError when two stacks carry the name.
    """
    aws.stack_id = ""
    found = refresh.scan(aws)
    ids = sorted({one.stack_id for one in found})
    if not ids:
        raise NotDeployedError(
            f"Nothing in account {aws.account}, {aws.region}, carries the name {aws.stack}.", "`deployer up` makes it."
        )
    if id and id not in ids:
        raise DeployerError(f"No stack named {aws.stack} has the id {id}.", f"There is: {', '.join(ids)}.")
    if len(ids) > 1 and not id:
        raise DeployerError(
            f"{len(ids)} stacks named {aws.stack} stand in this account:\n{_told(found)}",
            "Choose one: `deployer state rebuild --id ID`. Once that one is down and its record gone, so can the other "
            "be recorded.",
        )
    aws.stack_id = state.id = id or ids[0]
    found = [one for one in found if one.stack_id == state.id]
    resources = {resource.key: resource for resource in _seeded(aws, state, found, wanted)}
    for key in planning.order(resources):
        _record(aws, state, resources[key], [one for one in found if one.key == key])
    _orphans(state, [one for one in found if one.key not in resources], list(resources.values()))
    state.save()
    return len(state.records)


def _told(found: list[Found]) -> str:
    """Each stack of the name, and what there is of it."""
    lines = []
    for id in sorted({one.stack_id for one in found}):
        keys = [one.key for one in found if one.stack_id == id]
        lines.append(f"  id {id}: {len(keys)} resources ({', '.join(keys[:3])}{', ...' * (len(keys) > 3)})")
    return "\n".join(lines)


def renew(aws: Aws, state: State, wanted: list[Resource], types: Collection[str], missing: frozenset[str]) -> list[str]:
    """Where the account holds what carries the stack's id and is not recorded, the record is older, a copy perhaps: it
    is made again from the tags, which tell the newer story. Saved with the next change. Returns what was new, by key.

    `types`: where to look first, and no further if there is nothing. `missing`: recorded, but gone.
    """
    before = state.records
    if not _unrecorded(state, refresh.scan(aws, types)):
        return []
    found = refresh.scan(aws)
    new = _unrecorded(state, found)
    for key in before:
        state.forget(key)
    resources = {resource.key: resource for resource in wanted}
    for key in planning.order(resources):
        _record(aws, state, resources[key], [one for one in found if one.key == key])
    _kept(state, [record for key, record in before.items() if key not in missing])
    recorded = {record.id for record in state.records.values()}
    _orphans(state, [one for one in found if one.id not in recorded], wanted)
    return sorted({one.key for one in new})


def gather(aws: Aws, state: State, wanted: Callable[[], list[Resource]]) -> list[str]:
    """Before everything goes: records what carries the stack's id and is not recorded. Returns the keys of that.

    `wanted`: what tells which type stands on which, as far as the records do not."""
    if new := _unrecorded(state, refresh.scan(aws)):
        _orphans(state, new, wanted())
    return sorted({one.key for one in new})


def _unrecorded(state: State, found: list[Found]) -> list[Found]:
    known = {record.id for record in state.records.values()}
    return [one for one in found if one.id not in known and type_of(one.key) in TYPES]


def _kept(state: State, before: list[Record]) -> None:
    """What the tags do not tell of stays as it was recorded; set aside, where another stands in its place now."""
    recorded = {(record.type, record.id) for record in state.records.values()}
    for record in before:
        if (record.type, record.id) in recorded:
            continue
        taken = [key for key in state.records if key.partition("~")[0] == record.base]
        state.observe(record if not taken else record.but(key=f"{record.base}~{len(taken)}"))


def _seeded(aws: Aws, state: State, found: list[Found], wanted: Callable[[], list[Resource]]) -> list[Resource]:
    """The subnets' zones have to be known before the topology can be built: they are read first."""
    from deployer.resources.subnet import Subnet

    subnets = {one.id: one.key for one in found if one.key.startswith("subnet.")}
    for item in Subnet.describe(aws, "subnet-id", sorted(subnets)):
        key = subnets[item["SubnetId"]]
        state.observe(Record(key, "subnet", item["SubnetId"], "unfinished", {"zone": item["AvailabilityZone"]}))
    resources = wanted()
    for key in subnets.values():
        state.forget(key)
    return resources


def _record(aws: Aws, state: State, resource: Resource, found: list[Found]) -> None:
    concrete = resource.resolved(lambda ref: _known(state, ref))
    known = not any(isinstance(value, Unknown) for value in _flat(concrete.inputs))  # else what it stands on is gone
    try:
        matching = [one for one in found if known and one.fingerprint == concrete.fingerprint]
        id = (matching or found)[-1].id if found else (_refound(aws, concrete) if known else None)
        if id is None:
            return
        outputs = type(resource).read(aws, [id])[id]
    except Exception as error:
        raise door.explain(error, f"Looking for {resource.key}") from error
    status, inputs = _status(concrete, found, bool(matching)) if known else ("unfinished", {})
    needs = sorted(resource.needs())
    state.observe(Record(resource.key, resource.type, id, status, inputs, outputs or {}, needs))
    former = [one for one in found if one.id != id]
    marks = [int(key.partition("~")[2]) for key in state.records if key.startswith(f"{resource.key}~")]
    for number, one in enumerate(former, start=max(marks, default=0) + 1):
        key = f"{resource.key}~{number}"
        state.observe(Record(key, resource.type, one.id, "ready", concrete.inputs if known else {}, {}, needs))


def _refound(aws: Aws, concrete: Resource) -> str | None:
    try:
        return concrete.refound(aws)
    except ForeignError:  # another stack's, of the same name
        return None


def _status(concrete: Resource, found: list[Found], matches: bool) -> tuple[Status, dict[str, object]]:
    """Ready with these inputs, or unfinished: with the fixed ones as they are when at least those match."""
    if matches or not found:
        return "ready", concrete.inputs
    if found[-1].fingerprint.partition("-")[0] == concrete.fingerprint.partition("-")[0]:
        return "unfinished", {field: value for field, value in concrete.inputs.items() if field in concrete.replace_on}
    return "unfinished", {}


def _known(state: State, ref: Ref) -> object:
    record = state.get(ref.key)
    if record is None:
        return UNKNOWN
    return record.id if ref.output == "id" else record.outputs.get(ref.output, UNKNOWN)


def _flat(value: object) -> list[object]:
    if isinstance(value, dict):
        return [inner for item in value.values() for inner in _flat(item)]
    if isinstance(value, list):
        return [inner for item in value for inner in _flat(item)]
    return [value]


def _orphans(state: State, found: list[Found], resources: list[Resource]) -> None:
    """What deploy.yaml no longer names: recorded so that `up` removes it. Its dependencies are lost; those of its type
    are taken for them, and where a type has none left, AWS's refusals give the order."""
    needs: dict[str, set[str]] = {}
    for resource in resources:
        needs.setdefault(resource.type, set()).update(type_of(key) for key in resource.needs())
    for record in state.records.values():
        needs.setdefault(record.type, set()).update(type_of(key) for key in record.depends_on)
    keys = [*state.records, *(one.key for one in found)]
    for one in found:
        type = type_of(one.key)
        if type in TYPES:
            below = sorted(key for key in keys if type_of(key) in needs.get(type, ()) and type_of(key) != type)
            key = one.key if state.get(one.key) is None else f"{one.key}~{len(state.records)}"
            state.observe(Record(key, type, one.id, "unfinished", {}, {}, below))
            if type == "group":  # groups may refer to each other: their rules go first
                rules = f"rules.{key.partition('.')[2]}"
                state.observe(Record(rules, "rules", one.id, "unfinished", {}, {}, [key]))


def type_of(key: str) -> str:
    return key.partition(".")[0]
