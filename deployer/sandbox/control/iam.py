"""IAM: a role's trust must be a policy document; linked roles are named as by AWS; its own policies are read once; and
nothing is simulated."""

from __future__ import annotations

import copy
import json
from typing import Any

from moto.iam import models
from moto.iam.exceptions import InvalidInput, MalformedPolicyDocument
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

LINKED = {"ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"}  # what comes after AWSServiceRoleFor


def check(document: str) -> None:
    try:
        parsed = json.loads(document)
    except (TypeError, ValueError) as problem:
        raise MalformedPolicyDocument("This policy contains invalid Json") from problem
    if not isinstance(parsed, dict) or not parsed.get("Statement"):
        raise MalformedPolicyDocument("Syntax errors in policy.")


def install() -> None:
    create, update = IAMBackend.create_role, IAMBackend.update_assume_role_policy
    link = IAMBackend.create_service_linked_role
    read, known = IAMBackend._init_aws_policies, {}

    def init_aws_policies(self: IAMBackend) -> list[Any]:
        """moto reads the 1600 policies of AWS anew at each reset, twice."""
        key = (self.account_id, self.partition)
        if key not in known:
            known[key] = read(self)
        return [copy.copy(policy) for policy in known[key]]

    def create_role(
        self: IAMBackend, role_name: str, assume_role_policy_document: str, *rest: Any, **named: Any
    ) -> Any:
        check(assume_role_policy_document)
        return create(self, role_name, assume_role_policy_document, *rest, **named)

    def update_assume_role_policy(self: IAMBackend, role_name: str, assume_role_policy: str) -> None:
        check(assume_role_policy)
        update(self, role_name, assume_role_policy)

    def create_service_linked_role(self: IAMBackend, service_name: str, description: str, suffix: str) -> Any:
        role = f"AWSServiceRoleFor{LINKED.get(service_name.split('.')[0], '')}"
        if any(each.name == role for each in self.roles.values()):
            raise InvalidInput(f"Service role name {role} has been taken in this account.")
        return link(self, service_name, description, suffix)

    def simulate_principal_policy(self: IamResponse) -> None:
        raise InvalidInput("Nobody's policies are enforced here.")

    IamResponse.simulate_principal_policy = simulate_principal_policy
    models.SERVICE_NAME_CONVERSION.update(LINKED)
    IAMBackend.create_service_linked_role = create_service_linked_role
    IAMBackend._init_aws_policies = init_aws_policies
    IAMBackend.create_role = create_role
    IAMBackend.update_assume_role_policy = update_assume_role_policy
