"""`policy`: the least that AWS has to allow the one who runs `deployer`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deployer.cli.options import common
from deployer.errors import DeployerError, UsageError
from deployer.settings import Settings

if TYPE_CHECKING:
    from deployer.config import Config
    from deployer.policy import Site
    from deployer.resource import Resource

NAME = "deployer"  # in the commands that are shown


@click.command(short_help="Print the IAM policy that deployer needs.")
@click.option("--account", metavar="ID", help="The account's id, before the file's and the credentials'.")
@click.option("--commands", metavar="NAMES", help="Only what these need, such as up,down.  [default: all]")
@click.option("--role", metavar="WHO", help="Print the trust policy for github:OWNER/REPO[:...], an account or an ARN.")
@click.option("--external-id", metavar="ID", help="With --role: what the other account has to send.")
@click.option("--split", type=click.Path(path_type=Path), metavar="DIR", help="Write files that IAM takes as they are.")
@common
def policy(
    settings: Settings,
    account: str | None,
    commands: str | None,
    role: str | None,
    external_id: str | None,
    split: Path | None,
) -> None:
    """Print the least-privilege IAM policy for whoever runs deployer with this deploy.yaml: names and tags of this
    stack where AWS knows them. Nothing is changed, and nothing is asked if the account is known."""
    from deployer import policy as grants
    from deployer.cli.session import load_standing

    tell: Callable[[str], None] = (lambda text: None) if settings.quiet else (lambda text: click.echo(text, err=True))
    config = load_standing(settings)
    chosen = _chosen(config, commands)
    site = _site(settings, config, account)
    if site.account == "*":
        tell("The account is not known, so the ARNs hold * for it: give --account, or `account:` in the file.")
    if role or external_id:
        if not role:
            raise UsageError("--external-id belongs to --role.", "Say who is to be trusted.")
        trust = grants.trust(role, site, external_id)
        click.echo(json.dumps(trust.document, indent=2))
        return tell(_making(config, site, trust.first))
    document = grants.policy(_resources(settings, config, site), chosen, site)
    parts = grants.documents(document)
    tell(_size(grants.size(document), len(parts), split))
    if split:
        return _write(split, config.stack, parts)
    return click.echo(json.dumps(document, indent=2))


def _chosen(config: Config, commands: str | None) -> list[str]:
    """All commands, or those named; `exec` by itself only where a service allows it."""
    from deployer.policy.commands import COMMANDS

    if commands is None:
        shell = any(service.exec for service in config.services.values())
        return [name for name in COMMANDS if name != "exec" or shell]
    names = [name.strip() for name in commands.split(",")]
    for name in names:
        if name not in COMMANDS:
            raise UsageError(f"--commands: {name or 'nothing'} is no command that calls AWS.",
                             f"There are: {', '.join(COMMANDS)}.")  # fmt: skip
    return names


def _site(settings: Settings, config: Config, account: str | None) -> Site:
    """The account: asked for, the file's, or the credentials' (one call to STS), in that order."""
    from deployer import caller
    from deployer.policy import Site

    if account and not (account.isdigit() and len(account) == 12):
        raise UsageError(f"--account: {account} is no account's id.", "It has 12 digits.")
    _, region, partition = caller.configured(settings.region or config.region, settings.profile)
    known = account or config.account
    if not known:
        try:
            known = caller.connect(config.stack, region=region, profile=settings.profile, account=None).account
        except DeployerError:
            known = "*"
    return Site(config.stack, known, region, partition)


def _resources(settings: Settings, config: Config, site: Site) -> list[Resource]:
    """What the file asks for, and what is recorded (it may have to be removed). No build context is read."""
    from deployer import stack
    from deployer.cli.session import state_path
    from deployer.place import Place
    from deployer.resource import TYPES
    from deployer.state import Record, read

    letters = "abcdef"[: config.network.zones]
    place = Place(site.account, site.region, site.partition, [f"{site.region}{letter}" for letter in letters],
                  settings.file.parent, "", {}, build=False)  # fmt: skip
    keys = [f"image.{name}" for name, service in config.services.items() if service.build]
    images = {key: Record(key, "image", None, "ready", {"content": ""}) for key in keys}
    wanted = stack.build(config, place, images)
    data: dict[str, Any] = read(state_path(settings, config.stack)) or {"records": []}
    records = [Record(**record) for record in data["records"]]
    return wanted + [TYPES[one.type].recorded(one.name, one.inputs) for one in records if one.type in TYPES]


def _size(characters: int, parts: int, split: Path | None) -> str:
    from deployer.policy.document import LIMIT

    said = f"{characters} characters without blanks; a managed policy may have {LIMIT}."
    if parts > 1 and not split:
        return f"{said} Use --split DIR for {parts} policies that together allow the same; a role takes ten."
    return said


def _write(directory: Path, stack: str, parts: list[dict[str, Any]]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(parts, 1):
            file = directory / f"{stack}-{number}.json"
            file.write_text(json.dumps(part, separators=(",", ":")) + "\n", "utf-8")
            click.echo(str(file))
    except OSError as error:
        raise UsageError(f"Writing to {directory}: {error.strerror}.", "Choose another directory.") from error


def _making(config: Config, site: Site, first: str) -> str:
    """How the role is made; what was printed is taken to stand in trust.json."""
    role, policies = f"{NAME}-{config.stack}", site.arn("iam:policy/$name").replace(":*:", ":ACCOUNT:")
    lines = [
        f"{first}   # once an account" if first else "",
        f"aws iam create-role --role-name {role} --assume-role-policy-document file://trust.json",
        "deployer policy --split policies | while read file; do name=$(basename $file .json)",
        "  aws iam create-policy --policy-name $name --policy-document file://$file",
        f"  aws iam attach-role-policy --role-name {role} --policy-arn {policies}",
        "done",
    ]
    return "With this as trust.json:\n" + "\n".join(f"  {line}" for line in lines if line)
