"""F13, F22: the account's default quotas. ECS and Logs dress theirs as throttling: LimitExceededException."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.logs.models import logs_backends

from ..manner import Manner, Refusal, Request
from .backends import ec2, ecs, elb

Count = Callable[[str], int]



def _groups(region: str) -> int:
    return len(logs_backends[DEFAULT_ACCOUNT_ID][region].groups)


# call: how many there are, how many there may be, AWS's code and words
QUOTAS: dict[str, tuple[Count, int, str, str]] = {
    "ec2.CreateVpc": (lambda region: len(ec2(region).vpcs), 5, "VpcLimitExceeded",
                      "The maximum number of VPCs has been reached."),
    "ec2.AllocateAddress": (lambda region: len(ec2(region).addresses), 5, "AddressLimitExceeded",
                            "The maximum number of addresses has been reached."),
    "ec2.CreateInternetGateway": (lambda region: len(ec2(region).internet_gateways), 5, "InternetGatewayLimitExceeded",
                                  "The maximum number of internet gateways has been reached."),
    "elbv2.CreateLoadBalancer": (lambda region: len(elb(region).load_balancers), 50, "TooManyLoadBalancers",
                                 "The maximum number of load balancers has been reached."),
    "elbv2.CreateTargetGroup": (lambda region: len(elb(region).target_groups), 3000, "TooManyTargetGroups",
                                "The maximum number of target groups has been reached."),
    "ecs.CreateCluster": (lambda region: len(ecs(region).clusters), 10000, "LimitExceededException",
                          "The limit for the number of clusters has been exceeded."),
    "logs.CreateLogGroup": (_groups, 1_000_000, "LimitExceededException", "Resource limit exceeded."),
}  # fmt: skip


class Quotas(Manner):
    name, default = "quotas", 0
    about = "F13, F22: AWS's default quotas (0), or so many of each kind that is counted"

    def before(self, request: Request) -> Refusal | None:
        if str(request) not in QUOTAS:
            return None
        count, most, code, message = QUOTAS[str(request)]
        there: Any = count(request.region)
        return Refusal(code, message) if there >= (self.number or most) else None
