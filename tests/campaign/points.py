"""Which points there are: every mutating call of every stage, with every fault; and samples of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FAULTS = ("kill-before", "kill-after", "lost", "throttle", "500", "away", "expired")
THROTTLED = 5  # times in a row
Calls = Mapping[tuple[str, str], list[str]]  # the mutating calls of each stack's stages


@dataclass(frozen=True)
class Point:
    """`strikes`: (fault, how manieth mutating call), in the order of the calls."""

    stack: str
    stage: str
    strikes: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return f"{self.stack}/{self.stage}/" + "+".join(f"{fault}@{call}" for fault, call in self.strikes)

    @property
    def fault(self) -> str:
        return self.strikes[0][0] if len(self.strikes) == 1 else "two faults"

    @property
    def replay(self) -> str:
        """The command that plays it again."""
        where = " ".join(f"--fault {fault} --call {call}" for fault, call in self.strikes)
        return f"python -m tests.campaign --stack {self.stack} --stage {self.stage} {where}"


def every(calls: Calls, faults: Iterable[str] = FAULTS) -> list[Point]:
    return [
        Point(stack, stage, ((fault, call),))
        for (stack, stage), made in calls.items()
        for fault in faults
        for call in range(1, len(made) + 1)
    ]


def pairs(calls: Calls, number: int, dice: random.Random, faults: Iterable[str] = FAULTS) -> list[Point]:
    """So many different points of two random faults at two random calls, the stages in turn."""
    wanted, kinds = dict[Point, None](), list(faults)
    for (stack, stage), made in itertools.cycle(calls.items()):
        if len(wanted) >= number:
            return list(wanted)
        first, second = sorted(dice.sample(range(1, len(made) + 1), 2))
        wanted[Point(stack, stage, ((dice.choice(kinds), first), (dice.choice(kinds), second)))] = None
    return []


def sample(points: list[Point], number: int, dice: random.Random) -> list[Point]:
    """So many of them, as evenly over stacks, stages and faults as can be."""
    kinds: dict[tuple[str, str, str], list[Point]] = {}
    for point in points:
        kinds.setdefault((point.stack, point.stage, point.fault), []).append(point)
    for group in kinds.values():
        dice.shuffle(group)
    rounds = itertools.zip_longest(*kinds.values())
    return [point for point in itertools.chain.from_iterable(rounds) if point][:number]
