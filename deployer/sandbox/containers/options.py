"""A container definition as the engine's options, with Fargate's limits."""

from __future__ import annotations

import re
from typing import Any

from docker.types import LogConfig, Ulimit

from deployer.sandbox.containers.model import Definition, TaskSpec

MIB = 1024 * 1024
SECOND = 1_000_000_000
PIDS = 2048
LOG = LogConfig(type="json-file", config={"max-size": "10m", "max-file": "2"})


def container_name(spec: TaskSpec, part: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_.-]", "-", f"deployer-{spec.name}-{part}-{spec.id[:8]}")


def volume_name(spec: TaskSpec, volume: str) -> str:
    return container_name(spec, f"volume-{volume}")


def options(spec: TaskSpec, definition: Definition, secrets: dict[str, str], cpus: int) -> dict[str, Any]:
    """All but the network. An empty list is ECS's way to say nothing."""
    linux = definition.get("linuxParameters") or {}
    capabilities = linux.get("capabilities") or {}
    plain = {each["name"]: each.get("value") or "" for each in definition.get("environment") or []}
    return {
        "name": container_name(spec, definition["name"]),
        "entrypoint": definition.get("entryPoint") or None,
        "command": definition.get("command") or None,
        "environment": {**plain, **secrets},
        "user": definition.get("user") or None,
        "working_dir": definition.get("workingDirectory") or None,
        "read_only": bool(definition.get("readonlyRootFilesystem")),
        "init": bool(linux.get("initProcessEnabled")),
        "cap_add": capabilities.get("add") or None,
        "cap_drop": capabilities.get("drop") or None,
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": {each["containerPath"]: _tmpfs(each) for each in linux.get("tmpfs") or []},
        "ulimits": [
            Ulimit(name=each["name"], soft=each["softLimit"], hard=each["hardLimit"])
            for each in definition.get("ulimits") or []
        ],
        "volumes": [_mount(spec, each) for each in definition.get("mountPoints") or []],
        "healthcheck": _health_check(definition.get("healthCheck") or {}),
        "log_config": LOG,
        "platform": spec.platform,
        **_limits(spec, definition, cpus),
    }


def _limits(spec: TaskSpec, definition: Definition, cpus: int) -> dict[str, Any]:
    """No swap, as on Fargate. The engine refuses more CPUs than it has."""
    memory = int(definition.get("memory") or spec.memory) * MIB
    reserved = int(definition.get("memoryReservation") or 0) * MIB
    return {
        "mem_limit": memory,
        "memswap_limit": memory,
        "mem_reservation": min(reserved, memory) or None,
        "nano_cpus": min(spec.cpu * SECOND // 1024, cpus * SECOND) or None,
        "cpu_shares": max(2, int(definition.get("cpu") or 0)) if len(spec.containers) > 1 else None,
        "pids_limit": PIDS,
    }


def _tmpfs(each: dict[str, Any]) -> str:
    return ",".join([f"size={each['size']}m", *(each.get("mountOptions") or [])])


def _mount(spec: TaskSpec, point: dict[str, Any]) -> str:
    mode = "ro" if point.get("readOnly") else "rw"
    return f"{volume_name(spec, point['sourceVolume'])}:{point['containerPath']}:{mode}"


def _health_check(check: dict[str, Any]) -> dict[str, Any]:
    """ECS does not look at an image's own HEALTHCHECK (aws/containers-roadmap#339)."""
    if not check:
        return {"test": ["NONE"]}
    return {
        "test": check["command"],
        "interval": int(check.get("interval") or 30) * SECOND,
        "timeout": int(check.get("timeout") or 5) * SECOND,
        "retries": int(check.get("retries") or 3),
        "start_period": int(check.get("startPeriod") or 0) * SECOND,
    }


def published(definitions: list[Definition]) -> dict[str, tuple[str, None]]:
    """Every port of the task on a free port of 127.0.0.1, and of no other interface."""
    mappings = (mapping for definition in definitions for mapping in definition.get("portMappings") or [])
    return {f"{each['containerPort']}/{each.get('protocol') or 'tcp'}": ("127.0.0.1", None) for each in mappings}
