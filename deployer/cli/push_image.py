"""`push-image`: build and push without rolling anything."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from deployer.cli.options import common
from deployer.errors import NotDeployedError, UsageError
from deployer.settings import Settings


@click.command("push-image", short_help="Build and push images; roll nothing.")
@click.argument("services", nargs=-1, metavar="[SERVICE...]")
@click.option("--no-create", is_flag=True, help="Do not create a missing ECR repository (exit 4).")
@common
def push_image(settings: Settings, services: tuple[str, ...], no_create: bool) -> int:
    """Build and push images, all built services' by default; services are not rolled."""
    from deployer import plan as planning
    from deployer import stack
    from deployer.apply import Apply
    from deployer.cli.session import load, named, opened, patient
    from deployer.cli.up import look
    from deployer.console import Console
    from deployer.prepare import prepare

    loaded = load(settings)
    config = loaded.config
    named(config, list(services))
    names = list(services) or [name for name, service in config.services.items() if service.build]
    if foreign := [name for name in names if not config.services[name].build]:
        raise UsageError(f"{foreign[0]} has no `build:`, so there is nothing to push.", "It uses an image that exists.")
    if not names:
        raise UsageError("No service of the file has a `build:`, so there is nothing to push.")
    with opened(settings, config, "push-image") as session:
        session.refuse_strangers()
        session.refresh()
        wanted = stack.images(config, session.place(), session.state.records, names)
        only = frozenset(resource.key for resource in wanted)
        plan = planning.make(wanted, session.state.records, missing=session.missing, only=only)
        if no_create and any(step.action == "create" and step.key.startswith("repository.") for step in plan.steps):
            raise NotDeployedError(
                f"{config.stack} has no repository for all of that yet.", "Leave --no-create away."
            )
        console = Console(settings, config.stack)
        progress = Console(replace(settings, json=False), config.stack)  # standard output is one document
        look(session, plan, loaded).refuse()
        with progress.live():
            prepare(plan, session.aws, session.state, progress.preparing)
        with patient(1200) as patience, progress.live():
            outcome = Apply(session.aws, session.state, patience, listen=progress.hear).run(plan)
        if not outcome.ok:
            return console.finish(outcome, {})
        references = {name: session.state.records[f"image.{name}"].id for name in names}
    if settings.json:
        click.echo(json.dumps(references, indent=1))
    else:
        for reference in references.values():
            click.echo(reference)
    return 0
