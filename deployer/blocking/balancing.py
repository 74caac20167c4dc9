"""Load balancers that are protected, and target groups that serve somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.aws import batches, describe
from deployer.blocking.ours import Ours
from deployer.hold import Hold

PROTECTION = "deletion_protection.enabled"
GONE = ("LoadBalancerNotFound", "TargetGroupNotFound")


def protected(ours: Ours) -> Iterator[Hold]:
    """What `protect: true` has switched on, `down` switches off; what somebody else has, is theirs to switch off."""
    for arn, key in ours.ids("load-balancer").items():
        attributes = describe(
            lambda batch: ours.aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=batch[0])["Attributes"],
            [arn], 1, GONE,
        )  # fmt: skip
        if not any((one["Key"], one["Value"]) == (PROTECTION, "true") for one in attributes):
            continue
        wanted = ours.records[key].inputs.get("attributes")
        if wanted is None or wanted.get(PROTECTION) == "true":  # None: after a rebuild nothing is known of it
            advice = "`down` switches it off itself"
            yield Hold((key,), arn, "its deletion protection (`protect: true`)", advice, kind="lifted")
        else:
            advice = ("somebody switched it on in the account: switch it off there, or write `protect: true` and run "
                      "`deployer up`, and `down` does")  # fmt: skip
            yield Hold((key,), arn, "its deletion protection", advice)


def shared(ours: Ours) -> Iterator[Hold]:
    groups, balancers = ours.ids("target-group"), ours.ids("load-balancer")
    for batch in batches(groups, 20):
        items = describe(
            lambda arns: ours.aws.elbv2.describe_target_groups(TargetGroupArns=arns)["TargetGroups"], batch, 20, GONE
        )
        for item in items:
            for arn in set(item.get("LoadBalancerArns", [])) - set(balancers):
                name = arn.partition(":loadbalancer/")[2]
                yield Hold((groups[item["TargetGroupArn"]],), arn, f"the load balancer {name}, which forwards to it",
                           "remove that listener or rule")  # fmt: skip
