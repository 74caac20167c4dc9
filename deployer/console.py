"""What a run shows while it happens: a live tree on a terminal, a plain line per finished step without one, JSON Lines
with `--json`. It listens to the engine's events; results go to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deployer import report, sweep
from deployer.errors import DeployerError, StateError, each
from deployer.events import Event, Outcome
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.plan import Plan
    from deployer.sweep import Left
    from deployer.timeline import Timeline

SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "replace": ("±", "magenta"), "delete": ("-", "red"),
         "keep": ("=", "dim"), "prepare": ("*", "cyan")}  # fmt: skip
PAST = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted", "keep": "healthy",
        "prepare": "prepared"}  # fmt: skip

COUNTED = ("created", "updated", "replaced", "deleted", "unchanged", "failed")


class Console:
    """One run of one stack. `hear` may be called from any thread."""

    def __init__(self, settings: Settings, stack: str, timeline: Timeline | None = None) -> None:
        self.settings = settings
        self.stack = stack
        self.timeline = timeline
        self.began = time.monotonic()
        self.terminal = report.terminal(settings, sys.stderr)
        self._running: dict[str, tuple[float, str, str]] = {}
        self._lock = threading.Lock()
        self._screen = threading.Lock()  # taken before the other: drawing asks for what is running

    @property
    def lively(self) -> bool:
        return self.terminal.is_terminal and not self.settings.json and not self.settings.quiet

    def plan(self, plan: Plan) -> None:
        if not self.settings.json and not self.settings.quiet:
            report.plan_lines(self.terminal, self.stack, plan)

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        if not self.lively:
            yield
            return
        over = threading.Event()
        with Live(get_renderable=self._tree, console=self.terminal, auto_refresh=False, transient=True) as live:
            drawing = threading.Thread(target=self._draw, args=(live, over), daemon=True)
            drawing.start()
            try:
                yield
            finally:
                over.set()
                drawing.join()

    def _draw(self, live: Live, over: threading.Event) -> None:
        """rich itself would draw while another thread prints, and leave pieces of the tree behind."""
        while not over.wait(1 / 8):
            with self._screen:
                live.refresh()

    def preparing(self, key: str, text: str) -> None:
        """Progress of what happens before the account is touched."""
        self.hear(Event("progress", key, key.partition(".")[0], "prepare", 0.0, text))

    def hear(self, event: Event) -> None:
        """Whoever read this may have gone: the run goes on unseen."""
        if self.timeline:
            self.timeline.hear(event)
        with contextlib.suppress(OSError):
            self._show(event)

    def _show(self, event: Event) -> None:
        with self._lock:
            self._remember(event)
            if self.settings.json:
                click.echo(json.dumps({name: value for name, value in vars(event).items() if value != ""}))
                return
        if not self.settings.quiet or event.event == "failed":
            self._line(event)

    def _remember(self, event: Event) -> None:
        if event.event in ("done", "failed"):
            self._running.pop(event.key, None)
        else:
            started = self._running.get(event.key, (time.monotonic() - event.seconds, "", ""))[0]
            self._running[event.key] = (started, event.action, event.message if event.event == "progress" else "")

    def _line(self, event: Event) -> None:
        sign, style = SIGNS[event.action]
        if event.event == "done":
            seconds = f"{event.seconds:.1f}s"
            self._print(Text.assemble((f"{sign} ", style), f"{event.key} ", (f"{PAST[event.action]} {seconds}", "dim")))
        elif event.event == "failed":
            self._print(Text.assemble(("✗ ", "bold red"), f"{event.key} ", ("failed", "red")))
        elif event.event == "progress" and event.message and (not self.lively or event.action == "prepare"):
            self._print(Text.assemble(("· ", "dim"), f"{event.key} ", (report.plain(event.message), "dim")))

    def _print(self, text: Text) -> None:
        with self._screen:
            self.terminal.print(text, soft_wrap=not self.lively, overflow="ellipsis" if self.lively else None,
                                no_wrap=self.lively)  # fmt: skip

    def _tree(self) -> Group:
        rows = Table.grid(padding=(0, 1))
        with self._lock:
            running = sorted(self._running.items(), key=lambda item: item[1][0])
        room = max(self.terminal.height - 4, 3)
        for key, (started, action, message) in running[:room]:
            if action != "prepare":
                seconds = f"{time.monotonic() - started:.0f}s"
                rows.add_row("├─", Spinner("dots", style=SIGNS[action][1]), Text(key), Text(seconds, style="cyan"),
                             Text(report.plain(message), style="dim", overflow="ellipsis", no_wrap=True))  # fmt: skip
        more = f" (and {len(running) - room} more)" if len(running) > room else ""
        elapsed = f"{time.monotonic() - self.began:.0f}s"
        return Group(Text(f"{self.stack}  {elapsed}{more}", style="bold"), rows)

    def warn(self, warnings: list[str]) -> None:
        for warning in warnings if not self.settings.quiet else ():
            click.echo(f"Warning: {warning}", err=True)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """If it comes to nothing in here: with --json the events end with a summary all the same."""
        try:
            yield
        except DeployerError as error:
            if self.settings.json:
                self._refused(error)
            raise

    def _refused(self, error: DeployerError) -> None:
        problems = [{"message": one.message, "hint": one.hint} for one in each(error)]
        for problem in problems:
            event = {"event": "failed", "key": "prepare", "type": "prepare", "action": "prepare", "seconds": 0.0}
            click.echo(json.dumps(event | problem))
        counts = dict.fromkeys(COUNTED, 0) | {"failed": len(problems)}
        seconds = round(time.monotonic() - self.began, 1)
        summary = {"event": "summary", **counts, "seconds": seconds, "outputs": {}, "problems": problems}
        click.echo(json.dumps(summary | {"errors": {"prepare": error.message}}))

    def finish(
        self, outcome: Outcome, outputs: dict[str, str], *, kept: list[str] | None = None,
        left: list[Left] | None = None,
    ) -> int:  # fmt: skip
        """The result: counts, addresses, the causes of what failed. Returns the exit code.

        `kept`, `left`: after a `down` has removed all else: what stays, and what the sweep has found."""
        seconds = round(time.monotonic() - self.began, 1)
        counts = {name: outcome.counts[name] for name in COUNTED}
        if self.settings.json:
            summary: dict[str, Any] = {"event": "summary", **counts, "seconds": seconds, "outputs": outputs}
            if left is not None:
                summary |= {"left": len(left), "left_behind": [vars(one) for one in left], "kept": kept or []}
            if outcome.failures:
                summary["errors"] = {key: error.message for key, error in outcome.failures.items()}
                summary["verdicts"] = report.verdicts(outcome.failures.values())
            click.echo(json.dumps(summary))
        for error in _causes(outcome):
            click.echo(f"Error: {error.message}", err=True)
            if error.hint:
                click.echo(error.hint, err=True)
            if self.settings.verbose:
                traceback.print_exception(error)
        if not self.settings.json:
            self._closing(outcome, counts, seconds, outputs, kept or [], left)
        if outcome.interrupted:
            said = "Interrupted; what was made is recorded. Run the command again to continue."
            click.echo(said + self._rolling(), err=True)
            return 130
        if left:
            listed = "".join(f"\n  {one}" for one in left)
            click.echo(f"Error: {len(left)} left of {self.stack}:{listed}\n{sweep.advice(left)}", err=True)
        return next((error.exit_code for error in outcome.failures.values()), 1 if left else 0)

    def _rolling(self) -> str:
        """ECS goes on with what nobody watches any more."""
        with self._lock:
            going, released = (sorted(key.partition(".")[2] for key in self._running if key.startswith(kind))
                               for kind in ("service.", "release."))  # fmt: skip
            old = [name for name in going if self._running[f"service.{name}"][1] != "create"]
        said = ""
        if released:
            said = f"\nThe release command of {', '.join(released)} goes on: the next `deployer up` waits for it."
        if not going:
            return said
        said += f"\nECS goes on rolling out {', '.join(going)}: `deployer status --watch` shows it"
        return f"{said}, `deployer rollback {old[0]}` stops it." if old else f"{said}."

    def _closing(
        self,
        outcome: Outcome,
        counts: dict[str, int],
        seconds: float,
        outputs: dict[str, str],
        kept: list[str],
        left: list[Left] | None,
    ) -> None:
        if outcome.left:
            click.echo(f"Left for the next `up`, once the services are settled: {outcome.left} to remove.", err=True)
        if outcome.skipped and not outcome.interrupted:
            click.echo(f"Steps not begun because of that: {', '.join(outcome.skipped)}.", err=True)
        if self.settings.quiet and outcome.ok:
            _addresses(outputs)
            return
        done = ", ".join(f"{number} {name}" for name, number in counts.items() if number and name != "unchanged")
        if left is not None and outcome.ok:
            click.echo(f"{self.stack}: {done or 'nothing was there'}; {len(left)} left ({seconds} s).")
        elif not done and outcome.ok:
            click.echo(
                f"{self.stack}: nothing to do, {counts['unchanged']} resources are as they should be ({seconds} s)."
            )
        else:
            click.echo(f"{self.stack}: {done or 'nothing done'} ({seconds} s).")
        if self.timeline and not self.settings.quiet and (where := self.timeline.sentence()):
            click.echo(where, err=True)
        if kept:
            click.echo(
                f"Kept, since it holds data or is needed by what does: {', '.join(kept)} (--delete-data removes it)."
            )
        if outcome.ok:
            _addresses(outputs)


def _causes(outcome: Outcome) -> list[DeployerError]:
    """One state that cannot be saved is told once, however many steps came upon it."""
    unsaved = [error for error in outcome.failures.values() if isinstance(error, StateError)]
    return [error for error in outcome.failures.values() if error not in unsaved[1:]]


def _addresses(outputs: dict[str, str]) -> None:
    for name, url in outputs.items():
        if name.endswith(".url"):
            click.echo(f"{name.split('.')[1]}: {url}")
