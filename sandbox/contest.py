"""What a program costs on this host, beside the standard library's ways: for `sandbox bench`."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sandbox import bench, floor
from sandbox.bench import Case, Summary, Turn
from sandbox.jails import Jail
from sandbox.limits import Limits
from sandbox.pool import Sandbox

_ROUNDS = 4
_WARM_S = 0.1
_OURS, _OURS_2, _RUN = "kelvin", "kelvin, two at once", "fork + run"
_RIVALS = {
    "in-process exec": "exec",
    "fork + exit": "fork-exit",
    _RUN: "fork",
    "python -I -S": "python",
}

TakeTurn = Callable[[dict[str, object]], Awaitable[Turn]]


def run(*, seconds: float, file: Path | None, jail: Jail) -> int:
    """Measure, show a table and a sentence, and write `file` if there is one."""
    rows, had = asyncio.run(_compare(bench.SORT, seconds, jail))
    where = bench.host()
    console = Console()
    console.print(_table(rows, had))
    console.print(", ".join(f"{key} {value}" for key, value in where.items()), style="dim")
    console.print(reading(rows))
    if file is not None:
        report = {
            "host": where | {"jail": had},
            "seconds": seconds,
            "case": asdict(bench.SORT),
            "rows": {name: asdict(row) for name, row in rows.items()},
        }
        file.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def reading(rows: dict[str, Summary]) -> str:
    """The one sentence to take away."""
    ours, bare, fresh = rows[_OURS], rows[_RUN], rows["python -I -S"]
    return (
        f"A program costs {ours.cpu_ms:.1f} ms of CPU here and its caller waits "
        f"{ours.p50_ms:.1f} ms: {ours.cpu_ms / bare.cpu_ms:.1f} times the CPU of a bare fork, "
        f"{ours.cpu_ms / fresh.cpu_ms:.2f} times that of a fresh python; "
        f"two at a time give {rows[_OURS_2].calls_per_s:.0f} programs/s."
    )


async def _compare(case: Case, seconds: float, jail: Jail) -> tuple[dict[str, Summary], str]:
    async with _contenders(jail) as (everyone, had):
        share_s = seconds / len(everyone) / _ROUNDS
        totals = {name: Turn([]) for name in everyone}
        request: dict[str, object] = {"cases": [case.to_json()]}
        with _progress(_ROUNDS * len(everyone)) as advance:
            for take in everyone.values():
                await take(request | {"seconds": _WARM_S})
            for _ in range(_ROUNDS):
                for name, take in everyone.items():
                    advance(name)
                    totals[name].add(await take(request | {"seconds": share_s}))
        return {name: Summary.of(total) for name, total in totals.items()}, had


@contextlib.asynccontextmanager
async def _contenders(jail: Jail) -> AsyncIterator[tuple[dict[str, TakeTurn], str]]:
    """Everyone, started; the forks and the rest in processes of their own."""
    limits = Limits(wall_s=10.0, cpu_s=10.0)
    async with Sandbox(workers=1, limits=limits, jail=jail) as sandbox:

        async def ours(request: dict[str, object]) -> Turn:
            return await bench.take_ours(sandbox, request)

        async def ours_twice(request: dict[str, object]) -> Turn:
            return await bench.take_ours(sandbox, request | {"lanes": 2})

        with contextlib.ExitStack() as callers:
            rivals = {name: _rival(kind, callers) for name, kind in _RIVALS.items()}
            yield {_OURS: ours, _OURS_2: ours_twice, **rivals}, sandbox.status().jail


def _rival(kind: str, callers: contextlib.ExitStack) -> TakeTurn:
    caller = floor.start(kind)
    callers.callback(caller.close)

    async def take(request: dict[str, object]) -> Turn:
        return await asyncio.to_thread(floor.take_turn, [caller], request)

    return take


@contextlib.contextmanager
def _progress(num_turns: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr that names whose turn it is; gone when all is measured."""
    columns = (TextColumn("{task.description:22}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("warming up", total=num_turns)
        yield lambda name: progress.update(bar, description=name, advance=1)


def _table(rows: dict[str, Summary], jail: str) -> Table:
    table = Table(title=f"one program at a time: sorted([3, 1, 2]); jail: {jail}")
    table.add_column("", no_wrap=True)
    for column in ("calls/s", "p50 ms", "p99 ms", "CPU ms", "host ms", "CPU / fork + run"):
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row.calls_per_s:.0f}",
            f"{row.p50_ms:.2f}",
            f"{row.p99_ms:.2f}",
            f"{row.cpu_ms:.2f}",
            f"{row.host_cpu_ms:.2f}",
            f"{row.cpu_ms / rows[_RUN].cpu_ms:.2f}",
        )
    return table
