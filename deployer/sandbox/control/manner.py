"""What a manner of AWS's is: a small piece that has its say before and after each call, once it is switched on.

The pieces are in `manners/`. None is on unless somebody asks: then ACTIVE is empty, and a call costs nothing more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl

Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]
READING = re.compile(r"Describe|Get|List|Head|Filter|Batch(Get|Check)|Simulate")
REMOVING = re.compile(r"Delete|Release|Disassociate|Detach|Deregister|Revoke|Stop")


class Refusal(NamedTuple):
    """AWS's answer instead of doing what was asked."""

    code: str
    message: str
    status: int = 400


@dataclass
class Request:
    """One AWS call. `region`: that of its signature; `headers`: of the answer, in the call's own protocol."""

    service: str
    operation: str
    environ: dict[str, Any] = field(repr=False)
    body: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.service}.{self.operation}"

    @property
    def reading(self) -> bool:
        return bool(READING.match(self.operation))

    @property
    def removing(self) -> bool:
        return bool(REMOVING.match(self.operation))

    @property
    def region(self) -> str:
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.environ.get("HTTP_AUTHORIZATION", ""))
        return scope.group(1) if scope else ""

    @cached_property
    def params(self) -> dict[str, Any]:
        """As sent: JSON, or a form's own flat names (`SubnetIds.member.1`)."""
        if "HTTP_X_AMZ_TARGET" in self.environ:
            parsed = json.loads(self.body or b"{}")
            return parsed if isinstance(parsed, dict) else {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def texts(self) -> set[str]:
        """Every text of the parameters, but those of filters and tags: what the call names."""
        aside = ("filter", "tags", "tag.", "tagspecification")
        plain = {name: value for name, value in self.params.items() if not name.lower().startswith(aside)}
        return set(_texts(plain))

    def reply(self, content: dict[str, Any]) -> Answer:
        """200 in a JSON protocol."""
        kind = self.environ.get("CONTENT_TYPE") or "application/x-amz-json-1.1"
        return 200, [("Content-Type", kind)], json.dumps(content).encode()


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _texts(item)]


class Manner:
    """One of AWS's manners, switched on with a number of its own: seconds (that stand for AWS's minutes) or a count.

    Its methods are called under the lock. An instance lives from its switching on to its end.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    default: ClassVar[float]

    def __init__(self, number: float | None = None) -> None:
        self.number = self.default if number is None else number

    def begin(self) -> None:
        """It is switched on."""

    def end(self) -> None:
        """It is switched off: nothing of it stays."""

    def before(self, request: Request) -> Refusal | Answer | None:
        """An answer instead of the call, or None."""
        return None

    def after(self, request: Request, answer: Answer) -> Answer:
        """The answer that the caller gets to see."""
        return answer

    def loses(self, request: Request) -> bool:
        """Whether the answer never comes, though the call was carried out."""
        return False


ACTIVE: list[Manner] = []
NAMES = (  # told here, so that they are known without moto
    "certificates", "conflicts", "draining", "forgotten", "interfaces", "linked-role", "lost", "nat", "nat-failed",
    "provisioning", "quotas", "rates", "role-arns", "secret-names", "target-groups", "throttling", "unassumable",
    "unseen", "unsuccessful",
)  # fmt: skip


def asked(text: str) -> dict[str, float | None]:
    """`all`, or `unseen,interfaces=30`: names with their numbers, None for a manner's own. Raises ValueError."""
    wanted: dict[str, float | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        wanted |= dict.fromkeys(NAMES) if name == "all" else {name: float(number) if number else None}
    known(wanted)
    return wanted


def known(names: Iterable[str]) -> None:
    """Raises ValueError."""
    if unknown := sorted(set(names) - set(NAMES)):
        raise ValueError(f"no such manner: {', '.join(unknown)}; there are all, {', '.join(NAMES)}")
