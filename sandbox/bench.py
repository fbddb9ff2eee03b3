"""The measure of a program's cost: cases, turns, what they add up to, and the sandbox's own turn.

The same loop (`sandbox.turn`) measures everybody: the sandbox here, from an event loop; the floor
and the standard library's ways in `sandbox.floor`; other people's ways in `benchmarks/`. Turns go
round, several each, so that a busy host slows all of them, and every result is compared.
"""

import asyncio
import functools
import math
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sandbox import turn
from sandbox.call import Call
from sandbox.pool import Sandbox
from sandbox.turn import WrongResultError
from sandbox.value import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A program, its argument lists, and the texts of the values it must return."""

    program: str
    args: tuple[str, ...]
    expected: tuple[str, ...] | None
    """None for an attacker: no result is right, it only has to end."""

    def to_json(self) -> list[object]:
        """As `sandbox.turn` reads it."""
        return [self.program, list(self.args), None if self.expected is None else [*self.expected]]


SORT = Case(program="def f(x): return sorted(x)", args=("[3, 1, 2]",), expected=("[1, 2, 3]",))


@dataclass(slots=True)
class Turn:
    """What one or more turns of a contender measured, added up."""

    latencies_s: list[float]
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    host_cpu_s: float = 0.0
    faults: int = 0

    @classmethod
    def of(cls, answer: dict[str, object]) -> "Turn":
        """From a caller's answer; WrongResultError ends the measurement."""
        if "wrong" in answer:
            raise WrongResultError(str(answer["wrong"]))
        return cls(**answer)  # type: ignore[arg-type]  # our own process wrote it

    def add(self, other: "Turn") -> None:
        """Another round of the same contender."""
        self.latencies_s += other.latencies_s
        self.elapsed_s += other.elapsed_s
        self.cpu_s += other.cpu_s
        self.host_cpu_s += other.host_cpu_s
        self.faults += other.faults

    def beside(self, other: "Turn") -> None:
        """Another lane of the same round: its time is the same time."""
        elapsed_s = max(self.elapsed_s, other.elapsed_s)
        self.add(other)
        self.elapsed_s = elapsed_s


async def take_ours(sandbox: Sandbox, request: dict[str, object]) -> Turn:
    """One turn of the sandbox, from this event loop, in `request["lanes"]` lanes."""
    return Turn.of(await answer_ours(sandbox, request))


async def answer_ours(sandbox: Sandbox, request: dict[str, object]) -> dict[str, object]:
    """The same as a caller's answer; WrongResultError if a value is not what it must be."""
    lanes = request.get("lanes", 1)
    assert isinstance(lanes, int)
    latencies_s: list[float] = []
    wrong: list[BaseException] = []
    before, began = turn.used(), time.perf_counter()
    calls = _timed_calls(sandbox, request, latencies_s)
    try:
        if "arrivals_s" in request:
            await _open_load(calls, began)
        else:
            await _closed_load(calls, lanes)
    except* WrongResultError as errors:
        wrong += errors.exceptions
    if wrong:
        raise wrong[0]
    elapsed_s = time.perf_counter() - began
    return turn.account(latencies_s, elapsed_s=elapsed_s, before=before)


TimedCall = Callable[[float], Awaitable[None]]
"""A call that counts as begun at the given time."""


def _timed_calls(
    sandbox: Sandbox, request: dict[str, object], latencies_s: list[float]
) -> Iterator[tuple[float | None, TimedCall]]:
    """Each call that is to be made, with when it is due."""
    cases = request["cases"]
    assert isinstance(cases, list)

    async def one(case: list[object], call: Call, start: float) -> None:
        outcome = await sandbox.run(call)
        latencies_s.append(time.perf_counter() - start)
        turn.check(case, [text_of(value) for value in outcome.values])

    for index, due_s in enumerate(turn.due_times(request)):
        case = cases[index % len(cases)]
        call = Call(program=case[0], args=case[1])
        yield due_s, functools.partial(one, case, call)


async def _closed_load(calls: Iterator[tuple[float | None, TimedCall]], lanes: int) -> None:
    async def lane() -> None:
        for _, call in calls:
            await call(time.perf_counter())

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())


async def _open_load(calls: Iterator[tuple[float | None, TimedCall]], began: float) -> None:
    async with asyncio.TaskGroup() as group:
        for due_s, call in calls:
            start = began + (due_s or 0.0)
            await asyncio.sleep(max(0.0, start - time.perf_counter()))
            group.create_task(_coroutine(call, start))


async def _coroutine(call: TimedCall, start: float) -> None:
    await call(start)


text_of = functools.lru_cache(maxsize=256)(render)
"""A value as text; that of a value seen before costs next to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a contender did, per program where it says `_ms`."""

    num_calls: int
    calls_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    cpu_ms: float
    """Of all its processes."""
    host_cpu_ms: float
    """Of the calling process alone."""
    faults: float
    """Minor page faults of all its processes."""

    @classmethod
    def of(cls, all_turns: Turn) -> "Summary":
        """From what was measured."""
        ordered = sorted(all_turns.latencies_s)
        num_calls = len(ordered)
        return cls(
            num_calls=num_calls,
            calls_per_s=num_calls / all_turns.elapsed_s,
            p50_ms=quantile(ordered, 0.50) * 1e3,
            p90_ms=quantile(ordered, 0.90) * 1e3,
            p99_ms=quantile(ordered, 0.99) * 1e3,
            cpu_ms=all_turns.cpu_s / num_calls * 1e3,
            host_cpu_ms=all_turns.host_cpu_s / num_calls * 1e3,
            faults=all_turns.faults / num_calls,
        )

    def with_medians(self, rounds: Sequence["Summary"]) -> "Summary":
        """Rate, CPU and faults as medians over these rounds; one disturbed round moves nothing."""
        names = ("calls_per_s", "cpu_ms", "host_cpu_ms", "faults")
        medians = {n: statistics.median(getattr(one, n) for one in rounds) for n in names}
        return replace(self, **medians)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def host() -> dict[str, object]:
    """Where and when."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_1m": round(os.getloadavg()[0], 1),
    }
