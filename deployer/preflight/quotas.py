"""Room for what will be made: what the account may have, what it has, and what this run adds.

Asked only for types of which something is made. Service Quotas tells an applied value only where one was asked for;
elsewhere the default counts. Elastic Load Balancing and IAM tell their own limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from deployer.aws import Aws, client
from deployer.errors import AwsError
from deployer.preflight.run import Ask, Finding, Run, Told, Warned
from deployer.resource import Ref
from deployer.resources.nat_gateway import NatGateway
from deployer.resources.task_definition import TaskDefinition

Used = Callable[[Aws], Counter[str]]


def listed(operation: str, listing: str, **arguments: Any) -> Used:
    """The number of what an EC2 call lists, for the region as a whole ("")."""

    def count(aws: Aws) -> Counter[str]:
        if not aws.ec2.can_paginate(operation):  # DescribeAddresses has no pages
            return Counter({"": len(getattr(aws.ec2, operation)(**arguments)[listing])})
        pages = aws.ec2.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": 1000})
        return Counter({"": sum(len(page[listing]) for page in pages)})

    return count


def gateways_by_zone(aws: Aws) -> Counter[str]:
    """Those that are being deleted count too. AWS tells a gateway's subnet, and of that its zone."""
    states = [{"Name": "state", "Values": ["pending", "available", "deleting"]}]
    pages = aws.ec2.get_paginator("describe_nat_gateways").paginate(Filter=states)
    found = Counter(item["SubnetId"] for page in pages for item in page["NatGateways"])
    if not found:
        return Counter()
    within = [{"Name": "subnet-id", "Values": list(found)}]
    subnets = [item for page in aws.ec2.get_paginator("describe_subnets").paginate(Filters=within)
               for item in page["Subnets"]]  # fmt: skip
    zones: Counter[str] = Counter()
    for subnet in subnets:
        zones[subnet["AvailabilityZone"]] += found[subnet["SubnetId"]]
    return zones


@dataclass(frozen=True)
class Quota:
    """`type`: of resource; `service` and `code`: its name in Service Quotas; `used`: what there is, by place."""

    type: str
    what: str
    service: str
    code: str
    used: Used


# https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
QUOTAS = (
    Quota("vpc", "VPCs", "vpc", "L-F678F1CE", listed("describe_vpcs", "Vpcs")),
    Quota("igw", "internet gateways", "vpc", "L-A4707A72", listed("describe_internet_gateways", "InternetGateways")),
    Quota("nat", "NAT gateways", "vpc", "L-FE5A380F", gateways_by_zone),
    Quota("group", "security groups", "vpc", "L-E79EC296", listed("describe_security_groups", "SecurityGroups")),
    Quota("eip", "Elastic IP addresses", "ec2", "L-0263D0A3", listed("describe_addresses", "Addresses")),
)
# What it calls them itself, and what Service Quotas does.
BALANCING = {
    "application": ("application-load-balancers", "application load balancers", "L-53DA6B97"),
    "network": ("network-load-balancers", "network load balancers", "L-69A177A2"),
    "target-group": ("target-groups", "target groups", "L-B22855CB"),
}
FARGATE = ("fargate", "L-3032A538")  # vCPUs of all on-demand tasks of the region together
CPU = 1024
SECONDS = 5  # where Service Quotas cannot be reached, nobody shall wait for it


class Quotas:
    def asks(self, run: Run) -> Mapping[str, Ask]:
        aws, wanted = run.aws, [quota for quota in QUOTAS if run.making(quota.type)]
        asks: dict[str, Ask] = {f"used {quota.type}": partial(quota.used, aws) for quota in wanted}
        services = {quota.service for quota in wanted} | ({FARGATE[0]} if run.making("service") else set())
        if services:
            quotas = client(aws.session, "service-quotas", aws.region, 2, len(services) * 2, SECONDS)
            for service in services:
                asks[f"default {service}"] = partial(_values, quotas, "list_aws_default_service_quotas", service)
                asks[f"applied {service}"] = partial(_values, quotas, "list_service_quotas", service)
        if balancers := run.making("load-balancer"):
            asks["balancing"] = partial(_balancing_limits, aws)
            asks["used load-balancer"] = partial(_balancers, aws)
        if balancers or run.making("target-group"):
            asks["balancing"] = partial(_balancing_limits, aws)
        if run.making("target-group"):
            asks["used target-group"] = partial(_target_groups, aws)
        if run.making("role"):
            asks["roles"] = partial(_roles, aws)
        return asks

    def judge(self, run: Run, told: Told) -> Iterator[Finding]:
        for quota in QUOTAS:
            wanted = _zones(run) if quota.type == "nat" else Counter({"": len(run.making(quota.type))})
            limit = _limit(told, quota.service, quota.code)
            yield from _full(run, quota.what, limit, told.get(f"used {quota.type}"), wanted, quota.service, quota.code)
        yield from _judge_balancing(run, told)
        if roles := told.get("roles"):
            wanted = Counter({"": len(run.making("role"))})
            yield from _full(run, "IAM roles", roles[1], Counter({"": roles[0]}), wanted, "iam", "L-FE177D64")
        yield from _judge_fargate(run, told)


