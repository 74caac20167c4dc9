"""Which actions of a policy the caller lacks, as IAM itself simulates it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import botocore.exceptions as faults
from botocore.parsers import ResponseParserError

from deployer import aws as door
from deployer.aws import Aws, batches
from deployer.policy.document import Statement

AT_ONCE = 100  # actions a call
Said = Literal["allowed", "denied", "unsure"]


def denied(aws: Aws, statements: Iterable[Statement]) -> list[str] | None:
    """The actions that the caller may not call on anything that these statements name, sorted; None if IAM may not or
    cannot be asked (the caller needs iam:SimulatePrincipalPolicy, and not every endpoint has it). Changes nothing.

    What is simulated are the caller's own policies, its boundary, and the organisation's for its account; not the
    session's policy. Raises AwsError: no answer."""
    told: dict[str, set[Said]] = {}
    source = principal(aws.caller)
    if source is None:
        return None
    try:
        for statement in statements:
            for actions in batches(_listed(statement["Action"]), AT_ONCE):
                for action, said in _simulated(aws, source, actions, statement):
                    told.setdefault(action, set()).add(said)
    except (ResponseParserError, KeyError):
        return None
    except faults.ClientError as error:
        if door.fault(error) == "throttled":
            raise door.explain(error, "Asking IAM what the caller may do") from error
        return None
    except Exception as error:
        raise door.explain(error, "Asking IAM what the caller may do") from error
    return sorted(action for action, said in told.items() if said == {"denied"})


def principal(arn: str) -> str | None:
    """The user or role behind a caller. None: the root user, to whom policies say nothing, and federated users. The
    path of an assumed role is not in its ARN: the role is then not found, and nothing can be said."""
    head, _, kind = arn.rpartition(":")
    if kind.startswith("user/"):
        return arn
    if kind.startswith("assumed-role/"):
        return f"{head.replace(':sts:', ':iam:')}:role/{kind.split('/')[1]}"
    return None


def _simulated(aws: Aws, source: str, actions: list[str], statement: Statement) -> Iterator[tuple[str, Said]]:
    """SimulatePrincipalPolicy knows no `*` within an ARN that is meant: patterns are asked for as they stand."""
    pages = aws.iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source,
        ActionNames=actions,
        ResourceArns=_listed(statement["Resource"]),
        ContextEntries=_context(statement.get("Condition", {})),
    )
    for page in pages:
        for result in page["EvaluationResults"]:
            yield result["EvalActionName"], _said(result)


def _said(result: dict[str, Any]) -> Said:
    """Where a policy asks for what only the real call has (an MFA, an address, another tag), nothing is certain."""
    each = result.get("ResourceSpecificResults", [])
    if "allowed" in (result["EvalDecision"], *(one["EvalResourceDecision"] for one in each)):
        return "allowed"
    return "unsure" if any(one.get("MissingContextValues") for one in (result, *each)) else "denied"


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
