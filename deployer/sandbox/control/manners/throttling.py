"""F13, F14: calls that are too many, answers that never come; counted for each operation, so that runs are alike."""

from __future__ import annotations

import zlib
from collections import Counter

from ..manner import Manner, Refusal, Request

BURST = 2


class Every(Manner):
    """Counts the calls of each operation; each begins at another place, the same in every run."""

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._calls: Counter[str] = Counter()

    def place(self, request: Request) -> int:
        """Where in its round the call is: 0 to `number` - 1."""
        operation = str(request)
        self._calls[operation] += 1
        return (zlib.crc32(f"{self.name} {operation}".encode()) + self._calls[operation]) % max(int(self.number), 1)


class Throttling(Every):
    name, default = "throttling", 10
    about = "F13: of so many calls of an operation two in a row are throttled, in the words of its protocol"

    def before(self, request: Request) -> Refusal | None:
        if self.place(request) >= BURST or request.service == "sts":
            return None
        if request.service == "ec2":
            return Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
        json = "HTTP_X_AMZ_TARGET" in request.environ
        return Refusal("ThrottlingException" if json else "Throttling", "Rate exceeded")


class Lost(Every):
    name, default = "lost", 8
    about = "F14: of so many changing calls of an operation one is carried out, and its answer is lost"

    def loses(self, request: Request) -> bool:
        return not request.reading and self.place(request) == 0
