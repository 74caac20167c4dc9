"""What a deploy.yaml becomes: the topology, offline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from deployer import config as configuration
from deployer import plan as planning
from deployer import stack
from deployer.aws import Aws
from deployer.cli.session import Session
from deployer.config import Config
from deployer.place import Place
from deployer.resource import Join, Ref, Resource, refs, resolve
from deployer.resources.listener import TLS_POLICY
from deployer.state import Record, State

ROOT = Path(__file__).resolve().parents[1]
WORLD = "0.0.0.0/0"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:theirs/password-AbCdEf"
VOTING = (ROOT / "deploy.yaml").read_text().replace("    build: .\n", "    image: web@sha256:" + "a" * 64 + "\n")
WEB = "services:\n  web: {image: nginx:1, port: 8080, load_balancer: public}\n"
WORKER = "services:\n  work: {image: worker:1}\n"
INTERNAL = """
services:
  redis: {image: redis:7, port: 6379, load_balancer: internal}
  api:
    image: api:1
    port: 9000
    load_balancer: {scheme: internal, type: application, port: 80, health: /up}
    environment: {REDIS: "redis://${services.redis.host}:${services.redis.port}"}
  web:
    image: web:1
    port: 8080
    load_balancer: public
    environment: {API: "${services.api.url}"}
    command: ["serve", "--cache", "${services.redis.url}"]
  work: {image: worker:1, environment: {API: "${services.api.url}"}}
"""


class Built:
    """The resources of a deploy.yaml, by key."""

    def __init__(self, resources: list[Resource], config: Config, place: Place) -> None:
        self.resources, self.config, self.place = resources, config, place
        self.by_key = {resource.key: resource for resource in resources}
        assert len(self.by_key) == len(resources), "two of one key"

    def __getitem__(self, key: str) -> Any:
        return self.by_key[key]

    def __contains__(self, key: str) -> bool:
        return key in self.by_key

    def all(self, type: str) -> list[Any]:
        return [resource for resource in self.resources if resource.type == type]

    def rules(self, name: str, direction: str) -> set[tuple[int | None, str]]:
        found = [rule for rule in self[f"rules.{name}"].rules if rule["direction"] == direction]
        return {(rule["port"], _text(rule["source"])) for rule in found}

    def text(self) -> str:
        return json.dumps([[resource.key, _plain(resource.inputs)] for resource in self.resources])


def _plain(value: Any) -> Any:
    return resolve(value, lambda ref: f"<{ref.key}.{ref.output}>")


def _text(value: Any) -> str:
    return str(_plain(value)).removeprefix("<").removesuffix(".id>")


Build = Callable[..., Built]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def made(
        text: str,
        *,
        partition: str = "aws",
        region: str = "us-east-1",
        zones: str = "ab",
        recorded: dict[str, Record] | None = None,
        **place: Any,
    ) -> Built:
        file = tmp_path / "deploy.yaml"
        file.write_text(text if text.startswith("name:") else f"name: voting\n{text}")
        config = configuration.load(file, None, {}).config
        names = [f"{region}{letter}" for letter in zones]
        where = Place("123456789012", region, partition, names, tmp_path, "0123456789ab", place.pop("environ", {}))
        return check(Built(stack.build(config, replace(where, **place), recorded or {}), config, where))

    return made


def check(built: Built) -> Built:
    """What holds of every stack."""
    for resource in built.resources:
        assert resource.needs() <= set(built.by_key), f"{resource.key} needs what is not there"
        for ref in refs(resource.inputs):
            assert ref.output == "id" or ref.output in OUTPUTS[ref.key.partition(".")[0]], ref
        json.dumps(_plain(resource.inputs))
    planning.order(built.by_key)
    subnets = [IPv4Network(subnet.cidr) for subnet in built.all("subnet")]
    assert all(subnet.subnet_of(IPv4Network(built.config.network.cidr)) for subnet in subnets)
    assert not any(one.overlaps(other) for n, one in enumerate(subnets) for other in subnets[n + 1 :])
    for rules in built.all("rules"):
        for rule in rules.rules:
            everything = rule["port"] is None
            assert rule["description"]
            assert not everything or (rule["direction"], rule["source"]) == ("egress", WORLD)
            if rule["direction"] == "ingress" and rule["source"] == WORLD:
                assert rules.name.endswith("_lb"), "only a load balancer is open to the world"
                assert rule["port"] in listening(built, rules.name.removesuffix("_lb"))
    for role in built.all("role"):
        actions = [action for statement in role.statements for action in statement["Action"]]
        assert not any("*" in action for action in actions)
        assert not role.name.endswith("_task") or role.statements == []
        wild = [each["Action"] for each in role.statements if each["Resource"] == "*"]
        assert wild in ([], [["ecr:GetAuthorizationToken"]], [["logs:DescribeLogGroups"]])
    return built


OUTPUTS = {
    "role": {"arn"},
    "log-group": {"arn"},
    "repository": {"uri", "arn"},
    "load-balancer": {"host"},
}


def listening(built: Built, service: str) -> set[int]:
    """The ports on which the service's load balancer listens."""
    balancer = Ref(f"load-balancer.{service}")
    return {listener.port for listener in built.all("listener") if listener.load_balancer == balancer}


