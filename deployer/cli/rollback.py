"""`rollback`: stop a rollout under way, or go back to a former revision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from deployer.cli.options import common, duration
from deployer.errors import DeployerError, UsageError
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.operate import Former
    from deployer.state import Record


@click.command(short_help="Stop a rollout, or go back to a former revision.")
@click.argument("service", required=False)
@click.option("--to", "revision", metavar="REVISION", help="The one to go back to: its number, or its name.")
@click.option("--list", "only_list", is_flag=True, help="Only list what it can go back to.")
@click.option("--timeout", type=duration, default="20m", metavar="DURATION", help="For the waiting.  [default: 20m]")
@common
def rollback(settings: Settings, service: str | None, revision: str | None, only_list: bool, timeout: float) -> int:
    """Stop the rollout that is under way; without one, go back to the last revision that was healthy.

    The record follows: the next `up` says what it would do, and asks before it goes forward again.
    """
    from deployer.cli.session import load_standing, opened

    config = load_standing(settings)
    with opened(settings, config, "rollback", locked=not only_list) as session:
        record = _chosen(session, service)
        if only_list:
            return _list(session, record)
        return _go(session, record, revision, timeout)


def _chosen(session: Session, name: str | None) -> Record:
    """The named service, else the only one, else the only one whose rollout is under way."""
    from deployer.cli.target import deployed
    from deployer.operate import under_way

    records = deployed(session, [name] if name else [])
    if len(records) > 1:
        records = [record for record in records if under_way(session.aws, record)] or records
    if len(records) > 1:
        raise UsageError("Which service?", f"Name one: {', '.join(record.name for record in records)}.")
    return records[0]


def _list(session: Session, record: Record) -> int:
    from deployer.ecs import revision
    from deployer.operate import formers

    found = formers(session.aws, session.state, record)
    if session.settings.json:
        listed = [{"revision": one.revision, "image": one.image, "healthy": one.healthy} for one in found]
        current = revision(record.inputs["task_definition"])
        click.echo(json.dumps({"service": record.name, "current": current, "formers": listed}))
        return 0
    click.echo(f"{record.name} is recorded with {revision(record.inputs['task_definition'])}; it can go back to:")
    for one in found:
        click.echo(f"  {one.revision}  {one.image}{'' if one.healthy else '  (not known to have been healthy)'}")
    if not found:
        click.echo("  nothing")
    return 0


def _go(session: Session, record: Record, revision: str | None, timeout: float) -> int:
    from deployer.cli.session import patient
    from deployer.console import Console
    from deployer.operate import Operation, formers, under_way

    console = Console(session.settings, session.config.stack)
    with patient(timeout) as patience:
        operation = Operation(session.aws, session.state, patience, console.hear)
        going = None if revision else under_way(session.aws, record)
        if going and going.get("sourceServiceRevisions"):
            click.echo(f"{record.name}: stopping the rollout that is under way", err=True)
            change = lambda one: operation.stop(one, going)  # noqa: E731
        else:
            former = _former(formers(session.aws, session.state, record), record, revision)
            click.echo(f"{record.name}: going back to {former.revision} ({former.image})", err=True)
            change = operation.go_back(former)
        with console.live():
            outcome = operation.run(change, [record])
        return console.finish(outcome, {})


def _former(found: list[Former], record: Record, revision: str | None) -> Former:
    if revision is None:
        choice = next((one for one in found if one.healthy), found[0] if found else None)
        if choice is None:
            raise DeployerError(f"{record.key}: there is no former revision to go back to.",
                                "Deploy an image that works: `deployer up --image SERVICE=REF`.")  # fmt: skip
        return choice
    for one in found:
        if revision in (one.revision, one.task_definition, one.revision.rpartition(":")[2]):
            return one
    known = ", ".join(one.revision for one in found) or "none"
    raise UsageError(f"{record.name} cannot go back to {revision}.", f"It can go back to: {known}.")
