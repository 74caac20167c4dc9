"""A service's own resources: log, image, group, roles, task definition, and the ECS service itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from deployer import image
from deployer.access import task_rules
from deployer.config import Config, Reference, Text
from deployer.errors import UsageError
from deployer.place import VPC, Member, Place, allow, listener_name, port_suffix, scheme
from deployer.resource import Join, Ref, Resource, to
from deployer.resources.built_image import BuiltImage
from deployer.resources.iam_role import IamRole
from deployer.resources.log_group import LogGroup, own
from deployer.resources.public_image import PublicImage
from deployer.resources.release import Release
from deployer.resources.repository import Repository
from deployer.resources.security_group import SecurityGroup
from deployer.resources.security_group_rules import SecurityGroupRules
from deployer.resources.service import Service
from deployer.resources.task_definition import TaskDefinition
from deployer.state import Record

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html; they know no resources
EXEC = [
    "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
]  # fmt: skip
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def workload(member: Member, recorded: Mapping[str, Record]) -> list[Resource]:
    """Raises ImageError when a build context is missing or unreadable."""
    config, name = member.config, member.name
    log = LogGroup(name=name, group=own(config.stack, name), retention=config.logs.retention, kms_key=config.kms_key)
    images = image_parts(member, recorded)
    group = SecurityGroup(name=name, vpc_id=VPC, description=f"Tasks of {config.stack} {name}")
    execution = _role(member, "exec", "Starts the tasks of", _execution_statements(member, log, images))
    task = _role(member, "task", "What runs as", [allow(EXEC, "*")] if member.service.exec else [])
    marks = [secret_mark(config, member.place, ref.name, recorded) for ref in member.service.secrets.values()]
    definition = _task_definition(member, log, images[-1], execution, task, sorted(filter(None, marks)))
    return [
        log,
        *images,
        group,
        SecurityGroupRules(name=name, group_id=group.ref(), rules=task_rules(member)),
        execution,
        task,
        definition,
        *_release(member, definition, group),
        _service(member, definition, group),
    ]


def image_parts(member: Member, recorded: Mapping[str, Record]) -> list[Resource]:
    """The image last, and before it the repository if it is one that is built here, or was: another image that is
    chosen for one run (`--image`) takes away none of those that were pushed."""
    service, name = member.service, member.name
    platform = "linux/arm64" if service.architecture == "arm64" else "linux/amd64"
    repository = Repository(name=name, kms_key=member.config.kms_key)
    reference = member.place.images.get(name) or service.image
    if not (reference or member.place.build) and f"image.{name}" not in recorded and f"pin.{name}" in recorded:
        reference = recorded[f"pin.{name}"].inputs["reference"]  # what `--image` has deployed last
    if reference:
        kept = [repository] if service.build and repository.key in recorded else []
        return [*kept, PublicImage(name=name, reference=reference, platform=platform)]
    how, content = _content(member, platform, recorded)
    built = BuiltImage(
        name=name,
        repository=repository.ref(),
        uri=repository.ref("uri"),
        content=content,
        kms_key=repository.kms_key,
        build=how,
    )
    return [repository, built]


def _content(member: Member, platform: str, recorded: Mapping[str, Record]) -> tuple[image.Build | None, str]:
    if not member.place.build:
        record = recorded.get(f"image.{member.name}")
        if record is None:
            raise UsageError(f"--no-build: no image of {member.name} is recorded yet.", "Run `deployer up` without it.")
        return None, record.inputs["content"]
    wanted = member.service.build
    assert wanted is not None  # config refuses a service with neither image nor build
    how = image.Build(
        context=member.place.directory / wanted.context,
        dockerfile=wanted.dockerfile,
        args=dict(wanted.args),
        target=wanted.target,
        platform=platform,
    )
    return how, image.content_hash(how)


def _execution_statements(member: Member, log: LogGroup, images: list[Resource]) -> list[dict[str, Any]]:
    """Exactly its own log group, its own repository, its own secrets."""
    statements = [allow(["logs:CreateLogStream", "logs:PutLogEvents"], Join((log.ref("arn"), ":*")))]
    repository = _repository_arn(member, images)
    if repository:
        # GetAuthorizationToken knows no resources.
        statements += [allow(["ecr:GetAuthorizationToken"], "*"), allow(PULL, repository)]
    secrets = list(dict.fromkeys(_secret_arn(member, ref.name) for ref in member.service.secrets.values()))
    if secrets:
        statements.append(allow(["secretsmanager:GetSecretValue"], secrets))
        if member.config.kms_key:
            statements.append(allow(["kms:Decrypt"], member.config.kms_key))
    return statements


def _repository_arn(member: Member, images: list[Resource]) -> Any:
    picture = images[-1]
    if isinstance(picture, BuiltImage):
        return images[0].ref("arn")
    assert isinstance(picture, PublicImage)
    return f"arn:{member.place.partition}:ecr:{picture.in_ecr}" if picture.in_ecr else None


def secret_mark(config: Config, place: Place, name: str, recorded: Mapping[str, Record]) -> str | None:
    """Of a value from the environment: salted, slow and one-way. Not set now, but stored already: as it was."""
    variable = config.secrets[name].from_env
    if not variable:
        return None
    value, record = place.environ.get(variable), recorded.get(f"secret.{name}")
    if not value:
        return record.inputs.get("mark") if record else None
    return hashlib.scrypt(value.encode(), salt=place.stack_id.encode(), n=2**14, r=8, p=1, dklen=6).hex()


def _secret_arn(member: Member, name: str) -> Any:
    return member.config.secrets[name].arn or Ref(f"secret.{name}")


def _role(member: Member, kind: str, description: str, statements: list[dict[str, Any]]) -> IamRole:
    return IamRole(
        name=f"{member.name}_{kind}",
        service="ecs-tasks.amazonaws.com",
        source=member.place.arn("ecs", "*"),
        description=f"{description} {member.config.stack} {member.name}",
        statements=statements,
    )


def _task_definition(
    member: Member, log: LogGroup, picture: Resource, execution: IamRole, task: IamRole, marks: list[str]
) -> TaskDefinition:
    service = member.service
    return TaskDefinition(
        name=member.name,
        image=picture.ref(),
        cpu=service.cpu,
        memory=service.memory,
        architecture=service.architecture,
        execution_role=execution.ref("arn"),
        task_role=task.ref("arn"),
        log_group=log.ref(),
        port=service.port,
        command=_texts(member, service.command),
        entrypoint=_texts(member, service.entrypoint),
        environment={name: _text(member, value) for name, value in service.environment.items()},
        marks=marks,
        secrets={name: _secret_value(member, ref.name, ref.json_key) for name, ref in service.secrets.items()},
        user=service.user,
        read_only=service.read_only,
        tmpfs=list(service.tmpfs),
        exec=service.exec,
    )


def _texts(member: Member, texts: tuple[Text, ...] | None) -> Any:
    return None if texts is None else [_text(member, text) for text in texts]


def _text(member: Member, text: Text) -> Any:
    parts = tuple(_referred(member, part) if isinstance(part, Reference) else part for part in text.parts)
    return "".join(parts) if all(isinstance(part, str) for part in parts) else Join(_flat(parts))


def _flat(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(inner for part in parts for inner in (part.parts if isinstance(part, Join) else (part,)))


def _referred(member: Member, reference: Reference) -> Any:
    lb = member.config.services[reference.service].load_balancer
    assert lb is not None
    host = Ref(f"load-balancer.{reference.service}", "host")
    if reference.attribute == "host":
        return host
    return str(lb.port) if reference.attribute == "port" else Join((f"{scheme(lb)}://", host, port_suffix(lb)))


def _secret_value(member: Member, name: str, json_key: str | None) -> Any:
    arn = _secret_arn(member, name)
    return Join((arn, f":{json_key}::")) if json_key else arn


def _service(member: Member, definition: TaskDefinition, group: SecurityGroup) -> Service:
    lb, name = member.service.load_balancer, member.name
    # CreateService is refused while no listener forwards to the target group.
    front = (f"listener.{listener_name(name, lb.port)}", f"rules.{name}_lb") if lb else ()
    released = (f"release.{name}",) if member.service.release else ()
    return Service(
        name=name,
        cluster=to("cluster.main"),
        task_definition=definition.ref(),
        count=member.service.count,
        subnets=member.subnets(),
        groups=[group.ref()],
        public_ip=member.config.network.nat == "none",
        target_group=to(f"target-group.{name}") if lb else None,
        port=member.service.port if lb else None,
        kind=lb.type if lb else None,
        grace=lb.grace if lb else None,
        exec=member.service.exec,
        depends_on=(*front, *released, f"rules.{name}", *_ways_out(member)),
    )


def _release(member: Member, definition: TaskDefinition, group: SecurityGroup) -> list[Release]:
    """It stands between the new revision and the service, in the same network."""
    command = _texts(member, member.service.release)
    release = Release(
        name=member.name,
        cluster=to("cluster.main"),
        task_definition=definition.ref(),
        command=command,
        subnets=member.subnets(),
        groups=[group.ref()],
        public_ip=member.config.network.nat == "none",
        after=[to(f"service.{name}") for name in member.refers_to],
        depends_on=(f"rules.{member.name}", *_ways_out(member)),
    )
    return [release] if command else []


def _ways_out(member: Member) -> list[str]:
    """A task that starts before its subnet leads anywhere cannot pull its image."""
    nat, letters = member.config.network.nat, member.place.letters
    if nat == "none":
        return ["route.public-out", *(f"association.public-{letter}" for letter in letters)]
    tables = ["private"] if nat == "single" else [f"private-{letter}" for letter in letters]
    return [*(f"route.{table}-out" for table in tables), *(f"association.private-{letter}" for letter in letters)]
