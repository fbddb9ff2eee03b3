"""What one program call costs: our sandbox beside what self-play trainers commonly do.

All contenders run the same programs on the same arguments, two at a time, in the same run of this
script, in turns (so that a busy machine slows all of them), and every result is checked. They do
not offer the same: the column says what stands between the program and the host.

    python -m benchmarks.executor [--json FILE] [--seconds 4]
"""

import argparse
import asyncio
import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox import Call, Limits, Sandbox, render

CONCURRENCY = 2
ROUNDS = 4
PROGRAMS = (
    ("def f(x): return sorted(x)[::-1]", "[3, 1, 2]", "[3, 2, 1]"),
    ("def f(n):\n a, b = 0, 1\n for _ in range(n): a, b = b, a + b\n return a", "90",
     "2880067194370816120"),
    ("def f(s): return ''.join(c.upper() if i % 2 else c for i, c in enumerate(s))",
     "'absolute zero'", "'aBsOlUtE ZeRo'"),
    ("import collections\ndef f(x): return dict(sorted(collections.Counter(x).items()))",
     "'banana'", "{'a': 3, 'b': 1, 'n': 2}"),
    ("def f(x):\n return sum(i * i for i in range(x))", "20000", "2666466670000"),
)  # fmt: skip

Run = Callable[[str, str], Awaitable[str]]


@dataclass(slots=True)
class Contender:
    """One way to run a program."""

    name: str
    walls: str
    run: Run
    latencies_s: list[float]
    busy_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a contender did."""

    name: str
    walls: str
    num_calls: int
    calls_per_s: float
    p50_ms: float
    p95_ms: float


def call_in_process(program: str, args: str) -> str:
    """What a reused pool worker does: exec, eval, repr; the worker lives on with what it got."""
    namespace: dict[str, object] = {}
    exec(program, namespace)
    return repr(eval(f"f({args})", namespace))


def _call_into(program: str, args: str, results: "list[str]") -> None:
    results.append(call_in_process(program, args))


def call_in_new_process(program: str, args: str) -> str:
    """A process and a manager per program: the shape of the common correctness checkers."""
    with multiprocessing.Manager() as manager:
        results = manager.list()
        process = multiprocessing.Process(target=_call_into, args=(program, args, results))
        process.start()
        process.join(timeout=10)
        if process.is_alive():
            process.kill()
        return str(results[0])


def call_in_subprocess(program: str, args: str) -> str:
    """A fresh interpreter per program."""
    source = f"{program}\nprint(repr(f({args})))"
    command = [sys.executable, "-I", "-S", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


@contextlib.asynccontextmanager
async def contenders() -> AsyncIterator[list[Contender]]:
    """All of them, warm."""
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("forkserver")
    with (
        concurrent.futures.ProcessPoolExecutor(CONCURRENCY, mp_context=context) as pool,
        concurrent.futures.ThreadPoolExecutor(CONCURRENCY) as threads,
    ):
        async with Sandbox(workers=1, limits=Limits(wall_s=10.0, cpu_s=10.0)) as sandbox:

            async def ours(program: str, args: str) -> str:
                outcome = await sandbox.run(Call(program=program, args=[args]))
                return render(outcome.values[0])

            async def reused(program: str, args: str) -> str:
                return await loop.run_in_executor(pool, call_in_process, program, args)

            async def subprocessed(program: str, args: str) -> str:
                return await loop.run_in_executor(threads, call_in_subprocess, program, args)

            async def managed(program: str, args: str) -> str:
                return await loop.run_in_executor(threads, call_in_new_process, program, args)

            jail = sandbox.status().jail
            yield [
                Contender("kelvin sandbox", f"fork, seccomp, rlimits, {jail}", ours, []),
                Contender("exec in a reused pool worker", "none", reused, []),
                Contender("subprocess python -I -S", "process", subprocessed, []),
                Contender("multiprocessing + Manager", "process", managed, []),
            ]


async def measure(contender: Contender, seconds: float) -> None:
    """Run the programs round and round, CONCURRENCY at a time; a wrong result ends it all."""
    deadline = time.perf_counter() + seconds

    async def lane(start: int) -> None:
        at = start
        while time.perf_counter() < deadline:
            program, args, expected = PROGRAMS[at % len(PROGRAMS)]
            began = time.perf_counter()
            result = await contender.run(program, args)
            contender.latencies_s.append(time.perf_counter() - began)
            if result != expected:
                raise RuntimeError(f"{contender.name}: expected {expected}, got {result}")
            at += 1

    began = time.perf_counter()
    async with asyncio.TaskGroup() as lanes:
        for start in range(CONCURRENCY):
            lanes.create_task(lane(start))
    contender.busy_s += time.perf_counter() - began


async def compare(seconds: float) -> list[Row]:
    """Everyone in turn, ROUNDS times; `seconds` is each one's share in all."""
    async with contenders() as everyone:
        for contender in everyone:
            await measure(contender, 0.2)
            contender.latencies_s.clear()
            contender.busy_s = 0.0
        for _ in range(ROUNDS):
            for contender in everyone:
                await measure(contender, seconds / ROUNDS)
        return [_row(contender) for contender in everyone]


def _row(contender: Contender) -> Row:
    ordered = sorted(contender.latencies_s)
    return Row(
        name=contender.name,
        walls=contender.walls,
        num_calls=len(ordered),
        calls_per_s=len(ordered) / contender.busy_s,
        p50_ms=statistics.median(ordered) * 1e3,
        p95_ms=ordered[int(0.95 * (len(ordered) - 1))] * 1e3,
    )


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


def show(rows: list[Row], where: dict[str, object]) -> None:
    """A table for people."""
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print(f"{len(PROGRAMS)} programs, {CONCURRENCY} at a time; latency as the caller sees it\n")
    print(f"{'':30}{'calls':>8}{'calls/s':>9}{'p50 ms':>8}{'p95 ms':>8}{'p50 / ours':>12}  walls")
    for row in rows:
        ratio = row.p50_ms / rows[0].p50_ms
        print(
            f"{row.name:30}{row.num_calls:8}{row.calls_per_s:9.0f}{row.p50_ms:8.2f}"
            f"{row.p95_ms:8.2f}{ratio:12.1f}  {row.walls}"
        )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What one program call costs, beside rivals.")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each contender")
    options = parser.parse_args()
    where = host()
    rows = asyncio.run(compare(options.seconds))
    show(rows, where)
    if options.json:
        report = {"host": where, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
