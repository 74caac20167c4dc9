"""`init`, `validate`, `schema`: a deploy.yaml without an account."""

from __future__ import annotations

import json

import click

from deployer.cli.options import common
from deployer.errors import ConfigError, Problem, UsageError
from deployer.settings import Settings


@click.command()
@common
def init(settings: Settings) -> None:
    """Start a deploy.yaml for what is in this directory."""
    from deployer.template import starter

    if settings.file.exists():
        raise UsageError(f"{settings.file} exists already.", "Edit it, or name another with --file.")
    directory = settings.file.parent.resolve()
    try:
        settings.file.write_text(starter(directory), "utf-8")
    except OSError as error:
        raise UsageError(f"Writing {settings.file}: {error.strerror}.", "Choose another directory.") from error
    click.echo(f"Wrote {settings.file}. Next: `deployer validate`, then `deployer up`.")


@click.command(short_help="Check deploy.yaml offline.")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@common
def validate(settings: Settings, strict: bool) -> None:
    """Check deploy.yaml offline: every error at once, each with its line."""
    from deployer import config

    loaded = config.load(settings.file, settings.env)
    warn(loaded.warnings, strict, settings)
    if settings.json:
        click.echo(
            json.dumps(
                {
                    "stack": loaded.config.stack,
                    "services": sorted(loaded.config.services),
                    "warnings": [str(problem) for problem in loaded.warnings],
                },
                indent=1,
            )
        )
    elif not settings.quiet:
        services = len(loaded.config.services)
        click.echo(f"{settings.file} is valid: stack {loaded.config.stack}, {services} service{'s' * (services != 1)}.")


@click.command()
@common
def schema(settings: Settings) -> None:
    """Print the JSON Schema of deploy.yaml, for an editor."""
    from deployer import config

    click.echo(json.dumps(config.schema(), indent=2))


def warn(warnings: list[Problem], strict: bool, settings: Settings) -> None:
    """Shows the warnings on standard error; with `strict` they are an error (exit 2)."""
    if strict and warnings:
        raise ConfigError(warnings, "Refused by --strict.")
    for problem in warnings if not settings.quiet else ():
        click.echo(f"Warning: {problem}", err=True)
