"""Service-linked roles: the account's, not the stack's. AWS makes them at the first use, which then fails for a while;
so they are made at the beginning, if they are missing. `down` leaves them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import botocore.exceptions as faults

from deployer.aws import Aws, ignoring
from deployer.preflight.run import Ask, Finding, Missing, Run, Told

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
ROLES = {
    "cluster": ("AWSServiceRoleForECS", "ecs.amazonaws.com"),
    "load-balancer": ("AWSServiceRoleForElasticLoadBalancing", "elasticloadbalancing.amazonaws.com"),
}


class LinkedRoles:
    def asks(self, run: Run) -> Mapping[str, Ask]:
        return {type: partial(_exists, run.aws, role) for type, (role, _) in ROLES.items() if run.making(type)}

    def judge(self, run: Run, told: Told) -> Iterator[Finding]:
        for type, exists in told.items():
            if exists is False:
                yield Missing(ROLES[type][1])


def _exists(aws: Aws, role: str) -> bool:
    with ignoring("NoSuchEntity"):
        aws.iam.get_role(RoleName=role)
        return True
    return False


@contextlib.contextmanager
def made(aws: Aws, services: list[str], parallel: int) -> Iterator[None]:
    """Makes the linked roles of `services` while the body runs; before it, if nothing may run beside.

    Whatever IAM refuses (no permission; there already, which is InvalidInput "has been taken") is left to AWS, which
    makes them itself at the first use."""
    if parallel == 1 or not services:
        for service in services:
            _make(aws, service)
        yield
        return
    with ThreadPoolExecutor(len(services), thread_name_prefix="linked") as pool:
        for service in services:
            pool.submit(_make, aws, service)
        yield


def _make(aws: Aws, service: str) -> None:
    with contextlib.suppress(faults.ClientError, faults.BotoCoreError):
        aws.iam.create_service_linked_role(AWSServiceName=service)
