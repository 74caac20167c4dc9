"""An image built here and pushed to the stack's repository. Its ECR tag is the hash of what goes into it."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field

from deployer import image
from deployer.aws import Aws, describe
from deployer.errors import ImageError
from deployer.grants import Grant
from deployer.resource import Made, Outputs, Progress, Resource, Unknown
from deployer.resources.repository import REPOSITORY, Repository

GONE = ("ImageNotFoundException", "RepositoryNotFoundException")
CONFIRMING = 5  # looks, one a second
READ_AT_MOST = 10  # ECR reads one repository a call; beyond so many an image is taken to be there with its repository


@dataclass(frozen=True, kw_only=True)
class BuiltImage(Resource):
    """Its id is `<repository uri>@<digest>`. `build` says how to make it; it is not recorded."""

    type = "image"
    replace_on = frozenset({"repository", "uri", "content", "kms_key"})
    look_first = True  # the same content may have been pushed already
    revisions = 5
    grants = (
        Grant("ecr:GetAuthorizationToken"),
        Grant("ecr:DescribeImages ecr:BatchGetImage ecr:BatchCheckLayerAvailability ecr:PutImage", REPOSITORY),
        Grant("ecr:InitiateLayerUpload ecr:UploadLayerPart ecr:CompleteLayerUpload", REPOSITORY),
    )
    own_object = False

    repository: str
    uri: str
    content: str
    kms_key: str | None  # of the repository: another one makes it anew, and empty
    build: image.Build | None = field(default=None, compare=False, repr=False, metadata={"aside": True})

    @property
    def local(self) -> str:
        return f"deployer/{self.name}:{self.content}"

    def check(self, aws: Aws) -> None:
        """Where no Docker engine answers, ECR must have this content already."""
        try:
            image.engine()
        except ImageError:
            if isinstance(self.repository, Unknown) or self._digest(aws) is None:
                raise

    def prepare(self, aws: Aws, progress: Progress) -> None:
        """Builds before anything in the account is touched, unless ECR has this content."""
        if isinstance(self.repository, Unknown) or self._digest(aws) is None:
            self._build(progress)

    def _build(self, progress: Progress) -> None:
        if self.build is None:
            raise ImageError(f"{self.key}: nothing says how to build {self.content}.", "Run `deployer up`.")
        image.build(self.build, self.local, progress)

    def create(self, aws: Aws) -> Made:
        self._build(lambda text: None)
        pushed = image.push(self.local, self.uri, self.content, lambda renew: _login(aws), lambda text: None)
        confirmed = self._confirmed(aws)
        if confirmed != pushed:
            raise ImageError(
                f"{self.key}: pushed {self.content} as {pushed}, but ECR has {confirmed or 'nothing'} under that tag.",
                "Somebody else may push to this repository; run the command again.",
            )
        return Made(f"{self.uri}@{pushed}", {})

    def _confirmed(self, aws: Aws) -> str | None:
        """What was pushed a moment ago may not be listed yet."""
        for _ in range(CONFIRMING):
            if digest := self._digest(aws):
                return digest
            time.sleep(1)
        return None

    def _digest(self, aws: Aws) -> str | None:
        items = describe(
            lambda tags: aws.ecr.describe_images(
                repositoryName=self.repository, imageIds=[{"imageTag": tag} for tag in tags]
            )["imageDetails"],
            [self.content],
            1,
            GONE,
        )
        return next((str(item["imageDigest"]) for item in items), None)

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        by_repository: dict[str, list[str]] = {}
        for id in ids:
            by_repository.setdefault(id.partition("@")[0].partition("/")[2], []).append(id)
        if len(by_repository) > READ_AT_MOST:
            there = Repository.read(aws, sorted(by_repository))
            seen = {id for repository, members in by_repository.items() if there[repository] for id in members}
            return {id: {} if id in seen else None for id in ids}
        seen = set()
        for repository, wanted in by_repository.items():
            digests = [id.partition("@")[2] for id in wanted]
            present = {item["imageDigest"] for item in _describe(aws, repository, digests)}
            seen |= {id for id in wanted if id.partition("@")[2] in present}
        return {id: {} if id in seen else None for id in ids}

    def find(self, aws: Aws) -> str | None:
        found = self._digest(aws)
        return f"{self.uri}@{found}" if found else None

    def delete(self, aws: Aws, id: str) -> None:
        """Images go with their repository, or by its lifecycle policy."""


def _describe(aws: Aws, repository: str, digests: list[str]) -> list[dict[str, str]]:
    return describe(
        lambda batch: aws.ecr.describe_images(
            repositoryName=repository, imageIds=[{"imageDigest": one} for one in batch]
        )["imageDetails"],
        digests,
        100,
        GONE,
    )


def _login(aws: Aws) -> image.Login:
    """Asked for anew at each push: a token is valid for twelve hours."""
    answer = aws.ecr.get_authorization_token()["authorizationData"][0]
    username, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    return image.Login(username, password, answer["proxyEndpoint"])
