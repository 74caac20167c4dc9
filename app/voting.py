"""Two choices, one tally: Flask in front, the votes in Redis."""

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask, Response, redirect, render_template, request
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.exceptions import HTTPException

TALLY = "votes"  # a Redis hash: option -> number of votes
CONNECT_SECONDS = 1.0  # both short, so that an absent Redis holds no thread for long
ANSWER_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Option:
    """One of the two choices, as the page shows it."""

    id: str
    name: str
    votes: int
    percent: int


def _client(environ: Mapping[str, str]) -> Redis:
    port = environ.get("REDIS_PORT") or "6379"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"REDIS_PORT: {port!r} is not a port number")
    # Never a retry: a vote whose answer was lost may have been counted. The keepalive probes are sent before a load
    # balancer forgets an idle connection (350 s on AWS).
    probes = {
        getattr(socket, name): value
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    }
    return Redis(
        host=environ.get("REDIS_HOST") or "localhost",
        port=int(port),
        password=environ.get("REDIS_PASSWORD") or None,
        decode_responses=True,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        socket_keepalive_options=probes,
        retry=Retry(NoBackoff(), 0),
    )


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The WSGI application; every setting comes from `environ` (the process's own by default)."""
    env = os.environ if environ is None else environ
    names = {
        "a": (env.get("OPTION_A") or "").strip() or "Cats",
        "b": (env.get("OPTION_B") or "").strip() or "Dogs",
    }
    if names["a"] == names["b"]:
        raise ValueError(f"OPTION_A and OPTION_B are the same: {names['a']!r}")
    title = (env.get("TITLE") or "").strip() or f"{names['a']} or {names['b']}?"
    redis = _client(env)

    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 4096

    @app.get("/")
    def page() -> str:
        found = redis.hmget(TALLY, list(names.values()))
        votes = [int(value or 0) for value in found]
        total = sum(votes)
        options = [
            Option(id, name, count, round(100 * count / total) if total else 0)
            for (id, name), count in zip(names.items(), votes, strict=True)
        ]
        return render_template("page.html", title=title, options=options, total=total)

    @app.post("/vote")
    def vote() -> tuple[str, int] | Response:
        name = names.get(request.form.get("choice", ""))
        if name is None:
            text = "There is no such choice. Nothing was counted."
            return render_template("message.html", title=title, heading="Unknown choice", text=text), 400
        redis.hincrby(TALLY, name, 1)
        return _to_page()

    @app.post("/reset")
    def reset() -> Response:
        redis.delete(TALLY)
        return _to_page()

    @app.get("/healthz")
    def healthz() -> Response:
        # The process lives; that Redis is away is no reason to replace it.
        return Response("ok\n", mimetype="text/plain")

    @app.errorhandler(RedisError)
    def unavailable(error: RedisError) -> tuple[str, int, dict[str, str]]:
        log.warning("Redis cannot be used: %s: %s", type(error).__name__, error)
        text = "The votes cannot be reached right now. This page tries again every few seconds."
        heading = "Back in a moment"
        body = render_template("message.html", title=title, heading=heading, text=text, again=5)
        return body, 503, {"Retry-After": "5"}

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[str, int, list[tuple[str, str]]]:
        headers = [(key, value) for key, value in error.get_headers() if key.lower() != "content-type"]
        heading, text = error.name, error.description or ""
        return render_template("message.html", title=title, heading=heading, text=text), error.code or 500, headers

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return response

    return app


def _to_page() -> Response:
    # See Other: a reload of the page that follows does not vote again.
    response = redirect("/", 303)
    assert isinstance(response, Response)
    return response
