"""`POST /run_code`: a caller's program, on argument lists, in a pool of its own.

    {"program": "def f(x): return x + 1", "args": ["1", "2"], "wall_s": 0.5}
    {"verdict": "ok", "values": ["2", "3"], "error": "", "failed": null, "cost": {...}}

A pool of its own, and not self-play's with a lower priority. A place at the end of the other's
queue would still let a stranger's program, once it runs, hold a guest's place for as long as the
time limit, wear out zygotes, and be counted among the verdicts of play. This pool has two places
and the limits of the run; it starts with the first request, so whoever never asks pays nothing.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Final

from starlette.requests import Request

from engine.api.bodies import RequestError, check_names, read_object
from engine.config import SandboxConfig
from sandbox import Call, Limits, Outcome, Sandbox, SandboxError, render
from sandbox.gateway import unless_gone

MAX_BODY: Final = 1 << 20
"""Bytes of a request."""
MAX_INSIDE: Final = 16
"""Requests inside at once, running and waiting."""
MAX_ARGS: Final = 64
"""Argument lists of a request."""
_FIELDS: Final = ("program", "args", "wall_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request, checked."""

    call: Call
    wall_s: float | None
    """Seconds that it may take at most; None: as the run's sandbox gives."""


@dataclass(slots=True)
class Runner:
    """The pool of callers' programs. Belongs to one event loop; `close` it."""

    config: SandboxConfig
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _sandbox: Sandbox | None = field(default=None, init=False)
    _num_inside: int = field(default=0, init=False)

    async def close(self) -> None:
        """Kill what runs and end the pool."""
        await self._stack.aclose()

    async def answer(self, request: Request) -> dict[str, object]:
        """The answer to a request; RequestError if there is none."""
        if self._num_inside >= MAX_INSIDE:
            raise RequestError(503, "too many requests at once; try again")
        self._num_inside += 1
        try:
            wanted = parse(await read_object(request, most=MAX_BODY))
            outcome = await self._run(request, wanted)
        except SandboxError as error:
            raise RequestError(503, f"the sandbox cannot run it: {error}") from None
        finally:
            self._num_inside -= 1
        return await asyncio.to_thread(_row, outcome)  # values may be long

    async def _run(self, request: Request, wanted: Wanted) -> Outcome:
        """Wait for the outcome; the caller's going away ends it, too."""
        sandbox = await self._opened()
        limits = _limits(self.config, wanted.wall_s)
        return await unless_gone(request, sandbox.run(wanted.call, limits=limits))

    async def _opened(self) -> Sandbox:
        async with self._opening:
            if self._sandbox is None:
                pool = Sandbox(workers=1, slots=1, jail=self.config.jail)
                self._sandbox = await self._stack.enter_async_context(pool)
            return self._sandbox


def parse(fields: dict[str, object]) -> Wanted:
    """A request from the object in its body; RequestError says what is wrong with it."""
    check_names(fields, _FIELDS)
    program, args, wall_s = (fields.get(name) for name in _FIELDS)
    if not isinstance(program, str):
        raise RequestError(422, "program is a text that defines f")
    if not isinstance(args, list) or not all(isinstance(each, str) for each in args):
        raise RequestError(422, 'args is a list of argument lists as texts, such as ["1, k=2"]')
    if not 1 <= len(args) <= MAX_ARGS:
        raise RequestError(422, f"args has 1 to {MAX_ARGS} argument lists, got {len(args)}")
    if wall_s is not None and not (isinstance(wall_s, int | float) and 0 < wall_s < 1e6):
        raise RequestError(422, "wall_s is a number of seconds above 0")
    return Wanted(
        call=Call(program=program, args=args),
        wall_s=None if wall_s is None else float(wall_s),
    )


def _limits(config: SandboxConfig, wall_s: float | None) -> Limits:
    """The run's own; a caller may ask for less time."""
    most = config.wall_s if wall_s is None else min(wall_s, config.wall_s)
    return Limits(wall_s=most, memory_mb=config.memory_mb)


def _row(outcome: Outcome) -> dict[str, object]:
    return {
        "verdict": outcome.verdict.value,
        "values": _texts(outcome.values),
        "error": outcome.error,
        "failed": outcome.failed,
        "cost": asdict(outcome.cost),
    }


def _texts(values: Sequence[bytes]) -> list[str]:
    return [render(value) for value in values]
