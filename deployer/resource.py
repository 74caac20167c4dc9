"""What a resource type is: a frozen dataclass whose fields are its inputs, with the same few verbs as all others.

In `stack.py` a field may hold a `Ref` or a `Join`; the verbs only ever see concrete, JSON-able values.
This module imports nothing of ours.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

if TYPE_CHECKING:
    from deployer.aws import Aws
    from deployer.grants import Grant

Outputs = dict[str, Any]
Progress = Callable[[str], None]
SEEN = "now"  # of outputs: the fields of `expected` as they are in the account now; never saved


@dataclass(frozen=True)
class Ref:
    """The output of another resource (`id`: its physical id); a reference is a dependency."""

    key: str
    output: str = "id"


def to(key: str, output: str = "id") -> Any:
    """A `Ref`, typed as the concrete value that the verbs will see in its place."""
    return Ref(key, output)


@dataclass(frozen=True)
class Join:
    """A text with references in it, such as `redis://<host>:6379`."""

    parts: tuple[str | Ref, ...]


class Unknown:
    """What will only be known once something was made. Equal to nothing, itself included."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "(known after it is made)"


UNKNOWN = Unknown()


def refs(value: Any) -> Iterator[Ref]:
    """Every reference inside `value`, however deep."""
    match value:
        case Ref():
            yield value
        case Join():
            yield from (part for part in value.parts if isinstance(part, Ref))
        case Mapping():
            for item in value.values():
                yield from refs(item)
        case list() | tuple():
            for item in value:
                yield from refs(item)


def resolve(value: Any, lookup: Callable[[Ref], Any]) -> Any:
    """`value` with every reference replaced by what `lookup` gives for it; tuples become lists, as in JSON."""
    match value:
        case Ref():
            return lookup(value)
        case Join():
            parts = [resolve(part, lookup) for part in value.parts]
            return UNKNOWN if any(isinstance(part, Unknown) for part in parts) else "".join(map(str, parts))
        case Mapping():
            return {name: resolve(item, lookup) for name, item in value.items()}
        case list() | tuple():
            return [resolve(item, lookup) for item in value]
    return value


class Retry(NamedTuple):
    """AWS says `code` with `fragment` in its message for a while, and then no longer: try again, `seconds` at most."""

    code: str
    fragment: str = ""
    seconds: float = 120


class Rate(NamedTuple):
    """How many steps may begin at once, and how many a second afterwards. Types with the same rate share it."""

    burst: int
    per_second: float


class Made(NamedTuple):
    """What a creating call answered: the physical id, and the outputs as `read` would give them."""

    id: str
    outputs: Outputs


class Found(NamedTuple):
    """An object of ours as seen in the account by its tags."""

    key: str
    id: str
    stack_id: str
    fingerprint: str


def bearing(type: str, id: str, tags: Mapping[str, str]) -> Found:
    """What has one of the stack's names, whosever it is; without tags its key is made of its name."""
    key = tags.get("deployer:key") or f"{type}.{id.rpartition('/')[2]}"
    return Found(key, id, tags.get("deployer:id", ""), tags.get("deployer:inputs", ""))


TYPES: dict[str, type[Resource]] = {}