def _judge_balancing(run: Run, told: Told) -> Iterator[Finding]:
    wanted = Counter(one.kind for one in run.making("load-balancer"))
    wanted["target-group"] = len(run.making("target-group"))
    for kind, (name, what, code) in BALANCING.items():
        limit = (told.get("balancing") or {}).get(name)
        used = told.get("used target-group" if kind == "target-group" else "used load-balancer")
        here = None if used is None else Counter({"": used[kind]})
        yield from _full(run, what, limit, here, Counter({"": wanted[kind]}), "elasticloadbalancing", code)


def _judge_fargate(run: Run, told: Told) -> Iterator[Finding]:
    """What runs already is not told by any call: less than this run needs alone is certainly too little."""
    limit = _limit(told, *FARGATE)
    steps = (step.resource for step in run.plan.steps)
    sizes = {one.name: one.cpu for one in steps if isinstance(one, TaskDefinition)}
    wanted = sum(sizes.get(one.name, 0) * one.count for one in run.making("service")) / CPU
    if limit is not None and wanted > limit:
        yield Warned(
            f"quota: Fargate may run {limit:g} vCPUs at once in {run.aws.region}, and this stack's new services take "
            f"{wanted:g}: tasks will wait. {_more(run, *FARGATE, wanted)}"
        )


def _zones(run: Run) -> Counter[str]:
    """Of each NAT gateway that will be made, the zone of its subnet."""
    by_key = {step.key: step.resource for step in run.plan.steps}
    making = {one.key for one in run.making("nat")}
    subnets = [one.subnet_id for key, one in by_key.items() if isinstance(one, NatGateway) and key in making]
    return Counter(str(getattr(by_key.get(ref.key), "zone", "")) for ref in subnets if isinstance(ref, Ref))


def _full(
    run: Run, what: str, limit: float | None, used: Counter[str] | None, wanted: Counter[str], service: str, code: str
) -> Iterator[AwsError]:
    for place, more in sorted(wanted.items()):
        if more and limit is not None and used is not None and used[place] + more > limit:
            where = "the account" if service == "iam" else place or run.aws.region
            yield AwsError(
                f"quota: {what} in {where}: {used[place]} of {limit:g} are in use, and this run makes {more} more.",
                f"Remove what is unused, or ask for more: {_more(run, service, code, used[place] + more)}",
            )


def _more(run: Run, service: str, code: str, value: float) -> str:
    return (
        f"`aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} "
        f"--desired-value {value:g} --region {run.aws.region}`."
    )


def _limit(told: Told, service: str, code: str) -> float | None:
    """Where the applied values are not told, the default may long have been raised: it proves nothing."""
    applied, default = told.get(f"applied {service}"), told.get(f"default {service}")
    if applied is None:
        return None
    value: float | None = applied.get(code, (default or {}).get(code))
    return value


def _values(quotas: Any, operation: str, service: str) -> dict[str, float]:
    pages = quotas.get_paginator(operation).paginate(ServiceCode=service)
    return {quota["QuotaCode"]: quota["Value"] for page in pages for quota in page["Quotas"] if "Value" in quota}


def _balancing_limits(aws: Aws) -> dict[str, float]:
    pages = aws.elbv2.get_paginator("describe_account_limits").paginate()
    return {limit["Name"]: float(limit["Max"]) for page in pages for limit in page["Limits"]}


def _balancers(aws: Aws) -> Counter[str]:
    pages = aws.elbv2.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 400})
    return Counter(item["Type"] for page in pages for item in page["LoadBalancers"])


def _target_groups(aws: Aws) -> Counter[str]:
    pages = aws.elbv2.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 400})
    return Counter({"target-group": sum(len(page["TargetGroups"]) for page in pages)})


def _roles(aws: Aws) -> tuple[int, int]:
    summary = aws.iam.get_account_summary()["SummaryMap"]
    return summary["Roles"], summary["RolesQuota"]
