"""The ECS API as AWS has it, over moto's: clusters and services. The scheduler does what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore import xform_name
from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException, InvalidParameterException
from moto.ecs.models import ServiceNotFoundException
from moto.ecs.responses import EC2ContainerServiceResponse as Response

from . import breaker, capacity, history, rollouts, runtask
from .answers import active_cluster, active_definition, page
from .scheduler import SCHEDULER, count
from .services import ROLLING, RollingService, check_breaker, check_network, check_targets
from .tasks import Deployment, EcsTask, now
from .tempo import TEMPO


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
    params["networkConfiguration"] = check_network(params, backend)
    params["capacityProviderStrategy"] = capacity.check(params, cluster)
    check_targets(params.get("loadBalancers") or [], definition, backend)
    check_breaker(params)
    capacity.platform(params.get("platformVersion"))
    if params.get("healthCheckGracePeriodSeconds") and not params.get("loadBalancers"):
        raise InvalidParameterException(
            "Health check grace period is only valid for services configured to use load balancers"
        )
    service = RollingService(cluster, name, backend, params)
    deploy(backend, service, definition)
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
    definition = backend.describe_task_definition(service.task_definition)
    if params.get("taskDefinition"):
        definition = active_definition(backend, params["taskDefinition"])
    if params.get("loadBalancers"):
        check_targets(params["loadBalancers"], definition, backend)
    check_breaker(params)
    capacity.platform(params.get("platformVersion"))
    if params.get("capacityProviderStrategy"):
        capacity.check(params, backend.clusters[service.cluster_name])
        service.launch_type = None
    changed = any(name in params and params[name] != before[name] for name in ROLLING)
    service.set(params)
    if changed or definition.arn != service.task_definition or params.get("forceNewDeployment"):
        deploy(backend, service, definition)
    service.deployments[0].desired_count = service.desired_count
    service.steady = False
    return ActionResult({"service": service})


def deploy(backend: Any, service: RollingService, definition: Any) -> None:
    """A deployment of what the service now is."""
    made = Deployment(
        definition.arn,
        service.network_configuration,
        service.load_balancers,
        service.platform_version,
        desired_count=service.desired_count,
        launch_type=service.launch_type,
        capacity_provider_strategy=service.capacity_provider_strategy,
        revision=rollouts.revise(backend, service, definition),
    )
    service.begin(made)
    rollouts.begin(service, made)
    breaker.monitor(service)


def delete_service(self: Response) -> ActionResult:
    backend, params = self.ecs_backend, self._get_params()
    service = backend._get_service(params.get("cluster") or "default", params["service"])
    if service.status == "INACTIVE":
        raise ServiceNotFoundException
    if service.status == "ACTIVE":
        if service.desired_count > 0 and not params.get("force"):
            raise InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
        if len(service.deployments) > 1 and not params.get("force"):
            raise InvalidParameterException("The service cannot be stopped while deployments are active.")
        for rollout in service.rollouts:
            if not rollout.over:
                rollout.finish("STOPPED", "Service deployment stopped because the service was deleted.")
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
    tasks = backend.tasks.get(cluster.name, {}).values()
    if any(isinstance(task, EcsTask) and task.last_status != "STOPPED" for task in tasks):
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


def list_clusters(self: Response) -> ActionResult:
    arns = [each.arn for each in self.ecs_backend.clusters.values() if each.status == "ACTIVE"]
    return page(self, "clusterArns", arns, 100)


def list_services(self: Response) -> ActionResult:
    cluster = self.ecs_backend._get_cluster(self._get_param("cluster", "default"))
    services = [each for each in self.ecs_backend.services.values() if each.cluster_name == cluster.name]
    wanted = self._get_param("launchType")
    arns = [each.arn for each in services if each.status == "ACTIVE" and wanted in (None, each.launch_type)]
    return page(self, "serviceArns", arns, 10)


ORIGINAL: dict[str, Callable[[Response], ActionResult]] = {}


REPLACED: tuple[Callable[[Response], ActionResult], ...] = (
    create_service,
    update_service,
    delete_service,
    create_cluster,
    delete_cluster,
    describe_clusters,
    describe_services,
    list_clusters,
    list_services,
    runtask.run_task,
    runtask.list_tasks,
    runtask.describe_tasks,
    runtask.stop_task,
    runtask.execute_command,
    history.list_service_deployments,
    history.describe_service_deployments,
    history.describe_service_revisions,
    history.stop_service_deployment,
)


def install() -> None:
    for replacement in REPLACED:
        name = replacement.__name__
        ORIGINAL[name] = getattr(Response, name, replacement)
        setattr(Response, name, _unless_off(name, replacement))


def _unless_off(name: str, replacement: Callable[[Response], ActionResult]) -> Callable[[Response], ActionResult]:
    def chosen(self: Response) -> ActionResult:
        return (ORIGINAL[name] if SCHEDULER.runtime.rests(None) else replacement)(self)

    return chosen
