"""The ECS API as AWS has it, over moto's. The scheduler does what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore import xform_name
from moto.core.responses import ActionResult
from moto.ecs.exceptions import ClusterNotFoundException, EcsClientException, ECSException, InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend as Backend
from moto.ecs.models import ServiceNotFoundException
from moto.ecs.responses import DESCRIBE_TASKS_TAGS as TAGS
from moto.ecs.responses import EC2ContainerServiceResponse as Response

from .scheduler import SCHEDULER, count, live
from .services import ROLLING, RollingService, check_network, check_targets
from .tasks import Deployment, EcsTask, now
from .tempo import TEMPO


def active_cluster(backend: Backend, name: str) -> Any:
    cluster = backend._get_cluster(name)
    if cluster.status != "ACTIVE":
        raise ClusterNotFoundException
    return cluster


def active_definition(backend: Backend, name: str) -> Any:
    definition = backend.describe_task_definition(name)
    if definition.status != "ACTIVE":
        raise EcsClientException("TaskDefinition is inactive")
    return definition


def create_service(self: Response) -> ActionResult:
    backend, params = self.ecs_backend, self._get_params()
    name = params["serviceName"]
    cluster = active_cluster(backend, params.get("cluster") or "default")
    existing = backend.services.get(f"{cluster.name}:{name}")
    if existing and existing.status == "DRAINING":
        raise InvalidParameterException("Unable to Start a service that is still Draining.")
    if existing and existing.status == "ACTIVE":
        if params.get("clientToken") and params["clientToken"] == getattr(existing, "client_token", None):
            return ActionResult({"service": existing})
        raise InvalidParameterException("Creation of service was not idempotent.")
    definition = active_definition(backend, params["taskDefinition"])
    network = check_network(params, backend)
    check_targets(params.get("loadBalancers") or [], definition, backend)
    if params.get("healthCheckGracePeriodSeconds") and not params.get("loadBalancers"):
        raise InvalidParameterException(
            "Health check grace period is only valid for services configured to use load balancers"
        )
    service = RollingService(cluster, name, backend, params | {"networkConfiguration": network})
    service.begin(Deployment(definition.arn, network, service.load_balancers, service.platform_version))
    service.deployments[0].desired_count = service.desired_count
    backend.services[f"{cluster.name}:{name}"] = service
    return ActionResult({"service": service})


def update_service(self: Response) -> ActionResult:
    backend, params = self.ecs_backend, self._get_params()
    service = backend._get_service(params.get("cluster") or "default", params["service"])
    if service.status != "ACTIVE":
        raise ECSException("ServiceNotActiveException", "Service was not ACTIVE.")
    before = {name: getattr(service, xform_name(name)) for name in ROLLING}
    if "networkConfiguration" in params:
        params["networkConfiguration"] = check_network(params, backend)
    arn = service.task_definition
    if params.get("taskDefinition"):
        arn = active_definition(backend, params["taskDefinition"]).arn
    if params.get("loadBalancers"):
        check_targets(params["loadBalancers"], backend.describe_task_definition(arn), backend)
    changed = any(name in params and params[name] != before[name] for name in ROLLING)
    service.set(params)
    if changed or arn != service.task_definition or params.get("forceNewDeployment"):
        network, targets = service.network_configuration, service.load_balancers
        service.begin(Deployment(arn, network, targets, service.platform_version))
    service.deployments[0].desired_count = service.desired_count
    service.steady = False
    return ActionResult({"service": service})


def delete_service(self: Response) -> ActionResult:
    backend, params = self.ecs_backend, self._get_params()
    service = backend._get_service(params.get("cluster") or "default", params["service"])
    if service.status == "INACTIVE":
        raise ServiceNotFoundException
    if service.status == "ACTIVE":
        if service.desired_count > 0 and not params.get("force"):
            raise InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
        service.status, service.desired_count = "DRAINING", 0
        service.drained = now() + TEMPO.drain
    return ActionResult({"service": service})


def delete_cluster(self: Response) -> ActionResult:
    backend = self.ecs_backend
    cluster = backend._get_cluster(self._get_param("cluster"))
    services = [each for each in backend.services.values() if each.cluster_name == cluster.name]
    if any(each.status == "ACTIVE" for each in services):
        raise ECSException(
            "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
        )
    if any(live(each) for each in services if isinstance(each, RollingService)):
        raise ECSException("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
    cluster.status = "INACTIVE"
    return ActionResult({"cluster": cluster})


def create_cluster(self: Response) -> ActionResult:
    existing = self.ecs_backend.clusters.get(self._get_param("clusterName") or "default")
    if existing and existing.status == "ACTIVE":
        return ActionResult({"cluster": existing})
    return ORIGINAL["create_cluster"](self)


def describe_clusters(self: Response) -> ActionResult:
    for cluster in self.ecs_backend.clusters.values():
        count(self.ecs_backend, cluster)
    return ORIGINAL["describe_clusters"](self)


def describe_services(self: Response) -> ActionResult:
    if len(self._get_param("services", [])) > 10:
        raise InvalidParameterException("Services cannot have more than 10 elements.")
    return ORIGINAL["describe_services"](self)


def page(self: Response, key: str, items: list[str], size: int) -> ActionResult:
    start = int(self._get_param("nextToken") or 0)
    end = start + min(int(self._get_param("maxResults") or size), 100)
    more = {"nextToken": str(end)} if end < len(items) else {}
    return ActionResult({key: items[start:end]} | more)


def list_clusters(self: Response) -> ActionResult:
    arns = [each.arn for each in self.ecs_backend.clusters.values() if each.status == "ACTIVE"]
    return page(self, "clusterArns", arns, 100)


def list_services(self: Response) -> ActionResult:
    cluster = self.ecs_backend._get_cluster(self._get_param("cluster", "default"))
    services = [each for each in self.ecs_backend.services.values() if each.cluster_name == cluster.name]
    wanted = self._get_param("launchType")
    arns = [each.arn for each in services if each.status == "ACTIVE" and wanted in (None, each.launch_type)]
    return page(self, "serviceArns", arns, 10)


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
    (self._include_in_response if "TAGS" in self._get_param("include", []) else self._exclude_from_response)(TAGS)
    found = [known[each] for each in wanted if each in known]
    for task in found:
        if not isinstance(task, EcsTask):
            task.advance()
    return ActionResult({"tasks": found, "failures": missing})


def stop_task(self: Response) -> ActionResult:
    cluster = self.ecs_backend._get_cluster(self._get_param("cluster", "default"))
    wanted = self._get_param("task").rpartition("/")[2]
    for arn, task in self.ecs_backend.tasks.get(cluster.name, {}).items():
        if arn.endswith("/" + wanted) and isinstance(task, EcsTask):
            task.stop(self._get_param("reason") or "Task stopped by user", "UserInitiated")
            return ActionResult({"task": task})
    return ORIGINAL["stop_task"](self)


ORIGINAL: dict[str, Callable[[Response], ActionResult]] = {}


def install() -> None:
    for replacement in (
        create_service,
        update_service,
        delete_service,
        create_cluster,
        delete_cluster,
        describe_clusters,
        describe_services,
        list_clusters,
        list_services,
        list_tasks,
        describe_tasks,
        stop_task,
    ):
        name = replacement.__name__
        ORIGINAL[name] = getattr(Response, name)
        setattr(Response, name, _unless_off(name, replacement))


def _unless_off(name: str, replacement: Callable[[Response], ActionResult]) -> Callable[[Response], ActionResult]:
    def chosen(self: Response) -> ActionResult:
        return (ORIGINAL[name] if SCHEDULER.runtime.rests(None) else replacement)(self)

    return chosen
