"""What is shown: on one screen, harmless whatever a program has printed, without its secrets; and the same as data."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from rich.cells import cell_len

from deployer.verdict.evidence import Evidence, Facts, Serving, StoppedTask, TargetHealth
from deployer.verdict.outside import line, tame
from deployer.verdict.verdict import judge
from tests.verdict import test_runs, test_starts
from tests.verdict.cases import FAILED, GROUP, TIMED_OUT, evidence, exited, task, unwell

SERVING = Serving("voting-web:6", "sha256:ab12cd34ef56ab12cd34ef56", 2)


def test_a_whole_screen() -> None:
    crash = task(code=1)
    given = evidence(crash, crash, crash, serving=SERVING, log=("Traceback:", "KeyError: 'REDIS_HOST'"),
                     targets=(FAILED, FAILED, TargetHealth("healthy")),
                     rollout="ECS deployment circuit breaker: tasks failed to start.",
                     events=("(service web) has started 1 tasks: (task 0a1b).",
                             f"(service web) (port 8080) is unhealthy in (target-group {GROUP})."))  # fmt: skip
    assert judge(given).lines() == [
        "web: the rollout of voting-web:7 failed; voting-web:6 (sha256:ab12cd34ef56)",
        "still serves",
        "",
        "web misses an environment variable: REDIS_HOST.",
        "",
        "What to do: Add the one that the log below names to `services.web.environment`,",
        "or to `services.web.secrets` if it is secret.",
        "",
        "  3 times: task stopped: EssentialContainerExited: Essential container in task",
        "    exited; web: exit code 1",
        "  targets: 2 unhealthy Target.FailedHealthChecks Health checks failed",
        "  targets: 1 healthy",
        "  ECS: ECS deployment circuit breaker: tasks failed to start.",
        "  event: (service web) (port 8080) is unhealthy in (target-group",
        "    targetgroup/voting-web/1eeb6ae879ed370f).",
        "  the last lines of its log:",
        "  | Traceback:",
        "  | KeyError: 'REDIS_HOST'",
    ]


def test_equal_events_of_different_tasks_are_one() -> None:
    said = "(port 8080) is unhealthy in (target-group x) due to (reason Request timed out)."
    shown = judge(evidence(events=tuple(f"(service web) (task 0a{number}) {said}" for number in range(9)))).lines()
    assert "  9 times: event: (service web) (port 8080) is unhealthy in (target-group x) due" in shown


def test_of_a_long_log_the_newest_lines_are_shown() -> None:
    shown = judge(exited(1, *[f"line {number}" for number in range(40)])).lines(height=20)
    assert shown[-1] == "  | line 39" and len(shown) == 20


def test_nothing_serves() -> None:
    assert judge(exited(1)).lines()[0] == "web: the rollout of voting-web:7 failed; nothing serves"


def test_the_unknown_is_shown_as_it_is() -> None:
    said = judge(evidence(StoppedTask("0a1b", "NewCode", "Something that nobody has seen yet")))
    assert (said.cause, said.advice) == ("unknown", "")
    shown = "\n".join(said.lines())
    assert "NewCode: Something that nobody has seen yet" in shown and "What to do" not in shown


def test_nothing_at_all_is_no_reason_to_fail() -> None:
    assert judge(Evidence("web", "voting-web:7")).lines()[0].endswith("nothing serves")


@pytest.mark.parametrize("name", test_runs.CASES | test_starts.CASES)
def test_every_verdict_fits_one_screen(name: str) -> None:
    given = (test_runs.CASES | test_starts.CASES)[name]
    long = "漢字 " * 100
    given = replace(given, log=(*given.log, *[long] * 40), serving=SERVING, rollout=long, events=(*given.events, long))
    shown = judge(given).lines()
    assert len(shown) <= 40 and max(map(cell_len, shown)) <= 80
    assert sum(row.startswith("  | ") for row in shown) >= 10
    narrow = judge(given).lines(width=40, height=30)
    assert len(narrow) <= 30 and max(map(cell_len, narrow)) <= 40


def test_the_screen_with_everything_at_its_longest() -> None:
    words = "word " * 2000
    given = evidence(*[task(f"{number} {words}", 1, words) for number in range(60)], log=(words,) * 40,
                     targets=tuple(TargetHealth("unhealthy", str(number), words) for number in range(9)),
                     events=(words,) * 5000, notes=(words,) * 9, serving=SERVING, image=words)  # fmt: skip
    started = time.monotonic()
    assert len(judge(given).lines()) <= 40
    assert time.monotonic() - started < 2


def test_programs_do_not_steer_the_terminal() -> None:
    log = (
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "a\rb",
        "\u202ereversed",
        "\x9b2J",
        "one\u2028two\nthree",
        "\ud800",
    )
    shown = judge(exited(1, *log)).lines()
    text = "\n".join(shown)
    assert not any(mark in text for mark in ("\x1b", "\x07", "\r", "\u202e", "\x9b", "\u2028"))
    assert "  | red" in shown and "  | one two three" in shown
    text.encode()


def test_binary_and_endless_lines() -> None:
    started = time.monotonic()
    binary = bytes(range(256)).decode("latin-1") * 1024
    said = judge(exited(1, *["x" * 262_144, "password" * 32_768, binary, "=" * 262_144, "a/" * 131_072] * 4))
    assert time.monotonic() - started < 2
    assert len(json.dumps(said.as_json())) < 100_000 and max(map(cell_len, said.lines())) <= 80


@pytest.mark.parametrize(("text", "secret"), [
    ("DB_PASSWORD=hunter2 on", "hunter2"), ("password: hunter2", "hunter2"), ('{"password": "hun ter2"}', "hun"),
    ("'api_key': 'hunter2'", "hunter2"), ("SECRET_KEY = hunter2", "hunter2"),
    ("Authorization: Bearer hunter2", "hunter2"),
    ("redis-server --requirepass hunter2", "hunter2"), ("mysql --password=hunter2", "hunter2"),
    ("key AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"), ("postgres://voting:hunter2@db:5432/x", "hunter2"),
    ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"), ("AUTH_TOKEN=hunter2", "hunter2"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJhbGci"), ("aws_secret_access_key=hunter2", "hunter2"),
])  # fmt: skip
def test_secrets_in_the_log_are_masked(text: str, secret: str) -> None:
    assert secret not in line(text) and "***" in line(text)
    said = judge(exited(1, text))
    assert secret not in json.dumps(said.as_json()) + "\n".join(said.lines())


@pytest.mark.parametrize("text", [
    'FATAL:  password authentication failed for user "voting"', "KeyError: 'DB_PASSWORD'", "SECRET_KEY is not set",
    "sha256:3f2a9c1e5b7d8f6a4c2e1b0d9f8e7a6c5b4d3e2f", "GET /login?next=/ HTTP/1.1", "Listening at: http://0.0.0.0:8080",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "/usr/lib/python3/dist-packages/Flask1/Templating2x",
])  # fmt: skip
def test_what_is_no_secret_is_not_masked(text: str) -> None:
    assert line(text) == text


def test_a_secret_in_the_command_is_masked() -> None:
    facts = Facts(command=("redis-server", "--requirepass", "hunter2"))
    said = judge(exited(126, facts=facts))
    assert "redis-server --requirepass ***" in said.sentence and "hunter2" not in json.dumps(said.as_json())


def test_the_names_of_secrets_are_no_secrets() -> None:
    for given in test_starts.STARTS.values():
        assert all("***" not in text for task in given.tamed().tasks for text in task.words)
    assert tame("arn:aws:secretsmanager:us-east-1:111122223333:secret:voting/db-7qFlRJ").endswith("voting/db-7qFlRJ")


def test_as_data() -> None:
    said = judge(unwell(TIMED_OUT, "a line", serving=SERVING, events=("(service web) failed",), notes=("no log",)))
    data = json.loads(json.dumps(said.as_json()))
    assert data == said.as_json(), "lists and texts only"
    assert list(data) == ["service", "revision", "serving", "cause", "sentence", "advice", "evidence"]
    assert data["serving"] == {"revision": "voting-web:6", "digest": SERVING.digest, "running": 2}
    assert data["cause"] == "health-timeout" and data["evidence"]["log"] == ["a line"]
    assert data["evidence"]["tasks"][0]["containers"][0]["exit_code"] == 143
    assert data["evidence"]["targets"][0]["reason"] == "Target.Timeout" and data["evidence"]["notes"] == ["no log"]
    assert json.loads(json.dumps(judge(exited(1)).as_json()))["serving"] is None
