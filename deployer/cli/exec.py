"""`exec`: a command, or a shell, in a task that runs."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import click

from deployer.cli.options import common
from deployer.cli.words import Carrier
from deployer.errors import DeployerError, UsageError
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.config import Config
    from deployer.shell import Door

SHELL = "/bin/sh"


@click.command(cls=Carrier, short_help="Open a shell in a task that runs.")
@click.argument("service")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--task", metavar="ID", help="The task whose id begins so; else the newest.")
@common
def exec(settings: Settings, service: str, command: tuple[str, ...], task: str | None) -> int:
    """Run COMMAND (/bin/sh if there is none) in a task of SERVICE that runs, with your terminal, through ECS Exec. It
    needs `exec: true` in the file and AWS's session-manager-plugin on this machine."""
    if settings.json:
        raise UsageError("exec gives your terminal to the command, so there is no --json.")
    from deployer import shell
    from deployer.cli.logs import prefix
    from deployer.cli.session import load_standing, opened
    from deployer.cli.target import service_arn

    begun, config = prefix(task) if task is not None else "", load_standing(settings)
    words = command[0] if len(command) == 1 else shlex.join(command or [SHELL])
    with opened(settings, config, "exec", locked=False) as session:
        arn = service_arn(session, service)
        found = shell.choose(session.aws, arn, service, begun)
        if settings.sandbox:
            raise _in_the_sandbox(found, service, words)
        problems = shell.obstacles(_door(config, service), found)
        if problems or found is None:
            said = problems[0] if len(problems) == 1 else "".join(f"\n  - {problem}" for problem in problems)
            raise DeployerError(f"No session in {service} is possible: {said}")
        opened_session = shell.begin(session.aws, service, found, words)
        return shell.attach(opened_session, settings.profile or os.environ.get("AWS_PROFILE", ""))


def _door(config: Config, name: str) -> Door:
    from deployer.shell import Door

    service = config.services.get(name)
    if service is None:  # no longer in the file, and still deployed
        return Door(name, True, False, False)
    keys = "AWS_ACCESS_KEY_ID" in {*service.environment, *service.secrets}
    return Door(name, service.exec, service.read_only, keys)


def _in_the_sandbox(task: dict[str, Any] | None, name: str, words: str) -> DeployerError:
    """There is no agent in it; but the containers are the machine's own."""
    from deployer import tasks

    runtime = str(tasks.container(task or {}, name).get("runtimeId", ""))[:12]
    hint = f"The container is on this machine: docker exec -it {runtime} {words}" if runtime else "No task of it runs."
    return DeployerError("ECS Exec does not reach into the sandbox.", hint)
