"""What a `deploy.yaml` may say, as frozen types; every default is concrete once an object exists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from deployer.fields import (
    PORTS,
    TEXT,
    Choice,
    Flag,
    Made,
    Number,
    Pattern,
    Short,
    as_egress,
    as_list,
    as_pairs,
    as_text,
    as_words,
    meant,
    shown,
)  # fmt: skip
from deployer.text import Text

ARN = r"arn:aws[a-z-]*:{}:[a-z0-9-]+:[0-9]{{12}}:{}"
WORDS = "small letters, digits and single hyphens, a letter first"
NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"

Port = Annotated[int, Number(1, 65535)]
Line = Annotated[str, Pattern(r"\S(.*\S)?", "text")]
Value = Annotated[str, Pattern(r".*", "text")]
Name = Annotated[str, Pattern(NAME, f"1 to 32 characters: {WORDS}", 1, 32, key=True)]
Variable = Annotated[str, Pattern(r"[^=\s]+", "the name of a variable", key=True)]
Phrase = Annotated[Text, Made(as_text, TEXT)]
Phrases = Annotated[tuple[Phrase, ...], Short(as_words, {"type": "string"})]
Account = Annotated[str, Pattern(r"[0-9]{12}", "an account number of 12 digits")]
Region = Annotated[str, Pattern(r"[a-z]{2,4}(-[a-z]+)+-[1-9][0-9]?", "an AWS region such as us-east-1")]
KeyArn = Annotated[str, Pattern(ARN.format("kms", "key/.+"), "the ARN of a KMS key (arn:aws:kms:...:key/...)")]
CertificateArn = Annotated[str, Pattern(
    ARN.format("acm", "certificate/.+"), "the ARN of an ACM certificate (arn:aws:acm:...)"
)]  # fmt: skip
SecretArn = Annotated[str, Pattern(
    ARN.format("secretsmanager", "secret:[^:]+"), "the ARN of a secret (arn:aws:secretsmanager:...)"
)]  # fmt: skip
Tag = Annotated[str, Pattern(
    r"(?![aA][wW][sS]:|deployer:)[\w .:/=+@-]+", "a tag: up to 128 letters, digits, spaces or .:/=+@_-, "
    "not starting with aws: or deployer:", 1, 128, key=True
)]  # fmt: skip
TagValue = Annotated[str, Pattern(
    r"(?![aA][wW][sS]:)[\w .:/=+@-]*", "up to 256 letters, digits, spaces or .:/=+@_-, not starting with aws:", 0, 256
)]  # fmt: skip
Directory = Annotated[str, Pattern(r"/[^:\s]+", "an absolute path such as /tmp, without options")]
Directories = Annotated[tuple[Directory, ...], Short(as_list, {"type": "string"})]
Days = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]


@dataclass(frozen=True)
class SecretRef:
    """`name` or `name:json-key`."""

    name: str
    json_key: str | None = None


def as_secret(given: Any) -> SecretRef:
    if isinstance(given, SecretRef):
        return given
    found = re.fullmatch(rf"({NAME})(?::([^:\s]+))?", given) if isinstance(given, str) else None
    if not found:
        raise ValueError(f"must be the name of a secret, or name:json-key{shown(given)}")
    return SecretRef(found[1], found[3])


SecretName = Annotated[SecretRef, Made(as_secret, {"type": "string"})]
Egress = Annotated[tuple[int, ...] | Literal["all"], Made(as_egress, PORTS)]


def present(data: Any) -> Any:
    """A key with nothing after it counts as absent."""
    return {key: value for key, value in data.items() if meant(value) is not None} if isinstance(data, dict) else data


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    shorthand: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _normal(cls, data: Any) -> Any:
        return cls.normal(data)

    @classmethod
    def normal(cls, data: Any) -> Any:
        """The long form of `data`, with every default that depends on other keys."""
        short = cls.shorthand and isinstance(data, str)
        data = present({cls.shorthand: data} if short else data)
        return cls.complete(data) if isinstance(data, dict) else data

    @classmethod
    def complete(cls, data: dict[str, Any]) -> dict[str, Any]:
        return data


class Network(Model):
    """The VPC of the stack."""

    cidr: Line = "10.0.0.0/16"
    """IPv4 range of the VPC, private, /16 to /23; it is cut into 16 subnets."""
    zones: Annotated[int, Number(1, 6)] = 2
    """Subnets in that many availability zones; an application load balancer needs 2."""
    nat: Annotated[Literal["none", "single", "per-zone"], Choice()] = "none"
    """none: tasks in public subnets with tight security groups; single, per-zone: private subnets with NAT gateways."""


class Logs(Model):
    """What becomes of the logs."""

    retention: Annotated[Days, Choice()] = 30
    """Days for which logs are kept."""


class Secret(Model):
    """One secret in Secrets Manager; exactly one of the keys says where its value comes from."""

    generate: Annotated[int, Number(8, 128)] | None = None
    """Made once, with that many characters; the value never leaves Secrets Manager."""
    from_env: Annotated[str, Pattern("[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")] | None = None
    """Taken from this environment variable of `up`."""
    arn: SecretArn | None = None
    """A secret which exists already; never changed, never deleted."""


class Build(Model):
    """How the image is built."""

    shorthand: ClassVar[str] = "context"
    context: Line = "."
    """Directory of the build, relative to deploy.yaml."""
    dockerfile: Line = "Dockerfile"
    """Relative to the context."""
    args: Annotated[dict[Variable, Value], Short(as_pairs, {"type": "array", "items": {"type": "string"}})] = {}
    """Build arguments; they stay readable in the image, so no secrets."""
    target: Line | None = None
    """The stage to build."""


class Health(Model):
    """What the load balancer asks a task."""

    shorthand: ClassVar[str] = "path"
    path: Annotated[str, Pattern(r"/\S*", "a path such as /healthz")] | None = None
    """Asked over HTTP; without it the check is a TCP connection."""
    port: Port | None = None
    """The service's own port by default."""
    interval: Annotated[int, Number(5, 300)] = 10
    """Seconds between two checks."""
    healthy: Annotated[int, Number(2, 10)] = 2
    """Successes in a row that make a task healthy."""
    unhealthy: Annotated[int, Number(2, 10)] = 3
    """Failures in a row that make it unhealthy; 2 by default for a network load balancer."""


