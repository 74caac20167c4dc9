"""IAM as AWS enforces it: a call is checked on each resource that it addresses, with the tags of request and resource.

moto's own enforcement knows neither resources nor conditions of these services. The users, their keys and policies are
moto's; what a call addresses is in addressed.py. The cloud's own key (`test`) may do everything.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

ADMIN = "test"
Statement = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """What AWS asks of the caller's policies. `context`: the condition keys that it knows."""

    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict)


def allows(statements: list[Statement], check: Check) -> bool:
    """Whether one of the statements (all of them allow) covers the check."""
    return any(covers(statement, check) for statement in statements)


def covers(statement: Statement, check: Check) -> bool:
    assert statement["Effect"] == "Allow"
    return (
        any(like(pattern, check.action) for pattern in listed(statement["Action"]))
        and any(like(pattern, check.resource) for pattern in listed(statement["Resource"]))
        and all(
            holds(operator, key, listed(wanted), check.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def holds(operator: str, key: str, wanted: list[str], context: dict[str, str]) -> bool:
    if operator == "Null":
        return (key not in context) == (wanted == ["true"])
    if operator == "StringEquals":
        return context.get(key) in wanted
    if operator in ("ArnEquals", "ArnLike", "StringLike"):
        return key in context and any(like(pattern, context[key]) for pattern in wanted)
    raise NotImplementedError(operator)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text))


def like(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True)
class Principal:
    arn: str
    statements: list[Statement]


def principal(authorization: str) -> Principal | None:
    """Whose key signed the request; None: one that may do everything."""
    key = authorization.partition("Credential=")[2].partition("/")[0]
    if key in ("", ADMIN):
        return None
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.iam.access_control import IAMPolicy, create_access_key

    access = create_access_key(DEFAULT_ACCOUNT_ID, "aws", key, {})
    return Principal(
        access.arn, [one for policy in access.collect_policies() for one in statements_of(IAMPolicy(policy))]
    )


def statements_of(policy: Any) -> list[Statement]:
    return list(policy._policy_json["Statement"])


def refusal(service: str, who: Principal, check: Check) -> tuple[int, str, str]:
    """HTTP status, code and words as the service has them."""
    words = (
        f"User: {who.arn} is not authorized to perform: {check.action} on resource: {check.resource} "
        f"because no identity-based policy allows the {check.action} action"
    )
    if service == "ec2":
        return 403, "UnauthorizedOperation", f"You are not authorized to perform this operation. {words}"
    return (403, "AccessDenied", words) if service in ("iam", "elbv2", "sts") else (400, "AccessDeniedException", words)


def simulated(who: list[Statement], form: dict[str, str]) -> bytes:
    """SimulatePrincipalPolicy's answer."""

    def members(name: str) -> list[str]:
        return [value for key, value in form.items() if re.fullmatch(rf"{name}\.member\.\d+", key)]

    context = {}
    for key, name in form.items():
        if match := re.fullmatch(r"ContextEntries\.member\.(\d+)\.ContextKeyName", key):
            context[name] = form[f"ContextEntries.member.{match[1]}.ContextKeyValues.member.1"]
    results = [
        (
            action,
            resource,
            "allowed" if allows(who, Check(action, resource, context)) else "implicitDeny",
            "".join(f"<member>{key}</member>" for key in missing(who, action, context)),
        )
        for action in members("ActionNames")
        for resource in members("ResourceArns") or ["*"]
    ]
    lines = "".join(
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{said}</EvalDecision><ResourceSpecificResults><member>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName><EvalResourceDecision>{said}</EvalResourceDecision>"
        f"<MissingContextValues>{keys}</MissingContextValues></member></ResourceSpecificResults></member>"
        for action, resource, said, keys in results
    )
    return (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>'
        f"<IsTruncated>false</IsTruncated><EvaluationResults>{lines}</EvaluationResults></SimulatePrincipalPolicyResult>"
        "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
    ).encode()


def missing(who: list[Statement], action: str, context: dict[str, str]) -> set[str]:
    """The condition keys of which the statements about this action ask and the simulation was told nothing."""
    asked = [one for one in who if any(like(pattern, action) for pattern in listed(one["Action"]))]
    return {key for one in asked for keys in one.get("Condition", {}).values() for key in keys} - context.keys()


def parameters(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Of a JSON call as they are, of a form flat: `TagSpecification.1.Tag.1.Key`."""
    if "HTTP_X_AMZ_TARGET" in environ:
        return dict(json.loads(body or b"{}"))
    from urllib.parse import parse_qsl

    return dict(parse_qsl(body.decode(), keep_blank_values=True))