def keys(resources: Iterable[Resource], type: str) -> list[str]:
    return sorted(resource.name for resource in resources if resource.type == type)


# --- the network ---


def test_voting_app(build: Build) -> None:
    built = build(VOTING)
    assert keys(built.resources, "service") == ["redis", "web"]
    assert keys(built.resources, "subnet") == ["public-a", "public-b"]
    assert not built.all("nat") and not built.all("eip") and not built.all("s3-endpoint")
    assert built["load-balancer.web"].scheme == "internet-facing" and built["load-balancer.web"].kind == "application"
    assert built["load-balancer.redis"].scheme == "internal" and built["load-balancer.redis"].kind == "network"
    assert built.rules("redis", "ingress") == {(6379, "group.redis_lb"), (6379, "group.web")}
    assert built.rules("redis_lb", "ingress") == {(6379, "group.web")}
    assert built.rules("web", "ingress") == {(8080, "group.web_lb")}
    assert built.rules("web_lb", "ingress") == {(80, WORLD)}
    assert built.rules("web", "egress") == {(443, WORLD), (6379, "group.redis_lb"), (6379, "group.redis")}
    assert built.rules("redis", "egress") == {(443, WORLD)}
    definition = built["task-definition.web"]
    assert definition.environment == {"REDIS_HOST": Join((Ref("load-balancer.redis", "host"),)), "REDIS_PORT": "6379"}
    assert definition.secrets == {"REDIS_PASSWORD": Ref("secret.redis-password")}
    assert (definition.user, definition.read_only, definition.tmpfs) == ("10001", True, ["/tmp"])
    assert built["service.web"].public_ip
    assert set(built["service.web"].depends_on) >= {"route.public-out", "association.public-a", "association.public-b"}


@pytest.mark.parametrize(("nat", "gateways"), [("single", ["a"]), ("per-zone", ["a", "b", "c"])])
def test_nat(build: Build, nat: str, gateways: list[str]) -> None:
    built = build(f"network: {{nat: {nat}, zones: 3}}\n{INTERNAL}", zones="abc")
    assert keys(built.resources, "nat") == keys(built.resources, "eip") == gateways
    assert keys(built.resources, "subnet") == [f"{tier}-{zone}" for tier in ("private", "public") for zone in "abc"]
    private = [Ref(f"subnet.private-{zone}") for zone in "abc"]
    for service in built.all("service"):
        assert service.subnets == private and not service.public_ip
        assert {f"association.private-{zone}" for zone in "abc"} <= set(service.depends_on)
    assert built["load-balancer.redis"].subnets == private
    assert built["load-balancer.web"].subnets == [Ref(f"subnet.public-{zone}") for zone in "abc"]
    tables = ["private"] if nat == "single" else [f"private-{zone}" for zone in "abc"]
    assert built["s3-endpoint.main"].table_ids == [Ref(f"route-table.{table}") for table in tables]
    for table, zone in zip(tables, gateways, strict=True):
        assert built[f"route.{table}-out"].nat_id == Ref(f"nat.{zone}") and built[f"route.{table}-out"].cidr == WORLD
        assert built[f"nat.{zone}"].subnet_id == Ref(f"subnet.public-{zone}")
        assert "route.public-out" in built[f"nat.{zone}"].depends_on
    for zone in "abc":
        table = "private" if nat == "single" else f"private-{zone}"
        assert built[f"association.private-{zone}"].table_id == Ref(f"route-table.{table}")


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "172.16.0.0/20", "192.168.8.0/23", "100.64.0.0/22"])
@pytest.mark.parametrize("zones", [2, 6])
def test_subnets_are_cut_from_the_range(build: Build, cidr: str, zones: int) -> None:
    """Overlaps are seen by `check`."""
    built = build(f"network: {{cidr: {cidr}, zones: {zones}, nat: per-zone}}\n{WEB}", zones="abcdef"[:zones])
    subnets = {subnet.name: IPv4Network(subnet.cidr) for subnet in built.all("subnet")}
    assert len(subnets) == 2 * zones
    assert {subnet.prefixlen for subnet in subnets.values()} == {IPv4Network(cidr).prefixlen + 4}
    assert all(built[f"subnet.{name}"].zone == f"us-east-1{name[-1]}" for name in subnets)


