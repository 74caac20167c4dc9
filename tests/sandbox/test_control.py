"""Service deployments and revisions, as ECS tells of them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.cloud import Cloud
from tests.sandbox.fargate import INVALID, WEB, Fargate, limits
from tests.test_cloud import refused, until

DEPLOYMENT = r"arn:aws:ecs:us-east-1:123456789012:service-deployment/main/web/[\w-]{21}"
REVISION = r"arn:aws:ecs:us-east-1:123456789012:service-revision/main/web/\d+"


@pytest.fixture
def fargate(cloud: Cloud) -> Fargate:
    return Fargate(cloud)


# --- service deployments ---


def test_creating_a_service_is_a_service_deployment_of_its_first_revision(fargate: Fargate) -> None:
    fargate.cloud.scheduler("stuck")
    made = fargate.new_service()
    assert re.fullmatch(DEPLOYMENT, made["currentServiceDeployment"])
    (current,) = made["currentServiceRevisions"]
    assert re.fullmatch(REVISION, current["arn"]) and current["requestedTaskCount"] == 2
    seen = fargate.ends("IN_PROGRESS")
    assert seen["serviceDeploymentArn"] == made["currentServiceDeployment"] and seen["serviceArn"] == made["serviceArn"]
    assert seen["deploymentCircuitBreaker"]["status"] == "DISABLED" and seen["sourceServiceRevisions"] == []
    assert seen["startedAt"] >= seen["createdAt"] and "finishedAt" not in seen
    assert seen["lifecycleStage"] == "SCALE_UP" and seen["deploymentConfiguration"]["maximumPercent"] == 200
    until(lambda: fargate.rollout()["targetServiceRevision"]["pendingTaskCount"] == 2)
    fargate.cloud.scheduler("ok")
    over = fargate.ends("SUCCESSFUL")
    assert over["finishedAt"] >= over["startedAt"] and over["targetServiceRevision"]["runningTaskCount"] == 2
    revision = fargate.revision(current["arn"])
    assert revision["taskDefinition"] == made["taskDefinition"] and revision["launchType"] == "FARGATE"
    assert revision["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == fargate.subnets
    assert revision["containerImages"] == [{"containerName": "web", "image": "nginx"}]
    assert fargate.service()["currentServiceRevisions"][0]["runningTaskCount"] == 2


def test_a_change_is_a_new_revision_and_a_forced_deployment_is_not(fargate: Fargate) -> None:
    first = fargate.new_service()["currentServiceRevisions"][0]["arn"]
    fargate.steady()
    fargate.change()
    moving = fargate.rollout()
    assert [each["arn"] for each in moving["sourceServiceRevisions"]] == [first]
    fargate.ends("SUCCESSFUL")
    second = fargate.service()["currentServiceRevisions"][0]["arn"]
    assert second == moving["targetServiceRevision"]["arn"] != first
    before = fargate.primary()["id"]
    fargate.update(forceNewDeployment=True)
    assert fargate.primary()["id"] != before
    assert fargate.rollout()["targetServiceRevision"]["arn"] == second
    assert len({each["serviceDeploymentArn"] for each in fargate.briefs()}) == 3


def test_the_number_of_tasks_and_the_limits_change_without_a_deployment(fargate: Fargate) -> None:
    fargate.new_service()
    fargate.steady()
    fargate.update(desiredCount=3)
    fargate.update(deploymentConfiguration=limits(50, 150))
    until(lambda: fargate.service()["runningCount"] == 3)
    assert len(fargate.briefs()) == 1 and len(fargate.service()["deployments"]) == 1


def test_a_newer_deployment_stops_the_one_that_is_under_way(fargate: Fargate) -> None:
    fargate.new_service(desiredCount=1)
    fargate.steady()
    fargate.cloud.scheduler("stuck")
    fargate.change()
    until(lambda: fargate.service()["pendingCount"] == 1)
    fargate.change()
    assert [each["status"] for each in fargate.service()["deployments"]] == ["PRIMARY", "ACTIVE", "ACTIVE"]
    stopped = fargate.ends("STOPPED", 1)
    assert stopped["statusReason"] and stopped["stoppedAt"] == stopped["finishedAt"]
    fargate.cloud.scheduler("ok")
    fargate.ends("SUCCESSFUL")
    assert len(fargate.service()["deployments"]) == 1
    assert {task["taskDefinitionArn"].rpartition(":")[2] for task in fargate.tasks()} == {"3"}


def test_service_deployments_are_listed_newest_first_by_status_and_time_and_in_pages(fargate: Fargate) -> None:
    fargate.new_service(desiredCount=0)
    fargate.steady()
    for _ in range(2):
        fargate.update(forceNewDeployment=True)
        fargate.steady()
    all_of_them = fargate.briefs()
    times = [each["createdAt"] for each in all_of_them]
    assert len(times) == 3 and times == sorted(times, reverse=True)
    assert {each["status"] for each in all_of_them} == {"SUCCESSFUL"}
    assert fargate.briefs(status=["PENDING", "STOPPED"]) == []
    hour = timedelta(hours=1)
    assert len(fargate.briefs(createdAt={"after": datetime.now(UTC) - hour, "before": datetime.now(UTC) + hour})) == 3
    assert fargate.briefs(createdAt={"after": datetime.now(UTC) + hour}) == []
    page = fargate.ecs.list_service_deployments(**WEB, maxResults=2)
    rest = fargate.ecs.list_service_deployments(**WEB, maxResults=2, nextToken=page["nextToken"])
    assert page["serviceDeployments"] + rest["serviceDeployments"] == all_of_them and "nextToken" not in rest


def test_questions_about_what_is_not_there(fargate: Fargate) -> None:
    ecs = fargate.ecs
    refused("ClusterNotFoundException", ecs.list_service_deployments, cluster="none", service="web")
    fargate.new_service(desiredCount=0)
    refused("ServiceNotFoundException", ecs.list_service_deployments, cluster="main", service="none")
    refused(INVALID, ecs.list_service_deployments, **WEB, maxResults=101)
    known = fargate.briefs()[0]["serviceDeploymentArn"]
    other = known[:-1] + ("a" if known[-1] != "a" else "b")
    found = ecs.describe_service_deployments(serviceDeploymentArns=[known, other])
    assert len(found["serviceDeployments"]) == 1 and found["failures"] == [{"arn": other, "reason": "MISSING"}]
    unknown = "arn:aws:ecs:us-east-1:123456789012:service-revision/main/web/1"
    assert ecs.describe_service_revisions(serviceRevisionArns=[unknown])["failures"][0]["reason"] == "MISSING"
    refused(INVALID, ecs.describe_service_deployments, serviceDeploymentArns=["web"])
    refused(INVALID, ecs.describe_service_deployments, serviceDeploymentArns=[known] * 21)
    refused(INVALID, ecs.describe_service_revisions, serviceRevisionArns=[known])
    refused(INVALID, ecs.stop_service_deployment, serviceDeploymentArn="web")
    refused("ServiceDeploymentNotFoundException", ecs.stop_service_deployment, serviceDeploymentArn=other)
    fargate.steady()
    refused("ConflictException", ecs.stop_service_deployment, serviceDeploymentArn=known)


def test_a_stopped_service_deployment_goes_back_to_the_revision_before(fargate: Fargate) -> None:
    good = fargate.new_service()["currentServiceRevisions"][0]["arn"]
    old = fargate.steady()
    fargate.cloud.scheduler("stuck")
    arn = fargate.change()["currentServiceDeployment"]
    until(lambda: fargate.service()["pendingCount"] == 2)
    bad = fargate.primary()["id"]
    assert fargate.ecs.stop_service_deployment(serviceDeploymentArn=arn)["serviceDeploymentArn"] == arn
    over = fargate.ends("ROLLBACK_SUCCESSFUL")
    assert over["serviceDeploymentArn"] == arn and over["rollback"]["serviceRevisionArn"] == good
    assert over["rollback"]["reason"] == over["statusReason"] and over["rollback"]["startedAt"]
    now = fargate.primary()
    assert now["id"] not in (bad, old["id"]) and now["taskDefinition"] == old["taskDefinition"]
    assert fargate.service()["taskDefinition"] == old["taskDefinition"] and len(fargate.briefs()) == 2
    assert [each["arn"] for each in fargate.service()["currentServiceRevisions"]] == [good]


def test_an_aborted_service_deployment_leaves_what_ran_before(fargate: Fargate) -> None:
    fargate.new_service()
    fargate.steady()
    before = {task["taskArn"] for task in fargate.tasks()}
    fargate.cloud.scheduler("stuck")
    arn = fargate.change()["currentServiceDeployment"]
    until(lambda: fargate.service()["pendingCount"] == 2)
    fargate.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ABORT")
    fargate.ends("STOPPED")
    assert {task["taskArn"] for task in fargate.tasks()} == before
    assert [each["rolloutState"] for each in fargate.service()["deployments"]] == ["FAILED", "COMPLETED"]
    fargate.cloud.scheduler("ok")
    time.sleep(0.3)
    assert {task["taskArn"] for task in fargate.tasks()} == before
    fargate.update(forceNewDeployment=True)
    fargate.ends("SUCCESSFUL")


def test_a_first_deployment_has_nothing_to_go_back_to(fargate: Fargate) -> None:
    fargate.cloud.scheduler("stuck")
    arn = fargate.new_service()["currentServiceDeployment"]
    fargate.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    over = fargate.ends("ROLLBACK_FAILED")
    assert over["statusReason"] == "No rollback candidate was found to run the rollback."
    assert fargate.primary()["rolloutState"] == "FAILED"


# --- the end of a service ---


def test_a_service_is_deleted_when_it_is_empty_or_by_force(fargate: Fargate) -> None:
    fargate.new_service(desiredCount=1)
    fargate.steady()
    delete = fargate.ecs.delete_service
    assert refused(INVALID, delete, **WEB) == "The service cannot be stopped while it is scaled above 0."
    fargate.cloud.scheduler("stuck")
    fargate.change()
    until(lambda: fargate.service()["pendingCount"] == 1)
    assert delete(**WEB, force=True)["service"]["status"] == "DRAINING"
    assert fargate.briefs()[0]["status"] == "STOPPED"
    until(lambda: fargate.service()["status"] == "INACTIVE")
    refused("ServiceNotFoundException", fargate.ecs.list_service_deployments, **WEB)
    refused("ServiceNotActiveException", fargate.update, desiredCount=1)
    fargate.cloud.scheduler("ok")
    fargate.new_service(desiredCount=0)
    fargate.steady()
    assert len(fargate.briefs()) == 1
    assert delete(**WEB)["service"]["status"] == "DRAINING"
