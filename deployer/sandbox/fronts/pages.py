"""What an application load balancer answers by itself."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from deployer.sandbox.fronts.view import Fixed, Redirect

SERVER = {"Server": "awselb/2.0"}


def page(status: int, headers: Mapping[str, str] = SERVER) -> web.Response:
    title = f"{status} {HTTPStatus(status).phrase.replace('Unavailable', 'Temporarily Unavailable')}"
    html = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n"
        f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return web.Response(status=status, text=html, content_type="text/html", headers=headers)


def fixed(action: Fixed) -> web.Response:
    body = action.body.encode()
    return web.Response(status=action.status, body=body, headers={**SERVER, "Content-Type": action.content_type})


def redirect(action: Redirect, asked: Mapping[str, str], doors: Mapping[str, int]) -> web.Response:
    """`asked`: protocol, host, port, path and query of the request. `doors`: where the balancer's ports are here."""

    def filled(text: str) -> str:
        for name, value in asked.items():
            text = text.replace(f"#{{{name}}}", value)
        return text

    host, port = filled(action.host), filled(action.port)
    if host == asked["host"]:
        port = str(doors.get(port, port))
    query = filled(action.query)
    location = f"{filled(action.protocol).lower()}://{host}:{port}{filled(action.path)}{'?' if query else ''}{query}"
    return page(action.status, {**SERVER, "Location": location})
