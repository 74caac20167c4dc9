"""The image is there, and the container does not start: secrets, log group, role, network interface, command."""

from __future__ import annotations

import re

from deployer.verdict.causes.cause import Cause, Words, both, either, exited, first, logged, said
from deployer.verdict.causes.images import NO_WAY_OUT, UNREACHED
from deployer.verdict.evidence import Evidence

SECRETS = r"unable to retrieve secrets? from|failed to fetch secret|from Secrets Manager|from secrets manager"
LOGS = r"failed to validate logger args|failed to initialize logging driver|Cloudwatch log (?:stream|group)"
PROGRAM = r"[\\\"]*(?P<program>[^\"\\ ]+)"
OCI = r"CannotStartContainer|OCI runtime|runc create|container process|CannotCreateContainer"


def secret(evidence: Evidence) -> Words | None:
    """Which of deploy.yaml's secrets AWS speaks of; of a missing JSON key it tells nothing but the key."""
    words = evidence.last.words if evidence.last else evidence.events
    known = list(evidence.facts.secrets.values())
    key = (first(r"json key (?P<key>[\w.-]*\w)", words) or {}).get("key")
    for value in known:
        name = bare(value)
        if (key and re.search(rf":{re.escape(key)}(?::|$)", value)) or first(
            rf"(?<!\w){re.escape(name)}(?![a-z0-9/])", words
        ):
            return {"secret": name}
    if found := first(r":secret:(?P<secret>[\w/+=.@!-]+)", words):
        return found
    return {"secret": bare(known[0]) if len(known) == 1 else f"of {evidence.service}"}


def bare(secret: str) -> str:
    """The name, without the ARN around it, AWS's six letters and the JSON key."""
    arn = re.fullmatch(r"arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:([^:]+?)(?:-\w{6})?(?::.*)?", secret)
    return arn[1] if arn else secret.partition(":")[0]


