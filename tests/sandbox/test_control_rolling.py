"""The circuit breaker, the back-off, and the limits of a rolling deployment."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.sandbox.fargate import INVALID, Fargate, limits
from tests.test_cloud import BREAKER, refused, until


@pytest.fixture
def fargate(cloud: Cloud) -> Fargate:
    return Fargate(cloud)


# --- the circuit breaker ---


def test_the_circuit_breakers_rollback_belongs_to_the_service_deployment(fargate: Fargate) -> None:
    good = fargate.new_service(deploymentConfiguration=BREAKER)["currentServiceRevisions"][0]["arn"]
    fargate.steady()
    assert fargate.rollout()["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE"
    fargate.cloud.scheduler("crash")
    fargate.change()
    over = fargate.ends("ROLLBACK_SUCCESSFUL")
    assert over["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert over["statusReason"] == "Service deployment rolled back because the circuit breaker threshold was exceeded."
    assert over["rollback"]["serviceRevisionArn"] == good != over["targetServiceRevision"]["arn"]
    assert len(fargate.briefs()) == 2


def test_a_failed_first_deployment_starts_nothing_until_the_next_update(fargate: Fargate) -> None:
    fargate.cloud.scheduler("crash")
    fargate.new_service(deploymentConfiguration=BREAKER)
    assert fargate.ends("ROLLBACK_FAILED")["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    until(lambda: not fargate.tasks())
    fargate.cloud.scheduler("ok")
    fargate.update(desiredCount=1)
    time.sleep(0.3)
    assert fargate.tasks() == []
    fargate.update(forceNewDeployment=True)
    fargate.ends("SUCCESSFUL")


def test_without_rollback_a_failed_deployment_stops(fargate: Fargate) -> None:
    fargate.new_service(deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    fargate.steady()
    before = {task["taskArn"] for task in fargate.tasks()}
    fargate.cloud.scheduler("crash")
    fargate.change()
    over = fargate.ends("STOPPED")
    assert "circuit breaker" in over["statusReason"] and over["stoppedAt"]
    until(lambda: {task["taskArn"] for task in fargate.tasks()} == before)
    assert fargate.primary()["rolloutState"] == "FAILED"


@pytest.mark.parametrize(
    ("kind", "value", "desired", "threshold"),
    [
        (None, 0, 1, 3),
        (None, 0, 9, 5),
        ("COUNT", 1, 2, 1),
        ("COUNT", 4, 1, 4),
        ("BOUNDED_PERCENT", 100, 2, 3),
        ("BOUNDED_PERCENT", 100, 4, 4),
        ("UNBOUNDED_PERCENT", 50, 2, 1),
        ("UNBOUNDED_PERCENT", 50, 3, 2),
    ],
)
def test_the_threshold_is_what_the_service_says(
    fargate: Fargate, kind: str | None, value: int, desired: int, threshold: int
) -> None:
    breaker: dict[str, Any] = {"enable": True, "rollback": False}
    if kind:
        breaker["thresholdConfiguration"] = {"type": kind, "value": value}
    fargate.cloud.scheduler("crash")
    made = fargate.new_service(desiredCount=desired, deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    assert made["deploymentConfiguration"]["deploymentCircuitBreaker"] == breaker
    monitored = fargate.rollout()["deploymentCircuitBreaker"]
    assert (monitored["status"], monitored["threshold"]) == ("MONITORING", threshold)
    over = fargate.ends("STOPPED")
    assert over["deploymentCircuitBreaker"]["threshold"] == threshold
    assert over["deploymentCircuitBreaker"]["failureCount"] == threshold == fargate.primary()["failedTasks"]


def test_a_threshold_of_nothing_is_refused(fargate: Fargate) -> None:
    limit = {"type": "COUNT", "value": 0}
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True, "thresholdConfiguration": limit}}
    refused(INVALID, fargate.new_service, deploymentConfiguration=breaker)


@pytest.mark.parametrize("reset", [None, True, False])
def test_a_healthy_task_resets_the_count_of_failures_unless_told_not_to(fargate: Fargate, reset: bool | None) -> None:
    breaker: dict[str, Any] = {"enable": True, "rollback": False}
    breaker |= {} if reset is None else {"resetOnHealthyTask": reset}
    fargate.cloud.scheduler("crash")
    fargate.new_service(desiredCount=1, deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    until(lambda: fargate.primary()["failedTasks"] >= 1)
    fargate.cloud.scheduler("ok")
    fargate.steady()
    assert (fargate.primary()["failedTasks"] == 0) == (reset is not False)


def test_failing_tasks_without_a_breaker_are_started_less_and_less_often(fargate: Fargate) -> None:
    fargate.cloud.tempo(task=0.04)
    fargate.cloud.scheduler("crash")
    fargate.new_service(desiredCount=1)
    until(lambda: fargate.primary()["failedTasks"] >= 5)
    started = [event["createdAt"] for event in fargate.service()["events"] if "has started 1 tasks" in event["message"]]
    gaps = [(new - old).total_seconds() for new, old in pairwise(started)]
    assert gaps[0] > 2 * gaps[-1]
    unable = (
        "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section."
    )
    assert f"(service web) {unable}" in fargate.said()


# --- limits ---


def watched(fargate: Fargate) -> tuple[int, int]:
    """The fewest healthy and the most wanted tasks that were seen until the rollout was completed."""
    fewest, most = 99, 0

    def over() -> bool:
        nonlocal fewest, most
        tasks = fargate.tasks()
        fewest = min(fewest, sum(task["lastStatus"] == "RUNNING" for task in tasks))
        most = max(most, len(tasks))
        return bool(fargate.primary()["rolloutState"] == "COMPLETED")

    until(over, 15)
    return fewest, most


@pytest.mark.parametrize(
    ("desired", "least", "most", "running", "wanted"),
    [
        (1, 100, 200, 1, 2),
        (3, 100, 200, 3, 6),
        (2, 0, 100, 0, 2),
        (4, 50, 100, 2, 4),
        (3, 100, 150, 3, 4),
        (4, 100, 125, 4, 5),
    ],
)
def test_a_rollout_stays_within_its_limits(
    fargate: Fargate, desired: int, least: int, most: int, running: int, wanted: int
) -> None:
    fargate.new_service(desiredCount=desired, deploymentConfiguration=limits(least, most))
    fargate.steady()
    fargate.change()
    fewest, many = watched(fargate)
    assert fewest >= running and many <= wanted
    if most > 100:
        assert many == wanted and fewest == desired
    else:
        assert fewest == running
    assert {task["taskDefinitionArn"].rpartition(":")[2] for task in fargate.tasks()} == {"2"}


@pytest.mark.parametrize(("desired", "most"), [(1, 100), (1, 199), (3, 133)])
def test_limits_that_leave_no_room_are_told_and_can_be_mended(fargate: Fargate, desired: int, most: int) -> None:
    fargate.new_service(desiredCount=desired, deploymentConfiguration=limits(100, most))
    fargate.steady()
    before = set(fargate.listed(serviceName="web"))
    fargate.change()
    words = "was unable to stop or start tasks during a deployment because of the service deployment configuration."
    until(lambda: any(words in said for said in fargate.said()))
    time.sleep(0.3)
    assert sum(words in said for said in fargate.said()) == 1
    assert set(fargate.listed(serviceName="web")) == before and fargate.rollout()["status"] == "IN_PROGRESS"
    fargate.update(deploymentConfiguration=limits(100, 200))
    fargate.ends("SUCCESSFUL")


def test_pending_tasks_of_a_superseded_deployment_make_room(fargate: Fargate) -> None:
    fargate.new_service(desiredCount=1)
    fargate.steady()
    healthy = fargate.listed(serviceName="web")[0]
    fargate.cloud.scheduler("stuck")
    fargate.change()
    until(lambda: len(fargate.listed(serviceName="web")) == 2)
    fargate.change()
    until(lambda: any(task["taskDefinitionArn"].endswith(":3") for task in fargate.tasks()))
    assert healthy in fargate.listed(serviceName="web") and len(fargate.listed(serviceName="web")) == 2


def test_the_desired_count_may_change_during_a_rollout(fargate: Fargate) -> None:
    fargate.new_service(desiredCount=1)
    fargate.steady()
    fargate.cloud.scheduler("stuck")
    fargate.change()
    until(lambda: fargate.service()["pendingCount"] == 1)
    fargate.update(desiredCount=3)
    until(lambda: fargate.primary()["desiredCount"] == 3 and fargate.service()["pendingCount"] == 3)
    fargate.update(desiredCount=2)
    until(lambda: fargate.service()["pendingCount"] == 2)
    fargate.cloud.scheduler("ok")
    fargate.ends("SUCCESSFUL")
    assert fargate.service()["runningCount"] == 2
    fargate.change(desiredCount=0)
    fargate.ends("SUCCESSFUL")
    assert fargate.service()["runningCount"] == 0 and fargate.said()[0].endswith("has reached a steady state.")
