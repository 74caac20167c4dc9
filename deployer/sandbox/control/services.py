"""A service, and what AWS checks before there is one."""

from __future__ import annotations

import copy
from typing import Any

from botocore import xform_name
from moto.core.utils import utcnow
from moto.ec2.exceptions import InvalidSubnetIdError
from moto.ec2.models import ec2_backends
from moto.ecs.exceptions import InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend as Backend
from moto.ecs.models import Service
from moto.elbv2.models import elbv2_backends
from moto.utilities.utils import get_partition

from .tasks import Deployment, EcsTask

DEFAULTS: dict[str, Any] = {
    "desiredCount": 0,
    "enableECSManagedTags": False,
    "enableExecuteCommand": False,
    "propagateTags": "NONE",
    "platformVersion": "LATEST",
    "availabilityZoneRebalancing": "ENABLED",
    "placementConstraints": [],
    "placementStrategy": [],
    "loadBalancers": [],
    "serviceRegistries": [],
    "schedulingStrategy": "REPLICA",
    "deploymentController": {"type": "ECS"},
}
DEPLOYMENT = {"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING", "bakeTimeInMinutes": 0}
BREAKER = {"enable": False, "rollback": False}
NOT_FIELDS = {
    "cluster",
    "service",
    "serviceName",
    "taskDefinition",
    "clientToken",
    "tags",
    "role",
    "forceNewDeployment",
}
# a change of these is a new deployment
ROLLING = {"networkConfiguration", "loadBalancers", "platformVersion", "serviceRegistries", "capacityProviderStrategy"}


class RollingService(Service):
    """moto's service, with tasks. Attributes named like AWS's fields are told to whoever asks."""

    def __init__(self, cluster: Any, name: str, backend: Backend, params: dict[str, Any]) -> None:
        launch_type = None if params.get("capacityProviderStrategy") else params.get("launchType", "FARGATE")
        super().__init__(cluster, name, 0, backend, launch_type=launch_type, tags=params.get("tags") or [])
        self.tasks: list[EcsTask] = []
        self.deployments: list[Any] = []
        self.completed: Deployment | None = None
        self.revisions: list[Any] = []
        self.rollouts: list[Any] = []  # its service deployments; the newest is the first
        self.current_service_revisions: list[dict[str, Any]] = []
        self.capacity_provider_strategy: list[dict[str, Any]] | None = None
        self.steady = False
        self.drained = 0.0
        self.client_token = params.get("clientToken")
        self.created_at = utcnow()
        partition = get_partition(backend.region_name)
        self.created_by = f"arn:{partition}:iam::{backend.account_id}:user/test"
        role = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
        self.role_arn = f"arn:{partition}:iam::{backend.account_id}:{role}"
        self.platform_family = "Linux"
        self.deployment_configuration: dict[str, Any] = {}
        self.set(copy.deepcopy(DEFAULTS) | {"deploymentConfiguration": {}} | params)

    @property
    def current_service_deployment(self) -> str | None:
        return self.rollouts[0].service_deployment_arn if self.rollouts else None

    @property
    def breaker(self) -> dict[str, Any]:
        breaker: dict[str, Any] = self.deployment_configuration["deploymentCircuitBreaker"]
        return breaker

    def set(self, params: dict[str, Any]) -> None:
        for name, value in params.items():
            if name in NOT_FIELDS or value is None:
                continue
            if name == "deploymentConfiguration":
                value = DEPLOYMENT | {"deploymentCircuitBreaker": BREAKER} | self.deployment_configuration | value
                value["deploymentCircuitBreaker"] = BREAKER | value["deploymentCircuitBreaker"]
            setattr(self, xform_name(name), value)

    def begin(self, deployment: Deployment) -> None:
        """A new PRIMARY deployment; the ones before go on as ACTIVE until it is completed."""
        deployment.breaker = self.breaker
        for each in self.deployments:
            each.status = "ACTIVE"
        self.deployments.insert(0, deployment)
        self.steady = False
        self.task_definition = deployment.task_definition
        self.network_configuration = deployment.network_configuration
        self.load_balancers = deployment.load_balancers
        self.platform_version, self.launch_type = deployment.platform_version, deployment.launch_type
        self.capacity_provider_strategy = deployment.capacity_provider_strategy
        self.service_registries = deployment.revision.service_registries


def check_breaker(params: dict[str, Any]) -> None:
    breaker = (params.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    limit = breaker.get("thresholdConfiguration")
    if limit and int(limit.get("value") or 0) < 1:
        raise InvalidParameterException("The value of the deployment circuit breaker's threshold must be at least 1.")


def check_network(params: dict[str, Any], backend: Backend) -> dict[str, Any]:
    """`networkConfiguration`, checked and with its defaults."""
    network = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if not network:
        raise InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    if not network.get("subnets"):
        raise InvalidParameterException("subnets can not be empty.")
    vpcs = set()
    for subnet in network["subnets"]:
        try:
            vpcs.add(ec2.get_subnet(subnet).vpc_id)
        except InvalidSubnetIdError as problem:
            raise InvalidParameterException(
                f"Error retrieving subnet information for [{subnet}]: The subnet ID '{subnet}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            ) from problem
    if len(vpcs) > 1:
        raise InvalidParameterException("subnets must all be of one VPC.")
    for group_id in network.get("securityGroups") or []:
        group = ec2.get_security_group_from_id(group_id)
        if group is None:
            raise InvalidParameterException(
                f"Error retrieving security group information for [{group_id}]: "
                f"The security group '{group_id}' does not exist (ErrorCode: InvalidGroup.NotFound)"
            )
        if group.vpc_id not in vpcs:
            raise InvalidParameterException(
                f"Security Group {group_id} does not appear to belong to the same VPC as the input subnets."
            )
    return {"awsvpcConfiguration": {"securityGroups": [], "assignPublicIp": "DISABLED"} | network}


def check_targets(load_balancers: list[dict[str, Any]], definition: Any, backend: Backend) -> None:
    elb = elbv2_backends[backend.account_id][backend.region_name]
    for wanted in load_balancers:
        arn = wanted.get("targetGroupArn")
        group = elb.target_groups.get(arn)
        if group is None:
            raise InvalidParameterException(f"The target group with targetGroupArn {arn} does not exist.")
        if not elb._any_listener_using(arn):
            raise InvalidParameterException(
                f"The target group with targetGroupArn {arn} does not have an associated load balancer."
            )
        if group.target_type != "ip":
            raise InvalidParameterException(
                f"The provided target group {arn} has target type {group.target_type}, which is incompatible "
                "with the awsvpc network mode specified in the task definition."
            )
        name, port = wanted.get("containerName"), wanted.get("containerPort")
        containers = {each["name"]: each for each in definition.container_definitions}
        if name not in containers:
            raise InvalidParameterException(f"The container {name} does not exist in the task definition.")
        if port not in [mapping["containerPort"] for mapping in containers[name].get("portMappings") or []]:
            raise InvalidParameterException(f"The container {name} did not have a container port {port} defined.")
