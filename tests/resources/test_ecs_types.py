"""Clusters, task definitions and services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployer.errors import RolloutError
from deployer.resources.cluster import Cluster
from deployer.resources.iam_role import IamRole
from deployer.resources.internet_gateway import InternetGateway
from deployer.resources.service import Service
from deployer.resources.task_definition import TaskDefinition
from tests.resources.lifecycle import Account, Case, Change, LifeCycle, Tags, flat, pages
from tests.resources.test_elb_types import ALB, GROUP, LISTENER, NETWORK, TARGETS, A, B

CLUSTER = Cluster(name="main", insights=True)
EXEC, TASK = (
    IamRole(
        name=f"web_{kind}",
        service="ecs-tasks.amazonaws.com",
        source="arn:aws:ecs:us-east-1:123456789012:*",
        description=f"The {kind} role",
        statements=[],
    )
    for kind in ("exec", "task")
)
DEFINITION = TaskDefinition(
    name="web",
    image="nginx@sha256:" + "a" * 64,
    cpu=256,
    memory=512,
    architecture="x86_64",
    execution_role=EXEC.ref("arn"),
    task_role=TASK.ref("arn"),
    log_group="/deployer/voting/web",
    port=8080,
    command=["serve"],
    entrypoint=None,
    environment={"B": "2", "A": "1"},
    secrets={"PASSWORD": "arn:aws:secretsmanager:us-east-1:123456789012:secret:voting/password-AbCdEf"},
    marks=[],
    user="10001",
    read_only=True,
    tmpfs=["/tmp", "/var/run"],
)
WORKER = Service(
    name="web",
    cluster=CLUSTER.ref(),
    task_definition=DEFINITION.ref(),
    count=2,
    subnets=[A.ref(), B.ref()],
    groups=[GROUP.ref()],
    public_ip=True,
    target_group=None,
    port=None,
    kind=None,
    grace=None,
)
WEB = replace(
    WORKER,
    name="web",
    target_group=TARGETS.ref(),
    port=8080,
    kind="application",
    grace=60,
    count=1,
    depends_on=(LISTENER.key,),
)
BENEATH = (*NETWORK, CLUSTER, EXEC, TASK, DEFINITION)
BALANCED = (*BENEATH, ALB, TARGETS, LISTENER)
OTHER_DEFINITION = replace(DEFINITION, name="other")


def clusters(account: Account) -> list[str]:
    return pages(account.client("ecs"), "list_clusters", "clusterArns")


def definitions(account: Account) -> list[str]:
    return pages(account.client("ecs"), "list_task_definitions", "taskDefinitionArns")


def services(account: Account) -> list[str]:
    ecs = account.client("ecs")
    return [arn for cluster in clusters(account) for arn in pages(ecs, "list_services", "serviceArns", cluster=cluster)]


def service(account: Account, id: str) -> dict[str, Any]:
    cluster = id.split("/")[-2]
    return dict(account.client("ecs").describe_services(cluster=cluster, services=[id])["services"][0])


def runs(account: Account, id: str) -> tuple[int, int]:
    return service(account, id)["desiredCount"], service(account, id)["runningCount"]


def front(account: Account, id: str) -> tuple[int, int]:
    return service(account, id)["desiredCount"], service(account, id)["healthCheckGracePeriodSeconds"]


def tags(account: Account, id: str) -> Tags:
    return flat(account.client("ecs").list_tags_for_resource(resourceArn=id)["tags"])


def insights(account: Account, id: str) -> str:
    (found,) = account.client("ecs").describe_clusters(clusters=[id], include=["SETTINGS"])["clusters"]
    return flat([{"key": each["name"], "value": each["value"]} for each in found["settings"]])["containerInsights"]


def drop_service(account: Account, id: str) -> None:
    account.client("ecs").delete_service(cluster="voting", service=id, force=True)


CASES = [
    Case(
        CLUSTER,
        "ecs.CreateCluster",
        clusters,
        tags=tags,
        change=Change({"insights": False}, insights, "enabled", "disabled"),
        spoil=lambda account, id: account.client("ecs").delete_cluster(cluster=id),
        foreign=True,
    ),
    Case(
        DEFINITION,
        "ecs.RegisterTaskDefinition",
        definitions,
        beneath=(EXEC, TASK),
        tags=tags,
        replaced={"cpu": 512, "memory": 1024},
        spoil=lambda account, id: account.client("ecs").deregister_task_definition(taskDefinition=id),
    ),
    Case(
        WORKER,
        "ecs.CreateService",
        services,
        beneath=BENEATH,
        tags=tags,
        change=Change({"count": 3}, runs, (2, 2), (3, 3)),
        spoil=drop_service,
        foreign=True,
    ),
    Case(
        replace(WEB, count=1),
        "ecs.CreateService",
        services,
        beneath=BALANCED,
        tags=tags,
        change=Change({"count": 2, "grace": 90}, front, (1, 60), (2, 90)),
        spoil=drop_service,
        foreign=True,
    ),
]


class TestLifeCycle(LifeCycle):
    pass


def test_container_is_what_was_asked_for(account: Account) -> None:
    account.up(EXEC, TASK, DEFINITION)
    described = account.client("ecs").describe_task_definition(taskDefinition=account.id(DEFINITION.key))
    definition = described["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    assert definition["family"] == "voting-web" and definition["networkMode"] == "awsvpc"
    assert (definition["cpu"], definition["memory"]) == ("256", "512")
    assert definition["runtimePlatform"] == {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}
    assert definition["executionRoleArn"] != definition["taskRoleArn"]
    assert container["environment"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert container["secrets"] == [{"name": "PASSWORD", "valueFrom": DEFINITION.secrets["PASSWORD"]}]
    assert container["command"] == ["serve"] and "entryPoint" not in container
    assert container["user"] == "10001" and container["readonlyRootFilesystem"] is True
    paths = [(mount["sourceVolume"], mount["containerPath"]) for mount in container["mountPoints"]]
    assert paths == [("tmp0", "/tmp"), ("tmp1", "/var/run")]
    assert [volume["name"] for volume in definition["volumes"]] == ["tmp0", "tmp1"]
    assert container["portMappings"][0]["containerPort"] == 8080
    assert container["logConfiguration"]["options"]["mode"] == "non-blocking"


def test_only_so_many_former_revisions_are_kept(account: Account) -> None:
    for cpu in (256, 512, 1024, 2048, 4096, 8192, 16384, 256):
        account.up(EXEC, TASK, replace(DEFINITION, cpu=cpu, memory=memory(cpu)))
    assert len(definitions(account)) == 1 + DEFINITION.revisions
    newest = account.id(DEFINITION.key)
    assert newest.endswith(":8") and definitions(account)[-1] == newest


def memory(cpu: int) -> int:
    return {256: 512, 512: 1024, 1024: 2048, 2048: 4096, 4096: 8192, 8192: 16384, 16384: 32768}[cpu]


def test_service_follows_a_new_revision(account: Account) -> None:
    account.up(*BALANCED, WEB)
    id, first = account.id(WEB.key), account.id(DEFINITION.key)
    wanted = [*BALANCED, WEB]
    wanted[wanted.index(DEFINITION)] = replace(DEFINITION, environment={"A": "3"})
    steps = {step.key: step.action.value for step in account.plan(*wanted).changes}
    assert steps == {DEFINITION.key: "update", WEB.key: "update"}
    account.up(*wanted)
    assert account.id(WEB.key) == id and account.id(DEFINITION.key) != first
    assert service(account, id)["taskDefinition"] == account.id(DEFINITION.key)
    assert account.plan(*wanted).idle


def test_service_moves_to_another_cluster(account: Account) -> None:
    """Only one cluster bears the stack's name; the other one is somebody else's."""
    ecs = account.client("ecs")
    other = ecs.create_cluster(clusterName="other")["cluster"]["clusterArn"]
    account.up(*BENEATH, WORKER)
    old = account.id(WORKER.key)
    moved = replace(WORKER, cluster=other)
    (step,) = account.plan(*BENEATH, moved).changes
    assert step.action.value == "replace"
    account.up(*BENEATH, moved)
    assert account.id(WORKER.key) != old and service(account, old)["status"] == "INACTIVE"
    assert service(account, account.id(WORKER.key))["runningCount"] == 2


def test_service_gets_and_loses_its_load_balancer(account: Account) -> None:
    account.up(*BENEATH, replace(WORKER, count=1))
    account.up(*BALANCED, WEB)
    (target,) = service(account, account.id(WEB.key))["loadBalancers"]
    assert target["targetGroupArn"] == account.id(TARGETS.key)
    account.up(*BENEATH, replace(WORKER, count=1))
    assert service(account, account.id(WEB.key))["loadBalancers"] == []


def test_broken_rollout_is_an_error_with_its_reason_and_the_next_up_mends_it(account: Account) -> None:
    account.up(*BALANCED, WEB)
    wanted = [*BALANCED, WEB]
    wanted[wanted.index(DEFINITION)] = replace(DEFINITION, environment={"A": "3"})
    account.cloud.scheduler("crash", "web")
    with pytest.raises(RolloutError, match="ends with exit code 1") as failed:
        account.up(*wanted)
    assert failed.value.verdict and failed.value.verdict["cause"] == "exit-code"
    assert account.state.records[WEB.key].status == "unfinished"
    account.cloud.scheduler("ok")
    account.up(*wanted)
    assert service(account, account.id(WEB.key))["taskDefinition"] == account.id(DEFINITION.key)


def test_service_that_still_drains_is_waited_for(account: Account) -> None:
    account.up(*BENEATH, WORKER)
    account.cloud.tempo(drain=0.5)
    drop_service(account, account.id(WORKER.key))
    account.up(*BENEATH, WORKER)
    assert service(account, account.id(WORKER.key))["status"] == "ACTIVE"


def test_linked_role_that_is_still_being_made_is_waited_for(account: Account) -> None:
    message = "Unable to assume the service linked role. Please verify that the ECS service linked role exists."
    for operation in ("CreateCluster", "CreateService"):
        account.cloud.fault("error", "ecs", operation, code="InvalidParameterException", message=message, times=3)
    account.up(*BENEATH, WORKER)
    assert [fault["fired"] for fault in account.cloud.faults()] == [3, 3]


def test_role_that_ecs_does_not_know_yet_is_waited_for(account: Account) -> None:
    account.cloud.fault("error", "ecs", "RegisterTaskDefinition", code="ClientException", message="Role is not valid.")
    account.up(EXEC, TASK, DEFINITION)
    assert len(definitions(account)) == 1


def test_gateway_alone_cannot_be_detached_under_public_tasks(account: Account) -> None:
    """The removal waits until the tasks' addresses are gone; nothing is left."""
    gateway = next(one for one in NETWORK if isinstance(one, InternetGateway))
    account.cloud.tempo(drain=0.3)
    account.up(*BENEATH, replace(WORKER, depends_on=(gateway.key,)))
    account.up()
    assert account.cloud.is_empty()


def test_services_are_read_ten_a_call(account: Account) -> None:
    many = [replace(WORKER, name=f"web{n}", count=0) for n in range(25)]
    account.up(*BENEATH, *many)
    account.cloud.forget_calls()
    assert account.plan(*BENEATH, *many).idle
    assert account.count("ecs.DescribeServices") == 3
    assert account.count("ecs.DescribeClusters") == 1


def test_many_task_definitions_are_read_by_one_listing(account: Account) -> None:
    many = [replace(DEFINITION, name=f"web{n}") for n in range(25)]
    account.up(EXEC, TASK, *many)
    account.cloud.forget_calls()
    assert account.plan(EXEC, TASK, *many).idle
    assert account.count("ecs.DescribeTaskDefinition") == 0
    assert account.count("ecs.ListTaskDefinitions") == 1
