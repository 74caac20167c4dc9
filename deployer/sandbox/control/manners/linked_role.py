"""F2: the first use of ECS in an account makes its service-linked role, which cannot be assumed at once."""

from __future__ import annotations

import time

from ..manner import Manner, Refusal, Request

USING = ("ecs.CreateCluster", "ecs.CreateService", "ecs.RunTask")


class LinkedRole(Manner):
    name, default = "linked-role", 0.3
    about = "F2: the first CreateCluster, CreateService and RunTask find no service-linked role, for so many seconds"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._first: dict[str, float] = {}

    def before(self, request: Request) -> Refusal | None:
        if str(request) not in USING:
            return None
        if time.monotonic() - self._first.setdefault(str(request), time.monotonic()) >= self.number:
            return None
        return Refusal(
            "InvalidParameterException",
            "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        )
