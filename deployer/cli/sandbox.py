"""`sandbox up`, `down`, `status`: the embedded AWS on this machine; and how other commands enter it."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deployer import __version__
from deployer.errors import DeployerError, NotDeployedError
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.sandbox.process import Address


def enter(settings: Settings) -> Address:
    """Starts it if it does not run; from then on every AWS call of this process goes there."""
    from deployer.sandbox import process

    where = process.folder()
    if process.running(where) is None and not settings.quiet:
        click.echo("starting the sandbox", err=True)
    address = process.start(where)
    process.environment(address, os.environ)
    return address


def without_engine(address: Address) -> str:
    """Why no container can run; empty when they can."""
    return str(_told(address)["engine"])


def _told(address: Address) -> dict[str, Any]:
    from deployer.sandbox import process

    try:
        told: dict[str, Any] = process.ask(address, "status")
    except OSError as error:
        hint = "`deployer sandbox down` ends it, `deployer sandbox up` starts it anew."
        raise DeployerError(f"The sandbox at {address.url} does not answer: {error}.", hint) from error
    return told


@click.group()
@click.version_option(__version__, prog_name="deployer")
def sandbox() -> None:
    """An AWS on this machine: no account, real containers."""


def showing(command: Callable[..., int]) -> Callable[..., int]:
    """Adds the options of all commands that mean something here; the command gets them as `settings`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
    @click.option("--quiet", is_flag=True, help="Only errors.")
    @click.option("--verbose", is_flag=True, help="Tracebacks.")
    @click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR).")
    @functools.wraps(command)
    def wrapped(as_json: bool, quiet: bool, verbose: bool, no_color: bool, **others: Any) -> int:
        settings = Settings(Path(), json=as_json, quiet=quiet, verbose=verbose, color=not no_color, sandbox=True)
        return command(settings=settings, **others)

    return wrapped


@sandbox.command()
@showing
def up(settings: Settings) -> int:
    """Start it; one that runs is left as it is."""
    from deployer.sandbox import process

    where = process.folder()
    before = process.running(where)
    address = process.start(where)
    why = without_engine(address)
    if settings.json:
        click.echo(json.dumps({"url": address.url, "pid": address.pid, "started": before is None, "engine": why}))
    elif not settings.quiet:
        click.echo(f"the sandbox {'runs already' if before else 'runs'}: {address.url} (process {address.pid})")
        if why:
            click.echo(f"no containers run in it: {why}", err=True)
    return 0


@sandbox.command()
@click.option("--wipe", is_flag=True, help="Forget what it holds, too: resources, images, votes.")
@showing
def down(settings: Settings, wipe: bool) -> int:
    """Stop it, with every container, network and volume it made."""
    from deployer.sandbox import process

    ran, swept = process.stop(process.folder(), wipe)
    kept = "what it held is forgotten" if wipe else "what it holds is kept for the next start"
    if settings.json:
        click.echo(json.dumps({"ran": ran, "swept": swept, "wiped": wipe}))
    elif not settings.quiet:
        click.echo(f"the sandbox {'is stopped' if ran else 'was not running'}; {kept}")
    if not swept:
        click.echo("Docker could not be asked: what ran in it may be left. Once it answers, run this again.", err=True)
    return 0


@sandbox.command()
@showing
def status(settings: Settings) -> int:
    """Show whether it runs, and where its load balancers listen."""
    from deployer.sandbox import process

    address = process.running(process.folder())
    if address is None:
        if settings.json:
            click.echo(json.dumps({"running": False}))
            return 4
        raise NotDeployedError("The sandbox is not running.", "`deployer sandbox up` starts it.")
    told = _told(address)
    if settings.json:
        click.echo(json.dumps({"running": True, "url": address.url, **told}, indent=1))
    else:
        _text(settings, address, told)
    return 0


def _text(settings: Settings, address: Address, told: dict[str, Any]) -> None:
    from rich.text import Text

    from deployer.report import terminal

    console = terminal(settings, sys.stdout)
    console.print(Text.assemble(("sandbox", "bold"), f"  {address.url}  process {address.pid}"), soft_wrap=True)
    rows = {
        "containers": f"none can run: {told['engine']}" if told["engine"] else str(told["containers"]),
        "registry": told["registry"],
        "folder": told["folder"],
    }
    if told["problem"]:
        rows["problem"] = told["problem"]
    for name, value in rows.items():
        console.print(Text.assemble((f"  {name:<11} ", "dim"), value), soft_wrap=True)
    for front in told["load_balancers"]:
        scheme = "http" if front["protocol"] in ("HTTP", "HTTPS") else "tcp"
        where = f"{scheme}://127.0.0.1:{front['bound']}" if front["bound"] else "not served"
        healthy = f"targets {front['healthy']}/{front['targets']} healthy"
        console.print(Text(f"  {front['balancer']}  port {front['port']}: {where}  {healthy}"), soft_wrap=True)
