"""A VPC's network in the engine, and in it the gateway: a small container that leads to the load balancers."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import os
import sys
import tarfile
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound

from deployer.docker_errors import words_of
from deployer.sandbox.containers import gateway
from deployer.sandbox.containers.engine import OWNER, VERSION, Engine, quietly
from deployer.sandbox.containers.options import LOG
from deployer.sandbox.containers.reasons import no_network

LOCAL_IMAGE = "deployer-sandbox-gateway"
OTHER_IMAGE = "python:3.12-alpine"
EMPTY_TAR = bytes(10240)
HOST_PROGRAMS = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", sys.base_prefix)


@dataclass(frozen=True)
class Network:
    name: str
    subnet: ipaddress.IPv4Network

    def address(self, number: int) -> str:
        """Of a load balancer: from the end of the subnet, where the engine comes last. As in `gateway`."""
        return str(self.subnet.broadcast_address - 1 - number)


@dataclass(frozen=True)
class Bench:
    """The image that our own containers run on, and what of this machine they see."""

    image: str
    volumes: dict[str, dict[str, str]]
    python: str
    fallback: list[str]  # the gateway's arguments


class Networks:
    def __init__(self, engine: Engine, sockets: Path) -> None:
        self.engine, self.sockets = engine, sockets
        self._lock = threading.Lock()
        self._bench: Bench | None = None

    def ready(self, vpc: str) -> Network:
        """The network of the VPC with its gateway at work; both are made if they are not there."""
        with self._lock:
            try:
                network = self._find(vpc) or self._create(vpc)
                self._open(vpc, network)
            except APIError as error:
                raise no_network(words_of(error)) from None
        return network

    def remove(self, vpc: str) -> None:
        with self._lock:
            for container in self.engine.containers(vpc=vpc, part="gateway"):
                self.engine.remove(container["Id"])
            for network in self.engine.client.api.networks(filters=self.engine.filters(vpc=vpc)):
                quietly(partial(self.engine.client.api.remove_network, network["Id"]))

    def bench(self) -> Bench:
        """On this machine's own engine: nothing but this machine's Python, on an empty image. Else a pulled image."""
        if self._bench is None:
            python = os.path.realpath(sys.executable)
            if self.engine.local and python.startswith(HOST_PROGRAMS):
                self._make_empty_image()
                seen = {path: {"bind": path, "mode": "ro"} for path in HOST_PROGRAMS if os.path.exists(path)}
                self._bench = Bench(LOCAL_IMAGE, seen, python, [])
            else:
                self._pull()
                self._bench = Bench(OTHER_IMAGE, {}, "python3", ["host.docker.internal"])
        return self._bench

    def _make_empty_image(self) -> None:
        """Once: every import is another image, and leaves the one before without a name."""
        if self.engine.client.images.list(LOCAL_IMAGE, filters={"label": f"{OWNER}=gateway"}):
            return
        label = f"LABEL {OWNER}=gateway"
        self.engine.client.api.import_image_from_data(EMPTY_TAR, repository=LOCAL_IMAGE, tag="latest", changes=[label])

    def _pull(self) -> None:
        try:
            self.engine.client.images.get(OTHER_IMAGE)
        except ImageNotFound:
            self.engine.client.images.pull(OTHER_IMAGE)

    def _find(self, vpc: str) -> Network | None:
        found: list[dict[str, Any]] = self.engine.client.api.networks(filters=self.engine.filters(vpc=vpc))
        for each in found:
            subnets = (ipaddress.ip_network(config["Subnet"]) for config in each["IPAM"]["Config"] or [])
            first = next((subnet for subnet in subnets if isinstance(subnet, ipaddress.IPv4Network)), None)
            if first:
                return Network(each["Name"], first)
        return None

    def _create(self, vpc: str) -> Network:
        """Its addresses are the engine's choice: two stacks have the same VPC range, and people have VPNs."""
        self.engine.client.networks.create(
            f"deployer-{self.engine.owner}-{vpc}",
            driver="bridge",
            labels=self.engine.labels(vpc=vpc),
            options={"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"},
        )
        network = self._find(vpc)
        if network is None:
            raise no_network("the engine gave the network no IPv4 addresses")
        return network

    def _open(self, vpc: str, network: Network) -> None:
        folder = self.sockets / vpc
        folder.mkdir(parents=True, exist_ok=True)
        program = Path(gateway.__file__).read_bytes()
        version = hashlib.sha256(program + str(folder.stat().st_ino).encode()).hexdigest()[:12]
        for found in self.engine.containers(vpc=vpc, part="gateway"):
            if found["State"] == "running" and found["Labels"].get(VERSION) == version:
                return
            self.engine.remove(found["Id"])
        bench = self.bench()
        always: Any = {"Name": "unless-stopped"}
        container = self.engine.client.containers.create(
            bench.image,
            [bench.python, "-I", "-S", "/gateway.py", *bench.fallback],
            name=f"deployer-{self.engine.owner}-gateway-{vpc}",
            labels=self.engine.labels(vpc=vpc, part="gateway", version=version),
            network=network.name,
            volumes={**bench.volumes, str(folder): {"bind": gateway.FOLDER, "mode": "ro"}},
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "DAC_OVERRIDE"],  # the folder is its user's alone, who need not be root
            sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
            security_opt=["no-new-privileges:true", "label=disable"],
            restart_policy=always,
            mem_limit="64m",
            memswap_limit="64m",
            pids_limit=32,
            log_config=LOG,
        )
        container.put_archive("/", _tar("gateway.py", program))
        container.start()


def _tar(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o644
        tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()
