"""Asking before something is destroyed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from deployer.errors import UsageError

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.plan import Plan


def agree(session: Session, plan: Plan, yes: bool, question: str, always: bool = False) -> None:
    """Asks when the plan deletes or replaces something. Without a terminal a needed question is an error."""
    if yes or not (plan.asks or plan.forward or (always and plan.changes)):
        return
    what = f"{len(plan.asks)} of {session.config.stack}'s resources would be deleted or replaced"
    if plan.forward and not plan.asks:
        names = ", ".join(step.key.partition(".")[2] for step in plan.forward)
        what = f"`deployer rollback` took {names} back to a former revision, and this would go forward again"
        if sys.stdin.isatty():
            click.echo(f"{what}.", err=True)
    if not sys.stdin.isatty():
        raise UsageError(
            f"{what}, and there is no terminal to ask at. Nothing was changed.",
            "Look at the plan (--plan), then run again with --yes.",
        )
    if not click.confirm(question, err=True):
        raise UsageError("Not agreed: nothing was changed.")
