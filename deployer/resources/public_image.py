"""An image that exists already, pinned to its digest when it is first used; it stays so until its name changes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from deployer import image
from deployer.aws import Aws
from deployer.resource import Made, Outputs, Progress, Resource

# account, region, repository
ECR = re.compile(r"^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.[a-z.]+/([^:@]+)")
_resolve = functools.cache(image.resolve)  # asked before the account is touched, used afterwards


@dataclass(frozen=True, kw_only=True)
class PublicImage(Resource):
    """`reference`: such as `redis:7-alpine`; `platform`: such as `linux/amd64`. Its id is the pinned reference."""

    type = "pin"
    replace_on = frozenset({"reference", "platform"})
    revisions = 5
    own_object = False

    reference: str
    platform: str

    @property
    def in_ecr(self) -> str:
        """The end of its repository's ARN; empty for other registries."""
        if not (match := ECR.match(self.reference)):
            return ""
        account, region, repository = match.groups()
        return f"{region}:{account}:repository/{repository}"

    def _pinned(self, progress: Progress) -> str:
        pinned = _resolve(self.reference, self.platform)
        if pinned is None:
            progress(f"no registry could be asked for the digest of {self.reference}; ECS will pin it when it deploys")
        return pinned or self.reference

    def check(self, aws: Aws) -> None:
        self._pinned(lambda text: None)

    def prepare(self, aws: Aws, progress: Progress) -> None:
        self._pinned(progress)

    def create(self, aws: Aws) -> Made:
        return Made(self._pinned(lambda text: None), {})

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        return {id: {} for id in ids}

    def find(self, aws: Aws) -> str | None:
        return self._pinned(lambda text: None)

    def delete(self, aws: Aws, id: str) -> None:
        """It is not ours."""
