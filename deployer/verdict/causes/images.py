"""The image cannot be had. AWS's texts: docs task_cannot_pull_image, and the issues named at the tests."""

from __future__ import annotations

from deployer.verdict.causes.cause import Cause, both, either, given, said

PULL = r"CannotPull|pull image manifest|ref pull|inspect image"
DENIED = r"40[13] (?:Forbidden|Unauthorized)|pull access denied|unauthorized: |no basic auth credentials|denied: "
ECR_RIGHT = r"(?:not authorized to perform: |User: \S+ ).{0,300}?(?P<right>ecr:\w+)"
UNREACHED = (
    r"dial tcp|i/o timeout|request canceled|context (?:canceled|deadline exceeded)|TLS handshake timeout|"
    r"connection refused|connection issue|RequestError: send request failed"
)
AUTH = r"unable to (?:retrieve ecr registry auth|get registry auth)|registry auth from Amazon ECR"
NO_WAY_OUT = given(lambda evidence: not evidence.facts.public_ip and evidence.facts.nat == "none")
IN_ECR = given(lambda evidence: ".dkr.ecr." in evidence.image)
ABSENT = r"manifest unknown|name unknown|not found|repository does not exist|404"

pulling = said(PULL)
not_reached = either(both(said(PULL), said(UNREACHED)), both(said(AUTH), said(UNREACHED)))

CAUSES = (
    Cause(
        "image-architecture",
        said(r"(?:descriptor matching platform|descriptor for platform|no matching manifest for|no match for platform)"
             r"\W{0,3}(?P<wanted>[a-z0-9]+/[a-z0-9]+)?"),
        "The image {image} was built for another processor than the {architecture} that the tasks run on.",
        "Build it for {platform} (`build:` does so by itself; else `docker buildx build --platform {platform}`), or "
        "set `services.{service}.architecture` to what the image is built for.",
        "hopeless",
    ),
    Cause(
        "image-rate-limit",
        said(r"toomanyrequests|pull rate limit|Too Many Requests"),
        "The registry refused the image {image}: too many pulls without an account (Docker Hub's limit).",
        "Take the image from another registry in `services.{service}.image` (public.ecr.aws/docker/library/...), or "
        "build it with `build:`, so that it comes from your own ECR. The limit passes after some hours.",
        "passing",
    ),
    Cause(
        "ecr-permission",
        either(said(ECR_RIGHT), both(pulling, IN_ECR, said(DENIED))),
        "The execution role may not pull {image} from ECR.",
        "Run `deployer up` again: it gives the role its rights; if it is refused again, look for a permissions "
        "boundary, an organization's policy or a repository policy that takes ecr:BatchGetImage away.",
        "twice",
    ),
    Cause(
        "image-denied",
        both(pulling, said(DENIED)),
        "The registry does not let the tasks have {image}: it is private, or there is no such repository.",
        "Check the name in `services.{service}.image`; an image of a private registry: use `build:` with a Dockerfile "
        "of one line, `FROM {image}`, so that it is pushed to your own ECR.",
        "hopeless",
    ),
    Cause(
        "no-route-to-registry",
        both(not_reached, NO_WAY_OUT),
        "The tasks cannot reach the registry: they have no public address, and there is no NAT gateway.",
        "Set `network.nat: single` in deploy.yaml (about 32 USD a month) and run `deployer up`; without it `deployer "
        "up` gives the tasks public addresses: `deployer plan` shows what was changed by hand.",
        "doubtful",
    ),
    Cause(
        "registry-name",
        both(pulling, said(r"lookup (?P<host>(?!\S*docker\.io)[\w.-]+).{0,80}(?:no such host|server misbehaving)")),
        "The registry's name in {image} is not known to the tasks' DNS.",
        "Correct the host in `services.{service}.image`; a name that only your own network knows cannot be resolved in "
        "this VPC.",
        "doubtful",
    ),
    Cause(
        "registry-unreachable",
        not_reached,
        "The tasks could not reach the registry of {image} in time.",
        "`services.{service}.egress` must hold 443, and the subnets' route tables a way out (`deployer plan` shows "
        "what was changed by hand). If both are so, run `deployer up` again: it may have been passing.",
        "passing",
    ),
    Cause(
        "ecr-image-missing",
        both(pulling, IN_ECR, said(ABSENT)),
        "The image {image} is no longer in ECR: its tag or digest was deleted, or never pushed.",
        "Run `deployer push-image {service}`, then `deployer up`; if it vanishes again, look at the repository's "
        "lifecycle policy.",
        "hopeless",
    ),
    Cause(
        "image-not-found",
        both(pulling, said(ABSENT)),
        "There is no image {image}: its name, tag or digest is wrong.",
        "Correct `services.{service}.image` in deploy.yaml: `docker manifest inspect {image}` must find it.",
        "hopeless",
    ),
    Cause(
        "image-damaged",
        said(r"failed to unpack|mismatched image rootfs|unexpected commit digest|failed commit on ref|invalid tar"),
        "The image {image} cannot be unpacked: its layers do not fit its manifest.",
        "Build and push it anew without a cache: `docker build --no-cache`, then `deployer up`.",
        "doubtful",
    ),
    Cause(
        "image-too-big",
        both(pulling, said("no space left on device")),
        "The image {image} does not fit on the task's disk (20 GiB, unpacked).",
        "Make the image smaller: a slim base image, a second build stage, a .dockerignore; `docker history {image}` "
        "shows what is big.",
        "hopeless",
    ),
    Cause(
        "image-not-pulled",
        pulling,
        "The image {image} could not be pulled.",
        "Try `docker pull {image}` yourself: what ECS says is below.",
        "doubtful",
    ),
)  # fmt: skip
