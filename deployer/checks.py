"""What only several keys together tell: errors, and warnings. A finding names its place and what else it touches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import TYPE_CHECKING, NamedTuple

from deployer.document import suggestion
from deployer.fields import either
from deployer.tree import Where

if TYPE_CHECKING:
    from deployer.model import Config, LoadBalancer, Service
    from deployer.text import Text

Shown = Callable[[Where, object], str]

PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
DEFAULT_VPC = IPv4Network("172.31.0.0/16")
SIZES: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
    8192: tuple(range(16384, 61441, 4096)),
    16384: tuple(range(32768, 122881, 8192)),
}
ATTRIBUTES = ("host", "port", "url")
DATABASES = {
    1433: "SQL Server", 1521: "Oracle", 2379: "etcd", 3306: "MySQL", 5432: "PostgreSQL", 5984: "CouchDB", 6379: "Redis",
    9042: "Cassandra", 9200: "Elasticsearch", 9300: "Elasticsearch", 11211: "Memcached", 27017: "MongoDB",
}  # fmt: skip
PASSWORD = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|(^|_)(PWD|PASS)$",
    re.IGNORECASE,
)
HARMLESS = re.compile(
    r"_(FILE|PATH|DIR|TTL|LENGTH|NAME|URL|URI|ENDPOINT|HEADER|ARN|TIMEOUT|EXPIRY|EXPIRES|EXPIRATION|ENABLED|COUNT|TYPE)"
    r"(_\w+)?$|^AWS_ACCESS_KEY_ID$|^PWD$",
    re.IGNORECASE,
)
INLINE = re.compile(r"://[^/@\s:]*:[^/@\s$]+@")


class Finding(NamedTuple):
    where: Where
    message: str
    touches: tuple[Where, ...] = ()


def errors(config: Config, shown: Shown) -> Iterator[Finding]:
    """What makes the file invalid. `shown` gives a value for a message."""
    yield from stack_name(config)
    yield from cidr(config, shown)
    yield from zones(config)
    yield from regions(config)
    yield from circles(config)
    if not config.services:
        yield Finding(("services",), "there must be at least one service")
    for name, secret in config.secrets.items():
        if sum(value is not None for value in (secret.generate, secret.from_env, secret.arn)) != 1:
            yield Finding(("secrets", name), "needs exactly one of generate, from_env and arn")
    for name, service in config.services.items():
        where: Where = ("services", name)
        yield from source(where, service)
        yield from size(where, service, shown)
        yield from ports(where, service, shown)
        yield from variables(where, service, config, shown)
        yield from references(where, service, config)
        if service.release is not None and not any(word.parts for word in service.release):
            yield Finding((*where, "release"), "is empty; name a command, or leave it out")


def stack_name(config: Config) -> Iterator[Finding]:
    length = len(config.stack)
    if length > 24:
        message = f"with the environment the stack's name has {length} characters, and 24 are possible"
        yield Finding(("name",), message, (("environments",),))


def cidr(config: Config, shown: Shown) -> Iterator[Finding]:
    where: Where = ("network", "cidr")
    given = shown(where, config.network.cidr)
    try:
        network = IPv4Network(config.network.cidr, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        yield Finding(where, f"{given} is not an IPv4 range such as 10.0.0.0/16")
        return
    if network.prefixlen < 16:
        yield Finding(where, f"{given} is too large; a VPC has at most a /16")
    elif network.prefixlen > 23:
        yield Finding(where, f"{given} is too small: a sixteenth of it does not hold a load balancer; use /16 to /23")
    elif str(network) != config.network.cidr:
        canonical = f"; write {network}" * (given == config.network.cidr)
        yield Finding(where, f"{given} is not how that range is written{canonical}")
    elif not any(network.subnet_of(private) for private in PRIVATE):
        choice = either(tuple(map(str, PRIVATE)))
        yield Finding(where, f"{given} is not private; take a range from {choice}")


def zones(config: Config) -> Iterator[Finding]:
    for name, service in config.services.items():
        if config.network.zones < 2 and service.load_balancer and service.load_balancer.type == "application":
            place: Where = ("services", name, "load_balancer")
            message = f'must be 2 or more: the application load balancer of "{name}" needs two zones'
            yield Finding(("network", "zones"), message, (place,))
            return


def regions(config: Config) -> Iterator[Finding]:
    balancers = ((name, service.load_balancer) for name, service in config.services.items() if service.load_balancer)
    arns: list[tuple[Where, str | None]] = [(("kms_key",), config.kms_key)]
    arns += [(("services", name, "load_balancer", "certificate"), each.certificate) for name, each in balancers]
    for where, arn in arns:
        if arn and config.region and arn.split(":")[3] != config.region:
            yield Finding(where, "is in another region than the stack", (("region",),))


def circles(config: Config) -> Iterator[Finding]:
    """One finding for each circle of references between services; a service's own are told by `references`."""
    edges: dict[str, dict[str, Where]] = {}
    for name, service in config.services.items():
        for where, text in texts(("services", name), service):
            for reference in text.references:
                if reference.service in config.services and reference.service != name:
                    edges.setdefault(name, {}).setdefault(reference.service, where)
    while True:
        try:
            TopologicalSorter(edges).prepare()
            return
        except CycleError as error:
            circle = error.args[1][::-1]
            where = edges[circle[0]].pop(circle[1])
            yield Finding(where, f"the references make a circle: {' → '.join(circle)}")


