"""F8, F10, F12: load balancers, tasks and NAT gateways have network interfaces, which outlive them by minutes.

Each holds its subnet, its groups and, if it has a public address, the internet gateway (quirks as measured by others:
https://github.com/hashicorp/terraform-provider-aws/issues/33645)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.utils import random_public_ip

from ..ec2 import tasks
from ..manner import Answer, Refusal, Request
from .backends import ec2, elb
from .slow import Slow


@dataclass(frozen=True)
class Owner:
    """What an interface belongs to: one for each load balancer's subnet and each task."""

    key: str
    subnet: str
    groups: tuple[str, ...]
    description: str
    account: str
    public: bool
    id: str = ""


@dataclass
class Attached:
    """As DescribeNetworkInterfaces tells it: by an owner that is no instance, and not to be detached by the user."""

    attachment_id: str
    instance_owner_id: str
    status: str = "attached"
    delete_on_termination: bool = False
    device_index: int = 1


class ServiceInterface(NetworkInterface):
    """Managed by a service of AWS's."""

    def __init__(self, backend: Any, owner: Owner) -> None:
        known = [group for group in owner.groups if backend.get_security_group_from_id(group)]
        super().__init__(backend, backend.get_subnet(owner.subnet), "", group_ids=known, description=owner.description)
        self.id: str = owner.id or self.id
        self.account = owner.account
        self.requester_managed, self.requester_id = True, owner.account
        self.status = "in-use"
        self.public_ip = random_public_ip() if owner.public else None
        self.gone = 0.0

    @property
    def attachment(self) -> Any:
        return Attached(f"ela-attach-{self.id.removeprefix('eni-')}", self.account)

    @property
    def association(self) -> dict[str, Any]:
        return {"publicIp": self.public_ip, "ipOwnerId": self.account} if self.public_ip else {}

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        mine = {
            "attachment.instance-owner-id": self.account,
            "association.public-ip": self.public_ip,
            "requester-managed": "true",
            "status": self.status,
        }
        return mine[filter_name] if filter_name in mine else super().get_filter_value(filter_name, method_name)


class Interfaces(Slow):
    name, default, tempo = "interfaces", 0.6, "linger"
    about = "F8, F10, F12: network interfaces outlive their load balancer, task or NAT gateway by so many seconds"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._known: dict[str, dict[str, ServiceInterface]] = {}

    def begin(self) -> None:
        clear()
        super().begin()

    def end(self) -> None:
        clear()
        super().end()

    def before(self, request: Request) -> Refusal | None:
        self._sync(request)
        interface = ec2(request.region).enis.get(request.params.get("NetworkInterfaceId"))
        managed = isinstance(interface, ServiceInterface) and request.service == "ec2"
        if managed and request.operation in ("DeleteNetworkInterface", "DetachNetworkInterface"):
            said = f"You are not allowed to manage '{interface.attachment.attachment_id}' attachments."
            return Refusal("OperationNotPermitted", said)
        return None

    def after(self, request: Request, answer: Answer) -> Answer:
        self._sync(request)
        return answer

    def _sync(self, request: Request) -> None:
        if request.service not in ("ec2", "elbv2", "ecs"):
            return
        backend, known = ec2(request.region), self._known.setdefault(request.region, {})
        owners = {owner.key: owner for owner in _owners(request.region)}
        for key in owners.keys() - known.keys():
            known[key] = ServiceInterface(backend, owners[key])
            backend.enis[known[key].id] = known[key]
        for key in known.keys() - owners.keys():
            known[key].gone = known[key].gone or time.monotonic()
            if time.monotonic() >= known[key].gone + self.number:
                backend.enis.pop(known.pop(key).id, None)


def _owners(region: str) -> Iterator[Owner]:
    for balancer in elb(region).load_balancers.values():
        kind, account = ("net", "amazon-aws") if balancer.type == "network" else ("app", "amazon-elb")
        description = f"ELB {kind}/{balancer.name}/{balancer.arn.rpartition('/')[2]}"
        for subnet in balancer.subnets:
            groups, public = tuple(balancer.security_groups or ()), balancer.scheme == "internet-facing"
            yield Owner(f"{balancer.arn} {subnet.id}", subnet.id, groups, description, account, public)
    for task in tasks(ec2(region)):
        details = {one["name"]: one["value"] for one in task.attachments[0]["details"]}
        attachment = f"{task.task_arn.rpartition(':')[0]}:attachment/{task.attachments[0]['id']}"
        yield Owner(
            task.task_arn, details["subnetId"], tuple(task.security_groups), attachment, "amazon-ecs", task.public,
            details["networkInterfaceId"],
        )  # fmt: skip


def clear() -> None:
    """None is left, whoever has left it."""
    for regions in list(ec2_backends.values()):
        for backend in list(regions.values()):
            for id in [id for id, interface in backend.enis.items() if isinstance(interface, ServiceInterface)]:
                del backend.enis[id]
