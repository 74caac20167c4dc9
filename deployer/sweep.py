"""After a `down`: a look through the account by tags and by names. What is left is named, with what to do about it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deployer import refresh
from deployer.aws import Aws
from deployer.resource import TYPES
from deployer.state import Record

LOOKS = (0, 2, 4, 8, 16, 30)  # seconds between looks: lists still tell of what has just gone


@dataclass(frozen=True)
class Left:
    """`ours`: it carries the stack's tags, so the next `down` removes it; else it bears its name only."""

    key: str
    id: str
    ours: bool

    def __str__(self) -> str:
        why = "carries this stack's tags" if self.ours else "bears this stack's name, and nobody's tags"
        return f"{self.key} ({self.id}) {why}"


def sweep(aws: Aws, removed: Mapping[str, Record], kept: Collection[str], names: bool = True) -> list[Left]:
    """What is still there after several looks, without `kept`. What was `removed` and stands again under its name
    (Container Insights wrote once more; a secret was only scheduled for deletion) is removed again.

    `names`: look by names, too; where there never was a record, what bears the stack's is somebody else's."""
    left: list[Left] = []
    by_id = {record.id: record for record in removed.values()}
    for seconds in LOOKS:
        time.sleep(seconds)
        left = _look(aws, kept, names)
        if not left:
            break
        for one in left:
            record = by_id.get(one.id)
            if record is not None:
                with contextlib.suppress(Exception):  # then it is still there at the next look
                    TYPES[record.type].recorded(record.name, record.inputs).delete(aws, one.id)
    return left


def _look(aws: Aws, kept: Collection[str], names: bool) -> list[Left]:
    """Another stack of the same name has its own id, and is no concern of this one."""
    by_tags = {one.id: Left(one.key, one.id, ours=True) for one in refresh.scan(aws)}
    by_name = {
        one.id: Left(one.key, one.id, ours=one.stack_id == aws.stack_id)
        for one in (refresh.named(aws) if names else ())
        if one.stack_id in ("", aws.stack_id)
    }
    return [one for one in (by_name | by_tags).values() if one.key not in kept]


def advice(left: list[Left]) -> str:
    """What to do next about all of them."""
    said = ["`deployer down` again removes what carries its tags."] if any(one.ours for one in left) else []
    if not all(one.ours for one in left):
        said.append("What bears only its name may be somebody else's: delete it by hand if it is yours.")
    return " ".join(said)
