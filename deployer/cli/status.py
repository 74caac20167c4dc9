"""`status`: what is recorded, what exists, what runs, whether it is healthy."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click

from deployer.cli.options import common
from deployer.errors import NotDeployedError
from deployer.settings import Settings

if TYPE_CHECKING:
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
        while True:
            healthy = _once(session, clear=watch and sys.stdout.isatty())
            if not watch:
                return 5 if check and not healthy else 0
            time.sleep(WATCH_SECONDS)


def _once(session: Session, clear: bool) -> bool:
    from deployer import status as reading

    session.refresh()
    records = session.state.records
    services = reading.services(session.aws, records, session.outputs(), list(session.config.services))
    resources = reading.resource_states(records, session.missing)
    healthy = all(one.healthy for one in services) and all(one["state"] == "present" for one in resources)
    if clear:
        click.clear()
    if session.settings.json:
        click.echo(json.dumps({
            "stack": session.config.stack, "environment": session.config.environment, "account": session.aws.account,
            "region": session.aws.region, "healthy": healthy, "services": [one.as_json() for one in services],
            "resources": resources,
        }, indent=1))  # fmt: skip
    else:
        _text(session, services, resources, healthy)
    return healthy


def _text(session: Session, services: list[ServiceStatus], resources: list[dict[str, str]], healthy: bool) -> None:
    from rich.text import Text

    from deployer.report import plain, terminal

    console = terminal(session.settings, sys.stdout)
    word, style = ("healthy", "green") if healthy else ("not healthy", "red")
    console.print(
        Text.assemble((session.config.stack, "bold"), f"  {session.aws.account}  {session.aws.region}  ", (word, style))
    )
    width = max((len(one.name) for one in services), default=0)
    for one in services:
        mark = ("●", "green") if one.healthy else ("●", "red")
        targets = f"  targets {one.targets[0]}/{one.targets[1]} healthy" if one.targets else ""
        tasks = f"{one.running}/{one.desired} running{targets}"
        shown = f" {one.name:<{width}}  {tasks}  {one.rollout.lower()}  {one.task_definition}"
        console.print(Text.assemble(mark, shown), soft_wrap=True)
        if one.url:
            console.print(Text(f"    {one.url}", style="cyan"), soft_wrap=True)
        for reason in one.reasons:
            console.print(Text(f"    {plain(reason)}", style="yellow"), soft_wrap=True)
    odd = [one for one in resources if one["state"] != "present"]
    for item in odd:
        line = Text.assemble((f"{item['state']}  ", "red"), item["key"], (f"  {item['id'] or ''}", "dim"))
        console.print(line, soft_wrap=True)
    there = sum(item["state"] != "missing" for item in resources)
    console.print(Text(f"{there} of {len(resources)} recorded resources are there", style="dim"))
