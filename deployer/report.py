"""Plans, status and records as text and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

import click
from rich.console import Console as Terminal
from rich.text import Text

from deployer.errors import DeployerError, RolloutError, harmless
from deployer.plan import Action, Change, Plan, Step
from deployer.resource import Unknown
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.preflight import Outlook

WIDE = 60
STYLES = {Action.CREATE: ("+", "green"), Action.UPDATE: ("~", "yellow"), Action.REPLACE: ("±", "magenta"),
          Action.DELETE: ("-", "red"), Action.KEEP: ("=", "dim")}  # fmt: skip


def plain(text: str) -> str:
    """On one line and without control characters."""
    return harmless(" ".join(text.splitlines()))


class Lasting(Terminal):
    """Whoever read this may have gone: rich would end the program, here the run goes on unseen."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def terminal(settings: Settings, file: IO[str]) -> Terminal:
    """A rich console that honours NO_COLOR and --no-color, and prints nothing but text where there is no terminal."""
    bare = not settings.color or bool(os.environ.get("NO_COLOR"))
    # force_terminal: FORCE_COLOR, which many CI systems set, would else make rich draw the live tree into a pipe.
    return Lasting(file=file, no_color=bare, highlight=False, emoji=False, markup=False, force_terminal=file.isatty(),
                   width=None if file.isatty() else 10_000)  # fmt: skip


def plan_text(session: Session, plan: Plan) -> None:
    """The plan on standard output."""
    import sys

    plan_lines(terminal(session.settings, sys.stdout), session.config.stack, plan)


def plan_lines(console: Terminal, stack: str, plan: Plan) -> None:
    for step in [*plan.steps, *plan.removals]:
        if step.action is not Action.KEEP:
            for line in step_lines([step]):
                console.print(line, soft_wrap=not console.is_terminal)
        elif step in plan.removals:
            console.print(Text(f"= {step.key}  kept: {step.reason}", style="dim"))
    console.print(Text(f"{stack}: {summary(plan)}", style="bold"))


def step_lines(steps: Iterable[Step]) -> list[Text]:
    return [line for step in steps for line in [_line(step), *map(_change, step.changes[:8])]]


def _line(step: Step) -> Text:
    sign, style = STYLES[step.action]
    reason = "" if step.reason in ("not there yet", "no longer wanted") else f"  ({plain(step.reason)})"
    told = f"  {plain(step.resource.told)}" if step.resource and step.resource.told else ""
    return Text.assemble((f"{sign} ", style), step.key, told, (reason, "dim"))


def _change(change: Change) -> Text:
    old, new = _written(change.old), _written(change.new)
    differs = (place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
    same = next(differs, 0) if max(len(old), len(new)) > WIDE else 0
    return Text(f"    {change.field}: {_short(old, same)} -> {_short(new, same)}", style="dim")


def _written(value: Any) -> str:
    return plain(repr(value) if isinstance(value, Unknown) else json.dumps(jsonable(value), sort_keys=True))


def _short(text: str, same: int) -> str:
    """The part where the two begin to differ."""
    start = max(same - 20, 0)
    part = ("..." if start else "") + text[start : start + WIDE]
    return part + "..." * (len(text) > start + WIDE)


def summary(plan: Plan) -> str:
    counts = plan.count()
    parts = [f"{counts[action]} to {action}" for action in ("create", "update", "replace", "delete") if counts[action]]
    waiting = sum(step.waits for step in plan.steps)
    if waiting:
        parts.append(f"{waiting} to wait for")
    return ", ".join(parts) or f"nothing to do, {counts['keep']} resources are as they should be"


def plan_json(session: Session, plan: Plan) -> dict[str, Any]:
    counts = plan.count()
    return {
        "stack": session.config.stack,
        "environment": session.config.environment,
        "account": session.aws.account,
        "region": session.aws.region,
        "summary": {action: counts[action] for action in ("create", "update", "replace", "delete", "keep")},
        "steps": [
            {
                "key": step.key,
                "type": step.key.partition(".")[0],
                "action": step.action.value,
                "reason": step.reason,
                "drift": list(step.drift),
                "changes": [
                    {"field": change.field, "old": jsonable(change.old), "new": jsonable(change.new)}
                    for change in step.changes
                ],
            }
            for step in [*plan.steps, *plan.removals]
        ],
    }


def outlook_text(outlook: Outlook) -> None:
    """Under the plan on standard output: what `up` would refuse, and what it would warn of."""
    for warning in outlook.warnings:
        click.echo(f"Warning: {warning}")
    for problem in outlook.problems:
        click.echo(f"In the way: {problem.message}" + f"\n  {problem.hint}" * bool(problem.hint))


def outlook_json(outlook: Outlook) -> dict[str, Any]:
    problems = [{"message": problem.message, "hint": problem.hint} for problem in outlook.problems]
    return {"problems": problems, "warnings": outlook.warnings}


def verdicts(errors: Iterable[DeployerError]) -> dict[str, Any]:
    """Of the rollouts among them, by service."""
    found = [error.verdict for error in errors if isinstance(error, RolloutError) and error.verdict]
    return {verdict["service"]: verdict for verdict in found}


def jsonable(value: Any) -> Any:
    """UNKNOWN becomes null: it will be known after it is made."""
    if isinstance(value, Unknown):
        return None
    if isinstance(value, dict):
        return {name: jsonable(item) for name, item in value.items()}
    return [jsonable(item) for item in value] if isinstance(value, list | tuple) else value


def records_text(data: dict[str, Any]) -> None:
    click.echo(f"{data['stack']}  id {data['id']}  account {data['account']}  {data['region']}")
    width = max((len(record["key"]) for record in data["records"]), default=0)
    for record in data["records"]:
        click.echo(f"{record['key']:<{width}}  {record['status']:<10}  {record['id'] or '-'}")
