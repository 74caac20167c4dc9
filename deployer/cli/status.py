"""`status`: what is recorded, what exists, what runs, whether it is healthy."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from deployer.cli.options import common
from deployer.errors import DeployerError, NotDeployedError
from deployer.settings import Settings

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from deployer.cli.session import Session
    from deployer.status import ServiceStatus

WATCH_SECONDS = 5


@click.command(short_help="Show what runs, whether it is healthy, why not.")
@click.option("--watch", is_flag=True, help=f"Again every {WATCH_SECONDS} seconds, until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit 5 if it is deployed but not healthy.")
@common
def status(settings: Settings, watch: bool, check: bool) -> int:
    """Show what is recorded, what exists, what runs, whether it is healthy, and if not, why."""
    from deployer.cli.session import load_standing, opened

    config = load_standing(settings)
    with opened(settings, config, "status", locked=False) as session:
        if session.is_new or not session.state.records:
            raise NotDeployedError(
                f"{config.stack} is not deployed: nothing is recorded in {session.state.path}.",
                "`deployer up` deploys it; `deployer state rebuild` makes a lost record again.",
            )
        if watch:
            return _watch(session)
        return 5 if not _once(session) and check else 0


def _watch(session: Session) -> int:
    """Until Ctrl-C; on a terminal in place, else one after the other."""
    from rich.live import Live

    from deployer.report import terminal

    console = terminal(session.settings, sys.stdout)
    try:
        while session.settings.json or not console.is_terminal:
            try:
                _once(session)
            except DeployerError as error:  # it may be over with the next look
                click.echo(f"Error: {error.message}", err=True)
            sys.stdout.flush()
            time.sleep(WATCH_SECONDS)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(_now(session, console.height), refresh=True)
                time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return 130


def _now(session: Session, height: int) -> Group | Text:
    from rich.text import Text

    try:
        return _page(session, _look(session), height)
    except DeployerError as error:
        return Text(f"Error: {error.message}", style="red")


@dataclass(frozen=True)
class Seen:
    services: list[ServiceStatus]
    resources: list[dict[str, Any]]

    @property
    def healthy(self) -> bool:
        """Drift alone makes nobody ill, but without its secret no task begins."""
        odd = [one for one in self.resources if one["state"] != "present"]
        there = all(one["state"] == "drifted" and one["type"] != "secret" for one in odd)
        return there and all(one.healthy for one in self.services)


def _look(session: Session) -> Seen:
    from deployer import status as reading

    session.refresh(inspect=True)
    records = session.state.records
    services = reading.services(session.aws, records, session.outputs(), list(session.config.services))
    return Seen(services, reading.resource_states(records, session.missing))


def _once(session: Session) -> bool:
    from deployer.report import terminal

    seen = _look(session)
    if session.settings.json:
        click.echo(json.dumps({
            "stack": session.config.stack, "environment": session.config.environment, "account": session.aws.account,
            "region": session.aws.region, "healthy": seen.healthy,
            "services": [one.as_json() for one in seen.services], "resources": seen.resources,
        }, indent=1))  # fmt: skip
    else:
        console = terminal(session.settings, sys.stdout)
        for line in _lines(session, seen):
            console.print(line, soft_wrap=True)
    return seen.healthy


def _page(session: Session, seen: Seen, height: int) -> Group:
    from rich.console import Group
    from rich.text import Text

    clock = Text(time.strftime("%H:%M:%S") + f"  every {WATCH_SECONDS} s, Ctrl-C ends it", style="dim")
    lines = _lines(session, seen)[: height - 2]
    for line in lines:  # a row each, or the last ones would not fit
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines, clock)


def _lines(session: Session, seen: Seen) -> list[Text]:
    from rich.text import Text

    from deployer.report import plain

    word, style = ("healthy", "green") if seen.healthy else ("not healthy", "red")
    about = f"  {session.aws.account}  {session.aws.region}  "
    lines = [Text.assemble((session.config.stack, "bold"), about, (word, style))]
    width = max((len(one.name) for one in seen.services), default=0)
    for one in seen.services:
        lines += _service(one, width)
    odd = [one for one in seen.resources if one["state"] != "present"]
    for part in odd:
        lines.append(Text.assemble((f"{part['state']}  ", "red"), part["key"], (f"  {part['id'] or ''}", "dim")))
        lines += [Text(f"    {plain(field)}", style="yellow") for field in part["drift"]]
    there = sum(one["state"] != "missing" for one in seen.resources)
    return [*lines, Text(f"{there} of {len(seen.resources)} recorded resources are there", style="dim")]


def _service(one: ServiceStatus, width: int) -> list[Text]:
    from rich.text import Text

    from deployer.report import plain
    from deployer.verdict.verdict import ARN

    colour = "green" if one.healthy else "red"
    targets = f"  targets {one.targets[0]}/{one.targets[1]} healthy" if one.targets else ""
    pending = f", {one.pending} pending" if one.pending else ""
    tasks = f"{one.running}/{one.desired} running{pending}{targets}"
    age = f"  {ago(one.since)}" if one.since else ""
    head = f" {one.name:<{width}}  {tasks}  {one.rollout.lower()}  {one.task_definition}"
    lines = [Text.assemble(("●", colour), head, (age, "dim"))]
    indent = "    "
    if one.url:
        lines.append(Text(indent + one.url, style="cyan"))
    if one.image:
        lines.append(Text(indent + one.image, style="dim"))
    lines += [Text(indent + plain(reason), style="yellow") for reason in one.reasons]
    for at, message in one.events:
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        lines.append(Text(f"{indent}{clock} {ARN.sub('', plain(message))}", style="dim"))
    return lines


def ago(moment: float) -> str:
    """`3 min ago`; in the largest unit of which there is one."""
    seconds = max(time.time() - moment, 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
