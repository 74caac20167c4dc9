"""RunTask, StopTask, ListTasks, DescribeTasks, ExecuteCommand."""

from __future__ import annotations

import pytest

from tests.cloud import Cloud
from tests.sandbox.fargate import INVALID, Fargate
from tests.test_cloud import refused, until


@pytest.fixture
def fargate(cloud: Cloud) -> Fargate:
    return Fargate(cloud)


def test_a_task_of_run_task_runs_until_it_is_stopped(fargate: Fargate) -> None:
    definition = fargate.new_definition(tags=[{"key": "a", "value": "definition"}, {"key": "b", "value": "kept"}])
    override = {"name": "web", "command": ["migrate"], "environment": [{"name": "A", "value": "1"}]}
    made = fargate.run(
        count=2,
        taskDefinition=definition,
        overrides={"cpu": "0.5 vCPU", "memory": "1024", "containerOverrides": [override]},
        tags=[{"key": "a", "value": "own"}],
        propagateTags="TASK_DEFINITION",
        enableECSManagedTags=True,
        startedBy="me",
        platformVersion="1.3.0",
    )
    assert [task["lastStatus"] for task in made] == ["PROVISIONING"] * 2 and made[0]["group"] == "family:web"
    arns = [task["taskArn"] for task in made]
    until(lambda: {task["lastStatus"] for task in fargate.described(*arns)} == {"RUNNING"})
    cluster = fargate.ecs.describe_clusters(clusters=["main"])["clusters"][0]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (2, 0)
    task = fargate.described(arns[0], include=["TAGS"])[0]
    assert (task["cpu"], task["memory"], task["startedBy"], task["platformVersion"]) == ("512", "1024", "me", "1.3.0")
    assert task["overrides"]["containerOverrides"] == [override] and task["launchType"] == "FARGATE"
    labels = {each["key"]: each["value"] for each in task["tags"]}
    assert labels == {"a": "own", "b": "kept", "aws:ecs:clusterName": "main"}
    assert "tags" not in fargate.described(arns[0])[0] and task["availabilityZone"] == "us-east-1a"
    zones = {task["availabilityZone"] for task in fargate.described(*arns)}
    assert zones == {"us-east-1a", "us-east-1b"}
    assert sorted(fargate.listed(startedBy="me")) == sorted(fargate.listed(family="web")) == sorted(arns)
    assert fargate.listed(family="other") == fargate.listed(desiredStatus="STOPPED") == []
    refused("ClusterContainsTasksException", fargate.ecs.delete_cluster, cluster="main")
    fargate.ecs.stop_task(cluster="main", task=arns[0].rpartition("/")[2], reason="enough")
    until(lambda: fargate.described(arns[0])[0]["lastStatus"] == "STOPPED")
    over = fargate.described(arns[0])[0]
    assert (over["stopCode"], over["stoppedReason"]) == ("UserInitiated", "enough") and over["stoppedAt"]
    assert over["containers"][0]["exitCode"] == 143
    assert fargate.listed(desiredStatus="STOPPED", family="web") == [arns[0]] and fargate.listed() == [arns[1]]


