"""`down`: back to nothing, proved at the end."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from deployer.cli.options import common, waiting
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.departure import Departure
    from deployer.plan import Plan


@click.command(short_help="Remove everything the stack owns.")
@waiting
@click.option("--delete-data", is_flag=True, help="Also remove what holds data.")
@common
def down(settings: Settings, yes: bool, plan_only: bool, timeout: float, parallel: int, delete_data: bool) -> int:
    """Remove everything the stack owns, dependents first, and prove that nothing is left."""
    from deployer import plan as planning
    from deployer.cli.questions import agree
    from deployer.cli.session import load_standing, opened

    config = load_standing(settings)
    with opened(settings, config, "down", locked=not plan_only) as session:
        session.refuse_strangers()
        session.refresh(parallel)
        session.gather()
        plan = planning.make([], session.state.records, missing=session.missing, delete_data=delete_data)
        departure = _departure(session, plan)
        if plan_only:
            _show(session, departure)
            return 0
        _warn(session, departure)
        agree(session, plan, yes, _question(session, plan), always=True)
        return _remove(session, plan, timeout, parallel)


def _departure(session: Session, plan: Plan) -> Departure:
    from deployer.blocking.survey import survey
    from deployer.departure import Departure

    there = {key: one for key, one in session.state.records.items() if key not in session.missing}
    holds, unseen = survey(session.aws, there) if there else ([], [])
    return Departure(session.config, plan, holds, unseen)


def _show(session: Session, departure: Departure) -> None:
    from deployer import report

    if session.settings.json:
        click.echo(json.dumps(report.plan_json(session, departure.plan) | departure.as_json(), indent=1))
    else:
        departure.show(report.terminal(session.settings, sys.stdout), session.config.stack)


def _warn(session: Session, departure: Departure) -> None:
    """What is in the way, before the question and also without one."""
    from deployer import report

    if session.settings.json:
        for hold in departure.holds:
            key = hold.keys[0]
            click.echo(json.dumps({"event": "progress", "key": key, "type": key.partition(".")[0], "action": "delete",
                                   "seconds": 0.0, "message": f"{hold.line}; {hold.advice}"}))  # fmt: skip
    elif not session.settings.quiet:
        console = report.terminal(session.settings, sys.stderr)
        for line in departure.hold_lines():
            console.print(line, soft_wrap=not console.is_terminal)


def _question(session: Session, plan: Plan) -> str:
    count = len(plan.changes)
    return f"Delete all {count} resources of {session.config.stack} in {session.aws.account}, {session.aws.region}?"


def _remove(session: Session, plan: Plan, timeout: float, parallel: int) -> int:
    from deployer.apply import Apply
    from deployer.blocking.survey import Holding
    from deployer.cli.session import patient
    from deployer.console import Console
    from deployer.sweep import sweep

    console = Console(session.settings, session.config.stack)
    removed = {step.key: step.record for step in plan.changes if step.record}
    unknown = session.is_new
    holding = Holding(session.aws, lambda: session.state.records)
    with patient(timeout) as patience:
        apply = Apply(session.aws, session.state, patience, listen=console.hear, parallel=parallel, holders=holding)
        with console.live():
            outcome = apply.run(plan)
    kept = [step.key for step in plan.removals if step.action == "keep"]
    left = sweep(session.aws, removed, kept, names=not unknown) if outcome.ok else None
    if outcome.ok and not kept and not left:
        session.state.remove()
    return console.finish(outcome, {}, kept=kept, left=left)
