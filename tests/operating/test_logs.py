"""`logs`: what is shown, in which order, how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.whole.project import Terminal, until

from .between import Ask
from .conftest import Scene


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout
    return [process.stdout.readline() for _ in range(count)]


def test_all_services_are_merged_by_time_and_one_line_each(scene: Scene) -> None:
    start = time.time() - 60
    web = scene.write("one", "four", at=start)
    redis = scene.write("two", service="redis", at=start + 0.0005)
    scene.write("three", at=start + 0.0008)
    run = scene.run("logs").ended(0)
    assert run.mutations == []
    shown = run.out.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (web|redis)/[0-9a-f]{8} \w+$", line) for line in shown)
    assert {line.split()[2] for line in shown} == {f"web/{web[:8]}", f"redis/{redis[:8]}"}
    assert shown == sorted(shown, key=lambda line: line.split()[1])
    assert "redis" not in scene.run("logs", "web").ended(0).out


def test_times_are_the_users_own_and_json_is_utc(scene: Scene) -> None:
    at = time.time() - 30
    task = scene.write("hello", at=at)
    shown = {zone: scene.begin("logs", env={"TZ": zone}).communicate()[0] for zone in ("UTC", "Asia/Tokyo")}
    assert shown["UTC"].startswith(time.strftime("%Y-%m-%d %H:%M:%S web/", time.gmtime(at)))
    assert shown["Asia/Tokyo"].startswith(time.strftime("%Y-%m-%d %H:%M:%S web/", time.gmtime(at + 9 * 3600)))
    (event,) = map(json.loads, scene.begin("logs", "--json", env={"TZ": "Asia/Tokyo"}).communicate()[0].splitlines())
    assert event == {"time": event["time"], "service": "web", "task": task, "message": "hello"}
    assert event["time"] == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def test_since(scene: Scene) -> None:
    scene.write("old", at=time.time() - 7200)
    run = scene.run("logs").ended(0)
    assert run.out == "" and "last 10m" in run.err and "--since" in run.err
    for since in ("3h", "1d", "2h1m", "7300", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 7300))):
        assert "old" in scene.run("logs", "--since", since).ended(0).out, since
    assert scene.run("logs", "--since", "1h").ended(0).out == ""


@pytest.mark.parametrize("args", [
    ("--since", "soon"), ("--since", ""), ("--since", "-5m"), ("--task", "web"), ("--task", ""),
    ("--previous", "--follow"), ("--previous", "--task", "1a"),
])  # fmt: skip
def test_bad_usage_is_2_and_asks_nobody(scene: Scene, args: tuple[str, ...]) -> None:
    assert scene.run("logs", *args).ended(2).calls == []


def test_unknown_service_and_not_deployed(scene: Scene) -> None:
    run = scene.run("logs", "wbe").ended(2)
    assert "wbe" in run.err and "redis, web" in run.err
    scene.project.down().ended(0)
    for command in (("logs",), ("logs", "web"), ("run", "web", "true"), ("exec", "web")):
        assert "deployer up" in scene.run(*command).ended(4).err


def test_a_log_group_that_is_gone_is_said(scene: Scene) -> None:
    scene.cloud.client("logs").delete_log_group(logGroupName="/deployer/voting/web")
    run = scene.run("logs", "web").ended(1)
    assert "/deployer/voting/web" in run.err and "deployer up" in run.err


@pytest.mark.parametrize("text", ["plain", 'say "hi"', "back\\slash", "?a -b [c] {d} %e%", "é", '"', "x" * 1500])
def test_filter_takes_the_text_as_it_is_written(scene: Scene, text: str) -> None:
    scene.between.rules["FilterLogEvents"] = lambda asked, ask: ask()
    scene.write("before", f"<{text}>", text.upper() + "1" if text.isalpha() and text.isascii() else "other")
    run = scene.run("logs", "web", "--filter", text).ended(0)
    assert [line.split(" ", 3)[3] for line in run.out.splitlines()] == [f"<{text}>"]
    asked = scene.between.asked["FilterLogEvents"][-1]
    assert len(asked.get("filterPattern", "")) <= 1024
    assert re.fullmatch(r'"[^"\\]*"', asked.get("filterPattern", '""'))


def test_task_takes_the_beginning_of_an_id(scene: Scene) -> None:
    other = "f" * 32
    task = scene.write("mine")
    scene.write("another's", task=other, at=time.time() - 7200)
    for given in (task[:6], task, f"web/{task[:8]}", task[:6].upper()):
        assert scene.run("logs", "web", "--task", given).ended(0).out.endswith("mine\n")
    assert "another's" in scene.run("logs", "--task", "ffff").ended(0).out, "of one task all is shown"
    run = scene.run("logs", "web", "--task", "0000000").ended(2)
    assert "0000000" in run.err


def test_previous_is_the_task_that_stopped_last_and_why(scene: Scene) -> None:
    first = scene.write("I am first")
    scene.cloud.client("ecs").stop_task(cluster="voting", task=first, reason="by hand")
    ecs = scene.cloud.client("ecs", hidden=True)
    until(lambda: first not in str(ecs.list_tasks(cluster="voting", serviceName="web")["taskArns"] or first))
    until(lambda: ecs.describe_tasks(cluster="voting", tasks=[first])["tasks"][0]["lastStatus"] == "STOPPED")
    scene.write("I am second")
    run = scene.run("logs", "web", "--previous").ended(0)
    assert "I am first" in run.out and "second" not in run.out
    assert "by hand" in run.err and first[:8] in run.err
    scene.between.rules["ListTasks"] = lambda asked, ask: {"taskArns": []} if "STOPPED" in str(asked) else ask()
    assert "I am first" in scene.run("logs", "web", "--previous").ended(0).out, "ECS has forgotten it, its log remains"


# --- thousands of events, odd ones


def test_pages_may_be_empty_and_thousands_come_once_and_in_order(scene: Scene) -> None:
    start = time.time() - 100
    scene.write(*(f"event {number}" for number in range(5000)), at=start)
    count = 0

    def page(asked: dict[str, Any], ask: Ask) -> dict[str, Any]:
        nonlocal count
        count += 1
        if count % 3 == 1:  # empty, and not the end
            return {"events": [], "nextToken": asked.get("nextToken", "first")}
        if asked.get("nextToken") == "first":
            return ask_without_token(asked)
        return ask()

    def ask_without_token(asked: dict[str, Any]) -> dict[str, Any]:
        logs = scene.cloud.client("logs", hidden=True)
        answer = logs.filter_log_events(**{name: value for name, value in asked.items() if name != "nextToken"})
        return {name: answer[name] for name in ("events", "nextToken") if name in answer}

    scene.between.rules["FilterLogEvents"] = page
    run = scene.run("logs", "web").ended(0)
    numbers = [int(line.rpartition(" ")[2]) for line in run.out.splitlines()]
    assert numbers == list(range(5000))


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\tand\u202eturned\x00\x9b5A" + "y" * 262_000


def test_nothing_is_cut_in_a_pipe_or_in_json(scene: Scene, tmp_path: Path) -> None:
    scene.write(HOSTILE, "two\nlines", "carriage\rreturn")
    with (tmp_path / "shown").open("wb") as file:
        assert scene.begin("logs", "web", stdout=file).wait(30) == 0
    shown = (tmp_path / "shown").read_bytes()
    assert HOSTILE.encode() + b"\n" in shown
    assert [line.split(b" ", 3)[3] for line in shown.split(b"\n")[1:3]] == [b"two", b"lines"]
    assert b"carriage\rreturn\n" in shown
    messages = [json.loads(line)["message"] for line in scene.run("logs", "--json").ended(0).out.split("\n") if line]
    assert messages == [HOSTILE, "two\nlines", "carriage\rreturn"]


def test_a_log_does_not_steer_the_terminal(scene: Scene) -> None:
    scene.write(HOSTILE[:60])
    shown = Terminal.begin(scene.project, "logs", "web", env=scene.env).end(0)
    assert "red\tand" in shown
    ours = re.sub(r"\x1b\[\d+m", "", shown)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", ours)
    assert "\x1b[31m" not in shown and "\x1b[2m" in shown, "coloured, and not by the app"
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in Terminal.begin(scene.project, "logs", env=scene.env | plain).end(0)
    assert "\x1b" not in Terminal.begin(scene.project, "logs", "--no-color", env=scene.env).end(0)


def test_a_locale_that_knows_no_unicode_is_no_obstacle(scene: Scene) -> None:
    scene.write("grün")
    assert scene.run("logs", LC_ALL="POSIX", PYTHONIOENCODING="ascii", PYTHONUTF8="0").ended(0).out


# --- following


def test_follow_shows_what_comes_late_once_and_ends_with_130(scene: Scene) -> None:
    now = time.time()
    scene.write("first", at=now)
    process = scene.begin("logs", "--follow")
    assert "first" in lines(process, 1)[0]
    scene.write("second")
    assert "second" in lines(process, 1)[0]
    scene.write("late", at=now - 5)
    assert "late" in lines(process, 1)[0]
    scene.write("from redis", service="redis")
    assert "from redis" in lines(process, 1)[0]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


def test_follow_survives_throttling_and_cut_connections(scene: Scene) -> None:
    process = scene.begin("logs", "web", "--follow")
    until(lambda: any(call.operation == "FilterLogEvents" for call in scene.cloud.calls()))
    scene.cloud.fault("throttle", operation="FilterLogEvents", times=3)
    scene.cloud.fault("lost", operation="FilterLogEvents", nth=4, times=2)
    until(lambda: all(fault["fired"] == fault["times"] for fault in scene.cloud.faults()))
    scene.write("still here")
    assert "still here" in lines(process, 1)[0]
    process.terminate()
    process.communicate()


def test_follow_polls_slower_when_it_is_quiet(scene: Scene) -> None:
    scene.cloud.forget_calls()
    process = scene.begin("logs", "web", "--follow")
    time.sleep(8)
    process.terminate()
    process.communicate()
    calls = [call.started for call in scene.cloud.calls() if call.operation == "FilterLogEvents"]
    assert 3 <= len(calls) <= 6
    assert calls[-1] - calls[-2] > calls[1] - calls[0]


@pytest.mark.parametrize("follow", [True, False])
def test_a_reader_that_has_enough_ends_it_quietly(scene: Scene, follow: bool) -> None:
    """Also when nothing comes any more, so that no writing tells."""
    scene.write(*(f"event {number}" * 100 for number in range(2 if follow else 1000)))
    process = scene.begin("logs", *["--follow"][: int(follow)])
    lines(process, 1)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.wait(20) == 0 and process.stderr.read() == ""
