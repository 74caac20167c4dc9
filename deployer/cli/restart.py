"""`restart`: new tasks of the same revision."""

from __future__ import annotations

import click

from deployer.cli.options import common, duration
from deployer.settings import Settings


@click.command(short_help="New tasks of the same revision, e.g. after a secret changed.")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--timeout", type=duration, default="20m", metavar="DURATION", help="For the waiting.  [default: 20m]")
@click.option("--no-wait", is_flag=True, help="Return once ECS has accepted it.")
@common
def restart(settings: Settings, services: tuple[str, ...], timeout: float, no_wait: bool) -> int:
    """Replace the tasks of the services (all by default) by new ones of the same revision, without a gap.

    New tasks read their secrets again.
    """
    from deployer.cli.session import load_standing, opened, patient
    from deployer.cli.target import deployed
    from deployer.console import Console
    from deployer.operate import Operation

    config = load_standing(settings)
    with opened(settings, config, "restart") as session, patient(timeout) as patience:
        records = deployed(session, list(services))
        console = Console(settings, config.stack)
        operation = Operation(session.aws, session.state, patience, console.hear)
        with console.live():
            outcome = operation.run(operation.restart, records, wait=not no_wait)
        return console.finish(outcome, {})
