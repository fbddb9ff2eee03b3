"""The routes of the HTTP interface; see the package."""

import asyncio
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.api.bodies import RequestError, check_names, number_of, word_of
from engine.api.metrics import exposition
from engine.api.run_code import Runner
from engine.api.scene import Scene
from engine.errors import EngineError
from engine.observe import explain
from engine.observe.history import history_row, task_row
from engine.observe.status import read_status
from engine.tasks.database import StoreError
from engine.tasks.pages import STATES, TaskPages
from engine.tasks.task import Origin
from engine.wire import RunDir, WireError
from engine.wire.messages import Kind

PAGE: Final = 50
"""Tasks of a page, unless asked for more or fewer."""
MOST: Final = 200
"""Tasks of a page at most."""
_FILTERS: Final = ("kind", "origin", "state", "limit", "before")
_MAX_POSITION: Final = (1 << 63) - 1


@dataclass(slots=True)
class Interface:
    """Answers requests about a scene. Belongs to its event loop; `close` it."""

    scene: Scene
    runner: Runner = field(init=False)
    app: Starlette = field(init=False)

    def __post_init__(self) -> None:
        self.runner = Runner(self.scene.limits)
        self.app = Starlette(
            routes=[
                Route("/health", self._health, methods=["GET"]),
                Route("/metrics", self._metrics, methods=["GET"]),
                Route("/status", self._status, methods=["GET"]),
                Route("/tasks", self._tasks, methods=["GET"]),
                Route("/tasks/{name}", self._task, methods=["GET"]),
                Route("/run_code", self._run_code, methods=["POST"]),
            ],
            exception_handlers={
                RequestError: _to_response,
                HTTPException: _to_response,
                ClientDisconnect: _to_response,
                StoreError: _to_trouble,
                WireError: _to_trouble,
                sqlite3.OperationalError: _to_trouble,
            },
        )

    async def close(self) -> None:
        """End the pool of callers' programs."""
        await self.runner.close()

    async def _health(self, _request: Request) -> Response:
        board = self.scene.board
        uptime_s = round(time.monotonic() - board.started, 1)
        return JSONResponse({"status": "ok", "phase": board.phase, "uptime_s": uptime_s})

    async def _metrics(self, _request: Request) -> Response:
        return Response(exposition(self.scene), media_type=CONTENT_TYPE_LATEST)

    async def _status(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(_status_row, self.scene.run))

    async def _tasks(self, request: Request) -> Response:
        wanted = dict(request.query_params)
        check_names(wanted, _FILTERS)
        return JSONResponse(await asyncio.to_thread(_page, self.scene.run, wanted))

    async def _task(self, request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse(await asyncio.to_thread(_task_row, self.scene.run, name))

    async def _run_code(self, request: Request) -> Response:
        return JSONResponse(await self.runner.answer(request))


# -- by threads, each over a connection of its own


def _status_row(run: RunDir) -> dict[str, object]:
    return dict(explain.row(read_status(run)))


def _page(run: RunDir, wanted: dict[str, str]) -> dict[str, object]:
    kind, origin, state = (wanted.get(name) for name in ("kind", "origin", "state"))
    before = wanted.get("before")
    with TaskPages(run.tasks_db, read_only=True) as pages:
        tasks, following = pages.page(
            limit=number_of(wanted.get("limit", str(PAGE)), "limit", least=1, most=MOST),
            before=None if before is None else _position(before),
            kind=None if kind is None else Kind(word_of(kind, "kind", [*Kind])),
            origin=None if origin is None else Origin(word_of(origin, "origin", [*Origin])),
            state=None if state is None else word_of(state, "state", STATES),
        )
    return {"tasks": [task_row(each) for each in tasks], "next_before": following}


def _position(text: str) -> int:
    return number_of(text, "before", least=0, most=_MAX_POSITION)


def _task_row(run: RunDir, name: str) -> dict[str, object]:
    try:
        return history_row(run, name)
    except EngineError as error:
        raise RequestError(404, str(error)) from None


async def _to_response(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):  # no such path, no such method
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # nobody reads it
    assert isinstance(error, RequestError)
    headers = {"Retry-After": "1"} if error.status == 503 else None
    return JSONResponse({"detail": error.detail}, error.status, headers)


async def _to_trouble(_request: Request, error: Exception) -> Response:
    """A file of the run that cannot be read now: ours, and perhaps over soon."""
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})
