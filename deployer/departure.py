"""What a `down` shows beforehand: what goes, what stays and why, what would hold it and what to do about that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console as Terminal
from rich.text import Text

from deployer import report
from deployer.config import Config
from deployer.hold import Hold
from deployer.plan import Action, Plan

NAMES = 3  # keys that are named of what one thing holds


@dataclass(frozen=True)
class Departure:
    """`holds`: what would keep recorded objects from going; `unseen`: what could not be looked at, in words."""

    config: Config
    plan: Plan
    holds: list[Hold]
    unseen: list[str]

    @property
    def blocks(self) -> list[Hold]:
        return [hold for hold in self.holds if hold.kind == "block"]

    @property
    def stays(self) -> dict[str, str]:
        """What is not removed -> why: our own that holds data, and what was there before the stack."""
        kept = {step.key: f"{step.reason} (--delete-data removes it)" for step in self.plan.removals
                if step.action is Action.KEEP}  # fmt: skip
        return kept | dict(_others(self.config))

    def as_json(self) -> dict[str, Any]:
        """What `plan --json` is given besides."""
        return {
            "stays": [{"key": key, "reason": reason} for key, reason in self.stays.items()],
            "blockers": [hold.as_json() for hold in self.holds],
            "unseen": self.unseen,
        }

    def show(self, console: Terminal, stack: str) -> None:
        for title, lines in (
            ("Goes:", report.step_lines([step for step in self.plan.removals if step.action is not Action.KEEP])),
            ("Stays:", [Text(f"= {key}  {reason}", style="dim") for key, reason in self.stays.items()]),
            ("In the way:", list(self.hold_lines())),
        ):
            console.print(Text(title if lines else f"{title} nothing", style="bold"))
            for line in lines:
                console.print(line, soft_wrap=not console.is_terminal)
        ending = f"; {len(self.stays)} to stay; {len(self.blocks)} in the way"
        console.print(Text(f"{stack}: {report.summary(self.plan)}{ending}", style="bold"))

    def hold_lines(self) -> Iterator[Text]:
        for hold in self.holds:
            sign, style = ("!", "yellow") if hold.kind != "lifted" else ("~", "dim")
            more = f" and {len(hold.keys) - NAMES} more" if len(hold.keys) > NAMES else ""
            yield Text.assemble((f"{sign} ", style), f"{', '.join(hold.keys[:NAMES])}{more}: {report.plain(hold.line)}")
            yield Text(f"    {report.plain(hold.advice)}", style="dim")
        for text in self.unseen:
            yield Text.assemble(("? ", "yellow"), "not looked at: ", report.plain(text))


def _others(config: Config) -> Iterator[tuple[str, str]]:
    """What the stack uses and has not made."""
    for name, secret in config.secrets.items():
        if secret.arn:
            yield f"secrets.{name}", f"{secret.arn} was there before"
    for name, service in config.services.items():
        balancer = service.load_balancer
        for what in ("certificate", "access_logs"):
            if balancer and (value := getattr(balancer, what, None)):
                yield f"services.{name}.load_balancer.{what}", f"{value} was there before"
    if config.kms_key:
        yield "kms_key", f"{config.kms_key} was there before"
