"""`up` and `plan`: the account follows deploy.yaml."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deployer.cli.options import common, waiting
from deployer.errors import AwsError, DeployerError, UsageError
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.cli.session import Session
    from deployer.config import Loaded
    from deployer.events import Outcome
    from deployer.plan import Plan
    from deployer.preflight import Outlook


NOT_BUILT = "not-built"  # the tag of what a sandbox without a Docker engine could not build
PART = "[a-z0-9][a-z0-9._-]*"
REFERENCE = re.compile(rf"{PART}(:\d+)?(/{PART})*(:\w[\w.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?")


@click.command(short_help="Make the account match deploy.yaml.")
@waiting
@click.option("--no-wait", is_flag=True, help="Return once AWS has accepted everything.")
@click.option("--image", "images", multiple=True, metavar="SERVICE=REF", help="Deploy an image that exists already.")
@click.option("--no-build", is_flag=True, help="Reuse the images recorded last.")
@click.option("--strict", is_flag=True, help="Warnings about deploy.yaml are errors.")
@click.option("--delete-data", is_flag=True, help="Agree to replace or remove what holds data.")
@click.option("--timeline", type=click.Path(dir_okay=False, writable=True, path_type=Path), metavar="FILE.html",
              help="Write where the time went, as a chart.")
@common
def up(
    settings: Settings,
    yes: bool,
    plan_only: bool,
    timeout: float,
    parallel: int,
    no_wait: bool,
    images: tuple[str, ...],
    no_build: bool,
    strict: bool,
    delete_data: bool,
    timeline: Path | None,
) -> int:
    """Make the account match deploy.yaml, and wait until every service is healthy."""
    from deployer.cli.files import warn
    from deployer.cli.session import load, named, opened

    loaded = load(settings)
    warn(loaded.warnings, strict, settings)
    chosen = _images(images)
    named(loaded.config, list(chosen))
    with opened(settings, loaded.config, "up", locked=not plan_only) as session:
        plan = _plan(session, chosen, not no_build, delete_data, parallel)
        outlook = look(session, plan, loaded, going=not plan_only)
        if plan_only:
            return _show(session, plan, outlook)
        wait = not no_wait and not session.idle
        code = _carry_out(
            session, plan, outlook, yes=yes, timeout=timeout, parallel=parallel, wait=wait, chart=timeline
        )
    if session.idle and not code:
        click.echo(f"The services are registered and not running: {session.idle}", err=True)
    return code


@click.command(short_help="Show what `up` would do and why.")
@click.option("--image", "images", multiple=True, metavar="SERVICE=REF", help="Plan with an image that exists already.")
@click.option("--no-build", is_flag=True, help="Plan with the images recorded last.")
@click.option("--delete-data", is_flag=True, help="Plan the replacement of what holds data, too.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 0: no change, 2: changes, 1: error.")
@common
def plan(
    settings: Settings, images: tuple[str, ...], no_build: bool, delete_data: bool, detailed_exitcode: bool
) -> int:
    """Show what `up` would do and why; change nothing in the account."""
    from deployer.cli.files import warn
    from deployer.cli.session import load, named, opened

    try:
        loaded = load(settings)
        warn(loaded.warnings, False, settings)
        chosen = _images(images)
        named(loaded.config, list(chosen))
        with opened(settings, loaded.config, "plan", locked=False) as session:
            made = _plan(session, chosen, not no_build, delete_data, 16)
            _show(session, made, look(session, made, loaded))
    except DeployerError as error:
        if detailed_exitcode:  # Terraform's convention: 2 means changes
            raise click_error(error) from error
        raise
    return 2 if detailed_exitcode and made.changes else 0


def click_error(error: DeployerError) -> DeployerError:
    return DeployerError(error.message, error.hint)


def _images(images: tuple[str, ...]) -> dict[str, str]:
    chosen = {}
    for text in images:
        service, found, reference = text.partition("=")
        if not (service and found and reference):
            raise UsageError(f"--image {text} is not SERVICE=REF.", "For example: --image web=registry.example/web:1.2")
        if not REFERENCE.fullmatch(reference):
            raise UsageError(f"--image {text}: {reference} is not an image reference.", "Write NAME:TAG.")
        chosen[service] = reference
    return chosen


def _plan(session: Session, images: dict[str, str], build: bool, delete_data: bool, parallel: int) -> Plan:
    from deployer import plan as planning

    session.survey(parallel)
    if session.idle:  # nothing can be built
        services = session.config.services.items()
        images = {name: f"{name}:{NOT_BUILT}" for name, service in services if service.build} | images

    def make() -> Plan:
        wanted = [one for one in session.wanted(images, build) if not (session.idle and one.deed)]
        return planning.make(wanted, session.state.records, missing=session.missing, delete_data=delete_data)

    made = make()
    return make() if session.renewed(made) else made


def look(session: Session, plan: Plan, loaded: Loaded, going: bool = False) -> Outlook:
    """What would stand in the way of carrying the plan out."""
    from deployer import preflight
    from deployer.preflight.run import Run

    return preflight.look(Run(session.aws, plan, session.state.records, loaded.config, loaded.line, going))


def _show(session: Session, plan: Plan, outlook: Outlook) -> int:
    from deployer import report

    if session.settings.json:
        click.echo(json.dumps(report.plan_json(session, plan) | report.outlook_json(outlook), indent=1))
    else:
        report.plan_text(session, plan)
        report.outlook_text(outlook)
    return 0


def _carry_out(
    session: Session,
    plan: Plan,
    outlook: Outlook,
    *,
    yes: bool,
    timeout: float,
    parallel: int,
    wait: bool,
    chart: Path | None,
) -> int:
    from deployer.apply import Apply
    from deployer.blocking.survey import Holding
    from deployer.cli.questions import agree
    from deployer.cli.session import patient
    from deployer.console import Console
    from deployer.preflight.linked import made
    from deployer.prepare import prepare
    from deployer.timeline import Timeline

    timeline = Timeline({step.key: step.resource.needs() for step in plan.steps if step.resource})
    console = Console(session.settings, session.config.stack, timeline)
    if not plan.idle:
        console.plan(plan)
    console.warn(outlook.warnings)
    with console.refusing():
        outlook.refuse()
    agree(session, plan, yes, f"{session.config.stack}: go ahead?")
    with console.refusing(), console.live():
        prepare(plan, session.aws, session.state, console.preparing)
    with patient(timeout) as patience:
        holding = Holding(session.aws, lambda: session.state.records)
        apply = Apply(session.aws, session.state, patience, listen=console.hear, parallel=parallel, wait=wait,
                      holders=holding)  # fmt: skip
        with console.live():
            if outlook.linked:
                session.state.save()  # where there is no room, nothing at all is made
            with made(session.aws, outlook.linked, parallel):
                outcome = apply.run(plan)
    _explain(session, outcome)
    if session.settings.sandbox:  # an address has its port only once its listener is there
        session.refresh(parallel)
    if chart:
        _write(chart, timeline.page(f"{session.config.stack}: deployer up"))
    return console.finish(outcome, session.outputs())


def _explain(session: Session, outcome: Outcome) -> None:
    """Services whose time was up get their verdict, too, and of what goes on it is said."""
    from deployer.errors import RolloutError
    from deployer.rollout import unfinished

    for key, error in outcome.failures.items():
        record = session.state.get(key)
        if record and record.type == "release" and record.status == "made":
            error.message += " Its command goes on running; the next `deployer up` waits for it."
        if record and record.type == "service" and record.id and not isinstance(error, RolloutError | AwsError):
            outcome.failures[key] = unfinished(session.aws, record, error)


def _write(chart: Path, page: str) -> None:
    try:
        chart.write_text(page, "utf-8")
    except OSError as error:
        click.echo(f"The timeline could not be written to {chart}: {error.strerror}.", err=True)
