"""The command line: load, plan, ask, apply; and the one place where errors are printed.

Commands import what they need when they run: `--help` and `validate` load neither boto3 nor docker.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import NoReturn

import click

from deployer import __version__
from deployer.errors import DeployerError, harmless

COMMANDS = {
    "up": "up", "plan": "up", "status": "status", "down": "down", "push-image": "push_image",
    "logs": "logs", "exec": "exec", "run": "run", "rollback": "rollback", "restart": "restart",
    "state": "state", "init": "files", "validate": "files", "schema": "files",
    "policy": "policy", "sandbox": "sandbox",
}  # fmt: skip


class Commands(click.Group):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"deployer.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="deployer")
def cli() -> None:
    """From a Dockerfile and a deploy.yaml to a running stack on AWS Fargate, and back to nothing."""


def main() -> NoReturn:
    """The console script: exit codes and error texts of CONTRACT section 1."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  None when it was closed from the start
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        code = cli.main(standalone_mode=False)
        _leave(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as done:
        _leave(done.exit_code)
    except click.UsageError as error:
        error.show()
        _leave(2)
    except click.Abort:
        _say("Interrupted.", "Run the command again to continue.")
        _leave(130)
    except DeployerError as error:
        _report(error)
        _leave(error.exit_code)
    except BrokenPipeError:
        _leave(1)
    except Exception as error:  # a mistake of ours: one line, and the rest for --verbose
        _report(error)
        _leave(1)


def _report(error: Exception) -> None:
    if isinstance(error, DeployerError):
        _say(error.message, error.hint)
    else:
        _say(
            f"Something unexpected went wrong: {type(error).__name__}: {harmless(str(error))}.",
            "Nothing is lost: what was made is recorded. Run again with --verbose and report what it prints.",
        )
    if "--verbose" in sys.argv:
        traceback.print_exception(error)


def _say(message: str, hint: str = "") -> None:
    click.echo(f"Error: {message}", err=True)
    if hint:
        click.echo(hint, err=True)


def _leave(code: int) -> NoReturn:
    """Without waiting for threads that an interrupted run has left behind."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    finally:
        os._exit(code)
