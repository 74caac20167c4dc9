"""What keeps recorded objects from going: said before `down`, and while it waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from deployer.errors import harmless


@dataclass(frozen=True)
class Hold:
    """`keys`: what cannot go; `id`: of what holds it; `what`: its description and its owner's; `since`: when it was
    attached, empty if unknown; `advice`: what to do about it.

    `kind`: block: somebody has to do something; passing: AWS takes it away by itself; lifted: `down` takes it away;
    harm: it holds nothing, and will miss what goes.
    """

    keys: tuple[str, ...]
    id: str
    what: str
    advice: str
    since: str = ""
    kind: Literal["block", "passing", "lifted", "harm"] = "block"

    @property
    def passing(self) -> bool:
        """Nobody has to do anything."""
        return self.kind in ("passing", "lifted")

    @property
    def line(self) -> str:
        said = f"used by {self.what}" if self.kind == "harm" else f"held by {self.what}"
        return harmless(f"{said}, since {self.since}" if self.since else said)

    def as_json(self) -> dict[str, object]:
        return {
            "keys": list(self.keys),
            "id": self.id,
            "what": harmless(self.what),
            "since": self.since or None,
            "advice": self.advice,
            "kind": self.kind,
        }


Holders = Callable[[str], list[Hold]]  # key -> what holds it, as far as can be told


def summed(holds: list[Hold]) -> str:
    """The first, and how many more."""
    more = f" and {len(holds) - 1} more" if len(holds) > 1 else ""
    return f"held by {harmless(holds[0].what)}{more}"
