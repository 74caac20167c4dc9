"""The ECS API's calls about tasks: RunTask, StopTask, ListTasks, DescribeTasks, ExecuteCommand."""

from __future__ import annotations

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import EcsClientException, ECSException, InvalidParameterException
from moto.ecs.models import ServiceNotFoundException
from moto.ecs.responses import DESCRIBE_TASKS_TAGS as TAGS
from moto.ecs.responses import EC2ContainerServiceResponse as Response

from . import capacity, taskdefs
from .answers import active_cluster, active_definition, page
from .services import check_network
from .tasks import EcsTask, Start

MOST = 10  # tasks of one call
NOT_FOUND = "The referenced task was not found."
NO_AGENT = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn't running. Wait and try again or run a new task with execute command enabled and try again."
)


def run_task(self: Response) -> ActionResult:
    backend, params = self.ecs_backend, self._get_params()
    cluster = active_cluster(backend, params.get("cluster") or "default")
    tasks = backend.tasks.setdefault(cluster.name, {})
    asked = json.dumps(params, sort_keys=True, default=str)
    if token := params.get("clientToken"):
        same = [task for task in tasks.values() if getattr(task, "client_token", None) == token]
        if any(task.client_request != asked for task in same):
            raise ECSException("ConflictException", "The clientToken was used with other parameters before.")
        if same:
            return ActionResult({"tasks": same, "failures": []})
    number = int(params.get("count") or 1)
    if not 1 <= number <= MOST:
        raise InvalidParameterException(f"Count must be between 1 and {MOST}.")
    strategy = capacity.check(params, cluster)
    definition = active_definition(backend, params["taskDefinition"])
    _check(params, definition, fargate=bool(strategy) or params.get("launchType") == "FARGATE")
    network = check_network(params, backend)
    overrides = _overrides(params.get("overrides") or {}, definition)
    made: list[EcsTask] = []
    for subnet in range(number):
        start = Start(
            network=network,
            load_balancers=[],
            group=params.get("group") or f"family:{definition.family}",
            started_by=params.get("startedBy"),
            tags=_tags(params, cluster, definition),
            overrides=overrides,
            exec=bool(params.get("enableExecuteCommand")),
            subnet=subnet,
            platform_version=capacity.platform(params.get("platformVersion")),
            capacity_provider=capacity.provider(strategy, [task.capacity_provider_name for task in made]),
            token=token,
            asked=asked,
        )
        made.append(EcsTask(cluster, definition, start))
    tasks.update({task.task_arn: task for task in made})
    return ActionResult({"tasks": made, "failures": []})


def _check(params: dict[str, Any], definition: Any, fargate: bool) -> None:
    if not fargate:
        raise InvalidParameterException("No Container Instances were found in your cluster.")
    if "FARGATE" not in (definition.requires_compatibilities or []):
        raise InvalidParameterException("Task definition does not support launch_type FARGATE.")
    capacity.platform(params.get("platformVersion"))
    if params.get("propagateTags") == "SERVICE":
        raise InvalidParameterException("Tags cannot be propagated from a service: the task has none.")
    if (params.get("group") or "").startswith("service:"):
        raise InvalidParameterException("Invalid namespace for group: service.")
    if len(params.get("startedBy") or "") > 128:
        raise InvalidParameterException("startedBy cannot be longer than 128 characters.")


