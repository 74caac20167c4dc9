"""Images that exist already in ECR: that they are there, and run on the architecture that is asked for. (A Docker
engine, which tells this of other registries, has no login of ECR's.)"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from deployer.aws import client, code
from deployer.docker_errors import unfit
from deployer.errors import ImageError
from deployer.preflight.run import Ask, Finding, Run, Told
from deployer.resources.public_image import ECR

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
SINGLE = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
SECONDS = 5.0  # for the few hundred bytes that name an image's architecture


class Images:
    def asks(self, run: Run) -> Mapping[str, Ask]:
        clients, asks = {run.aws.region: run.aws.ecr}, {}
        for pin in (one for one in run.changed if one.type == "pin"):
            if match := ECR.match(pin.inputs["reference"]):
                account, region, repository = match.groups()
                if region not in clients:
                    clients[region] = client(run.aws.session, "ecr", region, run.aws.attempts, 4)
                asks[pin.key] = partial(_platforms, clients[region], account, repository, pin.inputs["reference"])
        return asks

    def judge(self, run: Run, told: Told) -> Iterator[Finding]:
        for pin in (one for one in run.changed if one.type == "pin"):
            platforms, wanted = told.get(pin.key), pin.inputs["platform"]
            if platforms and wanted not in platforms:
                yield unfit(pin.inputs["reference"], wanted, platforms)


def _platforms(ecr: Any, account: str, repository: str, reference: str) -> set[str]:
    """Such as `linux/amd64`. Raises ImageError when there is no such image."""
    _, _, digest = reference.partition("@")
    tag = reference.rpartition("/")[2].partition("@")[0].partition(":")[2]
    wanted = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
    try:
        answer = ecr.batch_get_image(registryId=account, repositoryName=repository, imageIds=[wanted],
                                     acceptedMediaTypes=[*INDEXES, *SINGLE])  # fmt: skip
    except Exception as error:
        if code(error) == "RepositoryNotFoundException":
            raise _absent(reference) from error
        raise
    if any(failure.get("failureCode") == "ImageNotFound" for failure in answer.get("failures", [])):
        raise _absent(reference)
    manifest = json.loads(answer["images"][0]["imageManifest"])
    if "manifests" in manifest:
        found = {_platform(one.get("platform") or {}) for one in manifest["manifests"]}
        return {platform for platform in found if "unknown" not in platform}
    layer = ecr.get_download_url_for_layer(
        registryId=account, repositoryName=repository, layerDigest=manifest["config"]["digest"]
    )
    with urllib.request.urlopen(layer["downloadUrl"], timeout=SECONDS) as answered:
        return {_platform(json.loads(answered.read()))}


def _platform(said: Mapping[str, str]) -> str:
    return f"{said.get('os', 'unknown')}/{said.get('architecture', 'unknown')}"


def _absent(reference: str) -> ImageError:
    return ImageError(f"The image {reference} is not in ECR.", "Push it first, or correct its name and tag.")