def test_run_task_refuses_what_aws_refuses(fargate: Fargate) -> None:
    ecs, run = fargate.ecs, fargate.run
    given = {"launchType": "FARGATE", "networkConfiguration": fargate.network, "taskDefinition": "web"}
    refused("ClusterNotFoundException", ecs.run_task, cluster="none", **given)
    unknown = {"containerOverrides": [{"name": "other", "command": ["x"]}]}
    expected = "Override for container named other is not a container in the TaskDefinition."
    assert refused(INVALID, run, overrides=unknown) == expected
    refused("ClientException", run, overrides={"cpu": "256", "memory": "8192"})
    refused(INVALID, run, count=11)
    refused(INVALID, run, networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0"]}})
    assert "Network Configuration must be provided" in refused(INVALID, run, networkConfiguration={})
    refused("PlatformUnknownException", run, platformVersion="9.9.9")
    refused(INVALID, run, group="service:web")
    refused(INVALID, run, propagateTags="SERVICE")
    strategy = [{"capacityProvider": "FARGATE_SPOT"}]
    refused(INVALID, run, capacityProviderStrategy=strategy)
    assert refused(INVALID, run, launchType="EC2") == "No Container Instances were found in your cluster."
    bridge = fargate.new_definition(family="ec2", requiresCompatibilities=["EC2"], networkMode="bridge")
    assert refused(INVALID, run, taskDefinition=bridge) == "Task definition does not support launch_type FARGATE."
    gone = fargate.new_definition()
    ecs.deregister_task_definition(taskDefinition=gone)
    assert refused("ClientException", run, taskDefinition=gone) == "TaskDefinition is inactive"
    refused("ClientException", run, taskDefinition="unknown")
    assert fargate.listed() == []


def test_a_client_token_runs_tasks_once(fargate: Fargate) -> None:
    given = {"clientToken": "once", "taskDefinition": fargate.new_definition()}
    first = fargate.run(**given)
    assert fargate.run(**given)[0]["taskArn"] == first[0]["taskArn"] and len(fargate.listed()) == 1
    refused("ConflictException", fargate.run, **given, count=2)


def test_capacity_providers_share_the_tasks_by_base_and_weight(fargate: Fargate) -> None:
    providers = ["FARGATE", "FARGATE_SPOT"]
    fargate.ecs.create_cluster(clusterName="main", capacityProviders=providers)
    strategy = [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 2},
    ]
    definition, network = fargate.new_definition(), fargate.network
    given = {"cluster": "main", "taskDefinition": definition, "networkConfiguration": network}
    other = [{"capacityProvider": "OTHER"}]
    refused(INVALID, fargate.ecs.run_task, capacityProviderStrategy=other, **given)
    made = fargate.ecs.run_task(capacityProviderStrategy=strategy, count=7, **given)["tasks"]
    names = [task["capacityProviderName"] for task in made]
    assert (names.count("FARGATE"), names.count("FARGATE_SPOT")) == (3, 4) and names[0] == "FARGATE"
    made = fargate.ecs.create_service(serviceName="web", desiredCount=4, capacityProviderStrategy=strategy, **given)
    assert made["service"]["capacityProviderStrategy"] and "launchType" not in made["service"]
    fargate.steady()
    names = [task["capacityProviderName"] for task in fargate.tasks()]
    assert sorted(names) == ["FARGATE", "FARGATE", "FARGATE_SPOT", "FARGATE_SPOT"]


def test_stopping_and_replacing_tasks_of_a_service(fargate: Fargate) -> None:
    fargate.new_service(desiredCount=1)
    fargate.steady()
    assert refused(INVALID, fargate.ecs.stop_task, cluster="main", task="none") == "The referenced task was not found."
    victim = fargate.listed(serviceName="web")[0]
    fargate.ecs.stop_task(cluster="main", task=victim)
    until(lambda: victim not in (now := fargate.listed(serviceName="web")) and len(now) == 1)
    assert fargate.described(victim)[0]["stoppedReason"] == "Task stopped by user"
    until(lambda: fargate.service()["runningCount"] == 1)
    assert fargate.primary()["failedTasks"] == 0 and len(fargate.briefs()) == 1


def test_commands_cannot_be_executed_and_the_answer_says_so(fargate: Fargate) -> None:
    plain, enabled = (fargate.run(enableExecuteCommand=each)[0]["taskArn"] for each in (False, True))
    until(lambda: {task["lastStatus"] for task in fargate.described(plain, enabled)} == {"RUNNING"})
    given = {"command": "sh", "interactive": True}
    call = fargate.ecs.execute_command
    refused("ClusterNotFoundException", call, cluster="none", task=plain, **given)
    assert refused(INVALID, call, cluster="main", task="none", **given) == "The referenced task was not found."
    refused(INVALID, call, cluster="main", task=plain, container="other", **given)
    said = refused(INVALID, call, cluster="main", task=plain, **given)
    assert said.startswith("The execute command failed because execute command was not enabled when the task was run")
    refused("TargetNotConnectedException", call, cluster="main", task=enabled, container="web", **given)
