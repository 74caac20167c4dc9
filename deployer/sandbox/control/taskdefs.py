"""Task definitions as Fargate takes them."""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ecs.exceptions import EcsClientException, TaskDefinitionNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend as Backend
from moto.ecs.models import TaskDefinition
from moto.ecs.responses import EC2ContainerServiceResponse as Response
from moto.iam.models import iam_backends

MEMORY = {  # CPU units: MiB that go with them
    256: [512, 1024, 2048],
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")


def units(text: str, unit: str) -> int:
    """ "256", "0.25 vCPU", "512", "0.5 GB" in CPU units or MiB."""
    number = re.fullmatch(rf"\s*([\d.]+)\s*({unit})?\s*", text, re.IGNORECASE)
    if not number:
        raise EcsClientException(f"Invalid value {text!r}")
    return int(float(number.group(1)) * 1024) if number.group(2) else int(number.group(1))


def check(params: dict[str, Any], account: str) -> None:
    """Raise what AWS raises; fill in what AWS fills in."""
    containers: list[dict[str, Any]] = params.get("containerDefinitions") or []
    if not NAME.fullmatch(params.get("family") or ""):
        raise EcsClientException("Family contains invalid characters.")
    names = [container.get("name", "") for container in containers]
    if not containers:
        raise EcsClientException("Container list cannot be empty.")
    if len(set(names)) != len(names):
        raise EcsClientException("Container names should be unique.")
    if not any(container.get("essential", True) for container in containers):
        raise EcsClientException("Invalid 'essential' setting: at least one container must be essential.")
    roles = {role.arn for role in iam_backends[account]["aws"].roles.values()}
    for role in (params.get("executionRoleArn"), params.get("taskRoleArn")):
        if role and role not in roles:
            raise EcsClientException("Role is not valid")
    fargate = "FARGATE" in (params.get("requiresCompatibilities") or [])
    if fargate:
        _check_fargate(params)
    for container in containers:
        _check_container(container, names, fargate, params.get("executionRoleArn"))


def _check_fargate(params: dict[str, Any]) -> None:
    if params.get("networkMode") != "awsvpc":
        raise EcsClientException("Fargate only supports network mode 'awsvpc'.")
    for size in ("cpu", "memory"):
        if not params.get(size):
            raise EcsClientException(f"Fargate requires that '{size}' be defined at the task level.")
    cpu, memory = units(str(params["cpu"]), "vCPU"), units(str(params["memory"]), "GB")
    if memory not in MEMORY.get(cpu, []):
        raise EcsClientException(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
    params["cpu"], params["memory"] = str(cpu), str(memory)


def _check_container(container: dict[str, Any], names: list[str], fargate: bool, role: str | None) -> None:
    if not NAME.fullmatch(container.get("name") or ""):
        raise EcsClientException("Container.name contains invalid characters.")
    if not container.get("image"):
        raise EcsClientException("Container.image should not be null or empty.")
    for dependency in container.get("dependsOn") or []:
        if dependency.get("containerName") not in names:
            raise EcsClientException(f"Container {dependency.get('containerName')} does not exist.")
    for port in container.get("portMappings") or []:
        if fargate and port.setdefault("hostPort", port["containerPort"]) != port["containerPort"]:
            raise EcsClientException(
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
            )
        port.setdefault("protocol", "tcp")
    driver = (container.get("logConfiguration") or {}).get("logDriver")
    if fargate and driver == "awslogs" and not role:
        raise EcsClientException(
            "Fargate requires task definition to have execution role ARN to support log driver awslogs."
        )
    if fargate and ".dkr.ecr." in container["image"] and not role:
        raise EcsClientException("Fargate requires task definition to have execution role ARN to support ECR images.")
    if container.get("secrets") and not role:
        raise EcsClientException(
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
        )
    container.setdefault("systemControls", [])


def install() -> None:
    register = Response.register_task_definition
    describe = Backend.describe_task_definition

    def register_task_definition(self: Response) -> ActionResult:
        check(self._get_params(), self.current_account)
        result = register(self).result
        definition = result["taskDefinition"]
        definition.registered_at = utcnow()
        definition.registered_by = f"arn:{self.partition}:iam::{self.current_account}:user/test"
        return ActionResult(result | {"tags": definition.tags})

    def describe_task_definition(self: Backend, task_definition_str: str) -> TaskDefinition:
        """A family alone is its newest ACTIVE revision."""
        name = task_definition_str.rpartition("/")[2]
        if ":" in name:
            return describe(self, task_definition_str)
        active = [each for each in self.task_definitions.get(name, {}).values() if each.status == "ACTIVE"]
        if not active:
            raise TaskDefinitionNotFoundException
        return max(active, key=lambda each: each.revision)

    Response.register_task_definition = register_task_definition
    Backend.describe_task_definition = describe_task_definition
