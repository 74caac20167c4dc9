"""The stacks, and the stages of their lives that are disturbed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.whole.project import IMAGES, ROOT

Edits = tuple[tuple[str, str], ...]
DOWN = ("down", "-y")


@dataclass(frozen=True)
class Stage:
    """A command on a stack that was built from the file with `before` in it; on no stack at all if that is None.

    `changes`: what is edited after it was built.
    """

    name: str
    before: Edits | None
    changes: Edits = ()
    removes: bool = False


@dataclass(frozen=True)
class Stack:
    name: str
    file: Path
    stages: tuple[Stage, ...]
    images: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @property
    def up(self) -> tuple[str, ...]:
        return ("up", "-y", *self.images)

    def command(self, stage: Stage) -> tuple[str, ...]:
        return DOWN if stage.removes else self.up

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)


NETWORK = ("10.0.0.0/16", "10.1.0.0/16")  # nearly everything is replaced
UP = Stage("up", None)
REPLACE = Stage("replace", (), (NETWORK,))
# Some of what this replaces has to go before its successor can be made.
GATEWAYS = Stage("gateways", (("nat: none", "nat: single"),), (("nat: single", "nat: per-zone"),))
REMOVE = Stage("down", (), removes=True)

STACKS = {
    stack.name: stack
    for stack in (
        Stack("voting", ROOT / "deploy.yaml", (UP, REPLACE, GATEWAYS, REMOVE), IMAGES),
        Stack(
            "four",
            ROOT / "tests" / "stacks" / "four.yaml",
            (UP, REPLACE, REMOVE),
            ("--image", "database=registry.invalid/postgres:17"),
            {"API_KEY": "from-the-environment"},
        ),
    )
}