def source(where: Where, service: Service) -> Iterator[Finding]:
    touches: tuple[Where, ...] = ((*where, "image"), (*where, "build"))
    if service.image and service.build:
        yield Finding(where, "has both image and build; keep one", touches)
    elif not service.image and not service.build:
        yield Finding(where, "needs an image (image: NAME) or something to build (build: .)", touches)


def size(where: Where, service: Service, shown: Shown) -> Iterator[Finding]:
    own_cpu, own_memory = (*where, "cpu"), (*where, "memory")
    cpu, memory = shown(own_cpu, service.cpu), shown(own_memory, service.memory)
    fitting = tuple(size for size, memories in SIZES.items() if service.memory in memories)
    larger = (
        (size, each) for size, memories in SIZES.items() for each in memories
        if size >= service.cpu and each >= service.memory
    )  # fmt: skip
    next_cpu, next_memory = next(larger, (16384, 122880))
    if service.cpu not in SIZES and fitting:
        message = f"{cpu} is not a Fargate size; with memory {memory} use {either(fitting)}"
        yield Finding(own_cpu, message, (own_memory,))
    elif service.cpu not in SIZES:
        message = f"{cpu} is not a Fargate size, nor is memory {memory}; use cpu {next_cpu} with memory {next_memory}"
        yield Finding(own_cpu, message, (own_memory,))
    elif service.memory not in SIZES[service.cpu]:
        message = f"memory {memory} does not go with cpu {cpu}; use {listed(SIZES[service.cpu])}"
        alternative = f", or cpu {either(fitting)}" if fitting else ""
        yield Finding(own_memory, message + alternative, (own_cpu,))


def listed(sizes: tuple[int, ...]) -> str:
    return either(sizes) if len(sizes) < 5 else f"{sizes[0]} to {sizes[-1]} in steps of {sizes[1] - sizes[0]}"


def ports(where: Where, service: Service, shown: Shown) -> Iterator[Finding]:
    place, own = (*where, "load_balancer"), (*where, "port")
    balancer = service.load_balancer
    if balancer is None:
        return
    if service.port is None:
        yield Finding(place, "nobody listens: give the service's port, on which the container listens", (own,))
    elif balancer.health.port not in (None, service.port):
        checked = (*place, "health", "port")
        port = shown(checked, balancer.health.port)
        message = f"nobody listens on {port}; the service's port is {shown(own, service.port)}"
        yield Finding(checked, message, (own,))
    if balancer.backend == "https" and balancer.type == "network":
        message = "https is possible only with type: application; a network load balancer passes TCP through"
        yield Finding((*place, "backend"), message, ((*place, "type"),))


def variables(where: Where, service: Service, config: Config, shown: Shown) -> Iterator[Finding]:
    for variable, reference in service.secrets.items():
        place = (*where, "secrets", variable)
        secret = config.secrets.get(reference.name)
        if variable in service.environment:
            yield Finding(place, "is set in environment too; keep one", ((*where, "environment", variable),))
        if secret is None:
            near = suggestion(reference.name, list(config.secrets)) or "; name it under the top-level secrets"
            known = shown(place, reference.name) == reference.name
            message = f'there is no secret "{reference.name}"{near}' if known else "there is no such secret"
            yield Finding(place, message, (("secrets", reference.name),))
        elif reference.json_key and secret.generate:
            yield Finding(place, "a generated secret is one value and has no JSON keys", (("secrets", reference.name),))