def _overrides(asked: dict[str, Any], definition: Any) -> dict[str, Any]:
    """With sizes in CPU units and MiB."""
    names = [each["name"] for each in definition.container_definitions]
    for each in asked.get("containerOverrides") or []:
        if each.get("name") not in names:
            raise InvalidParameterException(
                f"Override for container named {each.get('name')} is not a container in the TaskDefinition."
            )
    cpu = taskdefs.units(str(asked.get("cpu") or definition.cpu), "vCPU")
    memory = taskdefs.units(str(asked.get("memory") or definition.memory), "GB")
    if memory not in taskdefs.MEMORY.get(cpu, []):
        raise EcsClientException(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
    sizes = {"cpu": str(cpu), "memory": str(memory)}
    return asked | {name: size for name, size in sizes.items() if asked.get(name)}


def _tags(params: dict[str, Any], cluster: Any, definition: Any) -> list[dict[str, str]]:
    """Its own, which are stronger than the task definition's."""
    propagated = definition.tags if params.get("propagateTags") == "TASK_DEFINITION" else []
    tags = {each["key"]: each for each in [*(propagated or []), *(params.get("tags") or [])]}
    if params.get("enableECSManagedTags"):
        tags["aws:ecs:clusterName"] = {"key": "aws:ecs:clusterName", "value": cluster.name}
    return list(tags.values())


def list_tasks(self: Response) -> ActionResult:
    cluster = self.ecs_backend._get_cluster(self._get_param("cluster", "default"))
    service = self._get_param("serviceName")
    filters = {
        "desired_status": self._get_param("desiredStatus") or "RUNNING",
        "group": f"service:{service.rpartition('/')[2]}" if service else None,
        "started_by": self._get_param("startedBy"),
        "launch_type": self._get_param("launchType"),
    }
    if service and f"{cluster.name}:{service.rpartition('/')[2]}" not in self.ecs_backend.services:
        raise ServiceNotFoundException
    family = self._get_param("family")
    arns = [
        task.task_arn
        for task in self.ecs_backend.tasks.get(cluster.name, {}).values()
        if all(wanted in (None, getattr(task, name)) for name, wanted in filters.items())
        and (family is None or f":task-definition/{family}:" in task.task_definition_arn)
    ]
    return page(self, "taskArns", arns, 100)


def describe_tasks(self: Response) -> ActionResult:
    cluster = self.ecs_backend._get_cluster(self._get_param("cluster", "default"))
    known = {arn.rpartition("/")[2]: task for arn, task in self.ecs_backend.tasks.get(cluster.name, {}).items()}
    wanted = [each.rpartition("/")[2] for each in self._get_param("tasks", [])]
    prefix = f"arn:{self.partition}:ecs:{self.region}:{self.current_account}:task/{cluster.name}"
    missing = [{"arn": f"{prefix}/{each}", "reason": "MISSING"} for each in wanted if each not in known]
    if not wanted:
        raise InvalidParameterException("Tasks cannot be empty.")
    if len(wanted) > 100:
        raise InvalidParameterException("Tasks cannot have more than 100 elements.")
    (self._include_in_response if "TAGS" in self._get_param("include", []) else self._exclude_from_response)(TAGS)
    found = [known[each] for each in wanted if each in known]
    for task in found:
        if not isinstance(task, EcsTask):
            task.advance()
    return ActionResult({"tasks": found, "failures": missing})


def stop_task(self: Response) -> ActionResult:
    task = _task(self)
    if isinstance(task, EcsTask):
        task.stop(self._get_param("reason") or "Task stopped by user", "UserInitiated")
    else:
        cluster, name = self._get_param("cluster", "default"), self._get_param("task")
        task = self.ecs_backend.stop_task(cluster, name, self._get_param("reason"))
    return ActionResult({"task": task})


def _task(self: Response) -> Any:
    cluster = self.ecs_backend._get_cluster(self._get_param("cluster", "default"))
    wanted = self._get_param("task").rpartition("/")[2]
    for arn, task in self.ecs_backend.tasks.get(cluster.name, {}).items():
        if arn.rpartition("/")[2] == wanted:
            return task
    raise InvalidParameterException(NOT_FOUND)


def execute_command(self: Response) -> ActionResult:
    """Refused: no agent is there that could do it."""
    active_cluster(self.ecs_backend, self._get_param("cluster") or "default")
    task, container = _task(self), self._get_param("container")
    names = [each["name"] for each in task.containers]
    if container is None and len(names) > 1:
        raise InvalidParameterException("The container name must be given: the task has several containers.")
    if container is not None and container not in names:
        raise InvalidParameterException(f"The container {container} does not exist in the task.")
    if not self._get_param("interactive"):
        raise InvalidParameterException("Interactive is the only mode supported currently.")
    if task.enable_execute_command and task.last_status == "RUNNING":
        raise ECSException("TargetNotConnectedException", NO_AGENT)
    raise InvalidParameterException(NO_AGENT)
