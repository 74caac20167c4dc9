"""The voting app against a real Redis."""

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.voting import create_app
from tests.app.conftest import PASSWORD, RedisServer, free_port


def tally(page: str) -> dict[str, int]:
    return {option: int(votes) for option, votes in re.findall(r'id="votes-(\w)">(\d+)<', page)}


def test_page_shows_both_choices_and_an_empty_tally(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert tally(answer.text) == {"a": 0, "b": 0}
    assert "<h1>Cats or Dogs?</h1>" in answer.text
    assert ">Cats</button>" in answer.text
    assert ">Dogs</button>" in answer.text
    assert "0 votes" in answer.text


def test_page_is_self_contained(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "<script" not in page
    assert "//" not in page.replace("<!doctype html>", "")
    assert 'name="viewport"' in page


def test_vote_redirects_and_is_counted(client: FlaskClient, redis_server: RedisServer) -> None:
    answer = client.post("/vote", data={"choice": "a"})
    assert (answer.status_code, answer.location) == (303, "/")
    assert client.post("/vote", data={"choice": "b"}).status_code == 303
    page = client.post("/vote", data={"choice": "a"}, follow_redirects=True)
    assert tally(page.text) == {"a": 2, "b": 1}
    assert "3 votes" in page.text
    assert "67%" in page.text
    with redis_server.client() as redis:
        assert redis.hgetall("votes") == {"Cats": "2", "Dogs": "1"}


def test_reset_empties_the_tally(client: FlaskClient) -> None:
    client.post("/vote", data={"choice": "b"})
    answer = client.post("/reset")
    assert (answer.status_code, answer.location) == (303, "/")
    assert tally(client.get("/").text) == {"a": 0, "b": 0}


@pytest.mark.parametrize("data", [{"choice": "c"}, {"choice": "Cats"}, {"choice": ""}, {}])
def test_unknown_choice_is_refused_and_not_counted(
    client: FlaskClient, redis_server: RedisServer, data: dict[str, str]
) -> None:
    answer = client.post("/vote", data=data)
    assert answer.status_code == 400
    assert "Nothing was counted" in answer.text
    with redis_server.client() as redis:
        assert redis.keys() == []


def test_votes_and_resets_only_by_post(client: FlaskClient) -> None:
    client.post("/vote", data={"choice": "a"})
    for path in ("/vote?choice=a", "/reset"):
        answer = client.get(path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]
    assert tally(client.get("/").text) == {"a": 1, "b": 0}
    assert client.get("/nowhere").status_code == 404
    assert client.post("/vote", data={"choice": "a" * 10_000}).status_code == 413


def test_concurrent_votes_are_all_counted(app: Flask, redis_server: RedisServer) -> None:
    other = create_app(redis_server.environ)  # a second copy, as with count: 2
    together = threading.Barrier(16)

    def voter(number: int) -> list[int]:
        with (app if number % 2 else other).test_client() as client:
            together.wait()
            return [client.post("/vote", data={"choice": "ab"[vote % 2]}).status_code for vote in range(50)]

    with ThreadPoolExecutor(16) as pool:
        codes = [code for voter_codes in pool.map(voter, range(16)) for code in voter_codes]
    assert codes == [303] * 800
    assert tally(app.test_client().get("/").text) == {"a": 400, "b": 400}


def test_redis_killed_and_back(client: FlaskClient, redis_server: RedisServer) -> None:
    client.post("/vote", data={"choice": "a"})
    redis_server.kill()
    for answer in (client.get("/"), client.post("/vote", data={"choice": "a"}), client.post("/reset")):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "cannot be reached" in answer.text
        assert PASSWORD not in answer.text
    assert client.get("/healthz").status_code == 200
    redis_server.start()
    assert tally(client.get("/").text) == {"a": 1, "b": 0}
    assert client.post("/vote", data={"choice": "a"}).status_code == 303
    assert tally(client.get("/").text) == {"a": 2, "b": 0}


def test_redis_restarted_unseen_costs_no_request(client: FlaskClient, redis_server: RedisServer) -> None:
    assert client.get("/").status_code == 200
    redis_server.kill()
    redis_server.start()
    assert client.get("/").status_code == 200


def test_redis_that_never_answers_holds_a_request_for_short(redis_server: RedisServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = create_app({**redis_server.environ, "REDIS_PORT": str(port)}).test_client()
        start = time.monotonic()
        assert client.get("/").status_code == 503
        assert time.monotonic() - start < 5


def test_healthz_never_touches_redis() -> None:
    with socket.create_server(("127.0.0.1", 0)) as watched:
        watched.settimeout(0.3)
        client = create_app({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(watched.getsockname()[1])}).test_client()
        assert client.get("/healthz").text == "ok\n"
        with pytest.raises(TimeoutError):
            watched.accept()


@pytest.mark.parametrize("password", ["wrong-staple", ""])
def test_wrong_password(redis_server: RedisServer, password: str, caplog: pytest.LogCaptureFixture) -> None:
    client = create_app({**redis_server.environ, "REDIS_PASSWORD": password}).test_client()
    for answer in (client.get("/"), client.post("/vote", data={"choice": "a"})):
        assert answer.status_code == 503
        assert "cannot be reached" in answer.text
        for value in filter(None, (password, PASSWORD)):
            assert value not in answer.text
            assert value not in str(answer.headers)
            assert value not in caplog.text
    assert "Redis cannot be used" in caplog.text
    assert client.get("/healthz").status_code == 200
    with redis_server.client() as redis:
        assert redis.keys() == []


def test_options_and_title_come_from_the_environment_and_are_escaped(redis_server: RedisServer) -> None:
    environ = {
        **redis_server.environ,
        "OPTION_A": "<script>alert('a')</script>",
        "OPTION_B": '"><img src=x onerror=alert(1)>',
        "TITLE": "Tea & <i>Coffee</i>",
    }
    client = create_app(environ).test_client()
    page = client.post("/vote", data={"choice": "b"}, follow_redirects=True)
    assert tally(page.text) == {"a": 0, "b": 1}
    assert "&lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt;" in page.text
    assert "Tea &amp; &lt;i&gt;Coffee&lt;/i&gt;" in page.text
    bad = client.post("/vote", data={"choice": "<u>"})
    redis_server.kill()
    for text in (page.text, bad.text, client.get("/").text):
        for raw in ("<script", "<img", "<i>Coffee", "<u>"):
            assert raw not in text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_other_options_start_at_zero(client: FlaskClient, redis_server: RedisServer) -> None:
    client.post("/vote", data={"choice": "a"})
    other = create_app({**redis_server.environ, "OPTION_A": "Tea"}).test_client()
    assert tally(other.get("/").text) == {"a": 0, "b": 0}


@pytest.mark.parametrize("port", ["0", "65536", "tcp://10.0.0.1:6379", "-1"])
def test_a_port_that_is_none_is_an_error_at_the_start(port: str) -> None:
    with pytest.raises(ValueError, match="REDIS_PORT"):
        create_app({"REDIS_PORT": port})


def test_two_equal_options_are_an_error_at_the_start() -> None:
    with pytest.raises(ValueError, match="the same"):
        create_app({"OPTION_A": "Dogs"})


def test_empty_settings_mean_the_defaults() -> None:
    app = create_app({"OPTION_A": "", "OPTION_B": " ", "TITLE": "", "REDIS_PORT": str(free_port()), "REDIS_HOST": ""})
    assert "<title>Cats or Dogs?</title>" in app.test_client().get("/").text
