"""What AWS has to allow for a call: declared beside the code that makes it, read by `deployer.policy`.

A statement that is stricter than a service supports denies everything, so a condition stands only where the Service
Authorization Reference has it (https://docs.aws.amazon.com/service-authorization/latest/reference/).
This module imports nothing of ours.
"""

from __future__ import annotations

from typing import NamedTuple

Condition = tuple[str, str, str]  # operator, key, value

STACK = "deployer:stack"
NEW: Condition = ("StringEquals", f"aws:RequestTag/{STACK}", "{stack}")  # the request carries the stack's tag
OWN: Condition = ("StringEquals", f"aws:ResourceTag/{STACK}", "{stack}")  # the object does
UNMARKED: Condition = ("Null", f"aws:ResourceTag/{STACK}", "true")  # it is no stack's
IN_CLUSTER: Condition = ("ArnEquals", "ecs:cluster", "{cluster}")
TAGGING = {"ec2": "CreateTags", "elasticloadbalancing": "AddTags", "ecs": "TagResource"}


class Grant(NamedTuple):
    """`actions`: with blanks between, such as `ec2:CreateVpc ec2:DeleteVpc`. `on`: the ends of ARNs, with the service
    before them, such as `ec2:vpc/*`; `*` where the service knows no resources. `when`: all of these. `given`: an input
    or a property of the resource, a text or false, without which the grant is not needed.

    Texts may hold {stack}, {partition}, {region}, {cluster} (its ARN), {name}, {member} (the service that a part is
    of), {elb} (the name of its load balancer), what is `given`, and each input of the resource that is a text.
    """

    actions: str
    on: str = "*"
    when: tuple[Condition, ...] = ()
    given: str = ""


LINKED = Grant("iam:GetRole", "iam:role/*AWSServiceRoleFor*")


def making(action: str, on: str, made: str = "") -> tuple[Grant, Grant]:
    """A creating call that tags what it makes: the tags need a permission of their own, for this call alone.
    `made`: what is tagged, where the call is allowed on something else."""
    service, _, verb = action.partition(":")
    made = "ec2:*/*" if service == "ec2" else made  # the call itself says of what type
    created: Condition = ("StringEquals", f"{service}:CreateAction", verb)
    return Grant(action, on, (NEW,)), Grant(f"{service}:{TAGGING[service]}", made or on, (NEW, created))


def retagging(on: str) -> Grant:
    """The tags of what is the stack's own, renewed after a change of inputs; it stays the stack's own."""
    service = on.partition(":")[0]
    return Grant(f"{service}:{TAGGING[service]}", on, (NEW, OWN))


def linked_role(principal: str) -> tuple[Grant, Grant]:
    """AWS makes a service's own role, by the caller's permission, when an account first uses the service. One that is
    looked for and is not there has no path."""
    named: Condition = ("StringEquals", "iam:AWSServiceName", principal)
    return Grant("iam:CreateServiceLinkedRole", f"iam:role/aws-service-role/{principal}/*", (named,)), LINKED
