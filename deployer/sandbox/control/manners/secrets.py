"""F15: the name of a secret stays taken for a while after it was deleted without a recovery window."""

from __future__ import annotations

import time

from ..manner import Answer, Manner, Refusal, Request
from .made import told

CANNOT = "You can't create this secret because a secret with this name is already scheduled for deletion."


class SecretNames(Manner):
    name, default = "secret-names", 0.4
    about = "F15: the name of a deleted secret is taken for so many seconds"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._deleted: dict[str, float] = {}

    def before(self, request: Request) -> Refusal | None:
        since = time.monotonic() - self._deleted.get(request.params.get("Name", ""), -1e9)
        if str(request) != "secretsmanager.CreateSecret" or since >= self.number:
            return None
        return Refusal("InvalidRequestException", CANNOT)

    def after(self, request: Request, answer: Answer) -> Answer:
        if str(request) == "secretsmanager.DeleteSecret" and answer[0] == 200:
            self._deleted[told(answer[2], "Name") or ""] = time.monotonic()
        return answer
