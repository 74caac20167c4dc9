"""`logs`: what the services have written."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from deployer.cli.options import common
from deployer.errors import DeployerError, UsageError
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.logs import Source

SINCE, SINCE_MS = "10m", 600_000
LOOK_SECONDS = 60.0
SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
SECONDS = (86400, 3600, 60, 1)
ALLOWANCE_MS = 60_000  # this machine's clock may be behind AWS's


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """`10m`, `1h30m`, `2d`, or `2026-11-21T14:00` (local time unless it says otherwise): milliseconds since the epoch.

    Raises click's BadParameter.
    """
    if value is None:
        return None
    span = SPAN.fullmatch(value)
    try:
        if span and any(span.groups()):
            ago = sum(int(number or 0) * unit for number, unit in zip(span.groups(), SECONDS, strict=True))
            return max(int((time.time() - ago) * 1000), 0)
        return max(int(datetime.fromisoformat(value).timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        said = f"{value!r} is neither a duration such as 10m, 1h30m or 2d nor a time such as 2026-11-21T14:00."
        raise click.BadParameter(said) from None


@click.command(short_help="Show what the services have written.")
@click.argument("service", required=False)
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--since", metavar="DURATION", callback=moment,
              help=f"How far back, e.g. 90s, 10m, 2d, or a time.  [default: {SINCE}; with --task, --previous: all]")
@click.option("--previous", is_flag=True, help="Of the task that stopped last.")
@click.option("--filter", "text", default="", metavar="TEXT", help="Only events that hold this text, as it is written.")
@click.option("--task", metavar="ID", help="Only of the tasks whose id begins so.")
@common
def logs(
    settings: Settings, service: str | None, follow: bool, since: int | None, previous: bool, text: str,
    task: str | None,
) -> int:  # fmt: skip
    """Show what SERVICE has written, or all services: merged by time, in your time zone."""
    if previous and (follow or task is not None):
        raise UsageError("--previous shows one task that has ended: it goes with neither --follow nor --task.")
    wanted = "" if task is None else prefix(task)
    from deployer import logs as reading
    from deployer.cli.session import load_standing, opened
    from deployer.patience import Patience

    try:
        with opened(settings, load_standing(settings), "logs", locked=False) as session:
            sources = _sources(session, service, wanted)
            if previous:
                sources = _previous(session, sources)
            elif wanted:
                reading.check_task(reading.client(session.aws), sources, Patience(time.monotonic() + LOOK_SECONDS))
            return _show(session, sources, since, text, follow)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has enough
        return 0


def prefix(task: str) -> str:
    """The beginning of a task's id, also from `web/1a2b3c4d` as it is shown, or from an ARN. Raises UsageError."""
    found = task.rpartition("/")[2].lower()
    if not re.fullmatch(r"[0-9a-f]{1,36}", found):
        raise UsageError(f"--task {task} is not the beginning of a task's id.", "It has digits and the letters a to f.")
    return found


def _sources(session: Session, service: str | None, task: str) -> list[Source]:
    """Raises UsageError for a service that is unknown, NotDeployedError for one that has no log yet."""
    from deployer import logs as reading
    from deployer.cli.target import known, recorded

    if service:
        known(session, service)
    names = [service] if service else recorded(session)
    found = [reading.source(session.state.records, name, task) for name in names]
    sources = [one for one in found if one]
    if not sources:
        raise DeployerError(f"{', '.join(names)}: the log group was not made yet.", "`deployer up` makes it.")
    return sources


def _previous(session: Session, sources: list[Source]) -> list[Source]:
    """Of each service the task that stopped last; what is known of its end is told on standard error."""
    from dataclasses import replace

    from deployer import logs as reading

    found = []
    for one in sources:
        record = session.state.records.get(f"service.{one.service}")
        last = reading.last_stopped(session.aws, record.id, one) if record and record.id else None
        if last:
            when = datetime.fromtimestamp(last.when).strftime("%Y-%m-%d %H:%M:%S")
            reason = f": {last.reason}" if last.reason else ""
            _say(session.settings, f"{one.service}/{last.task[:8]} stopped {when}{reason}")
            found.append(replace(one, task=last.task))
    if not found:
        names = ", ".join(one.service for one in sources)
        hint = "Without --previous the log of all tasks is shown."
        raise DeployerError(f"No stopped task of {names} is known.", hint)
    return found


def _show(session: Session, sources: list[Source], since: int | None, text: str, follow: bool) -> int:
    from deployer import logs as reading
    from deployer.cli.printing import Printer
    from deployer.patience import Patience

    client, patience = reading.client(session.aws), Patience(float("inf"))
    whole = bool(sources[0].task)
    start = since if since is not None else 0 if whole else reading.now() - SINCE_MS
    readers = [reading.Reader(client, one, start, patience, text) for one in sources]
    printer, count = Printer(session.settings), 0
    events = reading.follow(readers, patience) if follow else reading.merged(readers, reading.now() + ALLOWANCE_MS)
    for event in events:
        if event is None:
            printer.flush()
        else:
            printer.write(event)
            count += 1
    printer.flush()
    if not count:
        names = ", ".join(one.service for one in sources)
        within = "" if since is not None or whole else f" in the last {SINCE}; `--since 1d` looks further back"
        _say(session.settings, f"No events of {names}{within}.")
    return 0


def _say(settings: Settings, text: str) -> None:
    from deployer.report import plain

    if not settings.quiet:
        click.echo(plain(text), err=True)