class LoadBalancer(Model):
    """`public`, `internal` or `none`, or the details."""

    shorthand: ClassVar[str] = "scheme"
    scheme: Annotated[Literal["public", "internal"], Choice()]
    """public: reachable from the internet; internal: from inside the VPC only."""
    type: Annotated[Literal["application", "network"], Choice()]
    """application (HTTP; the default of public) or network (TCP; the default of internal)."""
    port: Port
    """Where it listens: 80, or 443 with a certificate; a network load balancer: the service's port."""
    health: Health
    """The health check; `health: /path` is short for {path: /path}."""
    grace: Annotated[int, Number(0, 2147483647)]
    """Seconds in which a new task may fail its checks: 60, for a network load balancer 300."""
    certificate: CertificateArn | None = None
    """ARN of an ACM certificate: HTTPS (or TLS)."""
    protect: Annotated[bool, Flag()] = False
    """Deletion protection."""
    access_logs: Annotated[str, Pattern("[a-z0-9][a-z0-9.-]+[a-z0-9]", "the name of a bucket", 3, 63)] | None = None
    """An existing S3 bucket for the access logs."""
    backend: Annotated[Literal["http", "https"], Choice()] = "http"
    """What the container speaks to an application load balancer."""

    @classmethod
    def complete(cls, data: dict[str, Any]) -> dict[str, Any]:
        kind = data.get("type", "network" if data.get("scheme") == "internal" else "application")
        network = kind == "network"
        health = data.get("health", {})
        health = {"path": health} if isinstance(health, str) else present(health)
        if isinstance(health, dict):
            health = {**({"unhealthy": 2} if network else {"path": "/"}), **health}
        usual = {} if network else {"port": 443 if "certificate" in data else 80}
        fixed = {"scheme": "public", "type": kind, **usual, "grace": 300 if network else 60}
        return {**fixed, **data, "health": health}


