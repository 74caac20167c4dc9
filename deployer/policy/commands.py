"""What each command needs of the resource types, and beyond them."""

from __future__ import annotations

import re
from typing import NamedTuple

from deployer import blocking, oneoff
from deployer.grants import IN_CLUSTER, OWN, Grant

READING = re.compile(r":(Describe|Get|List|Filter|BatchGet|BatchCheck|Simulate)")
SHRINKING = re.compile(r":(Delete|Deregister|Detach|Disassociate|Release|Revoke|Stop)")

GROUPS = "logs:log-group:/deployer/{stack}/* logs:log-group:/aws/ecs/containerinsights/{stack}/*"
DEPLOYMENTS = "ecs:service/{stack}/* ecs:service-deployment/{stack}/* ecs:service-revision/{stack}/*"
TASKS = "ecs:task/{stack}/*"

ZONES = Grant("ec2:DescribeAvailabilityZones")
# What a rollout, its verdict and `status` look at.
HEALTH = Grant("elasticloadbalancing:DescribeTargetHealth")
EVENTS = Grant("logs:GetLogEvents logs:DescribeLogStreams", GROUPS)
LIVE = (HEALTH, Grant("ecs:ListTasks", when=(IN_CLUSTER,)), Grant("ecs:DescribeTasks", TASKS), EVENTS)
ROLLOUT = (
    *LIVE,
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment-permissions.html
    Grant("ecs:ListServiceDeployments ecs:DescribeServiceDeployments ecs:DescribeServiceRevisions", DEPLOYMENTS),
    Grant("ec2:DescribeSubnets ec2:DescribeNatGateways elasticloadbalancing:DescribeTargetGroups"),
    Grant("ecs:StopServiceDeployment", "ecs:service-deployment/{stack}/*"),
)
ROLL = (*ROLLOUT, Grant("ecs:UpdateService", "ecs:service/{stack}/*", (OWN,)))

# What the preflight asks of the account; and of each resource of a type.
ACCOUNT = Grant("servicequotas:ListServiceQuotas servicequotas:ListAWSDefaultServiceQuotas iam:GetAccountSummary")
AHEAD = (
    ("load-balancer", Grant("elasticloadbalancing:DescribeAccountLimits")),
    ("pin", Grant("ecr:BatchGetImage ecr:GetDownloadUrlForLayer", "arn:{partition}:ecr:{in_ecr}", given="in_ecr")),
    ("task-definition", Grant("secretsmanager:DescribeSecret", "{given_secrets}", given="given_secrets")),
    ("task-definition", Grant("secretsmanager:GetSecretValue", "{keyed_secrets}", given="keyed_secrets")),
)
ASKING = Grant("iam:SimulatePrincipalPolicy")  # of whom is not known here


class Command(NamedTuple):
    """`grows`, `shrinks`: whether it makes and changes, and removes, what the stack consists of; `only` these types.
    `besides`: what it needs for each resource of a type, beyond the type's own."""

    grants: tuple[Grant, ...]
    grows: bool = False
    shrinks: bool = False
    only: tuple[str, ...] = ()
    besides: tuple[tuple[str, Grant], ...] = ()


COMMANDS = {
    "up": Command((ZONES, *ROLLOUT, ACCOUNT, ASKING), grows=True, shrinks=True, besides=AHEAD),
    "plan": Command((ZONES, ACCOUNT), besides=AHEAD),
    "status": Command(ROLLOUT),
    "down": Command(blocking.GRANTS, shrinks=True, besides=blocking.BESIDES),
    "push-image": Command((ZONES,), grows=True, shrinks=True, only=("repository", "image")),
    "logs": Command((*LIVE, Grant("logs:FilterLogEvents", GROUPS))),
    "exec": Command((*LIVE, Grant("ecs:ExecuteCommand", f"ecs:cluster/{{stack}} {TASKS}"))),
    "run": Command((*LIVE, *oneoff.GRANTS, Grant("logs:FilterLogEvents", GROUPS))),
    "rollback": Command(ROLL),
    "restart": Command(ROLL),
    "state": Command((ZONES,)),
}


def needs(command: Command, type: str, grant: Grant) -> Grant | None:
    """The part of a type's grant which the command needs: all may look; others grow or shrink."""
    chosen = [action for action in grant.actions.split() if _wanted(command, type, action)]
    return grant._replace(actions=" ".join(chosen)) if chosen else None


def _wanted(command: Command, type: str, action: str) -> bool:
    if command.only and type not in command.only:
        return False
    if READING.search(action):
        return True
    return command.shrinks if SHRINKING.search(action) else command.grows
