"""ECS's token buckets, one for each group of calls (request-throttling.html; numbers of quirks 0.1, unverified)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from ..manner import Manner, Refusal, Request

GROUPS = (  # of which calls, burst, a second
    (re.compile(r"(Create|Delete|Update|Put)Cluster"), 20, 1),
    (re.compile(r"(Register|Deregister|Delete)TaskDefinitions?"), 20, 1),
    (re.compile(r"(Create|Update|Delete)Service"), 50, 5),
    (re.compile(r"DescribeClusters|ListClusters"), 50, 20),
    (re.compile(r"(Describe|List)Service|(Describe|List)Tasks"), 100, 20),
)


@dataclass
class Bucket:
    tokens: float
    since: float

    def take(self, most: float, rate: float) -> bool:
        now = time.monotonic()
        self.tokens, self.since = min(most, self.tokens + (now - self.since) * rate), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Rates(Manner):
    name, default = "rates", 1
    about = "F13: ECS takes so many times as many calls a second as AWS does, in each of its groups"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._buckets: dict[int, Bucket] = {}

    def before(self, request: Request) -> Refusal | None:
        if request.service != "ecs" or not self.number:
            return None
        for place, (calls, most, rate) in enumerate(GROUPS):
            if calls.match(request.operation):
                bucket = self._buckets.setdefault(place, Bucket(most, time.monotonic()))
                taken = bucket.take(most, rate * self.number)
                return None if taken else Refusal("ThrottlingException", "Rate exceeded")
        return None