class Service(Model):
    """One container on Fargate."""

    image: Annotated[str, Pattern(r"\S+", "the reference of an image")] | None = None
    """An image which exists already, such as redis:7-alpine."""
    build: Build | None = None
    """The image is built here and pushed: a directory, or the details."""
    command: Phrases | None = None
    """Replaces the image's CMD; a text is split into words as Compose does."""
    entrypoint: Phrases | None = None
    """Replaces the image's ENTRYPOINT."""
    release: Phrases | None = None
    """Run once in place of the command, on the new image, before each rollout; if it fails, nothing is rolled out."""
    port: Port | None = None
    """What the container listens on."""
    load_balancer: LoadBalancer | None = None
    """public, internal, none (the default), or the details."""
    environment: Annotated[dict[Variable, Phrase], Short(as_pairs, {"type": "array", "items": {"type": "string"}})] = {}
    """Variables of the container; ${services.NAME.host}, .port and .url are the addresses of other services."""
    secrets: dict[Variable, SecretName] = {}
    """Variables filled from secrets: the secret's name, or name:json-key."""
    cpu: Annotated[int, Number(1)] = 256
    """CPU units, 1024 a core; only certain pairs of cpu and memory exist."""
    memory: Annotated[int, Number(1)] = 512
    """MiB."""
    count: Annotated[int, Number(0)] = 1
    """How many tasks run."""
    architecture: Annotated[Literal["x86_64", "arm64"], Choice()] = "x86_64"
    """Of the build and of the task."""
    user: Annotated[str, Pattern(r"[A-Za-z0-9_][\w.-]*(:[A-Za-z0-9_][\w.-]*)?", "a user, or user:group")] | None = None
    """Who runs the process; the image's own user by default."""
    read_only: Annotated[bool, Flag()] = False
    """A read-only root file system."""
    tmpfs: Directories = ()
    """Directories that are writable and begin empty: /tmp by default when the rest is read-only."""
    egress: Egress = (443,)
    """TCP ports which the tasks may reach outside the VPC, or all."""
    exec: Annotated[bool, Flag()] = False
    """`deployer exec` may open a shell in its tasks (ECS Exec)."""

    @classmethod
    def complete(cls, data: dict[str, Any]) -> dict[str, Any]:
        if meant(data.get("read_only")) is True:
            data.setdefault("tmpfs", ["/tmp"])
        balancer = data.get("load_balancer")
        if balancer == "none":
            del data["load_balancer"]
        elif isinstance(balancer, str | dict):
            data["load_balancer"] = {"port": usable(data.get("port"))} | LoadBalancer.normal(balancer)
        return data


def usable(port: Any) -> int:
    """The port, or some port where the real one is missing or wrong: that is reported elsewhere."""
    number = meant(port)
    return number if type(number) is int and 0 < number < 65536 else 1


class File(Model):
    """A deploy.yaml, from a Dockerfile to a running stack on AWS Fargate."""

    name: Annotated[str, Pattern(NAME, f"2 to 24 characters: {WORDS}", 2, 24)]
    """The stack's name."""
    region: Region | None = None
    """The AWS configuration's by default."""
    account: Account | None = None
    """A guard: any other account is refused."""
    network: Network = Network()
    """The VPC; all its keys have defaults."""
    insights: Annotated[bool, Flag()] = True
    """Container Insights (CloudWatch charges for its metrics)."""
    logs: Logs = Logs()
    """The CloudWatch log groups."""
    kms_key: KeyArn | None = None
    """ARN of a customer-managed key for images, logs and secrets."""
    secrets: dict[Name, Secret] = {}
    """Values which only the containers see."""
    services: dict[Name, Service]
    """The containers, each with its image or build."""
    tags: dict[Tag, TagValue] = {}
    """Extra tags for every resource."""


class Config(File):
    """What is wanted, with every default filled in."""

    environment: str | None = None

    @property
    def stack(self) -> str:
        """The name of the stack, one per environment."""
        return f"{self.name}-{self.environment}" if self.environment else self.name
