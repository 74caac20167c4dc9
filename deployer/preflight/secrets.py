"""Secrets that exist already: that they are there, may be read some day, and have the JSON keys that are named.

ECS reads `arn:json-key::` when a task starts; without its secret it never does. A value that is read here for its keys
is kept nowhere and shown nowhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import botocore.exceptions as faults

from deployer.aws import client, code, said
from deployer.document import suggestion
from deployer.errors import AwsError, UsageError
from deployer.preflight.run import Ask, Finding, Run, Told
from deployer.tree import Where


@dataclass(frozen=True)
class Seen:
    """`missing`: AWS's words; `going`: it is scheduled for deletion; `keys`: of its JSON value, None if unknown."""

    missing: str = ""
    going: bool = False
    keys: frozenset[str] | None = None
    json: bool = True


class Secrets:
    def asks(self, run: Run) -> Mapping[str, Ask]:
        clients = {run.aws.region: run.aws.secretsmanager}
        asks: dict[str, Ask] = {}
        for name, keys in _wanted(run).items():
            if arn := run.config.secrets[name].arn:
                region = arn.split(":")[3]
                if region not in clients:
                    clients[region] = client(run.aws.session, "secretsmanager", region, run.aws.attempts, 4)
                asks[name] = partial(_read if keys else _described, clients[region], arn)
        return asks

    def judge(self, run: Run, told: Told) -> Iterator[Finding]:
        for name, keys in _wanted(run).items():
            secret, seen = run.config.secrets[name], told.get(name)
            if secret.from_env and keys and os.environ.get(secret.from_env):
                seen = _keys(os.environ[secret.from_env])
            if seen is None:
                continue
            if secret.arn and (seen.missing or seen.going):
                yield from _absent(run, name, secret.arn, seen)
            else:
                yield from _keyless(run, keys, seen)


def _wanted(run: Run) -> dict[str, dict[str, Where]]:
    """The secrets that new revisions of services will read, each with the JSON keys and where they are named."""
    wanted: dict[str, dict[str, Where]] = {}
    for definition in (one for one in run.changed if one.type == "task-definition"):
        for variable, ref in run.config.services[definition.name].secrets.items():
            keys = wanted.setdefault(ref.name, {})
            if ref.json_key:
                keys.setdefault(ref.json_key, ("services", definition.name, "secrets", variable))
    return wanted


def _absent(run: Run, name: str, arn: str, seen: Seen) -> Iterator[Finding]:
    where: Where = ("secrets", name, "arn")
    if seen.going:
        yield AwsError(
            run.line(where, f"the secret {arn} is scheduled for deletion, and no task can read it."),
            f"`aws secretsmanager restore-secret --secret-id {arn}` keeps it; or name another.",
        )
    elif arn.split(":")[4] == run.aws.account:  # of another account's secrets AWS does not tell
        yield AwsError(
            run.line(where, f"there is no secret {arn} (AWS said: {seen.missing.rstrip('.')})."),
            "Correct the ARN, or make the secret first: `aws secretsmanager create-secret`.",
        )


def _keyless(run: Run, keys: Mapping[str, Where], seen: Seen) -> Iterator[Finding]:
    if seen.keys is None and seen.json:
        return
    for key, where in keys.items():
        if not seen.json:
            yield UsageError(run.line(where, f'the secret\'s value is no JSON object, and so has no key "{key}".'),
                             "Name the secret without a key, or store a JSON object in it.")  # fmt: skip
        elif key not in (seen.keys or ()):
            near = suggestion(key, sorted(seen.keys or ())) or "."
            yield UsageError(run.line(where, f'the secret\'s value has no JSON key "{key}"{near}'),
                             "Correct the key, or add it to the secret's value.")  # fmt: skip


def _read(secretsmanager: Any, arn: str) -> Seen:
    """Who may not read values can still be told whether the secret exists."""
    try:
        return _keys(secretsmanager.get_secret_value(SecretId=arn).get("SecretString"))
    except faults.ClientError as error:
        if code(error) == "InvalidRequestException":
            return Seen(going=True) if "delet" in said(error) else Seen()
        return _gone(error) or _described(secretsmanager, arn)


def _described(secretsmanager: Any, arn: str) -> Seen:
    try:
        return Seen(going="DeletedDate" in secretsmanager.describe_secret(SecretId=arn))
    except faults.ClientError as error:
        return _gone(error) or Seen()


def _gone(error: faults.ClientError) -> Seen | None:
    return Seen(missing=said(error) or "not found") if code(error) == "ResourceNotFoundException" else None


def _keys(value: str | None) -> Seen:
    try:
        known = json.loads(value or "")
    except ValueError:
        return Seen(json=False)
    return Seen(keys=frozenset(known)) if isinstance(known, dict) else Seen(json=False)
