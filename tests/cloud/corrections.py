"""moto, made stricter: every file of corrections installed once, and the reset between tests."""

from __future__ import annotations

from typing import Any

from .tempo import TEMPO


def load(registry: Any = None) -> Any:
    """moto's application, with the corrections in it. `TEMPO` and the lock govern it from here on."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    from . import ec2, ecr, ecs, elb, iam, logs, scheduler, taskdefs

    for part in (ec2, elb, iam, logs, taskdefs, ecs):
        part.install()
    ecr.install(registry)
    scheduler.SCHEDULER.start()
    application = DomainDispatcherApplication(create_backend_app)
    for service in ("sts", "ec2", "iam", "elbv2", "ecs", "ecr", "logs", "secretsmanager"):
        application.app_instances[service] = create_backend_app(service)
    return application


def reset(registry: Any = None) -> None:
    from moto.moto_api._internal.models import moto_api_backend

    from .scheduler import SCHEDULER

    moto_api_backend.reset()
    SCHEDULER.reset()
    TEMPO.reset()
    if registry is not None:
        registry.wipe()
