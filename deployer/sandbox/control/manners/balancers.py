"""F8, F11, F18: load balancers that take their time, target groups that stay in use, certificates not yet seen."""

from __future__ import annotations

import time

from ..elb import targets_of
from ..manner import Manner, Refusal, Request
from .backends import elb
from .slow import Slow

CHANGING = ("ModifyLoadBalancerAttributes", "SetSubnets", "SetSecurityGroups")


class Provisioning(Slow):
    name, default, tempo = "provisioning", 0.5, "load_balancer"
    about = "F8: a load balancer is provisioning for so many seconds, and cannot be changed meanwhile"

    def before(self, request: Request) -> Refusal | None:
        if request.service != "elbv2" or request.operation not in CHANGING:
            return None
        arn = request.params.get("LoadBalancerArn")
        balancer = elb(request.region).load_balancers.get(arn)
        if balancer is None:
            return None
        balancer.activate()
        if balancer.state != "provisioning":
            return None
        return Refusal("OperationNotPermitted", f"Load balancer '{arn}' is in state provisioning")


class TargetGroups(Manner):
    name, default = "target-groups", 0.3
    about = "F11: a target group is in use for so many seconds after its listener or load balancer has gone"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._used: dict[str, float] = {}  # when its use was seen last

    def before(self, request: Request) -> Refusal | None:
        if request.service != "elbv2" or request.reading:
            return None
        for balancer in elb(request.region).load_balancers.values():
            for listener in balancer.listeners.values():
                self._used.update(dict.fromkeys(targets_of(elb(request.region), listener), time.monotonic()))
        arn = request.params.get("TargetGroupArn", "")
        if request.operation != "DeleteTargetGroup" or time.monotonic() - self._used.get(arn, -1e9) >= self.number:
            return None
        return Refusal("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")


class Certificates(Manner):
    name, default = "certificates", 0.3
    about = "F18: listeners do not find a certificate for so many seconds after they first asked for it"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._first: dict[str, float] = {}

    def before(self, request: Request) -> Refusal | None:
        if str(request) not in ("elbv2.CreateListener", "elbv2.ModifyListener"):
            return None
        arn = request.params.get("Certificates.member.1.CertificateArn")
        if not arn or time.monotonic() - self._first.setdefault(arn, time.monotonic()) >= self.number:
            return None
        return Refusal("CertificateNotFound", f"Certificate '{arn}' not found")


