"""Which service a command is about, as far as it is deployed."""

from __future__ import annotations

from deployer.cli.session import Session
from deployer.errors import NotDeployedError, UsageError
from deployer.state import Record

UP = "`deployer up` deploys it; `deployer state rebuild` makes a lost record again."


def recorded(session: Session) -> list[str]:
    """The services of which a log is on record. Raises NotDeployedError if there is none."""
    records = session.state.records.values()
    names = [one.name for one in records if one.type == "log-group" and one.key == one.base and "_" not in one.name]
    if not names:
        stack = session.config.stack
        raise NotDeployedError(f"{stack} is not deployed: nothing is recorded in {session.state.path}.", UP)
    return sorted(names)


def known(session: Session, service: str) -> None:
    """Raises UsageError if there is no such service, NotDeployedError if it is not deployed."""
    names = sorted({*session.config.services, *(recorded(session) if session.state.records else [])})
    if service not in names:
        raise UsageError(f"There is no service {service}.", f"There are: {', '.join(names)}.")
    if f"log-group.{service}" not in session.state.records:
        raise NotDeployedError(f"{service} is not deployed: it is not recorded in {session.state.path}.", UP)


def service_arn(session: Session, service: str) -> str:
    """Raises UsageError and NotDeployedError as `known` does."""
    known(session, service)
    record = session.state.records.get(f"service.{service}")
    if record is None or not record.id:
        raise NotDeployedError(f"{service} is not deployed: the ECS service was not made yet.", UP)
    return record.id


def deployed(session: Session, names: list[str]) -> list[Record]:
    """The recorded services of these names (all without names). Raises NotDeployedError, UsageError."""
    services = {one.name: one for one in session.state.records.values() if one.type == "service" and one.id}
    if not services:
        raise NotDeployedError(f"{session.config.stack} has no services in {session.state.path}.",
                               "`deployer up` deploys it.")  # fmt: skip
    for name in names:
        if name not in services:
            raise UsageError(f"There is no service {name} deployed.", f"There is: {', '.join(sorted(services))}.")
    return [services[name] for name in (dict.fromkeys(names) or sorted(services))]
