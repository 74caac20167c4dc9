"""No task could be placed, or AWS took it away. Texts: docs service-event-messages, api_failures_messages."""

from __future__ import annotations

from deployer.verdict.causes.cause import Cause, both, either, first, given, said, told

SPOT = given(lambda evidence: "SPOT" in evidence.facts.capacity_provider.upper())
QUOTAS = "In Service Quotas, under AWS Fargate, ask for more "

CAUSES = (
    Cause(
        "spot-interruption",
        either(
            given(lambda evidence: evidence.last is not None and evidence.last.stop_code == "SpotInterruption"),
            said(r"Spot Task was interrupted"),
        ),
        "AWS took the Spot capacity of {service} back.",
        "Run `deployer up` again; for a service that must not pause, FARGATE instead of FARGATE_SPOT.",
        "passing",
    ),
    Cause(
        "host-retired",
        said(r"maintenance on the underlying infrastructure|isolated from its host|Host EC2|host was terminated"),
        "AWS took the host of the task away for maintenance.",
        "Nothing is wrong with the service: run `deployer up` again.",
        "passing",
    ),
    Cause(
        "subnet-full",
        said(r"InsufficientFreeAddresses|insufficient free addresses|(?:enough|insufficient) (?:free )?IP addresses"),
        "The subnets of {service} have no free address left.",
        "Lower `count`, or remove what else holds addresses in this VPC (`aws ec2 describe-network-interfaces`); a "
        "stack with a larger `network.cidr` has larger subnets, but has to be made anew.",
        "doubtful",
    ),
    Cause(
        "network-gone",
        said(r"(?:sg-\w+|subnet-\w+).{0,40}(?:does not exist|not found)|Invalid(?:Group|Subnet)\w*\.NotFound"),
        "A subnet or security group that {service} runs in was deleted.",
        "Run `deployer up` again: it makes what is missing anew.",
        "hopeless",
    ),
    Cause(
        "interface-refused",
        said(r"Unexpected EC2 error.{0,200}?: (?P<error>[\w.]+)\W*$"),
        "EC2 refused the network interface of a task of {service}: {error}.",
        "Run `deployer up` again: it puts subnets, routes and the service-linked role right; what EC2 says is below.",
        "doubtful",
    ),
    Cause(
        "service-linked-role",
        told(r"service[- ]linked role"),
        "ECS's service-linked role is missing in this account (usual with a first cluster), or was deleted.",
        "Run `aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`, then `deployer up` again.",
        "twice",
    ),
    Cause(
        "task-definition-inactive",
        either(
            told(r"TaskDefinition is inactive"),
            lambda evidence: first(r"^task definition \S+ is inactive", evidence.notes),
        ),
        "The task definition {revision} is inactive: somebody deregistered it, so no task can be started from it.",
        "Run `deployer up` again: it registers a new revision.",
        "hopeless",
    ),
    Cause(
        "deployment-percent",
        either(
            told(r"unable to stop or start tasks during a deployment"),
            given(lambda evidence: evidence.facts.count * evidence.facts.maximum_percent // 100
                  <= -(-evidence.facts.count * evidence.facts.minimum_percent // 100) and evidence.facts.count > 0
                and not evidence.last),
        ),
        "The rollout cannot move: with {count} tasks, at least {minimum} % must run and at most {maximum} % may.",
        "Leave room for one more task, or one less: minimum 100 and maximum 200 are the defaults; "
        "`deployer up` puts back what was changed by hand.",
        "hopeless",
    ),
    Cause(
        "vcpu-quota",
        told(r"limit on the number of vCPUs"),
        "The account's quota of Fargate vCPUs is used up.",
        QUOTAS + "vCPUs, or lower `services.{service}.cpu` or `count`, or stop what else runs.",
        "passing",
    ),
    Cause(
        "task-quota",
        told(r"limit on the number of tasks|tasks provisioning capacity limit"),
        "The account runs as many tasks at once as it may.",
        QUOTAS + "tasks, or lower `count`, or stop what else runs.",
        "passing",
    ),
    Cause(
        "size-above-limit",
        told(r"requested (?P<what>CPU|MEMORY) configuration is above your limit"),
        "The account may not run tasks of this size ({cpu} CPU units, {memory} MiB).",
        "Lower `services.{service}.cpu` and `memory`, or ask for more in Service Quotas, under AWS Fargate.",
        "hopeless",
    ),
    Cause(
        "zone-unsupported",
        told(r"unable to place a task\. Reason: Internal error"),
        "A subnet of {service} is in an availability zone that has no Fargate.",
        "Raise `network.zones` by one, or choose another `region`; `aws ec2 describe-subnets` shows the zones' ids.",
        "doubtful",
    ),
    Cause(
        "no-spot-capacity",
        both(SPOT, told(r"Capacity is unavailable at this time|RESOURCE:FARGATE|insufficient capacity")),
        "AWS has no Fargate Spot capacity to spare at the moment.",
        "Run `deployer up` again later, or use FARGATE instead of FARGATE_SPOT.",
        "passing",
    ),
    Cause(
        "no-capacity",
        told(r"Capacity is unavailable at this time|RESOURCE:FARGATE|insufficient capacity"),
        "AWS has no Fargate capacity in these availability zones at the moment.",
        "Run `deployer up` again later; a higher `network.zones`, another `architecture` or a smaller task gives it "
        "more choice.",
        "passing",
    ),
    Cause(
        "no-resource",
        told(r"RESOURCE:(?P<what>[\w-]+)"),
        "The cluster lacks what a task of {service} needs: {what}.",
        "Lower `services.{service}.cpu` and `memory`, or `count`, and run `deployer up` again.",
        "passing",
    ),
    Cause(
        "ecs-permission",
        told(r"IAM (?:permissions policies have|trust relationship has) been misconfigured"),
        "ECS may no longer manage {service}: a role or its trust was changed.",
        "Run `deployer up` again: it puts the roles right; then look at the service-linked role AWSServiceRoleForECS.",
        "twice",
    ),
    Cause(
        "throttled",
        told(r"operations are being throttled|Rate exceeded"),
        "AWS slows ECS down in this account: too many calls at once.",
        "Run `deployer up` again in some minutes.",
        "passing",
    ),
)  # fmt: skip
