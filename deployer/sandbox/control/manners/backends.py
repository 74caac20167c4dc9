"""moto's own objects, which the HTTP threads use too: of the one account, in a region."""

from __future__ import annotations

from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends
from moto.elbv2.models import elbv2_backends


def ec2(region: str) -> Any:
    return ec2_backends[DEFAULT_ACCOUNT_ID][region]


def elb(region: str) -> Any:
    return elbv2_backends[DEFAULT_ACCOUNT_ID][region]


def ecs(region: str) -> Any:
    return ecs_backends[DEFAULT_ACCOUNT_ID][region]
