"""Task definition for Fargate: one container. Every change is a new revision; former ones stay for a rollback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring, tag_dict, tag_list
from deployer.grants import OWN, Grant, making
from deployer.resource import Found, Join, Made, Outputs, Rate, Resource, Retry

FEW = 10  # up to so many are described one by one; more are looked up in the account's list of active ones
TMP = "tmp"
DEFINITION = "ecs:task-definition/{stack}-{member}:*"


@dataclass(frozen=True, kw_only=True)
class TaskDefinition(Resource):
    """`cpu`: CPU units (1024 a core); `memory`: MiB; `tmpfs`: paths that stay writable when `read_only`; `marks`: of
    the secrets' values: tasks read a value when they start, so a changed one needs a new revision."""

    type = "task-definition"
    revisions = 5
    # ECS's bucket for changes of task definitions (quirks 0.1: unverified; request-throttling.html has the scheme).
    rate = Rate(burst=20, per_second=1)
    scans = (Grant("ecs:ListTaskDefinitionFamilies ecs:ListTaskDefinitions ecs:DescribeTaskDefinition"),)
    grants = (
        *making("ecs:RegisterTaskDefinition", "*", made=DEFINITION),
        Grant("ecs:DeregisterTaskDefinition"),
        Grant("ecs:DeleteTaskDefinitions", DEFINITION, (OWN,)),
    )
    # A role made seconds ago is not known to ECS yet; the same words also mean a real mistake, so not for long.
    retry_on = (Retry("ClientException", "Role is not valid"), Retry("AccessDeniedException", "iam:PassRole", 60))

    image: str
    cpu: int
    memory: int
    architecture: str
    execution_role: str
    task_role: str
    log_group: str
    port: int | None
    command: list[str] | None
    entrypoint: list[str] | None
    environment: dict[str, str]
    secrets: dict[str, str]
    marks: list[str]
    user: str | None
    read_only: bool
    tmpfs: list[str]
    exec: bool = False

    replace_on = frozenset({
        "image", "cpu", "memory", "architecture", "execution_role", "task_role", "log_group", "port", "command",
        "entrypoint", "environment", "secrets", "marks", "user", "read_only", "tmpfs", "exec",
    })  # fmt: skip

    @property
    def given_secrets(self) -> str:
        """The ARNs of secrets that exist already, with blanks between."""
        texts = (one for one in self.secrets.values() if isinstance(one, str))
        return " ".join(sorted({":".join(text.split(":")[:7]) for text in texts} | set(self.keyed_secrets.split())))

    @property
    def keyed_secrets(self) -> str:
        """Those of them that this revision reads by a JSON key."""
        joins = (one.parts for one in self.secrets.values() if isinstance(one, Join))
        return " ".join(sorted({parts[0] for parts in joins if isinstance(parts[0], str)}))

    def family(self, aws: Aws) -> str:
        return f"{aws.stack}-{self.name}"

    def create(self, aws: Aws) -> Made:
        answer = aws.ecs.register_task_definition(
            family=self.family(aws),
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu=str(self.cpu),
            memory=str(self.memory),
            runtimePlatform={"cpuArchitecture": self.architecture.upper(), "operatingSystemFamily": "LINUX"},
            executionRoleArn=self.execution_role,
            taskRoleArn=self.task_role,
            volumes=[{"name": f"{TMP}{index}"} for index, _ in enumerate(self.tmpfs)],
            containerDefinitions=[self._container(aws)],
            tags=tag_list(aws.tags(self.key, self.fingerprint), "key", "value"),
        )
        return Made(answer["taskDefinition"]["taskDefinitionArn"], {})

    def _container(self, aws: Aws) -> dict[str, Any]:
        container: dict[str, Any] = {
            "name": self.name,
            "image": self.image,
            "essential": True,
            "readonlyRootFilesystem": self.read_only,
            "environment": [{"name": name, "value": value} for name, value in sorted(self.environment.items())],
            "secrets": [{"name": name, "valueFrom": arn} for name, arn in sorted(self.secrets.items())],
            "mountPoints": [
                {"sourceVolume": f"{TMP}{index}", "containerPath": path} for index, path in enumerate(self.tmpfs)
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": self.log_group,
                    "awslogs-region": aws.region,
                    "awslogs-stream-prefix": "task",
                    "mode": "non-blocking",
                    "max-buffer-size": "25m",
                },
            },
        }
        optional = {"command": self.command, "entryPoint": self.entrypoint, "user": self.user}
        container |= {name: value for name, value in optional.items() if value is not None}
        if self.exec:  # reaps what an ended shell leaves behind
            container["linuxParameters"] = {"initProcessEnabled": True}
        if self.port:
            container["portMappings"] = [{"containerPort": self.port, "protocol": "tcp"}]
        return container

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        active = _listed(aws) if len(ids) > FEW else {id for id in ids if _describe(aws, id)}
        return {id: {} if id in active else None for id in ids}

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        """Every active revision; of one key the newest comes last."""
        families = aws.ecs.get_paginator("list_task_definition_families").paginate(
            familyPrefix=f"{aws.stack}-", status="ACTIVE"
        )
        names = sorted({family for page in families for family in page["families"]})
        return [one for name in names for one in _revisions(aws, name)]

    def find(self, aws: Aws) -> str | None:
        """The newest revision with these very inputs."""
        same = [one.id for one in _revisions(aws, self.family(aws)) if one.fingerprint == self.fingerprint]
        return same[-1] if same else None

    def tag(self, aws: Aws, id: str) -> None:
        aws.ecs.tag_resource(resourceArn=id, tags=tag_list(aws.tags(self.key, self.fingerprint), "key", "value"))

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("ClientException", "InvalidParameterException"):
            aws.ecs.deregister_task_definition(taskDefinition=id)
        with ignoring("ClientException", "InvalidParameterException"):
            aws.ecs.delete_task_definitions(taskDefinitions=[id])


def _listed(aws: Aws) -> set[str]:
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(status="ACTIVE")
    return {arn for page in pages for arn in page["taskDefinitionArns"]}


def _describe(aws: Aws, id: str) -> dict[str, Any] | None:
    with ignoring("ClientException", "InvalidParameterException"):
        answer: dict[str, Any] = aws.ecs.describe_task_definition(taskDefinition=id, include=["TAGS"])
        return answer if answer["taskDefinition"]["status"] == "ACTIVE" else None
    return None


def _revisions(aws: Aws, family: str) -> list[Found]:
    """`familyPrefix` means the whole family here; oldest first."""
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE", sort="ASC")
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
    arns.sort(key=lambda arn: int(arn.rpartition(":")[2]))
    described = [(arn, _describe(aws, arn)) for arn in arns if arn.rpartition("/")[2].rpartition(":")[0] == family]
    found = [aws.found(arn, tag_dict(answer.get("tags"), "key", "value")) for arn, answer in described if answer]
    return [one for one in found if one]