@pytest.mark.parametrize("nat", ["none", "single", "per-zone"])
def test_nothing_moves_when_a_zone_is_added(build: Build, nat: str) -> None:
    """Neither with `network.zones`, nor when AWS opens one: what stood in a zone stands there still."""
    before = build(f"network: {{nat: {nat}, zones: 2}}\n{WEB}")
    after = build(f"network: {{nat: {nat}, zones: 3}}\n{WEB}", zones="abc")
    assert set(before.by_key) < set(after.by_key)
    for key, resource in before.by_key.items():
        fixed = {field: value for field, value in resource.inputs.items() if field in resource.replace_on}
        if not resource.revisions:
            assert {field: after[key].inputs[field] for field in fixed} == fixed, key


def test_recorded_subnets_keep_their_zones(build: Build, tmp_path: Path) -> None:
    """AWS has a new zone that comes first in the alphabet, and one of ours is not listed any more."""
    built = build(WEB, zones="bc")
    state = State(tmp_path / "voting.json", "voting", "123456789012", "us-east-1", "0123456789ab")
    for subnet in built.all("subnet"):
        state.observe(Record(subnet.key, "subnet", f"subnet-{subnet.name}", "ready", subnet.inputs))
    nobody: Any = None
    assert Session(nobody, built.config, nobody, state).zones() == ["us-east-1b", "us-east-1c"]


# --- load balancers ---


