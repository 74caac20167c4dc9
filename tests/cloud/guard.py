"""Stands before the account while IAM is enforced: what a call addresses is looked up in moto, judged and recorded."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from deployer.sandbox.control.tempo import LOCK
from deployer.sandbox.endpoint import Answer, Environ, error

from . import permissions
from .addressed import Account, checks
from .calls import Call

REGION = "us-east-1"


class Guard:
    """`on`: calls are judged by the policies of the one who signs them, and their checks are recorded."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.on = False
        self.checks: list[dict[str, Any]] = []

    def answer(self, call: Call, environ: Environ, body: bytes) -> Answer | None:
        """A refusal, or the answer to what only this guard can answer; None: the account answers."""
        if not self.on or not (who := permissions.principal(environ.get("HTTP_AUTHORIZATION", ""))):
            return None
        asked = permissions.parameters(environ, body)
        with LOCK:
            made = checks(call.service, call.operation, asked, here())
        for check in made:
            allowed = permissions.allows(who.statements, check)
            self.checks.append({**asdict(check), "allowed": allowed, "call": str(call)})
            if not allowed:
                return error(call.service, environ, *permissions.refusal(call.service, who, check))
        if call.operation == "SimulatePrincipalPolicy":
            return 200, [("Content-Type", "text/xml")], permissions.simulated(who.statements, asked)
        return None


def here() -> Account:
    from moto.core import DEFAULT_ACCOUNT_ID

    return Account(REGION, DEFAULT_ACCOUNT_ID, tags_of, found)


def backend(service: str) -> Any:
    from moto.backends import get_backend
    from moto.core import DEFAULT_ACCOUNT_ID

    return get_backend(service)[DEFAULT_ACCOUNT_ID]["aws" if service == "iam" else REGION]  # type: ignore[call-overload]


def tags_of(resource: str) -> dict[str, str]:
    """The tags of an id of EC2's, or of an ARN; of what is not there none."""
    if not resource.startswith("arn:"):
        return dict(backend("ec2").tags.get(resource, {}))
    service = resource.split(":")[2]
    return TAGS[service](resource) if service in TAGS else {}


def _ecs_tags(arn: str) -> dict[str, str]:
    try:
        tags = backend("ecs").list_tags_for_resource(arn)
    except Exception:  # of deployments, revisions and what is not there
        return {}
    return {one["key"]: one["value"] for one in tags or ()}


def _role_tags(arn: str) -> dict[str, str]:
    roles = [role for role in backend("iam").roles.values() if role.arn == arn]
    return {tag["Key"]: tag["Value"] for role in roles for tag in role.tags}


def _secret_tags(arn: str) -> dict[str, str]:
    store = backend("secretsmanager").secrets
    return {tag["Key"]: tag["Value"] for tag in (store[arn].tags or ())} if arn in store else {}


def _repository_tags(arn: str) -> dict[str, str]:
    return dict(backend("ecr").tagger.get_tag_dict_for_resource(arn))


TAGS = {
    "elasticloadbalancing": lambda arn: dict(backend("elbv2").tagging_service.get_tag_dict_for_resource(arn)),
    "ecs": _ecs_tags,
    "iam": _role_tags,
    "secretsmanager": _secret_tags,
    "ecr": _repository_tags,
}


def found(kind: str, name: str) -> str:
    """The ARN behind a role's or a secret's name, the ids that an association binds; empty if it is not there."""
    if kind == "role":
        return next((str(role.arn) for role in backend("iam").roles.values() if role.name == name), "")
    if kind == "secret":
        store = backend("secretsmanager").secrets
        return str(store[name].arn) if name in store else ""
    tables = backend("ec2").route_tables.values()
    return next((f"{table.id} {table._associations[name]}" for table in tables if name in table._associations), "")
