"""`state show`, `rebuild`, `unlock`: the record."""

from __future__ import annotations

import click

from deployer.cli.options import common
from deployer.errors import DeployerError, NotDeployedError
from deployer.settings import Settings


@click.group()
def state() -> None:
    """The record of what was created."""


@state.command()
@common
def show(settings: Settings) -> int:
    """Print the record."""
    from deployer.cli.session import load_standing, state_path
    from deployer.state import read

    path = state_path(settings, load_standing(settings).stack)
    data = read(path)
    if data is None:
        raise NotDeployedError(f"There is no record: {path}.", "`deployer up` makes one.")
    if settings.json:
        click.echo(path.read_text("utf-8"), nl=False)
        return 0
    from deployer import report

    report.records_text(data)
    return 0


@state.command()
@click.option("--id", "stack_id", default="", metavar="ID", help="Which of several stacks of this name.")
@common
def rebuild(settings: Settings, stack_id: str) -> int:
    """Make a lost record again from the tags in the account and deploy.yaml."""
    from deployer import recover
    from deployer.cli.session import load, opened

    config = load(settings).config
    with opened(settings, config, "state rebuild") as session:
        if not session.is_new:
            raise DeployerError(
                f"There is a record: {session.state.path}. It was left as it is.",
                f"If it is to be rebuilt, move it away first: mv {session.state.path} {session.state.path}.old",
            )
        count = recover.rebuild(session.aws, session.state, session.wanted, stack_id)
    if not settings.quiet:
        click.echo(f"Recorded {count} resources of {config.stack} (id {session.state.id}). Next: `deployer plan`.")
    return 0


@state.command()
@common
def unlock(settings: Settings) -> int:
    """Break a dead lock. A lock dies with its owner, so a live one is never broken (exit 3)."""
    from deployer.cli.session import load_standing, state_path
    from deployer.lock import lock

    path = state_path(settings, load_standing(settings).stack)
    with lock(path, "state unlock"):
        pass
    click.echo("Nobody holds this stack.")
    return 0
