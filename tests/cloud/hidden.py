"""For the inventory only: a service that drains is still there, though AWS no longer lists it."""

from __future__ import annotations

from moto.core.responses import ActionResult
from moto.ecs.responses import EC2ContainerServiceResponse as Response

from deployer.sandbox.control.ecs import page

from .calls import HIDDEN


def install() -> None:
    listed = Response.list_services

    def list_services(self: Response) -> ActionResult:
        if HIDDEN not in self.headers.get("User-Agent", ""):
            return listed(self)
        cluster = self.ecs_backend._get_cluster(self._get_param("cluster", "default"))
        services = [each for each in self.ecs_backend.services.values() if each.cluster_name == cluster.name]
        return page(self, "serviceArns", [each.arn for each in services if each.status in ("ACTIVE", "DRAINING")], 10)

    Response.list_services = list_services
