"""What the Docker engine still holds of what the account has just deleted. Not under the lock: Docker is slow."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .containers.engine import FAULTS, VPC

if TYPE_CHECKING:
    from .running import Running


class Leftovers:
    """`after` is called before a deleting call is answered, so that who has deleted finds nothing."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def after(self, operation: str) -> None:
        if operation == "DeleteVpc":
            self._networks()
        elif operation in ("DeleteRepository", "BatchDeleteImage"):
            self._images()

    def _networks(self) -> None:
        for vpc in self.running.gone(_vpcs()):
            self.running.release(vpc)

    def of_another_time(self) -> None:
        """Networks whose VPC was deleted while there was no engine that could have been told."""
        with contextlib.suppress(*FAULTS):
            engine = self.running.containers.engine
            labels = [each["Labels"].get(VPC, "") for each in engine.client.api.networks(filters=engine.filters())]
            for vpc in set(labels) - _vpcs():
                self.running.release(vpc)

    def _images(self) -> None:
        """References into the registry that lead nowhere now; layers stay for the next build."""
        registry = self.running.registry
        with contextlib.suppress(*FAULTS):
            client = self.running.containers.engine.client
            for image in client.api.images():
                names = [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
                for name in names:
                    if name.startswith(f"{registry.address}/") and self.running.unpullable(name):
                        with contextlib.suppress(*FAULTS):
                            client.api.remove_image(name, noprune=True)


def _vpcs() -> set[str]:
    from moto.ec2.models import ec2_backends

    regions = [region for regions in list(ec2_backends.values()) for region in list(regions.values())]
    return {vpc for region in regions for vpc in list(region.vpcs)}