def digest(value: Any, length: int = 6) -> str:
    """A short, stable hash of any JSON-able value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One AWS object. `name` is unique within the type and the stack; `depends_on` is order without data."""

    type: ClassVar[str]
    replace_on: ClassVar[frozenset[str]] = frozenset()  # inputs that AWS cannot change in place
    retry_on: ClassVar[tuple[Retry, ...]] = ()
    exists_on: ClassVar[tuple[str, ...]] = ()  # AWS's codes for "this name is taken"
    look_first: ClassVar[bool] = False  # a second create would quietly answer with somebody else's object
    delete_first: ClassVar[bool] = False  # old and new cannot stand side by side
    holds_data: ClassVar[bool] = False
    holds_dependents: ClassVar[bool] = True  # others wait until it is usable, not just made
    rate: ClassVar[Rate | None] = None  # where AWS throttles sooner than we are quick
    revisions: ClassVar[int] = 0  # a change makes a new revision; so many former ones are kept
    own_object: ClassVar[bool] = True  # else its removal changes nothing in the account
    deed: ClassVar[bool] = False  # something that is done: what has failed is not there, and is done again
    grants: ClassVar[tuple[Grant, ...]] = ()  # what AWS has to allow for the verbs
    scans: ClassVar[tuple[Grant, ...]] = ()  # and for `scan`, which is asked of every type

    name: str
    depends_on: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "type" in cls.__dict__:
            TYPES[cls.type] = cls

    @property
    def key(self) -> str:
        return f"{self.type}.{self.name}"

    @property
    def inputs(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self.fields()}

    @property
    def told(self) -> str:
        """What a plan says beside the key."""
        return ""

    @classmethod
    def fields(cls) -> list[str]:
        """The names of the inputs; a field marked `aside` belongs to this run alone and is never recorded."""
        return [
            field.name
            for field in dataclasses.fields(cls)
            if field.name not in ("name", "depends_on") and not field.metadata.get("aside")
        ]

    def ref(self, output: str = "id") -> Any:
        return to(self.key, output)

    def needs(self) -> set[str]:
        """The keys of what must be there first."""
        return {ref.key for ref in refs(self.inputs)} | set(self.depends_on)

    def resolved(self, lookup: Callable[[Ref], Any]) -> Self:
        return dataclasses.replace(self, **resolve(self.inputs, lookup))

    @classmethod
    def recorded(cls, name: str, inputs: Mapping[str, Any]) -> Self:
        """The resource as the state remembers it; inputs of another version of this program are left out."""
        known: dict[str, Any] = {field: inputs.get(field) for field in cls.fields()}
        return cls(name=name, **known)

    @property
    def fingerprint(self) -> str:
        """`<hash of what cannot change in place>-<hash of the rest>`: a tag by which a lost state is rebuilt."""
        fixed = {field: value for field, value in self.inputs.items() if field in self.replace_on}
        rest = {field: value for field, value in self.inputs.items() if field not in self.replace_on}
        return f"{digest(fixed)}-{digest(rest)}"

    def physical_name(self, aws: Aws, limit: int, parts: Iterable[str] = ()) -> str:
        """The name in the account: stack and resource, a hash of what would force a replacement, cut to `limit`."""
        fixed = {field: value for field, value in self.inputs.items() if field in self.replace_on}
        names = [aws.stack, *parts, self.name]
        whole = "-".join(names)
        ending = f"-{digest([names, fixed])}"  # `a-b` and `c` are not `a` and `b-c`
        return whole[: limit - len(ending)].rstrip("-") + ending

    def account_name(self, aws: Aws) -> str:
        """The name that must be free, or ours, in the account; empty where AWS needs none."""
        return ""

    @classmethod
    def taken(cls, aws: Aws, names: list[str]) -> set[str]:
        """Which of these names something bears already, ours or not, in as few calls as AWS allows."""
        raise NotImplementedError

    def claimed(self, aws: Aws) -> None:
        """Looks at what bears the name already. Raises ForeignError when it is not ours."""
        self.find(aws)

    # The verbs. All but `create` may be repeated at any time.

    def check(self, aws: Aws) -> None:
        """What can be asked quickly beforehand; changes nothing. Raises what would stand in the way."""

    def prepare(self, aws: Aws, progress: Progress) -> None:
        """What takes its time and can be done before the account is touched; changes nothing in it."""

    def create(self, aws: Aws) -> Made:
        """Exactly one creating call, tagged in that call. The engine saves the id the moment this returns."""
        raise NotImplementedError

    def configure(self, aws: Aws, id: str) -> None:
        """What `create` could not say; repeatable."""

    def update(self, aws: Aws, id: str, old: Self) -> None:
        """Makes an existing object follow changed inputs."""
        self.configure(aws, id)

    def trim(self, aws: Aws, id: str) -> None:
        """Takes away what an update has left for the former revision; called once everything has grown and settled."""

    def pending(self, aws: Aws, id: str) -> str | None:
        """What AWS is still busy with, in words, or None once the object is usable. Raises when it never will be."""
        return None

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        """The outputs of each object, None for what is gone; in as few calls as AWS allows."""
        raise NotImplementedError

    def expected(self) -> dict[str, Any]:
        """What somebody may change behind our back, and `update` puts back: field, in the user's terms -> its value as
        `read` gives it under SEEN. No field whose form AWS may choose: a false alarm is worse than silence."""
        return {}

    @classmethod
    def inspect(cls, aws: Aws, ids: list[str]) -> dict[str, dict[str, Any]]:
        """Fields of `expected` that `read` does not see, by id: few calls of their own, which may be refused. Of a
        field that both tell, `read` is right."""
        return {}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        """Everything of this type that carries our tags; of the stack's name alone when its id is unknown."""
        return []

    @classmethod
    def named(cls, aws: Aws) -> list[Found]:
        """Everything that bears the stack's own names, whatever its tags say; also what is only going to be deleted."""
        return []

    def find(self, aws: Aws) -> str | None:
        """The id of this very object: after an interrupted create, a lost answer, or a lost state."""
        same = (one for one in self.scan(aws) if (one.key, one.fingerprint) == (self.key, self.fingerprint))
        return next((one.id for one in same), None)  # what it replaces carries the same key

    def refound(self, aws: Aws) -> str | None:
        """As `find`, after a lost state."""
        return self.find(aws)

    def tag(self, aws: Aws, id: str) -> None:
        """Renews the object's tags after an update; nothing where AWS has no tags."""

    def delete(self, aws: Aws, id: str) -> None:
        """Already gone is success; repeatable."""
        raise NotImplementedError

    def leaving(self, aws: Aws, id: str) -> str | None:
        """After `delete`: what AWS is still busy with, in words, or None once it is gone."""
        return None
