"""What is asked of the containers, and what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Definition = dict[str, Any]  # one of a task definition's containerDefinitions
Phase = Literal["PROVISIONING", "PENDING", "RUNNING", "STOPPING", "STOPPED"]
Status = Literal["PENDING", "RUNNING", "STOPPED"]
Health = Literal["UNKNOWN", "HEALTHY", "UNHEALTHY"]


@dataclass(frozen=True)
class TaskSpec:
    """A task to run. `containers` as DescribeTaskDefinition gives them, overrides merged."""

    id: str
    vpc: str  # one network per VPC
    name: str  # for people: stack-service
    containers: list[Definition]
    volumes: list[dict[str, Any]]
    cpu: int  # 1024 is one
    memory: int  # MiB
    platform: str  # linux/amd64, linux/arm64
    hosts: dict[str, int] = field(default_factory=dict)  # a load balancer's DNS name -> its number at the gateway


@dataclass(frozen=True)
class ContainerSeen:
    status: Status = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    health: Health = "UNKNOWN"
    runtime_id: str = ""
    image_digest: str = ""


@dataclass(frozen=True)
class Seen:
    """A task at one moment. `stop_code` and `stopped_reason` stay empty where it was `stop` that ended it.
    Times are seconds since the epoch, 0 until then."""

    phase: Phase
    containers: dict[str, ContainerSeen]
    ip: str = ""
    ports: dict[int, int] = field(default_factory=dict)  # of the container -> on 127.0.0.1
    stop_code: str = ""
    stopped_reason: str = ""
    pull_started_at: float = 0.0
    pull_stopped_at: float = 0.0
    started_at: float = 0.0
    stopped_at: float = 0.0


@dataclass(frozen=True)
class News:
    """What a task's thread is told: by the engine's events, by its containers' output, and by the sandbox."""

    kind: Literal["exit", "oom", "health", "check", "lost", "stop", "leave"]
    container: str = ""
    health: Health = "UNKNOWN"
    seconds: int | None = None
