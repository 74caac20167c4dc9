"""What the played cloud does not show: a rollback that fails, what is kept, a new process."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest
from moto.ecr.models import ecr_backends
from moto.ecs.models import ecs_backends

from deployer.sandbox.control import rollouts
from deployer.sandbox.control.ecs import deploy
from deployer.sandbox.control.rollouts import KEPT
from deployer.sandbox.control.scheduler import Scheduler, wake
from deployer.sandbox.control.services import RollingService
from deployer.sandbox.control.tasks import EcsTask, now

ACCOUNT, REGION = "123456789012", "us-east-1"
NETWORK = {"awsvpcConfiguration": {"subnets": ["a"], "securityGroups": [], "assignPublicIp": "DISABLED"}}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


class Instant:
    """Every task runs at once, and well, or ends at once."""

    def __init__(self) -> None:
        self.good, self.without = True, ""

    def advance(self, task: EcsTask) -> None:
        if not task.wanted:
            task.end()
        elif not self.good and not task.settled:
            task.fail("Essential container in task exited", "EssentialContainerExited")
            task.end()
        elif task.last_status != "RUNNING":
            task.run()
            task.settled = True

    def rests(self, service: str | None) -> bool:
        return False

    def missing(self) -> str:
        return self.without


class Scene:
    """One service in a cluster, looked at by hand."""

    def __init__(self, image: str = "nginx") -> None:
        self.backend = ecs_backends[ACCOUNT][REGION]
        self.scheduler, self.runtime = Scheduler(), Instant()
        self.scheduler.runtime = self.runtime
        cluster = self.backend.create_cluster("main")
        self.image = image
        params = {"desiredCount": 1, "networkConfiguration": NETWORK, "deploymentConfiguration": BREAKER}
        self.service: Any = RollingService(cluster, "web", self.backend, params)
        self.backend.services["main:web"] = self.service
        self.deploy()

    def deploy(self) -> None:
        container = {"name": "web", "image": self.image, "memory": 64}
        deploy(self.backend, self.service, self.backend.register_task_definition("web", [container]))

    def look(self, times: int = 10) -> None:
        for _ in range(times):
            self.scheduler.tend(self.backend, self.service)
            self.service.deployments[0].not_before = 0.0


@pytest.fixture
def scene() -> Iterator[Scene]:
    yield Scene()
    ecs_backends[ACCOUNT][REGION].reset()


def test_a_rollback_that_fails_too_is_the_end(scene: Scene) -> None:
    scene.look()
    assert scene.service.rollouts[0].status == "SUCCESSFUL"
    old = list(scene.service.tasks)
    scene.runtime.good = False
    scene.deploy()
    old[0].stop("Task stopped by user", "UserInitiated")
    scene.look(30)
    rollout = scene.service.rollouts[0]
    assert rollout.status == "ROLLBACK_FAILED" and rollout.rollback and rollout.over
    assert [each.rollout_state for each in scene.service.deployments] == ["FAILED", "FAILED", "COMPLETED"]
    number = len(scene.service.tasks)
    scene.runtime.good = True
    scene.look()
    assert len(scene.service.tasks) == number
    scene.deploy()
    scene.look()
    assert scene.service.rollouts[0].status == "SUCCESSFUL"


def test_what_is_rolled_back_to_is_no_candidate_until_it_is_completed_again(scene: Scene) -> None:
    scene.look()
    scene.service.tasks[0].stop("Task stopped by user", "UserInitiated")
    scene.runtime.good = False
    scene.deploy()
    while scene.service.rollouts[0].status != "ROLLBACK_IN_PROGRESS":
        scene.look(1)
    scene.deploy()
    scene.look(30)
    assert [each.status for each in scene.service.rollouts[:2]] == ["ROLLBACK_FAILED", "STOPPED"]
    assert scene.service.rollouts[0].rollback is None


def test_a_rollback_asked_for_may_fail_as_well(scene: Scene) -> None:
    scene.look()
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    scene.service.set({"deploymentConfiguration": breaker})
    scene.service.tasks[0].stop("Task stopped by user", "UserInitiated")
    scene.runtime.good = False
    scene.deploy()
    scene.look(1)
    scene.service.rollouts[0].turn("ROLLBACK_REQUESTED", "asked")
    scene.look(30)
    assert scene.service.rollouts[0].status == "ROLLBACK_FAILED" and scene.service.rollouts[0].rollback


def test_nothing_is_stopped_while_nothing_can_be_started(scene: Scene) -> None:
    scene.look()
    scene.service.set({"deploymentConfiguration": {"minimumHealthyPercent": 0, "maximumPercent": 200}})
    scene.runtime.without = "no Docker engine"
    scene.deploy()
    scene.look()
    assert [task.last_status for task in scene.service.tasks] == ["RUNNING"]
    told = [event["message"] for event in scene.service.events if "no Docker engine" in event["message"]]
    assert told == ["(service web) was unable to place a task. Reason: no Docker engine"]
    scene.runtime.without = ""
    scene.look()
    assert scene.service.rollouts[0].status == "SUCCESSFUL"


def test_only_the_last_service_deployments_are_kept(scene: Scene) -> None:
    for _ in range(KEPT + 5):
        scene.deploy()
        scene.look(3)
    assert len(scene.service.rollouts) == KEPT and scene.service.rollouts[0].status == "SUCCESSFUL"
    assert scene.service.rollouts[-1].target_service_revision_arn in {
        each.service_revision_arn for each in scene.service.revisions
    }


@pytest.mark.parametrize("image", ["host:5000/app:1", "host:5000/app", "nginx@sha256:abc"])
def test_a_revision_knows_the_digest_of_its_image(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [SimpleNamespace(image_tags=["1", "latest"], image_digest="sha256:abc")]
    repository = SimpleNamespace(uri="host:5000/app", images=stored)
    monkeypatch.setitem(ecr_backends[ACCOUNT][REGION].repositories, "app", repository)
    scene = Scene(image)
    assert scene.service.revisions[0].container_images[0]["imageDigest"] == "sha256:abc"
    same = rollouts.revise(
        scene.backend, scene.service, scene.backend.describe_task_definition(scene.service.task_definition)
    )
    assert same is scene.service.revisions[0]
    stored[0].image_digest = "sha256:def"
    again = rollouts.revise(
        scene.backend, scene.service, scene.backend.describe_task_definition(scene.service.task_definition)
    )
    assert (again is same) == ("@" in image)
    ecs_backends[ACCOUNT][REGION].reset()


def test_a_service_goes_on_in_another_process(scene: Scene) -> None:
    scene.look()
    scene.deploy()
    scene.look(1)
    task = scene.service.tasks[-1]
    far = now() + 10**6
    scene.service.deployments[0].not_before = task.born = task.ran = far
    scene.service.drained = far
    restored = cloudpickle.loads(cloudpickle.dumps(scene.backend))
    wake(restored)
    scene.backend, scene.service = restored, restored.services["main:web"]
    task = scene.service.tasks[-1]
    assert restored.tasks["main"][task.task_arn] is task
    assert task.born <= now() and task.ran <= now() and task.asked == 0.0
    assert scene.service.deployments[0].not_before == 0.0 and scene.service.drained < far
    scene.look()
    assert scene.service.rollouts[0].status == "SUCCESSFUL" and len(scene.service.rollouts) == 2
