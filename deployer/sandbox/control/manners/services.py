"""F6, F20: services that drain and are then forgotten, capacity that is not there, answers of 200 with failures."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..manner import Answer, Manner, Refusal, Request
from .backends import ecs
from .slow import Slow

CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


class Draining(Slow):
    name, default, tempo = "draining", 0.5, "drain"
    about = "F5, F6: a deleted service is DRAINING for so many seconds, and its name taken"


class Forgotten(Manner):
    name, default = "forgotten", 0.5
    about = "F6: an INACTIVE service or cluster is told of for so many seconds, and then MISSING"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._ended: dict[str, float] = {}

    def before(self, request: Request) -> None:
        if request.service != "ecs":
            return
        backend = ecs(request.region)
        for known in (backend.services, backend.clusters):
            for key, one in list(known.items()):
                if one.status != "INACTIVE":
                    self._ended.pop(one.arn, None)
                elif time.monotonic() - self._ended.setdefault(one.arn, time.monotonic()) >= self.number:
                    del known[key]


class Unsuccessful(Manner):
    name, default = "unsuccessful", 1
    about = "F20: so many calls of DeleteVpcEndpoints, RunTask and DeleteTaskDefinitions answer 200 with failures"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._failed: dict[str, int] = {}

    def before(self, request: Request) -> Refusal | Answer | None:
        answers: dict[str, Callable[[Request], Answer]] = {
            "ec2.DeleteVpcEndpoints": _endpoints,
            "ecs.RunTask": lambda asked: asked.reply({"tasks": [], "failures": [{"reason": CAPACITY}]}),
            "ecs.DeleteTaskDefinitions": _definitions,
        }
        if (operation := str(request)) not in answers or self._failed.get(operation, 0) >= self.number:
            return None
        self._failed[operation] = self._failed.get(operation, 0) + 1
        return answers[operation](request)


def _definitions(request: Request) -> Answer:
    failures = [{"arn": arn, "reason": "An internal error"} for arn in request.params.get("taskDefinitions", [])]
    return request.reply({"taskDefinitions": [], "failures": failures})


def _endpoints(request: Request) -> Answer:
    error = "<code>RequestLimitExceeded</code><message>Request limit exceeded.</message>"
    item = f"<item><error>{error}</error><resourceId>{request.params.get('VpcEndpointId.1')}</resourceId></item>"
    content = f"<DeleteVpcEndpointsResponse><unsuccessful>{item}</unsuccessful></DeleteVpcEndpointsResponse>"
    return 200, [("Content-Type", "text/xml")], content.encode()