def test_certificate(build: Build) -> None:
    built = build(f"services: {{web: {{image: nginx:1, port: 80, load_balancer: {{certificate: '{CERTIFICATE}'}}}}}}")
    secure, redirect = built["listener.web_443"], built["listener.web_80"]
    assert (secure.protocol, secure.port, secure.certificate) == ("HTTPS", 443, CERTIFICATE)
    assert secure.target_group == Ref("target-group.web")
    assert (redirect.protocol, redirect.port, redirect.target_group) == ("HTTP", 80, None)
    assert secure._settings()["SslPolicy"] == TLS_POLICY
    assert redirect._settings()["DefaultActions"] == [
        {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    ]
    assert secure.key in built["service.web"].depends_on
    assert built.rules("web_lb", "ingress") == {(80, WORLD), (443, WORLD)}


def test_certificate_on_a_port_of_its_own_redirects_nothing(build: Build) -> None:
    lb = f"{{certificate: '{CERTIFICATE}', port: 8443}}"
    built = build(f"services: {{web: {{image: nginx:1, port: 80, load_balancer: {lb}}}}}")
    assert keys(built.resources, "listener") == ["web_8443"]
    assert built.rules("web_lb", "ingress") == {(8443, WORLD)}


def test_listeners_do_not_take_each_others_port(build: Build) -> None:
    """With a certificate the plain listener turns into the redirect where it stands, and back without one."""
    plain = build(WEB)
    secure = build(f"services: {{web: {{image: nginx:1, port: 80, load_balancer: {{certificate: '{CERTIFICATE}'}}}}}}")
    both = set(keys(plain.resources, "listener")) & set(keys(secure.resources, "listener"))
    assert both == {"web_80"}
    for name in both:
        assert plain[f"listener.{name}"].port == secure[f"listener.{name}"].port


def test_public_network_load_balancer(build: Build) -> None:
    lb = f"{{type: network, port: 443, certificate: '{CERTIFICATE}'}}"
    built = build(f"services: {{game: {{image: game:1, port: 7777, load_balancer: {lb}}}}}")
    balancer, group, listener = built["load-balancer.game"], built["target-group.game"], built["listener.game_443"]
    assert (balancer.kind, balancer.scheme, balancer.groups) == ("network", "internet-facing", [Ref("group.game_lb")])
    assert balancer.attributes["load_balancing.cross_zone.enabled"] == "true"
    assert "routing.http.drop_invalid_header_fields.enabled" not in balancer.attributes
    assert (group.protocol, group.port, group.health["HealthCheckProtocol"]) == ("TCP", 80, "TCP")
    assert not {"HealthCheckPath", "Matcher"} & set(group.health)
    assert (listener.protocol, listener.port) == ("TLS", 443)
    assert keys(built.resources, "listener") == ["game_443"], "a network load balancer cannot redirect"
    assert built.rules("game", "ingress") == {(7777, "group.game_lb")}
    assert built.rules("game_lb", "egress") == {(7777, "group.game")}


def test_references(build: Build) -> None:
    built = build(INTERNAL)
    assert built.rules("redis_lb", "ingress") == {(6379, "group.api"), (6379, "group.web")}
    assert built.rules("redis", "ingress") == {(6379, f"group.{name}") for name in ("redis_lb", "api", "web")}
    assert built.rules("api_lb", "ingress") == {(80, "group.web"), (80, "group.work")}
    assert built.rules("api", "ingress") == {(9000, f"group.{name}") for name in ("api_lb", "web", "work")}
    assert built.rules("work", "ingress") == set()
    assert built.rules("work", "egress") == {(443, WORLD), (80, "group.api_lb"), (9000, "group.api")}
    web = built["task-definition.web"]
    assert _plain(web.environment) == {"API": "http://<load-balancer.api.host>"}
    assert _plain(web.command) == ["serve", "--cache", "tcp://<load-balancer.redis.host>:6379"]
    redis = {"REDIS": "redis://<load-balancer.redis.host>:6379"}
    assert _plain(built["task-definition.api"].environment) == redis


def test_options_of_a_load_balancer(build: Build) -> None:
    options = "{protect: true, access_logs: our-logs, backend: https, grace: 5, health: {path: /up, interval: 30}}"
    built = build(f"services: {{web: {{image: nginx:1, port: 8443, load_balancer: {options}}}}}")
    attributes, group = built["load-balancer.web"].attributes, built["target-group.web"]
    assert attributes["deletion_protection.enabled"] == attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == "our-logs"
    assert group.protocol == group.health["HealthCheckProtocol"] == "HTTPS"
    assert (group.health["HealthCheckPath"], group.health["HealthCheckIntervalSeconds"]) == ("/up", 30)
    assert built["service.web"].grace == 5
    plain = build(WEB)["load-balancer.web"].attributes
    assert plain["deletion_protection.enabled"] == plain["access_logs.s3.enabled"] == "false"


# --- services ---


@pytest.mark.parametrize(
    ("egress", "wanted"),
    [("all", {(None, WORLD)}), ("[]", set()), ("[443, 587]", {(443, WORLD), (587, WORLD)})],
    ids=["all", "none", "list"],
)
def test_egress(build: Build, egress: str, wanted: set[Any]) -> None:
    built = build(f"services: {{work: {{image: worker:1, egress: {egress}}}}}")
    assert built.rules("work", "egress") == wanted and built.rules("work", "ingress") == set()


def test_worker_has_neither_port_nor_load_balancer(build: Build) -> None:
    built = build(WORKER)
    assert not built.all("load-balancer") and not built.all("target-group") and not built.all("listener")
    service, definition = built["service.work"], built["task-definition.work"]
    assert (service.target_group, service.port, service.kind, service.grace) == (None, None, None, None)
    assert definition.port is None and "portMappings" not in definition._container(_aws())


def _aws() -> Any:
    return type("Here", (), {"region": "us-east-1"})()


def test_secrets(build: Build) -> None:
    text = f"""
kms_key: {KEY}
secrets:
  ours: {{generate: 20}}
  given: {{from_env: TOKEN}}
  unused: {{generate: 20}}
  theirs: {{arn: '{SECRET}'}}
services:
  web: {{image: nginx:1, secrets: {{A: ours, B: "theirs:user", C: "theirs:password"}}}}
  work: {{image: worker:1, secrets: {{T: given}}}}
"""
    built = build(text, environ={"TOKEN": "sesame"})
    assert keys(built.resources, "secret") == ["given", "ours", "unused"], "theirs is not ours to make"
    assert built["task-definition.web"].secrets == {
        "A": Ref("secret.ours"),
        "B": Join((SECRET, ":user::")),
        "C": Join((SECRET, ":password::")),
    }
    assert _granted(built, "web_exec", "secretsmanager:GetSecretValue") == [Ref("secret.ours"), SECRET]
    assert _granted(built, "work_exec", "secretsmanager:GetSecretValue") == [Ref("secret.given")]
    assert _granted(built, "web_exec", "kms:Decrypt") == KEY
    assert all(secret.kms_key == KEY for secret in built.all("secret"))
    assert "sesame" not in built.text()
    assert built["secret.given"].mark and built["secret.given"].mark != build(text, environ={"TOKEN": "2"})[
        "secret.given"
    ].mark  # fmt: skip


def _granted(built: Built, role: str, action: str) -> Any:
    (statement,) = [each for each in built[f"role.{role}"].statements if action in each["Action"]]
    return statement["Resource"]


def test_value_that_is_not_set_now_stays_as_it_is(build: Build) -> None:
    text = f"secrets: {{given: {{from_env: TOKEN}}}}\n{WORKER}"
    first = build(text, environ={"TOKEN": "sesame"})["secret.given"]
    recorded = {first.key: Record(first.key, "secret", "arn", "ready", first.inputs)}
    assert build(text, recorded=recorded)["secret.given"].mark == first.mark
    assert build(text)["secret.given"].mark is None


def test_execution_role_reaches_its_own_things_alone(build: Build, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1"
    built = build(f"services: {{web: {{build: .}}, work: {{image: worker:1}}, app: {{image: '{ecr}'}}}}")
    pull = "ecr:BatchGetImage"
    assert _granted(built, "web_exec", pull) == Ref("repository.web", "arn")
    assert _granted(built, "app_exec", pull) == "arn:aws:ecr:eu-west-1:123456789012:repository/team/app"
    assert not [each for each in built["role.work_exec"].statements if "ecr" in str(each)], "not an image of ECR"
    for name in ("web", "work", "app"):
        assert _granted(built, f"{name}_exec", "logs:PutLogEvents") == Join((Ref(f"log-group.{name}", "arn"), ":*"))
        assert "secretsmanager" not in str(built[f"role.{name}_exec"].statements)
        assert built[f"task-definition.{name}"].execution_role == Ref(f"role.{name}_exec", "arn")
        assert built[f"task-definition.{name}"].task_role == Ref(f"role.{name}_task", "arn")
    assert keys(built.resources, "image") == keys(built.resources, "repository") == ["web"]
    assert keys(built.resources, "pin") == ["app", "work"]


def test_image_override_needs_no_build(build: Build) -> None:
    built = build("services: {web: {build: ./nowhere}}", images={"web": "registry.example/web:2"})
    assert built["pin.web"].reference == "registry.example/web:2" and not built.all("repository")


def test_architecture(build: Build) -> None:
    built = build("services: {web: {image: nginx:1, architecture: arm64}}")
    assert built["pin.web"].platform == "linux/arm64" and built["task-definition.web"].architecture == "arm64"


def test_off_switches(build: Build) -> None:
    with_insights, without = build(WEB), build(f"insights: false\nlogs: {{retention: 7}}\nkms_key: {KEY}\n{WEB}")
    assert with_insights["cluster.main"].insights and not without["cluster.main"].insights
    assert {log.retention for log in with_insights.all("log-group")} == {30}
    assert {(log.retention, log.kms_key) for log in without.all("log-group")} == {(7, KEY)}
    assert with_insights["log-group.cluster_insights"].key in with_insights["cluster.main"].depends_on
    assert "log-group.cluster_insights" not in without


# --- size, names, partitions ---


def test_release_stands_between_the_revision_and_the_service(build: Build) -> None:
    text = TWO + "    release: ./manage.py migrate ${services.redis.host}\n"
    built = build(text)
    release, service = built["release.web"], built["service.web"]
    assert (release.subnets, release.groups, release.public_ip) == (service.subnets, service.groups, service.public_ip)
    assert release.task_definition == service.task_definition and release.after == [Ref("service.redis")]
    assert {"rules.web", "route.public-out", "task-definition.web", "service.redis"} <= release.needs()
    assert release.key in service.depends_on and "release.redis" not in built
    assert built["task-definition.web"] == build(TWO)["task-definition.web"]


TWO = """
services:
  redis: {image: "redis:7", port: 6379, load_balancer: internal}
  web:
    image: web:1
    environment: {REDIS: "${services.redis.host}"}
"""


def test_fifty_services(build: Build) -> None:
    lines = [
        f"  s{n}: {{image: 'app:1', port: 80, load_balancer: internal, "
        f"environment: {{NEXT: '${{services.s{n + 1}.host}}'}}}}"
        for n in range(49)
    ]
    built = build("services:\n" + "\n".join([*lines, "  s49: {image: 'app:1', port: 80, load_balancer: internal}"]))
    assert len(built.all("service")) == 50 and len(built.all("load-balancer")) == 50
    assert built.rules("s7_lb", "ingress") == {(80, "group.s6")}


LIMITS: dict[str, tuple[str, int, str]] = {  # how a name is asked for, AWS's limit, AWS's characters
    "load-balancer": ("elb_name", 32, r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"),
    "target-group": ("elb_name", 32, r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"),
    "group": ("group_name", 255, r"(?!sg-)[\w .:/()#,@\[\]+=&;{}!$*-]+"),
    "role": ("role_name", 64, r"[\w+=,.@-]+"),
    "repository": ("repository_name", 256, r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*"),
    "secret": ("secret_name", 512, r"[\w/+=.@-]+"),
    "task-definition": ("family", 255, r"[A-Za-z0-9_-]+"),
}


@pytest.mark.parametrize("stack_name", ["x" * 24, "internal-one", "sg-one", "a-b-c-d-e-f-g-h-i-j-k-l", "ab"])
def test_names_fit_and_are_unique(build: Build, tmp_path: Path, stack_name: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    long = ["y" * 32, "y" * 31 + "z", "a-b", "b"]
    services = "\n".join(
        f"  {name}: {{build: ., port: 80, load_balancer: public, secrets: {{A: {name}}}}}" for name in long
    )
    secrets = "\n".join(f"  {name}: {{generate: 20}}" for name in long)
    built = build(f"name: {stack_name}\nsecrets:\n{secrets}\nservices:\n{services}")
    aws: Any = Aws.__new__(Aws)
    aws.stack, aws.region = stack_name, "ap-southeast-2"
    for type, (method, limit, pattern) in LIMITS.items():
        names = [getattr(resource.resolved(str), method)(aws) for resource in built.all(type)]
        assert len({name.lower() for name in names}) == len(names) > 0
        for name in names:
            assert len(name) <= limit and re.fullmatch(pattern, name), (type, name)
            assert type != "load-balancer" or not name.startswith("internal-")
        assert names == [getattr(resource.resolved(str), method)(aws) for resource in built.all(type)]
    for log in built.all("log-group"):
        assert re.fullmatch(r"[\w.\-/#]{1,512}", log.group)
    for group in built.all("group"):
        assert re.fullmatch(r"[\w .:/()#,@\[\]+=&;{}!$*-]{1,255}", group.description)


@pytest.mark.parametrize(
    ("partition", "region", "suffix"),
    [("aws-cn", "cn-north-1", "amazonaws.com.cn"), ("aws-us-gov", "us-gov-west-1", "amazonaws.com")],
)
def test_partitions(build: Build, tmp_path: Path, partition: str, region: str, suffix: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    image = f"123456789012.dkr.ecr.{region}.{suffix}/team/app:1"
    web = "{build: ., port: 80, load_balancer: public, secrets: {A: s}}"
    built = build(
        f"network: {{nat: per-zone}}\nsecrets: {{s: {{generate: 20}}}}\n"
        f"services: {{web: {web}, app: {{image: '{image}'}}}}",
        partition=partition,
        region=region,
    )
    text = built.text()
    assert "arn:aws:" not in text and f"arn:{partition}:" in text
    assert _granted(built, "app_exec", "ecr:BatchGetImage").startswith(f"arn:{partition}:ecr:{region}:")
    for role in built.all("role"):
        assert role.source.startswith(f"arn:{partition}:")
    aws: Any = Aws.__new__(Aws)
    aws.partition, aws.region, aws.account = partition, region, "123456789012"
    policy = json.dumps(built["s3-endpoint.main"]._policy(aws))
    assert f"arn:{partition}:s3:::prod-{region}-starport-layer-bucket/*" in policy and "arn:aws:" not in policy
