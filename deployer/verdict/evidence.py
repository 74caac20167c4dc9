"""What is known of a failed rollout, as plain data: AWS's words and ours, nothing concluded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from deployer.ecs import moment
from deployer.verdict.outside import EVENTS, line, tame

LINES = 20
TASKS = 50
NOT_FAILURES = ("Scaling activity initiated", "Task stopped by user", "Service deleted",
                "Host: the sandbox was stopped")  # fmt: skip


@dataclass(frozen=True)
class StoppedContainer:
    name: str
    exit_code: int | None = None
    reason: str = ""
    health: str = ""

    @classmethod
    def of(cls, container: dict[str, Any]) -> StoppedContainer:
        reason, health = (str(container.get(key) or "") for key in ("reason", "healthStatus"))
        return cls(container.get("name", ""), container.get("exitCode"), reason, health)


@dataclass(frozen=True)
class StoppedTask:
    """Times are seconds since the epoch; `started_at` is None for a task that never ran."""

    id: str
    stop_code: str = ""
    stopped_reason: str = ""
    containers: tuple[StoppedContainer, ...] = ()
    stopped_at: float | None = None
    started_at: float | None = None

    @classmethod
    def of(cls, task: dict[str, Any]) -> StoppedTask:
        """From DescribeTasks."""
        return cls(
            id=str(task["taskArn"]).rpartition("/")[2],
            stop_code=task.get("stopCode", ""),
            stopped_reason=task.get("stoppedReason", ""),
            containers=tuple(map(StoppedContainer.of, task.get("containers", []))),
            stopped_at=moment(task.get("stoppedAt")),
            started_at=moment(task.get("startedAt")),
        )

    @property
    def failed(self) -> bool:
        """It ended badly by itself; a task that the scheduler took away is only a consequence."""
        return not self.stopped_reason.startswith(NOT_FAILURES)

    @property
    def exited(self) -> bool:
        """Its program ended, nobody stopped it."""
        return self.stop_code == "EssentialContainerExited" or "Essential container" in self.stopped_reason

    @property
    def culprit(self) -> StoppedContainer | None:
        """The container that ended badly, else the first."""
        bad = [one for one in self.containers if one.exit_code or one.reason]
        return next(iter(bad or self.containers), None)

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.stopped_reason, *(one.reason for one in self.containers))))


@dataclass(frozen=True)
class TargetHealth:
    state: str
    reason: str = ""
    description: str = ""
    port: int | None = None

    @classmethod
    def of(cls, description: dict[str, Any]) -> TargetHealth:
        """From DescribeTargetHealth."""
        health = description.get("TargetHealth", {})
        state, reason, said = (str(health.get(key) or "") for key in ("State", "Reason", "Description"))
        return cls(state, reason, said, description.get("Target", {}).get("Port"))


@dataclass(frozen=True)
class Serving:
    """What answers while the new revision does not."""

    revision: str
    digest: str = ""
    running: int = 0


@dataclass(frozen=True)
class Facts:
    """What deploy.yaml says of the service. `secrets`: variable -> the secret's name or ARN, never its value."""

    port: int | None = None
    health_path: str | None = None
    health_interval: int = 10
    health_timeout: int = 5
    unhealthy: int = 3
    grace: int | None = None
    balancer: Literal["application", "network"] | None = None
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    public_ip: bool = True
    nat: str = "none"
    cpu: int = 256
    memory: int = 512
    count: int = 1
    secrets: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    user: str | None = None
    read_only: bool = False
    minimum_percent: int = 100
    maximum_percent: int = 200
    capacity_provider: str = "FARGATE"


@dataclass(frozen=True)
class Evidence:
    """`tasks` and `events` newest first, `log` oldest first (`log_times`: of each line, where known); `image`: what was
    to run; `rollout`: ECS's own reason; `notes`: what could not be read, and why."""

    service: str
    revision: str
    image: str = ""
    serving: Serving | None = None
    rollout: str = ""
    tasks: tuple[StoppedTask, ...] = ()
    targets: tuple[TargetHealth, ...] = ()
    events: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    facts: Facts = Facts()
    log_times: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[StoppedTask, ...]:
        return tuple(task for task in self.tasks if task.failed)

    @property
    def last(self) -> StoppedTask | None:
        """The newest task that failed: older ones may have failed of something that is over."""
        return next(iter(self.failed), None)

    def tamed(self) -> Evidence:
        """The same, fit to be shown: harmless, without secrets, each text cut, and not too many of them."""
        return replace(
            self,
            image=tame(self.image),
            rollout=tame(self.rollout),
            tasks=tuple(map(_tamed_task, self.tasks[:TASKS])),
            targets=tuple(replace(one, description=tame(one.description)) for one in self.targets),
            events=tuple(map(tame, self.events[:EVENTS])),
            log=tuple(map(line, self.log[-LINES:])),
            log_times=self.log_times[-LINES:],
            notes=tuple(map(tame, self.notes)),
        )

    def as_json(self) -> dict[str, Any]:
        """For `--json`; what deploy.yaml says is left out."""
        data = asdict(replace(self, facts=Facts()))
        for key in ("service", "revision", "serving", "facts", "log_times"):
            del data[key]
        data["tasks"] = [{**task, "containers": list(task["containers"])} for task in data["tasks"]]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}


def _tamed_task(task: StoppedTask) -> StoppedTask:
    containers = tuple(replace(one, name=tame(one.name), reason=tame(one.reason)) for one in task.containers)
    return replace(task, stopped_reason=tame(task.stopped_reason), containers=containers)
