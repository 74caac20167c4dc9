"""`down`: back to nothing, proved at the end."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from deployer.cli.options import common, waiting
from deployer.errors import DeployerError
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.plan import Plan


@click.command(short_help="Remove everything the stack owns.")
@waiting
@click.option("--delete-data", is_flag=True, help="Also remove what holds data.")
@common
def down(settings: Settings, yes: bool, plan_only: bool, timeout: float, parallel: int, delete_data: bool) -> int:
    """Remove everything the stack owns, dependents first, and prove that nothing is left."""
    from deployer import plan as planning
    from deployer import report
    from deployer.cli.questions import agree
    from deployer.cli.session import load_standing, opened

    config = load_standing(settings)
    with opened(settings, config, "down", locked=not plan_only) as session:
        session.refuse_strangers()
        session.refresh(parallel)
        plan = planning.make([], session.state.records, missing=session.missing, delete_data=delete_data)
        if plan_only:
            click.echo(json.dumps(report.plan_json(session, plan), indent=1)) if settings.json else report.plan_text(
                session, plan
            )
            return 0
        agree(session, plan, yes, _question(session, plan), always=True)
        return _remove(session, plan, timeout, parallel)


def _question(session: Session, plan: Plan) -> str:
    count = len(plan.changes)
    return f"Delete all {count} resources of {session.config.stack} in {session.aws.account}, {session.aws.region}?"


def _remove(session: Session, plan: Plan, timeout: float, parallel: int) -> int:
    from deployer.apply import Apply
    from deployer.cli.session import patient
    from deployer.console import Console

    console = Console(session.settings, session.config.stack)
    with patient(timeout) as patience:
        apply = Apply(session.aws, session.state, patience, listen=console.hear, parallel=parallel)
        with console.live():
            outcome = apply.run(plan)
    kept = [step.key for step in plan.removals if step.action == "keep"]
    if outcome.ok:
        _prove(session, kept)
        if not kept:
            session.state.remove()
    return console.finish(outcome, {}, kept=kept, gone=not kept)


PROVING = (0, 2, 4, 8, 16, 30)  # seconds between looks: lists still tell of what has just gone


def _prove(session: Session, kept: list[str]) -> None:
    """Looks through the account once more, by tags. Raises DeployerError naming what is left."""
    from deployer import refresh
    from deployer.cli.session import found_summary

    for pause in PROVING:
        time.sleep(pause)
        left = [one for one in refresh.scan(session.aws) if one.key not in kept]
        if not left:
            return
    raise DeployerError(
        f"{len(left)} resources still carry the tags of {session.config.stack}: {found_summary(left)}.",
        "Move the record away, run `deployer state rebuild`, and `deployer down` again.",
    )
