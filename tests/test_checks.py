"""What several keys of a `deploy.yaml` say together: errors and warnings."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.checks import SIZES
from tests.yamlfile import WEB, config, errors, top, warned, web

ARN = "arn:aws:{}:eu-west-1:123456789012:{}/x"


def services(**bodies: str) -> str:
    """Services by name, on lines 4 and following."""
    lines = [f"  {name.replace('_', '-')}: {{image: 'x:1', {body}}}\n" for name, body in bodies.items()]
    return "\nname: voting\nservices:\n" + "".join(lines)


@pytest.mark.parametrize(
    ("cpu", "memory", "said"),
    [
        (300, 512, "7: services.web.cpu: 300 is not a Fargate size; with memory 512 use 256"),
        (300, 2048, "7: services.web.cpu: 300 is not a Fargate size; with memory 2048 use 256, 512 or 1024"),
        (300, 600, "7: services.web.cpu: 300 is not a Fargate size, nor is memory 600; use cpu 512 with memory 1024"),
        (99999, 600, "7: services.web.cpu: 99999 is not a Fargate size, nor is memory 600; use cpu 16384 with memory "
         "122880"),
        (256, 600, "8: services.web.memory: memory 600 does not go with cpu 256; use 512, 1024 or 2048"),
        (256, 4096, "8: services.web.memory: memory 4096 does not go with cpu 256; use 512, 1024 or 2048, or cpu 512, "
         "1024 or 2048"),
        (8192, 16385, "8: services.web.memory: memory 16385 does not go with cpu 8192; use 16384 to 61440 in steps of "
         "4096"),
    ],
)  # fmt: skip
def test_cpu_and_memory_must_be_a_fargate_size(tmp_path: Path, cpu: int, memory: int, said: str) -> None:
    assert errors(tmp_path, web(f"cpu: {cpu}", f"memory: {memory}")) == [said]


def test_a_cpu_alone_is_refused_where_it_stands(tmp_path: Path) -> None:
    (said,) = errors(tmp_path, web("cpu: 1024"))
    assert said.startswith("7: services.web.cpu: memory 512 does not go with cpu 1024; use 2048 to 8192 ")


@pytest.mark.parametrize(("cpu", "memory"), [(256, 512), (256, 2048), (4096, 30720), (8192, 61440), (16384, 122880)])
def test_the_smallest_and_the_largest_sizes_are_known(tmp_path: Path, cpu: int, memory: int) -> None:
    assert errors(tmp_path, web(f"cpu: {cpu}", f"memory: {memory}")) == []


def test_every_fargate_size_is_accepted(tmp_path: Path) -> None:
    pairs = [(cpu, memory) for cpu, memories in SIZES.items() for memory in memories]
    assert len(pairs) == 3 + 4 + 7 + 13 + 23 + 12 + 12
    bodies = {f"s{number}": f"cpu: {cpu}, memory: {memory}" for number, (cpu, memory) in enumerate(pairs)}
    assert errors(tmp_path, services(**bodies)) == []


@pytest.mark.parametrize(
    ("cidr", "said"),
    [
        ("10.0.1.0/16", "10.0.1.0/16 is not how that range is written; write 10.0.0.0/16"),
        ("10.0.0.0/255.255.0.0", "10.0.0.0/255.255.0.0 is not how that range is written; write 10.0.0.0/16"),
        ("10.0.0.0/24", "10.0.0.0/24 is too small: a sixteenth of it does not hold a load balancer; use /16 to /23"),
        ("10.0.0.0/8", "10.0.0.0/8 is too large; a VPC has at most a /16"),
        ("8.8.0.0/16", "8.8.0.0/16 is not private; take a range from 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or "
         "100.64.0.0/10"),
        ("172.32.0.0/16", "172.32.0.0/16 is not private"),
        ("fd00::/16", "fd00::/16 is not an IPv4 range such as 10.0.0.0/16"),
        ("10.0.0.0", "10.0.0.0 is too small"),
        ("nonsense", "nonsense is not an IPv4 range such as 10.0.0.0/16"),
    ],
)  # fmt: skip
def test_the_range_of_the_network_has_its_rules(tmp_path: Path, cidr: str, said: str) -> None:
    (problem,) = errors(tmp_path, top(f"network: {{cidr: '{cidr}'}}"))
    assert problem.startswith(f"7: network.cidr: {said}")


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.2.0/23", "172.16.0.0/20", "192.168.0.0/16", "100.64.0.0/16"])
def test_private_ranges_are_accepted(tmp_path: Path, cidr: str) -> None:
    assert config(tmp_path, top(f"network: {{cidr: {cidr}}}")).network.cidr == cidr


def test_an_application_load_balancer_needs_two_zones(tmp_path: Path) -> None:
    text = web("load_balancer: public") + "network: {zones: 1}\n"
    assert errors(tmp_path, text) == [
        '8: network.zones: must be 2 or more: the application load balancer of "web" needs two zones'
    ]
    assert errors(tmp_path, text.replace("public", "internal")) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{image: 'a:1', build: .}", "4: services.a: has both image and build; keep one"),
        ("{port: 80}", "4: services.a: needs an image (image: NAME) or something to build (build: .)"),
    ],
)
def test_a_service_has_either_an_image_or_a_build(tmp_path: Path, body: str, said: str) -> None:
    assert errors(tmp_path, f"\nname: voting\nservices:\n  a: {body}\n") == [said]


@pytest.mark.parametrize("services", ["{}", ""])
def test_a_stack_has_a_service(tmp_path: Path, services: str) -> None:
    (said,) = errors(tmp_path, f"name: voting\nservices: {services}\n")
    assert "there must be at least one service" in said or 'the key "services" is missing' in said


@pytest.mark.parametrize("secret", ["{}", f"{{generate: 8, arn: '{ARN.format('secretsmanager', 'secret:x')}'}}",
                                    "{generate: 8, from_env: A}"])  # fmt: skip
def test_a_secret_has_one_source(tmp_path: Path, secret: str) -> None:
    said = errors(tmp_path, top(f"secrets: {{a: {secret}}}".replace("secret:x/x", "secret:x")))
    assert said == ["7: secrets.a: needs exactly one of generate, from_env and arn"]


def test_a_load_balancer_needs_someone_who_listens(tmp_path: Path) -> None:
    said = "nobody listens: give the service's port, on which the container listens"
    for line in ("public", "internal"):
        assert errors(tmp_path, services(a=f"load_balancer: {line}")) == [f"4: services.a.load_balancer: {said}"]


def test_a_health_check_needs_someone_who_listens(tmp_path: Path) -> None:
    said = errors(tmp_path, web("load_balancer: {health: {port: 9000}}"))
    assert said == ["7: services.web.load_balancer.health.port: nobody listens on 9000; the service's port is 8080"]
    assert errors(tmp_path, web("load_balancer: {health: {port: 8080}}")) == []


def test_https_to_the_container_needs_an_application_load_balancer(tmp_path: Path) -> None:
    (said,) = errors(tmp_path, web("load_balancer: {type: network, backend: https}"))
    assert said.startswith("7: services.web.load_balancer.backend: https is possible only with type: application")
    assert errors(tmp_path, web("load_balancer: {backend: https}")) == []


def test_certificates_and_keys_are_in_the_stacks_region(tmp_path: Path) -> None:
    text = web(f"load_balancer: {{certificate: '{ARN.format('acm', 'certificate')}'}}") + (
        f"kms_key: {ARN.format('kms', 'key')}\nregion: REGION\n"
    )
    assert errors(tmp_path, text.replace("REGION", "eu-west-1")) == []
    assert errors(tmp_path, text.replace("REGION", "us-east-1")) == [
        "7: services.web.load_balancer.certificate: is in another region than the stack",
        "8: kms_key: is in another region than the stack",
    ]


def test_an_unknown_secret_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    text = web("secrets: {A: redis-pasword, B: other}") + "secrets: {redis-password: {generate: 8}}\n"
    assert errors(tmp_path, text) == [
        '7: services.web.secrets.A: there is no secret "redis-pasword"; did you mean "redis-password"?',
        '7: services.web.secrets.B: there is no secret "other"; name it under the top-level secrets',
    ]


def test_a_generated_secret_has_no_json_keys(tmp_path: Path) -> None:
    (said,) = errors(tmp_path, web("secrets: {A: 'a:key'}") + "secrets: {a: {generate: 8}}\n")
    assert said == "7: services.web.secrets.A: a generated secret is one value and has no JSON keys"


def test_a_variable_is_either_plain_or_secret(tmp_path: Path) -> None:
    text = web("environment: {A: x}", "secrets: {A: a}") + "secrets: {a: {generate: 8}}\n"
    assert errors(tmp_path, text) == ["8: services.web.secrets.A: is set in environment too; keep one"]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("services.dbb.host", '${services.dbb.host}: there is no service "dbb"; did you mean "db"?'),
        ("services.worker.host", '${services.worker.host}: "worker" has no load balancer, and so no address'),
        ("services.db.hots", "${services.db.hots}: a service has host, port, url, no hots"),
        ("services.web.host", "${services.web.host} refers to the service itself"),
    ],
)
@pytest.mark.parametrize("place", ["environment: {{A: '{}'}}|.environment.A", "command: ['a', '{}']|.command[1]",
                                   "entrypoint: '{}'|.entrypoint"])  # fmt: skip
def test_a_reference_must_lead_somewhere(tmp_path: Path, place: str, reference: str, said: str) -> None:
    line, _, path = place.partition("|")
    text = services(web=f"port: 80, load_balancer: public, {line.format(f'${{{reference}}}')}",
                    db="port: 1, load_balancer: internal", worker="")  # fmt: skip
    assert errors(tmp_path, text) == [f"4: services.web{path}: {said}"]


@pytest.mark.parametrize("empty", ["[]", "''", "['']"])
def test_a_release_command_that_is_empty_is_refused(tmp_path: Path, empty: str) -> None:
    said = "services.web.release: is empty; name a command, or leave it out"
    assert errors(tmp_path, services(web=f"release: {empty}")) == [f"4: {said}"]
    assert errors(tmp_path, services(web="release: ./manage.py migrate")) == []


def test_a_circle_of_references_is_named(tmp_path: Path) -> None:
    def body(*targets: str) -> str:
        variables = ", ".join(f"{name}: '${{services.{name}.url}}'" for name in targets)
        return f"port: 80, load_balancer: internal, environment: {{{variables}}}"

    text = services(a=body("b"), b=body("c"), c=body("a", "d"), d=body("e"), e=body("d"), f=body("a"))
    assert errors(tmp_path, text) == [
        "4: services.a.environment.b: the references make a circle: a → b → c → a",
        "7: services.d.environment.e: the references make a circle: d → e → d",
    ]
    assert errors(tmp_path, services(a=body("b", "c"), b=body("c"), c=body())) == []


@pytest.mark.parametrize("broken", ["load_balancer: publik", "port: many", "load_balancer: {port: 0}", "comand: x"])
def test_the_consequences_of_a_problem_are_not_told(tmp_path: Path, broken: str) -> None:
    rest = {"port": "port: 1", "load_balancer": "load_balancer: internal"}
    rest.pop(broken.partition(":")[0], None)
    text = services(db=", ".join([*rest.values(), broken]), web="environment: {A: '${services.db.host}'}")
    assert len(errors(tmp_path, text)) == 1


def test_a_reference_to_a_broken_service_is_not_told(tmp_path: Path) -> None:
    text = services(web="environment: {A: '${services.db.host}'}") + "  db: 5\n"
    assert errors(tmp_path, text) == ["5: services.db: must be a mapping (key: value), not 5"]


@pytest.mark.parametrize("other", ["comand: x", "comand: {a: b}", "tags: [a]", "environment: 5", "user: [a]"])
def test_one_problem_does_not_hide_another(tmp_path: Path, other: str) -> None:
    first, second = errors(tmp_path, web("cpu: 300", other, "count: 1"))
    assert first == "7: services.web.cpu: 300 is not a Fargate size; with memory 512 use 256"
    assert second.startswith(f"8: services.web.{other.partition(':')[0]}: ")


def test_a_broken_secret_is_not_unknown_too(tmp_path: Path) -> None:
    assert len(errors(tmp_path, web("secrets: {A: a}") + "secrets: {a: {generate: 1}}\n")) == 1
    assert len(errors(tmp_path, web("secrets: {A: a}") + "secrets: {a: 5}\n")) == 1


def test_the_stacks_name_includes_the_environment(tmp_path: Path) -> None:
    text = WEB.replace("voting", "a" * 20) + "environments: {prod: {}, dev: {}, Beta: {}, a-: {}}\n"
    assert config(tmp_path, text, "dev").stack == "a" * 20 + "-dev"
    assert errors(tmp_path, text, "prod") == [
        "2: name: with the environment the stack's name has 25 characters, and 24 are possible"
    ]
    text = text.replace("a" * 20, "ab")
    for env in ("Beta", "a-"):
        said = f"7: environments.{env}: the name of an environment must be small letters, digits and single hyphens"
        assert errors(tmp_path, text, env) == [said]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("image: redis", "image: has no tag: what runs changes without notice; name a version"),
        ("image: redis:latest", "image: is tagged latest: what runs changes without notice; name a version"),
        ("image: host:5000/redis", "image: has no tag"),
        ("build: {args: {DB_PASSWORD: hunter2}}", "build.args.DB_PASSWORD: looks like a password, and stays readable"),
        ("environment: {DB_PASSWORD: hunter2}", "environment.DB_PASSWORD: looks like a password, and is readable in"),
        ("environment: {API_KEY: abc}", "environment.API_KEY: looks like a password"),
        ("environment: {githubToken: '${V}'}", "environment.githubToken: looks like a password"),
        ("environment: {CLIENT_SECRET: abc}", "environment.CLIENT_SECRET: looks like a password"),
        ("environment: {DB: 'postgres://me:hunter2@db/x'}", "environment.DB: looks like a password"),
        ("environment: {AWS_ACCESS_KEY_ID: x}", "environment.AWS_ACCESS_KEY_ID: ECS Exec does not work with"),
        ("load_balancer: {type: network}, port: 6379", "load_balancer: opens the port of a database (Redis)"),
        ("load_balancer: {type: network, port: 80}, port: 5432", "load_balancer: opens the port of a database (Post"),
        ("load_balancer: {port: 27017}, port: 80", "load_balancer: opens the port of a database (MongoDB)"),
        ("load_balancer: {type: network}, port: 8080", "load_balancer: opens port 8080 to the whole internet"),
        ("egress: [80]", "egress: without 443 the tasks cannot fetch their image and secrets"),
    ],
)
def test_what_is_doubtful_is_a_warning(tmp_path: Path, line: str, said: str) -> None:
    image = "" if line.startswith(("image", "build")) else "image: 'a:1', "
    (warning,) = warned(tmp_path, f"\nname: voting\nservices:\n  web: {{{image}{line}}}\n", {"V": "x"})
    assert warning.startswith(f"4: services.web.{said}")


@pytest.mark.parametrize(
    "line",
    [
        "image: redis:7", "image: redis@sha256:abc", "image: host:5000/redis:7", "image: redis:latest@sha256:abc",
        "environment: {DB_PASSWORD_FILE: /run/secrets/db}", "environment: {DB_PASSWORD: /run/secrets/db}",
        "environment: {DB_PASSWORD: ''}", "environment: {TOKEN_TTL: 3600}", "environment: {MONKEY: a, COMPASS: b}",
        "environment: {DB: 'postgres://me@db/x'}", "environment: {PWD: x}", "environment: {PASSWORD_ENABLED: 'true'}",
        "port: 80, load_balancer: {type: network}", "port: 6379, load_balancer: internal",
        "port: 8080, load_balancer: {port: 8080}", "egress: all", "egress: [443, 5432]",
    ],
)  # fmt: skip
def test_what_is_usual_is_no_warning(tmp_path: Path, line: str) -> None:
    image = "" if line.startswith("image") else "image: 'a:1', "
    assert warned(tmp_path, f"name: voting\nservices:\n  web: {{{image}{line}}}\n") == []


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("zones: 1", "7: network.zones: with one zone, the stack is down whenever that zone is"),
        ("cidr: 172.31.0.0/16", "7: network.cidr: overlaps 172.31.0.0/16, the default VPC"),
    ],
)
def test_a_doubtful_network_is_a_warning(tmp_path: Path, network: str, said: str) -> None:
    (warning,) = warned(tmp_path, top(f"network: {{{network}}}"))
    assert warning.startswith(said)
