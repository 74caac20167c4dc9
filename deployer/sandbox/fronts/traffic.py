"""Which target is next, and how much is under way to each."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Collection, Iterator

from deployer.sandbox.fronts.checks import Checks
from deployer.sandbox.fronts.view import Forward, Group, Target, View


class Traffic:
    """Changed by the event loop only; `busy` and `healthy` may be asked from any thread."""

    def __init__(self, checks: Checks) -> None:
        self.view = View()
        self.bound: dict[str, int] = {}  # listener ARN -> its port here
        self._checks = checks
        self._flights: Counter[tuple[str, int]] = Counter()
        self._turns: Counter[str] = Counter()

    def group(self, forward: Forward) -> Group | None:
        """By weight. As with AWS, a group without targets keeps its share."""
        known = [(arn, weight) for arn, weight in forward.weights if arn in self.view.groups and weight > 0]
        if not known:
            return None
        arns, weights = zip(*known, strict=True)
        return self.view.groups[random.choices(arns, weights)[0]]

    def target(self, group: Group, tried: Collection[Target] = ()) -> Target | None:
        """Round robin over the healthy ones, over all of them if none is: AWS fails open."""
        current = self.view.groups.get(group.arn, group)
        choice = self.healthy(current) or list(current.targets)
        choice = [each for each in choice if each not in tried]
        if not choice:
            return None
        self._turns[group.arn] += 1
        return choice[self._turns[group.arn] % len(choice)]

    def healthy(self, group: Group) -> list[Target]:
        return [each for each in group.targets if self._checks.state(group.arn, each) == "healthy"]

    def refused(self, target: Target) -> None:
        self._checks.recheck(target)

    @contextlib.contextmanager
    def flight(self, target: Target) -> Iterator[None]:
        key = (target.id, target.port)
        self._flights[key] += 1
        try:
            yield
        finally:
            self._flights[key] -= 1
            if not self._flights[key]:
                del self._flights[key]

    def busy(self, ip: str, port: int) -> int:
        """One more while the fronts still know the target: until then a request may yet begin. The order matters."""
        known = any((each.id, each.port) == (ip, port) for group in self.view.groups.values() for each in group.targets)
        return int(known) + self._flights.get((ip, port), 0)
