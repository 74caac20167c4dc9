"""Why tasks end, in AWS's words.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html and what issues quote:
aws/amazon-ecs-agent#2954 (cannot start), civiform/civiform#7648 (log group).
"""

from __future__ import annotations

import re

PULL = "CannotPullContainerError: pull image manifest has been retried 1 time(s):"
ABSENT = re.compile(r"manifest unknown|not found|name unknown|repository name not known|no such image", re.I)
OTHER_PLATFORM = re.compile(r"no matching manifest|no match for platform|does not match the specified platform", re.I)
NO_REQUEST = re.compile(r'^(Get|Head|Post) "|dial tcp|i/o timeout|no such host|connection refused|TLS handshake', re.I)
NO_SUBNET = re.compile(r"address pools? |non-overlapping", re.I)

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
LOST = "Host: the Docker engine stopped answering"
ENDED = "Host: the sandbox was stopped, and its containers with it"


class Ended(Exception):  # noqa: N818 (not an error)
    """The task ends. `container` is the one to blame, if one is; it gets `container_reason`."""

    def __init__(self, code: str, reason: str, container: str = "", container_reason: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason
        self.container, self.container_reason = container, container_reason or reason


def not_started(reason: str, container: str = "", container_reason: str = "") -> Ended:
    return Ended("TaskFailedToStart", reason, container, container_reason)


def essential_exited() -> Ended:
    return Ended("EssentialContainerExited", "Essential container in task exited")


def unhealthy() -> Ended:
    return Ended("ServiceSchedulerInitiated", "Task failed container health checks")


def cannot_pull(container: str, image: str, platform: str, words: str) -> Ended:
    if OTHER_PLATFORM.search(words):
        return other_platform(container, platform)
    if ABSENT.search(words):
        words = f"{image}: not found"
    elif NO_REQUEST.search(words):
        words = f"failed to do request: {words}"
    return not_started(f"{PULL} failed to resolve ref {image}: {words}", container)


def other_platform(container: str, platform: str) -> Ended:
    return not_started(f"{PULL} image Manifest does not contain descriptor matching platform '{platform}'", container)


def no_secret(words: str) -> Ended:
    return not_started(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve secret from asm: service call has been retried 1 time(s): {words}"
    )


def no_log_group() -> Ended:
    return not_started(
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
        "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. "
        ": exit status 1"
    )


def no_network(words: str) -> Ended:
    if NO_SUBNET.search(words):
        words += ": the Docker engine has no address range left for another network; `docker network prune` frees some"
    return not_started(f"ResourceInitializationError: failed to configure the task's network: {words}")


def no_volume(words: str) -> Ended:
    return not_started(f"ResourceInitializationError: failed to create a volume: {words}")


def cannot_create(container: str, words: str) -> Ended:
    return not_started("Task failed to start", container, f"CannotCreateContainerError: {words}")


def cannot_start(container: str, words: str) -> Ended:
    return not_started(
        "Task failed to start",
        container,
        "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: " + words,
    )


def dependency(container: str, other: str, condition: str) -> Ended:
    words = f"dependency graph: {container} cannot start: {other} did not reach {condition}"
    return not_started("Task failed to start", container, words)
