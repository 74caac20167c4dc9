"""ECR in front of the real registry, if there is one; without, moto's with a token that lasts."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ecr.exceptions import RepositoryNotFoundException
from moto.ecr.models import ECRBackend as Backend
from moto.ecr.models import Image, Repository, ecr_backends
from moto.ecr.responses import ECRResponse as Response

from ..registry import Registry, Stored


class PushedImage(Image):
    """An image as the registry holds it."""

    def __init__(self, repository: Repository, stored: Stored) -> None:
        self.stored = stored
        tag = stored.tags[-1] if stored.tags else ""
        super().__init__(
            repository.account_id, tag, stored.manifest, repository.name, stored.media_type, digest=stored.digest
        )
        self.image_tags = list(stored.tags)
        self.image_pushed_at = int(stored.pushed)

    def get_image_size_in_bytes(self) -> int:
        return self.stored.size


def install(registry: Registry | None) -> None:
    def get_authorization_token(self: Response) -> ActionResult:
        accounts = self._get_param("registryIds") or [self.current_account]
        data = []
        for account in accounts:
            token = registry.token() if registry else f"AWS:{account}-auth-token"
            host = registry.address if registry else f"{account}.dkr.ecr.{self.region}.amazonaws.com"
            data.append(
                {
                    "authorizationToken": b64encode(token.encode()).decode(),
                    "expiresAt": utcnow() + timedelta(hours=12),
                    "proxyEndpoint": f"https://{host}",
                }
            )
        return ActionResult({"authorizationData": data})

    Response.get_authorization_token = get_authorization_token
    if registry:
        _bridge(registry)


def _bridge(registry: Registry) -> None:
    get, create, delete = Backend._get_repository, Backend.create_repository, Backend.delete_repository
    put, batch_delete = Backend.put_image, Backend.batch_delete_image

    def sync(repository: Repository) -> None:
        repository.images = [PushedImage(repository, each) for each in registry.images(repository.name)]

    def synced(name: str) -> Any:
        original = getattr(Backend, name)

        def corrected(self: Backend, repository_name: str, *positional: Any, **given: Any) -> Any:
            if repository_name in self.repositories:
                sync(self.repositories[repository_name])
            return original(self, repository_name, *positional, **given)

        return corrected

    def create_repository(self: Backend, repository_name: str, *positional: Any, **given: Any) -> Repository:
        repository = create(self, repository_name, *positional, **given)
        repository.uri = f"{registry.address}/{repository_name}"
        registry.forget(repository_name)
        return repository

    def delete_repository(
        self: Backend, repository_name: str, registry_id: str | None = None, force: bool = False
    ) -> Repository:
        sync(get(self, repository_name, registry_id))
        repository = delete(self, repository_name, registry_id, force)
        registry.forget(repository_name)
        return repository

    def put_image(self: Backend, repository_name: str, image_manifest: str, image_tag: str, *more: Any) -> Image:
        """Gives a manifest that was pushed another tag; a manifest alone cannot be an image."""
        repository = self.repositories.get(repository_name)
        if repository is None:
            raise RepositoryNotFoundException(repository_name, self.account_id)
        sync(repository)
        digest = "sha256:" + hashlib.sha256(image_manifest.encode()).hexdigest()
        if digest not in [image.image_digest for image in repository.images]:
            raise RuntimeError("LayersNotFoundException: put_image of what was never pushed")
        image = put(self, repository_name, image_manifest, image_tag, *more)
        registry.tag(repository_name, image_tag, digest)
        return image

    def batch_delete_image(
        self: Backend, repository_name: str, registry_id: str | None = None, image_ids: Any = None
    ) -> dict[str, Any]:
        repository = get(self, repository_name, registry_id)
        sync(repository)
        before = {image.image_digest: set(image.image_tags) for image in repository.images}
        result: dict[str, Any] = batch_delete(self, repository_name, registry_id, image_ids)
        after = {image.image_digest: set(image.image_tags) for image in repository.images}
        for digest, tags in before.items():
            if digest not in after:
                registry.delete(repository_name, digest)
            for tag in tags - after.get(digest, set()):
                registry.untag(repository_name, tag)
        return result

    for name in ("list_images", "describe_images", "batch_get_image"):
        setattr(Backend, name, synced(name))
    for replacement in (create_repository, delete_repository, put_image, batch_delete_image):
        setattr(Backend, replacement.__name__, replacement)


def cannot_pull(registry: Registry, image: str) -> str | None:
    """Why a task cannot pull the image: it is said to be in one of the repositories, and is not."""
    host, _, path = image.partition("/")
    if host != registry.address:
        return None
    name, _, digest = path.partition("@")
    name, _, tag = name.partition(":")
    known = any(name in backend.repositories for regions in ecr_backends.values() for backend in regions.values())
    stored = registry.images(name) if known else []
    if any(digest == each.digest if digest else (tag or "latest") in each.tags for each in stored):
        return None
    reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
    return f"{reason} {image}: {image}: not found"
