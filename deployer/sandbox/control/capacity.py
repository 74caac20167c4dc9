"""Where tasks run: Fargate's capacity providers and platform versions."""

from __future__ import annotations

from typing import Any

from moto.ecs.exceptions import ECSException, InvalidParameterException

NEWEST = "1.4.0"
PLATFORMS = ("1.3.0", NEWEST)


def platform(version: str | None) -> str:
    """The version that a task has, which is never LATEST."""
    if version in (None, "LATEST"):
        return NEWEST
    if version not in PLATFORMS:
        raise ECSException("PlatformUnknownException", "The specified platform does not exist.")
    return str(version)


def provider(strategy: list[dict[str, Any]] | None, placed: list[str | None]) -> str | None:
    """Of the next task, when those before it went to `placed`: bases are filled first, then weights decide."""
    counts = {each["capacityProvider"]: placed.count(each["capacityProvider"]) for each in strategy or []}
    for each in strategy or []:
        if counts[each["capacityProvider"]] < each.get("base", 0):
            return str(each["capacityProvider"])
    weighted = [(each["capacityProvider"], each.get("weight", 0), each.get("base", 0)) for each in strategy or []]
    weighted = [each for each in weighted if each[1] > 0] or [(name, 1, base) for name, _, base in weighted]
    if not weighted:
        return None
    return str(min(weighted, key=lambda each: (counts[each[0]] - each[2] + 1) / each[1])[0])


def check(params: dict[str, Any], cluster: Any) -> list[dict[str, Any]] | None:
    """The strategy asked for, or the cluster's own where neither that nor a launch type is; None with a launch type."""
    strategy, launch_type = params.get("capacityProviderStrategy"), params.get("launchType")
    if strategy and launch_type:
        raise InvalidParameterException(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    if not launch_type and not strategy:
        strategy = cluster.default_capacity_provider_strategy
    for each in strategy or []:
        if each["capacityProvider"] not in (cluster.capacity_providers or []):
            raise InvalidParameterException(
                f"The capacity provider {each['capacityProvider']} is not associated with the cluster. "
                "Associate the capacity provider with the cluster and try again."
            )
    return strategy or None
