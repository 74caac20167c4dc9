"""`run`: a command once, in a task of its own."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import click

from deployer.cli.options import common
from deployer.cli.words import Carrier
from deployer.errors import DeployerError, Interrupted
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.logs import Event
    from deployer.oneoff import Launch, Outcome
    from deployer.patience import Patience

SHORT = 8  # characters of a task's id


@click.command(cls=Carrier, short_help="Run a command once, in a task of its own.")
@click.argument("service")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--detach", is_flag=True, help="Print the task's id and return; the task goes on.")
@common
def run(settings: Settings, service: str, command: tuple[str, ...], detach: bool) -> int:
    """Run COMMAND once with SERVICE's image, network and secrets, as it is deployed now; show what it writes and exit
    with its exit code. It takes the place of the image's CMD; an ENTRYPOINT stays. Ctrl-C stops the task."""
    from deployer import oneoff
    from deployer.cli.session import load_standing, opened, stoppable
    from deployer.cli.target import service_arn

    with opened(settings, load_standing(settings), "run", locked=False) as session:
        arn = service_arn(session, service)
        if session.idle:
            raise DeployerError(f"Nothing can run: {session.idle}")
        log = session.state.records.get(f"log-group.{service}")
        launch = oneoff.of_service(session.aws, arn, service, log.id if log else None)
        with stoppable(float("inf"), "", "Left at once; the task may still run.") as patience:
            try:
                task = oneoff.start(session.aws, launch, list(command), patience, lambda text: _say(settings, text))
            except Interrupted as error:
                raise Interrupted("Interrupted: no task was started.") from error
            if detach:
                return _detached(settings, task)
            return _Attendance(session, launch, task).end(patience)


def _detached(settings: Settings, task: str) -> int:
    id = task.rpartition("/")[2]
    click.echo(json.dumps({"task": id, "arn": task}) if settings.json else id)
    return 0


class _Attendance:
    """What the user sees of a task from its start to its end."""

    def __init__(self, session: Session, launch: Launch, task: str) -> None:
        from deployer.cli.printing import Printer

        self.session, self.launch, self.task, self.began = session, launch, task, time.monotonic()
        self.id = task.rpartition("/")[2]
        self.short = f"{launch.name}/{self.id[:SHORT]}"
        self.printer: Printer | None = Printer(session.settings, prefix=False, kind="log")
        self._tell({"event": "started", "service": launch.name, "task": self.id, "arn": task})

    def end(self, patience: Patience) -> int:
        """The exit code."""
        from deployer import oneoff

        try:
            outcome = oneoff.attend(
                self.session.aws, self.launch, self.task, patience, write=self._write, progress=self._progress
            )
        except Interrupted:
            oneoff.stop(self.session.aws, self.launch, self.task, "Interrupted: deployer run")
            click.echo(f"\nInterrupted: the task {self.short} is being stopped.", err=True)
            return Interrupted.exit_code
        except DeployerError as error:
            error.message += f" The task {self.short} may still run."
            raise
        return self._ended(outcome)

    def _ended(self, outcome: Outcome) -> int:
        seconds = round(time.monotonic() - self.began, 1)
        self._tell({"event": "summary", "service": self.launch.name, "task": self.id, "exit_code": outcome.code,
                    "reason": outcome.reason, "seconds": seconds})  # fmt: skip
        if not outcome.logged:
            _say(self.session.settings, f"{self.short}: what it wrote cannot be shown: {self.launch.name} has no log "
                 "group in the account; `deployer up` makes it again.")  # fmt: skip
        if outcome.code is None:
            reason = outcome.reason or "ECS gives no reason"
            raise DeployerError(f"The task {self.short} did not run to its end: {reason}.",
                                "`deployer status` tells whether the service itself runs.")  # fmt: skip
        if outcome.code and outcome.reason:
            _say(self.session.settings, f"{self.short}: {outcome.reason}.")
        return outcome.code if 0 <= outcome.code <= 255 else 1

    def _write(self, event: Event | None) -> None:
        """Whoever read this may have gone: the task goes on unseen."""
        if self.printer is None:
            return
        try:
            if event is None:
                self.printer.flush()
            else:
                self.printer.write(event)
        except BrokenPipeError:
            self.printer = None

    def _progress(self, text: str) -> None:
        _say(self.session.settings, f"{self.short}: {text}")

    def _tell(self, line: dict[str, Any]) -> None:
        if self.printer and self.session.settings.json:
            with contextlib.suppress(BrokenPipeError):
                click.echo(json.dumps(line))


def _say(settings: Settings, text: str) -> None:
    from deployer.report import plain

    if not settings.quiet:
        click.echo(plain(text), err=True)
