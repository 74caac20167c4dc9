"""A rolling deployment: which tasks to start and to stop, within the service's limits."""

from __future__ import annotations

import math
from typing import Any

from moto.core.utils import utcnow

from . import capacity
from .breaker import ASKED, fail, monitor, roll_back
from .events import tell, tell_once
from .rollouts import ServiceDeployment
from .tasks import Deployment, EcsTask, Start, now

CANNOT_MOVE = (
    "was unable to stop or start tasks during a deployment because of the service deployment configuration. "
    "Update the minimumHealthyPercent or maximumPercent value and try again."
)


def live(service: Any) -> list[EcsTask]:
    return [task for task in service.tasks if task.last_status != "STOPPED"]


def roll(backend: Any, service: Any, missing: str) -> None:
    """One look. `missing`: why no task can start."""
    heed(service)
    primary, want = service.deployments[0], service.desired_count
    if primary.rollout_state == "FAILED":
        return
    tasks = [task for task in live(service) if task.wanted]
    mine = sorted((task for task in tasks if task.deployment is primary), key=lambda task: not task.healthy)
    for task in mine[want:]:
        stop(service, task)
    mine, old = mine[:want], [task for task in tasks if task.deployment is not primary]
    limits = service.deployment_configuration
    room = math.floor(want * limits["maximumPercent"] / 100) - len(mine) - len(old)
    lacking = want - len(mine)
    if lacking and room > 0 and now() >= primary.not_before:
        if missing:
            tell_once(service, f"was unable to place a task. Reason: {missing}")
        else:
            start(backend, service, primary, min(lacking, room))
    floor = math.ceil(want * limits["minimumHealthyPercent"] / 100)
    leaving = [] if lacking and missing else spare(mine, old, want, room, floor)
    for task in leaving:
        stop(service, task)
    if lacking and room <= 0 and not leaving and all(task.healthy for task in tasks):
        tell_once(service, CANNOT_MOVE)
    if sum(task.healthy for task in mine) == want:
        service.rollouts[0].clean_up()
        if not old:
            settle(service, primary)


def spare(mine: list[EcsTask], old: list[EcsTask], want: int, room: int, floor: int) -> list[EcsTask]:
    """Of the old tasks those that may go: the sick ones where they are in the way, the others as `floor` allows."""
    healthy = sum(task.healthy for task in mine)
    if healthy >= want:
        return old
    well, sick = [task for task in old if task.healthy], [task for task in old if not task.healthy]
    in_the_way = max(0, want - len(mine) - room)
    return sick[:in_the_way] + well[: max(0, healthy + len(well) - floor)]


def settle(service: Any, primary: Deployment) -> None:
    if primary.rollout_state == "IN_PROGRESS" and len(live(service)) == service.desired_count:
        primary.rollout_state = "COMPLETED"
        primary.rollout_state_reason = f"ECS deployment {primary.id} completed."
        primary.updated_at = utcnow()
        service.deployments = [primary]
        service.completed = primary
        service.rollouts[0].finish("ROLLBACK_SUCCESSFUL" if primary.rollback else "SUCCESSFUL")
        tell(service, f"(deployment {primary.id}) deployment completed.")
    if primary.rollout_state == "COMPLETED" and not service.steady:
        service.steady = True
        tell(service, "has reached a steady state.")


def heed(service: Any) -> None:
    """What was asked of the service deployments since the last look."""
    current: ServiceDeployment = service.rollouts[0]
    for former in service.rollouts[1:]:
        if not former.over:
            former.finish("STOPPED")
    monitor(service)
    primary = service.deployments[0]
    if current.status == "PENDING":
        current.turn("IN_PROGRESS")
    elif current.status == "ROLLBACK_REQUESTED":
        fail(primary, f"ECS deployment {primary.id} failed {ASKED}")
        tell(service, f"(deployment {primary.id}) deployment failed: it was rolled back {ASKED}")
        roll_back(service, current, "ECS deployment rollback: rolling back to deploymentId {}.")
    elif current.status == "STOP_REQUESTED":
        if primary.rollout_state != "FAILED":
            fail(primary, f"ECS deployment {primary.id} stopped {ASKED}")
            tell(service, f"(deployment {primary.id}) deployment failed: it was stopped {ASKED}")
        new = [task for task in live(service) if task.deployment is primary]
        for task in new:
            if task.wanted:
                stop(service, task)
        if not new:
            current.finish("STOPPED")


def start(backend: Any, service: Any, deployment: Deployment, number: int) -> None:
    definition = backend.describe_task_definition(deployment.task_definition)
    for _ in range(number):
        cluster = backend.clusters[service.cluster_name]
        task = EcsTask(cluster, definition, start_of(service, deployment, definition), deployment)
        service.tasks.append(task)
        backend.tasks.setdefault(service.cluster_name, {})[task.task_arn] = task
        tell(service, f"has started 1 tasks: (task {task.id}).")
    service.steady = False


def stop(service: Any, task: EcsTask) -> None:
    if task.last_status == "RUNNING" and task.target_entries:
        group = task.target_entries[0]["targetGroupArn"]
        tell(service, f"deregistered 1 targets in (target-group {group})")
        tell(service, f"(task {task.id}) has begun draining connections on 1 tasks.")
    task.stop(f"Scaling activity initiated by (deployment {service.deployments[0].id})", "ServiceSchedulerInitiated")
    tell(service, f"has stopped 1 running tasks: (task {task.id}).")
    service.steady = False


def start_of(service: Any, deployment: Deployment, definition: Any) -> Start:
    propagated = {"SERVICE": service.tags, "TASK_DEFINITION": definition.tags}
    tags = list(propagated.get(service.propagate_tags) or [])
    if service.enable_ecs_managed_tags:
        tags += [
            {"key": "aws:ecs:clusterName", "value": service.cluster_name},
            {"key": "aws:ecs:serviceName", "value": service.name},
        ]
    providers = [task.capacity_provider_name for task in live(service) if task.deployment is deployment]
    return Start(
        network=deployment.network_configuration,
        load_balancers=deployment.load_balancers,
        group=f"service:{service.name}",
        started_by=deployment.id,
        tags=tags,
        overrides={},
        exec=service.enable_execute_command,
        subnet=len(service.tasks),
        platform_version=capacity.platform(deployment.platform_version),
        capacity_provider=capacity.provider(deployment.capacity_provider_strategy, providers),
    )