CAUSES = (
    Cause(
        "secret-json-key",
        both(secret, said(r"did not contain json key (?P<key>[\w.-]*\w)")),
        "The secret {secret} has no JSON key {key}.",
        "Add the key {key} to the secret, or name one that it has in `services.{service}.secrets` "
        "(VARIABLE: secret-name:json-key).",
        "hopeless",
    ),
    Cause(
        "secret-not-json",
        both(secret, said(r"invalid character .{1,20} looking for beginning of|not valid JSON|unmarshal")),
        "The secret {secret} is no JSON, and a JSON key of it is wanted.",
        "Take the key away in `services.{service}.secrets` (VARIABLE: secret-name, without :json-key), or store a JSON "
        "object in the secret.",
        "hopeless",
    ),
    Cause(
        "secret-deleted",
        both(secret, said(r"marked for deletion|marked deleted|scheduled for deletion")),
        "The secret {secret} is scheduled for deletion, and cannot be read.",
        "Bring it back with `aws secretsmanager restore-secret --secret-id {secret}`, then run `deployer up`.",
        "hopeless",
    ),
    Cause(
        "secret-not-found",
        both(secret, said(SECRETS), said(r"ResourceNotFound|can't find the specified secret")),
        "The secret {secret} does not exist, or has no value yet.",
        "Make it, or correct its name under `secrets` in deploy.yaml: "
        "`aws secretsmanager get-secret-value --secret-id {secret}` must find it.",
        "hopeless",
    ),
    Cause(
        "secret-key-permission",
        both(secret, said(r"Access to KMS is not allowed|kms:Decrypt")),
        "The execution role may not decrypt the secret {secret}: its KMS key does not admit the role.",
        "Set `kms_key` in deploy.yaml to the ARN of the key that the secret is encrypted with, and let the key's "
        "policy allow kms:Decrypt to the account.",
        "twice",
    ),
    Cause(
        "secret-permission",
        both(secret, said(SECRETS), said(r"secretsmanager:GetSecretValue|ssm:GetParameters?|AccessDenied")),
        "The execution role may not read the secret {secret}.",
        "Run `deployer up` again: it grants the secrets that deploy.yaml names by their ARN. If it is refused again, "
        "the secret's own policy, or an organization's policy, denies it.",
        "twice",
    ),
    Cause(
        "no-route-to-secrets",
        both(said(SECRETS), said(UNREACHED), NO_WAY_OUT),
        "The tasks cannot reach Secrets Manager: they have no public address, and there is no NAT gateway.",
        "Set `network.nat: single` in deploy.yaml, and run `deployer up`.",
    ),
    Cause(
        "secrets-unreachable",
        both(said(SECRETS), said(UNREACHED)),
        "The tasks could not reach Secrets Manager in time.",
        "`services.{service}.egress` must hold 443, and the subnets' route tables a way out. If both are so, run "
        "`deployer up` again: it may have been passing.",
        "passing",
    ),
    Cause(
        "secret-not-read",
        both(secret, said(SECRETS)),
        "The secret {secret} could not be read.",
        "`aws secretsmanager describe-secret --secret-id {secret}` shows whether it exists; what ECS says is below.",
    ),
    Cause(
        "log-group-missing",
        both(said(LOGS), said(r"log group does not exist")),
        "The log group of {service} does not exist any more.",
        "Run `deployer up` again: it makes the log group anew, and then rolls the service.",
        "hopeless",
    ),
    Cause(
        "log-permission",
        both(said(LOGS), said(r"AccessDenied|not authorized to perform: logs:")),
        "The execution role may not write to the log group of {service}.",
        "Run `deployer up` again: it gives the role logs:CreateLogStream and logs:PutLogEvents. If it is refused "
        "again, look for a permissions boundary or an organization's policy.",
        "twice",
    ),
    Cause(
        "logs-unreachable",
        both(said(LOGS), said(UNREACHED)),
        "The tasks could not reach CloudWatch Logs in time.",
        "`services.{service}.egress` must hold 443, and the tasks need a way out: `network.nat`, or public subnets.",
        "passing",
    ),
    Cause(
        "role-not-assumed",
        said(r"unable to assume the role '?(?P<role>[^' ]+)"),
        "ECS may not take on the role {role}: it is gone, or does not trust ecs-tasks.amazonaws.com.",
        "Run `deployer up` again: it makes the role anew as it should be.",
        "twice",
    ),
    Cause(
        "network-interface",
        said(r"Timeout waiting for network interface provisioning|Network interface provision complete error"),
        "AWS did not give the task its network interface in time.",
        "Nothing is wrong with the service: run `deployer up` again. If it comes back, look at the health of EC2 in "
        "this region and at the free addresses of the subnets.",
        "passing",
    ),
    Cause(
        "exec-format-error",
        either(said(r"exec format error"), both(exited(), logged(r"exec format error|cannot execute binary file"))),
        "The program in {image} is for another processor than {architecture}, or a script without a `#!` line.",
        "Build the image for {platform}, or set `services.{service}.architecture` to what it is built for; a script "
        "that is the command must begin with `#!/bin/sh`.",
        "hopeless",
    ),
    Cause(
        "user-unknown",
        said(r"unable to find (?:user|group) (?P<name>[\w.-]+)"),
        "The image {image} has no user or group {name}.",
        "Correct `services.{service}.user`: a name out of the image's /etc/passwd, or a number such as 1000:1000.",
        "hopeless",
    ),
    Cause(
        "command-not-executable",
        either(both(said(OCI), said(rf"exec: {PROGRAM}[\\\"]*: permission denied")), exited(126)),
        "The command of {service} may not be executed: {command}.",
        "Make the file executable in the Dockerfile (`RUN chmod +x FILE`, or `COPY --chmod=755`), and readable for "
        "{user}.",
        "hopeless",
    ),
    Cause(
        "command-not-found",
        both(said(OCI), said(rf"exec: {PROGRAM}.{{0,120}}(?:not found|no such file)|not found in \$PATH")),
        "There is no program {program} in the image {image}.",
        "Correct `services.{service}.command` or `entrypoint` in deploy.yaml, or the CMD of the Dockerfile; "
        "`docker run --rm --entrypoint sh {image} -c 'ls -l /; echo $PATH'` shows what is there.",
        "hopeless",
    ),
    Cause(
        "container-not-started",
        either(said(r"Cannot(?:Start|Create)ContainerError: (?P<words>.{1,80})"), said(OCI)),
        "The container of {service} could not be started.",
        "Try `docker run --rm {image}` yourself; what the container runtime says is below.",
    ),
    Cause(
        "task-not-initialized",
        said(r"ResourceInitializationError"),
        "Fargate could not prepare the task.",
        "What it says is below; `deployer plan` shows whether something was changed by hand.",
    ),
)  # fmt: skip
