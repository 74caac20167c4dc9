"""moto, made stricter: every file of corrections installed once, and the reset between tests."""

from __future__ import annotations

from typing import Any

from ..quick import answering
from ..registry import Registry
from .manner import ACTIVE
from .tasks import Runtime
from .tempo import TEMPO

SERVICES = ("sts", "ec2", "iam", "elbv2", "ecs", "ecr", "logs", "secretsmanager")


def load(runtime: Runtime, registry: Registry | None = None, suffix: str = "") -> Any:
    """moto's application, with the corrections in it. `TEMPO` and the lock govern it from here on.

    `suffix`: of the load balancers' host names, where they lead to fronts on this machine."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    from . import ec2, ecr, ecs, elb, iam, limits, logs, quotas, scheduler, taskdefs

    for part in (ec2, iam, logs, quotas, taskdefs, ecs):
        part.install()
    elb.install(suffix)
    ecr.install(registry)
    limits.install()
    scheduler.SCHEDULER.start(runtime)
    answering()
    application = DomainDispatcherApplication(create_backend_app)
    for service in SERVICES:
        application.app_instances[service] = create_backend_app(service)
    return application


def reset(registry: Registry | None = None) -> None:
    from moto.moto_api._internal.models import moto_api_backend

    from .quotas import TOLD

    if ACTIVE:
        from . import manners

        manners.off()
    moto_api_backend.reset()
    TOLD.clear()
    TEMPO.reset()
    if registry is not None:
        registry.wipe()
