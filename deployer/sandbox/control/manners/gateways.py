"""F9: NAT gateways that take their time, and one that fails for no reason of ours."""

from __future__ import annotations

from ..ec2 import fail
from ..manner import Answer, Manner, Request
from .backends import ec2
from .made import told
from .slow import Slow


class SlowNat(Slow):
    name, default, tempo = "nat", 0.5, "nat"
    about = "F9: a NAT gateway is pending, and later deleting, for so many seconds"


class FailedNat(Manner):
    name, default = "nat-failed", 1
    about = "F9: so many NAT gateways of each region are accepted and then fail, as AWS's own fault"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._failed: dict[str, int] = {}

    def after(self, request: Request, answer: Answer) -> Answer:
        region = request.region
        if str(request) == "ec2.CreateNatGateway" and answer[0] == 200 and self._failed.get(region, 0) < self.number:
            self._failed[region] = self._failed.get(region, 0) + 1
            gateway = ec2(region).nat_gateways[told(answer[2], "natGatewayId") or ""]
            fail(ec2(region), gateway, "InternalError", "Network interface could not be created. Please try again.")
        return answer
