"""Which actions of a policy the caller lacks, as IAM itself simulates it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import botocore.exceptions as faults
from botocore.parsers import ResponseParserError

from deployer import aws as door
from deployer.aws import Aws, batches
from deployer.policy.document import Statement

AT_ONCE = 100  # actions a call


def denied(aws: Aws, statements: Iterable[Statement]) -> list[str] | None:
    """The actions that the caller may not call as these statements ask for, sorted; None if IAM may not or cannot be
    asked (the caller needs iam:SimulatePrincipalPolicy, and not every endpoint has it). Changes nothing.

    What is simulated are the caller's own policies, its boundary, and the organisation's for its account; not the
    session's policy. Raises AwsError: no answer."""
    lacking: set[str] = set()
    try:
        source = principal(door.client(aws.session, "sts", aws.region, 3, 4).get_caller_identity()["Arn"])
        if source is None:
            return None
        for statement in statements:
            for actions in batches(_listed(statement["Action"]), AT_ONCE):
                lacking |= set(_simulated(aws, source, actions, statement))
    except (ResponseParserError, KeyError):
        return None
    except faults.ClientError as error:
        if door.fault(error) == "throttled":
            raise door.explain(error, "Asking IAM what the caller may do") from error
        return None
    except Exception as error:
        raise door.explain(error, "Asking IAM what the caller may do") from error
    return sorted(lacking)


def principal(arn: str) -> str | None:
    """The user or role behind a caller. None: the root user, to whom policies say nothing, and federated users. The
    path of an assumed role is not in its ARN: the role is then not found, and nothing can be said."""
    head, _, kind = arn.rpartition(":")
    if kind.startswith("user/"):
        return arn
    if kind.startswith("assumed-role/"):
        return f"{head.replace(':sts:', ':iam:')}:role/{kind.split('/')[1]}"
    return None


def _simulated(aws: Aws, source: str, actions: list[str], statement: Statement) -> Iterator[str]:
    """SimulatePrincipalPolicy knows no `*` within an ARN that is meant: patterns are asked for as they stand."""
    pages = aws.iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source,
        ActionNames=actions,
        ResourceArns=_listed(statement["Resource"]),
        ContextEntries=_context(statement.get("Condition", {})),
    )
    for page in pages:
        for result in page["EvaluationResults"]:
            if result["EvalDecision"] != "allowed":
                yield result["EvalActionName"]


def _context(conditions: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A request that satisfies these conditions."""
    return [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": _listed(value)[:1]}
        for operator, keys in conditions.items()
        if operator != "Null"
        for key, value in keys.items()
    ]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
