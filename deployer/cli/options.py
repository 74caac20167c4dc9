"""Options that commands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from deployer import __version__
from deployer.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def duration(value: str | float) -> float:
    """`90`, `90s`, `20m`, `1h30m`: seconds. Raises click's BadParameter."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", str(value))
    if not match or not any(match.groups()):
        raise click.BadParameter(f"{value!r} is not a duration; write 90s, 20m or 1h.")
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def common(command: F) -> F:
    """Adds the options of all commands; the command gets them as `settings`."""

    @click.option(
        "-f",
        "--file",
        type=click.Path(path_type=Path),
        default="deploy.yaml",
        show_default=True,
        help="The deployment file.",
    )
    @click.option("--env", metavar="NAME", help="Merge that entry of `environments:`; a stack of its own.")
    @click.option("--region", metavar="REGION", help="AWS region, before the file's and the configuration's.")
    @click.option("--profile", metavar="NAME", help="AWS profile.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
    @click.option("--quiet", is_flag=True, help="No progress, only the result and errors.")
    @click.option("--verbose", is_flag=True, help="More detail; tracebacks.")
    @click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR).")
    @click.version_option(__version__, prog_name="deployer")
    @click.option("--sandbox", is_flag=True, help="Target the embedded AWS on this machine.")
    @functools.wraps(command)
    def wrapped(
        file: Path,
        env: str | None,
        region: str | None,
        profile: str | None,
        as_json: bool,
        quiet: bool,
        verbose: bool,
        no_color: bool,
        sandbox: bool,
        **others: Any,
    ) -> Any:
        settings = Settings(file, env, region, profile, as_json, quiet, verbose, not no_color, sandbox)
        return command(settings=settings, **others)

    return wrapped  # type: ignore[return-value]


def waiting(command: F) -> F:
    """What `up` and `down` share."""
    options = [
        click.option("-y", "--yes", is_flag=True, help="Answer yes to every question."),
        click.option("--plan", "plan_only", is_flag=True, help="Show what would be done; change nothing."),
        click.option("--timeout", type=duration, default="20m", metavar="DURATION",
                     help="For the whole command's waiting, e.g. 90s, 20m.  [default: 20m]"),
        click.option("--parallel", type=click.IntRange(1, 64), default=16, show_default=True, metavar="N",
                     help="Steps at the same time."),
    ]  # fmt: skip
    for option in options:
        command = option(command)
    return command
