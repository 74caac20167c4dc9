"""IAM: a role's trust must be a policy document."""

from __future__ import annotations

import json
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.models import IAMBackend


def check(document: str) -> None:
    try:
        parsed = json.loads(document)
    except (TypeError, ValueError) as problem:
        raise MalformedPolicyDocument("This policy contains invalid Json") from problem
    if not isinstance(parsed, dict) or not parsed.get("Statement"):
        raise MalformedPolicyDocument("Syntax errors in policy.")


def install() -> None:
    create, update = IAMBackend.create_role, IAMBackend.update_assume_role_policy

    def create_role(
        self: IAMBackend, role_name: str, assume_role_policy_document: str, *rest: Any, **named: Any
    ) -> Any:
        check(assume_role_policy_document)
        return create(self, role_name, assume_role_policy_document, *rest, **named)

    def update_assume_role_policy(self: IAMBackend, role_name: str, assume_role_policy: str) -> None:
        check(assume_role_policy)
        update(self, role_name, assume_role_policy)

    IAMBackend.create_role = create_role
    IAMBackend.update_assume_role_policy = update_assume_role_policy
