"""Where our time goes, and what moves it: the parts of `benchmarks.executor` beside the rivals.

split    CPU and page faults of host, zygotes and guests; system calls, where strace works
size     cost against the size of the zygote (by its modules) and of the program
load     latency under open load (Poisson arrivals) at shares of the measured capacity
workers  closed load on 1, 2, ... workers
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.callers import OURS
from benchmarks.rivals import caller
from benchmarks.workloads import WORKLOADS, sized
from sandbox import floor, turn
from sandbox.bench import Summary, Turn
from sandbox.floor import Caller
from sandbox.modules import GUEST_MODULES
from sandbox.turn import ProcessStat

SORT = WORKLOADS[0].request
SHARES = (0.3, 0.5, 0.7, 0.9)
BALLAST_MB = (0, 16, 64, 256)
SOURCE_BYTES = (100, 1_000, 4_000, 16_000, 60_000)
# More of the standard library, for a larger zygote.
_MORE = ("argparse", "asyncio", "csv", "email.message", "http.client", "logging", "pydoc",
         "sqlite3", "unittest", "xml.dom.minidom", "xmlrpc.client", "zipfile")  # fmt: skip
_MODULES = {"few": ("math",), "default": GUEST_MODULES, "many": (*GUEST_MODULES, *_MORE)}
Row = dict[str, object]


def run(part: str, options: argparse.Namespace) -> list[Row]:
    """The rows of one part, shown as they come."""
    parts = {"split": _split, "size": _size, "load": _load, "workers": _workers}
    print(f"\n{part}: {_SAYS[part]}")
    rows = []
    for row in parts[part](options.seconds):
        print("  " + ", ".join(f"{key} {_spelled(value)}" for key, value in row.items()))
        rows.append(row)
    return rows


_SAYS = {
    "split": "one lane of `sort`; per call",
    "size": "one lane; `sort`, then programs of several sizes",
    "load": "`sort`; latency counts from the planned arrival",
    "workers": "closed load, two lanes a worker",
}


def _spelled(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def _closing(started: Caller) -> Iterator[Caller]:
    try:
        started.ask(SORT | {"seconds": 0.2})
        started.answer()
        yield started
    finally:
        started.close()


def _measure(started: Caller, request: dict[str, object]) -> tuple[Turn, Summary]:
    found = floor.take_turn([started], request)
    return found, Summary.of(found)


# -- split ----------------------------------------------------------------------------------------


def _split(seconds: float) -> Iterator[Row]:
    for name, started in (("bare fork + exit", floor.start("fork-exit")),
                          ("bare fork + run", floor.start("fork"))):  # fmt: skip
        with _closing(started):
            before = _stat(started.pid)
            found, summary = _measure(started, SORT | {"seconds": seconds})
            yield _roles(name, found, summary, [(before, _stat(started.pid))], host=0.0)
    with _closing(caller(OURS)) as started:
        zygotes = _zygotes(started.pid)
        found, summary = _measure(started, SORT | {"seconds": seconds})
        pairs = [(before, _stat(before.pid)) for before in zygotes]
        yield _roles("kelvin", found, summary, pairs, host=summary.host_cpu_ms)
        yield _system_calls(started, [stat.pid for stat in zygotes])


def _stat(pid: int) -> ProcessStat:
    stat = turn.read_stat(pid)
    assert stat is not None
    return stat


def _zygotes(pid: int) -> list[ProcessStat]:
    """The processes below the caller that have reaped any child."""
    return [stat for stat in turn.descendants(pid) if stat.reaped_faults > 0]


def _roles(
    name: str,
    found: Turn,
    summary: Summary,
    pairs: list[tuple[ProcessStat, ProcessStat]],
    *,
    host: float,
) -> Row:
    per_call = 1.0 / len(found.latencies_s)

    def mean(field: str) -> float:
        difference: float = sum(getattr(b, field) - getattr(a, field) for a, b in pairs)
        return difference * per_call

    return {
        "who": name,
        "wall_ms": found.elapsed_s * 1e3 * per_call,
        "cpu_ms": summary.cpu_ms,
        "host_cpu_ms": host,
        "zygote_cpu_ms": mean("own_cpu_s") * 1e3,
        "guest_cpu_ms": mean("reaped_cpu_s") * 1e3,
        "zygote_faults": mean("own_faults"),
        "guest_faults": mean("reaped_faults"),
        "zygote_rss_mb": max(after.rss_kb for _, after in pairs) / 1024,
    }


def _system_calls(started: Caller, zygotes: list[int]) -> Row:
    """Calls per program of zygotes and guests, counted by strace."""
    strace = shutil.which("strace")
    if strace is None:
        return {"who": "system calls", "not run": "no strace on PATH"}
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        attach = [argument for pid in zygotes for argument in ("-p", str(pid))]
        command = [strace, "-f", "-c", "-o", str(counts), *attach]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        time.sleep(1.0)
        found, _ = _measure(started, SORT | {"seconds": 1.0})
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        text = counts.read_text() if counts.exists() else ""
    lines = [line.split() for line in text.splitlines()]
    # time share, seconds, microseconds a call, calls, errors if there are any, name
    calls = {line[-1]: int(line[3]) for line in lines if len(line) >= 5 and line[3].isdigit()}
    total = calls.pop("total", 0)
    if not total:
        return {"who": "system calls", "not run": f"strace could not attach: {said.strip()[-100:]}"}
    num_calls = len(found.latencies_s)
    most = sorted(calls.items(), key=lambda item: -item[1])
    return {"who": "system calls, zygote and guest together", "all": total / num_calls} | {
        name: n / num_calls for name, n in most if n / num_calls > 0.1
    }


# -- size, load, workers --------------------------------------------------------------------------


def _size(seconds: float) -> Iterator[Row]:
    for ballast_mb in BALLAST_MB:
        with _closing(floor.start("fork", ballast_mb=ballast_mb)) as started:
            yield _sized_row("bare fork + run", f"{ballast_mb} MB more", started, seconds)
    for name, modules in _MODULES.items():
        with _closing(caller(OURS, modules=modules)) as started:
            yield _sized_row("kelvin", f"{name} modules ({len(modules)})", started, seconds)
    yield from _source_sizes("bare fork + run", floor.start("fork"), seconds)
    yield from _source_sizes("kelvin", caller(OURS), seconds)


def _source_sizes(name: str, started: Caller, seconds: float) -> Iterator[Row]:
    with _closing(started):
        for source_bytes in SOURCE_BYTES:
            case = sized(source_bytes)
            request: dict[str, object] = {"cases": [case.to_json()], "seconds": seconds}
            _, summary = _measure(started, request)
            yield {"who": name, "source_bytes": len(case.program)} | _figures(summary)


def _sized_row(name: str, what: str, started: Caller, seconds: float) -> Row:
    zygotes = _zygotes(started.pid) or [_stat(started.pid)]
    _, summary = _measure(started, SORT | {"seconds": seconds})
    rss_mb = max(stat.rss_kb for stat in zygotes) / 1024
    return {"who": name, "zygote": what, "rss_mb": rss_mb} | _figures(summary)


def _load(seconds: float) -> Iterator[Row]:
    """Open load: a queue forms when a burst comes, and waiting in it counts."""
    for name, started, lanes in (
        ("bare fork + run", floor.start("fork"), 1),
        ("kelvin", caller(OURS, lanes=2), 2),
    ):
        with _closing(started):
            _, closed = _measure(started, SORT | {"seconds": seconds})
            yield {"who": name, "load": f"closed, {lanes} at a time"} | _figures(closed)
            for share in SHARES:
                arrivals_s = poisson(closed.calls_per_s * share, seconds)
                _, summary = _measure(started, SORT | {"arrivals_s": arrivals_s})
                yield {"who": name, "load": f"open, {share:.0%}"} | _figures(summary)


def poisson(rate_per_s: float, seconds: float) -> list[float]:
    """Arrival times of a seeded Poisson process, at least one."""
    chance = random.Random(20)
    at = chance.expovariate(rate_per_s)
    times: list[float] = []
    while at < seconds or not times:
        times.append(at)
        at += chance.expovariate(rate_per_s)
    return times


def _workers(seconds: float) -> Iterator[Row]:
    for workers in range(1, max(2, len(os.sched_getaffinity(0))) + 2):
        with _closing(caller(OURS, workers=workers, lanes=2 * workers)) as started:
            _, summary = _measure(started, SORT | {"seconds": seconds})
            yield {"who": "kelvin", "workers": workers} | _figures(summary)


def _figures(summary: Summary) -> Row:
    kept = ("num_calls", "calls_per_s", "p50_ms", "p99_ms", "cpu_ms", "host_cpu_ms")
    return {key: value for key, value in asdict(summary).items() if key in kept}