def texts(where: Where, service: Service) -> Iterator[tuple[Where, Text]]:
    for variable, text in service.environment.items():
        yield (*where, "environment", variable), text
    lists = ("command", service.command), ("entrypoint", service.entrypoint), ("release", service.release)
    for key, words in lists:
        for index, word in enumerate(words or ()):
            yield (*where, key, index), word


def references(where: Where, service: Service, config: Config) -> Iterator[Finding]:
    for place, text in texts(where, service):
        for reference in text.references:
            target: Where = ("services", reference.service)
            wanted = config.services.get(reference.service)
            if reference.service == where[1]:
                yield Finding(place, f"{reference} refers to the service itself")
            elif wanted is None:
                near = suggestion(reference.service, list(config.services))
                yield Finding(place, f'{reference}: there is no service "{reference.service}"{near}', (target,))
            elif wanted.load_balancer is None:
                message = f'{reference}: "{reference.service}" has no load balancer, and so no address'
                yield Finding(place, message, ((*target, "load_balancer"),))
            if reference.attribute not in ATTRIBUTES:
                yield Finding(place, f"{reference}: a service has {', '.join(ATTRIBUTES)}, no {reference.attribute}")


def warnings(config: Config) -> Iterator[Finding]:
    """What is possible, and probably not meant."""
    if config.network.zones == 1:
        yield Finding(("network", "zones"), "with one zone, the stack is down whenever that zone is")
    if IPv4Network(config.network.cidr).overlaps(DEFAULT_VPC):
        yield Finding(("network", "cidr"), f"overlaps {DEFAULT_VPC}, the default VPC: the two can never be peered")
    for name, service in config.services.items():
        where: Where = ("services", name)
        yield from image_warnings(where, service)
        yield from variable_warnings(where, service)
        if service.load_balancer and service.load_balancer.scheme == "public":
            yield from public_warnings((*where, "load_balancer"), service, service.load_balancer)
        if service.exec and service.read_only:
            message = "ECS Exec needs a writable root file system; `deployer exec` will not work with read_only"
            yield Finding((*where, "exec"), message, ((*where, "read_only"),))
        if service.egress != "all" and 443 not in service.egress:
            yield Finding((*where, "egress"), "without 443 the tasks cannot fetch their image and secrets")


def image_warnings(where: Where, service: Service) -> Iterator[Finding]:
    if service.image:
        _, _, tag = service.image.rpartition("/")[2].partition(":")
        if tag in ("", "latest"):
            said = "is tagged latest" if tag else "has no tag"
            yield Finding((*where, "image"), f"{said}: what runs changes without notice; name a version")


def variable_warnings(where: Where, service: Service) -> Iterator[Finding]:
    for variable, text in service.environment.items():
        literal = "".join(part for part in text.parts if isinstance(part, str))
        if password(variable, literal):
            yield Finding(
                (*where, "environment", variable),
                "looks like a password, and is readable in the task definition; use secrets",
            )
    for variable, value in service.build.args.items() if service.build else ():
        if password(variable, value):
            message = "looks like a password, and stays readable in the image; use secrets"
            yield Finding((*where, "build", "args", variable), message)
    for key, names in (("environment", list(service.environment)), ("secrets", list(service.secrets))):
        if "AWS_ACCESS_KEY_ID" in names:
            message = "ECS Exec does not work with access keys in the container; the task's role gives it credentials"
            yield Finding((*where, key, "AWS_ACCESS_KEY_ID"), message)


def password(variable: str, literal: str) -> bool:
    if INLINE.search(literal):
        return True
    named = PASSWORD.search(variable) and not HARMLESS.search(variable)
    path = literal.startswith(("/", "./", "../", "~/"))
    return bool(named and literal.strip() and not path and literal.lower() not in ("true", "false"))


def public_warnings(where: Where, service: Service, balancer: LoadBalancer) -> Iterator[Finding]:
    database = DATABASES.get(balancer.port) or (balancer.type == "network" and DATABASES.get(service.port or 0))
    if database:
        yield Finding(where, f"opens the port of a database ({database}) to the whole internet; use internal")
    elif balancer.type == "network" and balancer.port not in (80, 443):
        yield Finding(where, f"opens port {balancer.port} to the whole internet; only 80 and 443 are usual")
