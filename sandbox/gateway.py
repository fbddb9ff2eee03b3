"""The sandbox behind HTTP: `POST /run_code`, and whether it is well.

    POST /run_code   sandbox.fusion has the shape
    GET /v1/ping     "pong", SandboxFusion's own sign of life; also GET /health
    GET /status      layers, queue and counters, as JSON

Everything is bounded. A request counts from its first byte to its last; over `max_requests` of
them, or over `max_held_bytes` of bodies together, the answer is 503 with Retry-After. A body over
the cap is 413 and one that does not come in time is 408, before anything is parsed. How many
guests run at once is the pool's business: its zygotes. Whoever hangs up takes the guest down.

The caller is trusted to spend this machine's time, not more: there is no password. So the server
listens on the loopback unless told otherwise, and no page in a browser can reach it: an Origin
header is refused, the body must be declared JSON (which makes a browser ask first, and nobody
answers), and on the loopback the Host header must name it, whatever name led here.

SIGTERM and SIGINT stop the listening, give what runs `grace_s`, and kill the rest.
"""

import asyncio
import contextlib
import ipaddress
import logging
import platform
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import fusion
from sandbox.errors import SandboxError
from sandbox.fusion import Ceilings, RequestError
from sandbox.limits import Limits
from sandbox.pool import Sandbox
from sandbox.script import Script, ScriptOutcome

T = TypeVar("T")

logger = logging.getLogger(__name__)

_KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection: they must be the ones to close it."""
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much the gateway takes on."""

    max_requests: int = 256
    """Running and waiting ones together."""
    max_held_bytes: int = 512 << 20
    """Bodies of all of them together."""
    body_s: float = 30.0
    """For a body to arrive."""
    grace_s: int = 5
    """For what runs when the server is told to stop."""
    ceilings: Ceilings = field(default_factory=Ceilings)

    def __post_init__(self) -> None:
        if self.max_requests < 1:
            raise ValueError(f"max_requests must be at least 1, got {self.max_requests}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Gateway:
    """The application: one sandbox, and the requests that are inside."""

    def __init__(self, sandbox: Sandbox, *, bounds: Bounds, any_host: bool) -> None:
        self._sandbox, self._bounds, self._any_host = sandbox, bounds, any_host
        self._num_inside = self._held_bytes = 0
        self._num_refused = 0
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        routes = [
            Route("/run_code", self._run_code, methods=["POST"]),
            Route("/v1/ping", self._ping, methods=["GET"]),
            Route("/health", self._ping, methods=["GET"]),
            Route("/status", self._status, methods=["GET"]),
        ]
        self.app = Starlette(
            routes=routes,
            exception_handlers={RequestError: _to_response, HTTPException: _to_response},
        )

    async def emptied(self, patience_s: float) -> None:
        """Waits until no request is inside; unblocked by the last one's end, or by the clock."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_empty.wait(), patience_s)

    async def _ping(self, request: Request) -> Response:
        self._check_origin(request)
        return JSONResponse("pong")

    async def _status(self, request: Request) -> Response:
        self._check_origin(request)
        status = self._sandbox.status()
        return JSONResponse(
            {
                "jail": status.jail,
                "layers": {name: is_on for name, (is_on, _) in status.layers.items()},
                "python": platform.python_version(),
                "num_zygotes": self._sandbox.num_zygotes,
                "num_idle": status.num_idle,
                "num_waiting": status.num_waiting,
                "num_requests": self._num_inside,
                "num_refused": self._num_refused,
                "verdicts": {str(verdict): count for verdict, count in status.verdicts.items()},
            }
        )

    async def _run_code(self, request: Request) -> Response:
        self._check_origin(request)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise RequestError(415, "the body must be declared as application/json")
        self._check_room(self._num_inside >= self._bounds.max_requests)
        self._num_inside += 1
        self._is_empty.clear()
        body = bytearray()
        try:
            await self._receive(request, body)
            return JSONResponse(await self._answer(request, bytes(body)))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except asyncio.CancelledError:  # only the server does that, to what outlives its grace
            raise RequestError(503, "the server is stopping") from None
        finally:
            self._num_inside -= 1
            self._held_bytes -= len(body)
            if not self._num_inside:
                self._is_empty.set()

    async def _answer(self, request: Request, body: bytes) -> dict[str, object]:
        wanted = fusion.parse(body)
        if wanted.obstacle:
            return fusion.apologize(wanted.obstacle)
        limits = self._bounds.ceilings.limits(wanted)
        try:
            return fusion.respond(await self._run(request, wanted.script, limits))
        except SandboxError as error:
            logger.exception("a request could not be served")
            return fusion.apologize(str(error))

    async def _run(self, request: Request, script: Script, limits: Limits) -> ScriptOutcome:
        return await unless_gone(request, self._sandbox.run_script(script, limits=limits))

    async def _receive(self, request: Request, body: bytearray) -> None:
        most = self._bounds.ceilings.body_bytes
        if int(request.headers.get("content-length", "0")) > most:
            raise RequestError(413, f"a body of more than {most} bytes")
        try:
            async with asyncio.timeout(self._bounds.body_s):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > most:
                        raise RequestError(413, f"a body of more than {most} bytes")
                    self._check_room(self._held_bytes + len(chunk) > self._bounds.max_held_bytes)
                    body += chunk
                    self._held_bytes += len(chunk)
        except TimeoutError:
            raise RequestError(408, f"a body that took over {self._bounds.body_s} s") from None

    def _check_room(self, is_full: bool) -> None:
        if is_full:
            self._num_refused += 1
            raise RequestError(503, "too many requests at once; try again")

    def _check_origin(self, request: Request) -> None:
        """Refuse what comes from a page in a browser."""
        if "origin" in request.headers:
            raise RequestError(403, "requests from web pages are refused")
        name = _hostname(request.headers.get("host", ""))
        if not self._any_host and name not in _LOOPBACK_NAMES:
            raise RequestError(403, f"no server of that name here: {name[:80]!r}")


async def unless_gone(request: Request, work: Coroutine[object, object, T]) -> T:
    """What the work gives; ClientDisconnect once the caller has gone away, which cancels it."""
    run = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((run, gone), return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            raise ClientDisconnect
        return run.result()
    finally:
        run.cancel()
        gone.cancel()
        await asyncio.gather(run, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _hostname(host: str) -> str:
    """`Host` without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


async def _to_response(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):  # no such path, no such method
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    assert isinstance(error, RequestError)
    headers = {"Retry-After": "1"} if error.status == 503 else None
    return JSONResponse({"detail": error.detail}, error.status, headers)


async def serve(sandbox: Sandbox, listener: socket.socket, *, bounds: Bounds) -> None:
    """Answer on an open listener until SIGTERM, SIGINT or cancellation."""
    any_host = not is_loopback(listener.getsockname()[0])
    gateway = Gateway(sandbox, bounds=bounds, any_host=any_host)
    config = uvicorn.Config(
        gateway.app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=bounds.grace_s,
    )
    try:
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:  # it has cancelled what outlived its grace, and ends by raising the signal again
        await gateway.emptied(bounds.grace_s)
