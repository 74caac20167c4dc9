"""An account of moto's own objects, small real servers as its targets, and fronts before them."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

from deployer.sandbox.fronts import Fronts

REGION = "us-east-1"
ACCOUNTS = itertools.count(700000000000)
QUICK = {"health_check_interval_seconds": 1, "health_check_timeout_seconds": 1, "healthy_threshold_count": 2}


class Backstage:
    """An event loop of the targets' own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def close(self) -> None:
        async def cancel() -> None:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self.do(cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


class WebTarget:
    """Answers with its name; its health is what `code` says."""

    def __init__(self, stage: Backstage, name: str) -> None:
        self.stage, self.name, self.code, self.served, self.checks = stage, name, 200, 0, 0
        application = web.Application(client_max_size=2**30)
        application.router.add_get("/health", self.health)
        application.router.add_get("/ws", self.socket)
        application.router.add_route("*", "/echo", self.echo)
        application.router.add_route("*", "/headers", self.headers)
        application.router.add_route("*", "/cut", self.cut)
        application.router.add_get("/half", self.half)
        application.router.add_get("/slow", self.slow)
        application.router.add_route("*", "/{rest:.*}", self.any)
        self.runner = web.AppRunner(application, handle_signals=False, auto_decompress=False, shutdown_timeout=0.1)
        self.port = 0
        stage.do(self._start())

    async def _start(self) -> None:
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = self.runner.addresses[0][1]

    def stop(self) -> None:
        self.stage.do(self.runner.cleanup())

    async def health(self, request: web.Request) -> web.Response:
        self.checks += 1
        return web.Response(status=self.code, text=request.headers["User-Agent"])

    async def any(self, request: web.Request) -> web.Response:
        self.served += 1
        await asyncio.sleep(0.002)
        return web.Response(text=f"{self.name} {request.raw_path}")

    async def headers(self, request: web.Request) -> web.Response:
        response = web.Response(text=json.dumps([[k.decode(), v.decode()] for k, v in request.raw_headers]))
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    async def echo(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if "Content-Length" in request.headers:
            response.content_length = int(request.headers["Content-Length"])
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        return response

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse(protocols=["chat"], max_msg_size=0)
        await answer.prepare(request)
        await answer.send_str(f"hello from {self.name}")
        async for message in answer:
            await (
                answer.send_bytes(message.data) if isinstance(message.data, bytes) else answer.send_str(message.data)
            )
        return answer

    async def cut(self, request: web.Request) -> web.Response:
        assert request.transport
        request.transport.close()
        await asyncio.sleep(0.1)
        return web.Response()

    async def half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        assert request.transport
        request.transport.close()
        return response

    async def slow(self, request: web.Request) -> web.Response:
        await asyncio.sleep(float(request.query["seconds"]))
        self.served += 1
        return web.Response(text=self.name)


class Scene:
    def __init__(self, sockets: Path) -> None:
        self.account = str(next(ACCOUNTS))
        self.backend = elbv2_backends[self.account][REGION]
        ec2 = ec2_backends[self.account][REGION]
        self.vpc = ec2.get_default_vpc().id
        self.subnets = [each.id for each in ec2.describe_subnets(filters={"vpc-id": [self.vpc]})][:2]
        self.lock, self.sockets = threading.RLock(), sockets
        self.stage = Backstage()
        self.places: dict[tuple[str, int], tuple[str, int]] = {}
        self.ips = (f"10.0.0.{number}" for number in itertools.count(10))
        self.targets: list[WebTarget] = []
        self.fronts = self.new_fronts()

    def new_fronts(self) -> Fronts:
        def reach(ip: str, port: int) -> tuple[str, int] | None:
            return self.places.get((ip, port))

        backends = {self.account: elbv2_backends[self.account]}
        return Fronts(self.lock, reach, self.sockets, backends)

    def close(self) -> None:
        self.fronts.stop()
        for target in self.targets:
            target.stop()
        self.stage.close()

    def balancer(self, kind: str = "application") -> Any:
        name = f"lb-{len(self.backend.load_balancers)}"
        with self.lock:
            made = self.backend.create_load_balancer(
                name=name, security_groups=[], subnet_ids=self.subnets, scheme="internal", loadbalancer_type=kind
            )
            # The uncorrected moto would call both kinds "app", and two in a row the same.
            made.dns_name = f"{name}.localhost"
        return made

    def group(self, protocol: str = "HTTP", **given: Any) -> Any:
        name = f"group-{len(self.backend.target_groups)}"
        with self.lock:
            made = self.backend.create_target_group(
                name, protocol=protocol, port=80, vpc_id=self.vpc, target_type="ip", healthcheck_path="/health"
            )
            vars(made).update(QUICK, **given)
        return made

    def listener(self, balancer: Any, action: Any, protocol: str = "HTTP", port: int = 0, **given: Any) -> Any:
        action = action if isinstance(action, dict) else forward(action)
        settings = {"ssl_policy": None, "certificate": None, **given}
        with self.lock:
            return self.backend.create_listener(
                load_balancer_arn=balancer.arn,
                protocol=protocol,
                port=port or free_port(),
                actions=[action],
                **settings,
            )

    def rule(self, listener: Any, priority: int, action: dict[str, Any], **conditions: list[str]) -> None:
        fields = [{"Field": name.replace("_", "-"), "Values": values} for name, values in conditions.items()]
        with self.lock:
            self.backend.create_rule(listener.arn, fields, priority, [action])

    def web(self, group: Any, name: str = "", reachable: bool = True) -> tuple[str, WebTarget]:
        target = WebTarget(self.stage, name or f"target-{len(self.targets)}")
        self.targets.append(target)
        return self.register(group, target.port if reachable else None), target

    def register(self, group: Any, port: int | None) -> str:
        ip = next(self.ips)
        if port:
            self.places[ip, 8080] = ("127.0.0.1", port)
        with self.lock:
            group.register([{"Id": ip, "Port": 8080}])
        return ip

    def deregister(self, group: Any, ip: str) -> None:
        with self.lock:
            group.deregister([{"Id": ip}])

    def health(self, group: Any, ip: str) -> Any:
        with self.lock:
            return group.__dict__.get("health", {}).get(ip)

    def state(self, group: Any, ip: str) -> str:
        return str((self.health(group, ip) or ("",))[0])

    def healthy(self, group: Any, *ips: str) -> None:
        until(lambda: all(self.health(group, ip) == ("healthy", None, None) for ip in ips))

    def port(self, listener: Any) -> int:
        until(lambda: hasattr(listener, "bound_port"))
        return int(listener.bound_port)


def forward(group: Any) -> dict[str, Any]:
    return {"Type": "forward", "TargetGroupArn": group.arn}


def fixed(text: str, status: int = 200) -> dict[str, Any]:
    config = {"StatusCode": str(status), "ContentType": "text/plain", "MessageBody": text}
    return {"Type": "fixed-response", "FixedResponseConfig": config}


def until(condition: Callable[[], Any], seconds: float = 5) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def call(
    port: int, path: str = "/", method: str = "GET", body: Any = None, headers: Any = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        yield one


def read_all(one: socket.socket) -> bytes:
    return b"".join(iter(lambda: one.recv(65536), b""))
