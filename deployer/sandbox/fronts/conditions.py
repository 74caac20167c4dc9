"""Whether a rule is for a request."""

from __future__ import annotations

import re
from fnmatch import translate
from urllib.parse import parse_qsl

from aiohttp import web

from deployer.sandbox.fronts.view import Action, Condition, Rule


def choose(rules: tuple[Rule, ...], request: web.BaseRequest) -> Action:
    """The default rule is the last, and has no conditions."""
    return next(rule.action for rule in rules if all(_meets(request, each) for each in rule.conditions))


def hostname(request: web.BaseRequest) -> str:
    return re.sub(r":\d+$", "", request.headers.get("Host", ""))


def path_and_query(request: web.BaseRequest) -> tuple[str, str]:
    raw = request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs
    path, _, query = raw.partition("?")
    return path, query


def _meets(request: web.BaseRequest, condition: Condition) -> bool:
    """What the sandbox cannot know, such as the source address of a container, is never met."""
    values = condition.values
    match condition.field:
        case "path-pattern":
            return any(_like(path_and_query(request)[0], each) for each in values)
        case "host-header":
            return any(_like(hostname(request).lower(), each.lower()) for each in values)
        case "http-request-method":
            return request.method in values
        case "http-header":
            texts = request.headers.getall(condition.header, [])
            return any(_like(text.lower(), each.lower()) for text in texts for each in values)
        case "query-string":
            pairs = parse_qsl(path_and_query(request)[1], keep_blank_values=True)
            return any(_pair_like(name, value, each) for name, value in pairs for each in values)
    return False


def _pair_like(name: str, value: str, wanted: str) -> bool:
    """`=value` is met by any name."""
    key, _, pattern = wanted.lower().partition("=")
    return (not key or _like(name.lower(), key)) and _like(value.lower(), pattern)


def _like(text: str, pattern: str) -> bool:
    """* and ? only: AWS has no character classes."""
    return re.match(translate(pattern.replace("[", "[[]")), text) is not None
