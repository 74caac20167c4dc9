"""What the containers of a task share: its network and its volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docker.errors import APIError

from deployer.docker_errors import words_of
from deployer.sandbox.containers import reasons
from deployer.sandbox.containers.engine import Engine
from deployer.sandbox.containers.model import TaskSpec
from deployer.sandbox.containers.network import Network, Networks
from deployer.sandbox.containers.options import LOG, container_name, published, volume_name


class Shared:
    """Of several containers none has the network itself: one that exits would take it along, ports and all. It is a
    further container's, the holder's, as on ECS."""

    def __init__(self, engine: Engine, networks: Networks, spec: TaskSpec) -> None:
        self.engine, self.networks, self.spec = engine, networks, spec
        self.holder = ""

    def create_volumes(self) -> None:
        for volume in self.spec.volumes:
            try:
                labels = self.engine.labels(task=self.spec.id, vpc=self.spec.vpc)
                self.engine.client.api.create_volume(volume_name(self.spec, volume["name"]), labels=labels)
            except APIError as error:
                raise reasons.no_volume(words_of(error)) from None

    def join(self, network: Network) -> dict[str, Any]:
        """The options by which a container gets the task's network."""
        own = {
            "network": network.name,
            "ports": published(self.spec.containers),
            "extra_hosts": {dns: network.address(number) for dns, number in self.spec.hosts.items()},
        }
        if len(self.spec.containers) == 1:
            return own
        self._create_holder(own)
        return {"network_mode": f"container:{self.holder}"}

    def _create_holder(self, network: dict[str, Any]) -> None:
        bench = self.networks.bench()
        labels = self.engine.labels(task=self.spec.id, vpc=self.spec.vpc, part="holder")
        name = container_name(self.spec, "network")
        try:
            holder = self.engine.client.containers.create(
                bench.image, ["sleep", "infinity"], name=name, labels=labels, volumes=bench.volumes, mem_limit="16m",
                cap_drop=["ALL"], security_opt=["label=disable"], log_config=LOG, **network,
            )  # fmt: skip
            self.holder = str(holder.id)
            holder.start()
        except APIError as error:
            raise reasons.no_network(words_of(error)) from None

    def address(self, found: dict[str, Any]) -> dict[str, Any]:
        """The task's, from what the engine says of the holder or of the only container."""
        if self.holder:
            found = self.engine.client.api.inspect_container(self.holder)
        settings = found.get("NetworkSettings") or {}
        ip = next((each["IPAddress"] for each in (settings.get("Networks") or {}).values()), "")
        ports = {
            int(port.split("/")[0]): int(bound[0]["HostPort"])
            for port, bound in (settings.get("Ports") or {}).items()
            if bound and port.endswith("/tcp")
        }
        return {"ip": ip, "ports": ports}

    def remove(self, attempt: Callable[..., None]) -> None:
        if self.holder:
            attempt(self.engine.remove, self.holder)
        for volume in self.spec.volumes:
            attempt(self.engine.client.api.remove_volume, volume_name(self.spec, volume["name"]), True)
