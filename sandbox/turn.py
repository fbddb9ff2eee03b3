"""One turn of a contender: the measuring loop, run in the process that makes the calls.

A caller process reads requests, one JSON object a line, and answers each with what it measured.
Standard library only, so that the smallest caller (a bare fork) is not slowed by what it imports.

    request  {"cases": [[program, [args...], [expected...] or null]...], "seconds": 1.0}
             "calls": N instead of "seconds" makes exactly so many;
             "arrivals_s": [offsets from the start] makes one at each, an open load
    answer   {"latencies_s", "elapsed_s", "cpu_s", "host_cpu_s", "faults"}, or {"wrong": sentence}

Latency is what the caller waits; under open load it counts from the planned arrival, so a queue
in the caller counts too. Every result is compared: the first wrong one ends the turn.

CPU is counted in one way that is right for every contender: the caller's own and reaped CPU
(getrusage, in microseconds) plus, for every process below it that is alive, its own and its reaped
CPU (/proc/PID/stat). A process that ends and is reaped moves its CPU to its parent, so nothing is
lost and nothing counts twice, however deep the tree: guests are found in their zygote. What
escapes is a process that nobody waits for. Ticks of /proc are 10 ms: a turn should last 0.5 s.
"""

import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[str, list[str]], list[str] | None]
"""Calls f of a program on each argument list; the values' texts, or None if there are none."""
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStat:
    """What /proc says of one process."""

    pid: int
    parent: int
    state: str
    own_cpu_s: float
    reaped_cpu_s: float
    """Of children waited for, and of what those had waited for."""
    own_faults: int
    reaped_faults: int
    num_threads: int
    rss_kb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU and minor page faults spent so far by this process and all below it."""

    cpu_s: float
    host_cpu_s: float
    """By this process alone."""
    faults: int


def read_stat(pid: int) -> ProcessStat | None:
    """The process as it is now; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return ProcessStat(
        pid=pid,
        parent=int(fields[1]),
        state=fields[0],
        own_faults=int(fields[7]),
        reaped_faults=int(fields[8]),
        own_cpu_s=(int(fields[11]) + int(fields[12])) * _TICK_S,
        reaped_cpu_s=(int(fields[13]) + int(fields[14])) * _TICK_S,
        num_threads=int(fields[17]),
        rss_kb=int(fields[21]) * _PAGE_KB,
    )


def descendants(root: int | None = None) -> list[ProcessStat]:
    """Every process below `root`, this one unless given; zombies too."""
    children: dict[int, list[ProcessStat]] = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208 - names will do
        stat = read_stat(pid)
        if stat is not None:
            children.setdefault(stat.parent, []).append(stat)
    found = list(children.get(root or os.getpid(), []))
    for stat in found:
        found += children.get(stat.pid, [])
    return found


def used() -> Usage:
    """The account of the module's docstring; take it when no call is under way."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    below = descendants()
    host_cpu_s = own.ru_utime + own.ru_stime
    return Usage(
        cpu_s=host_cpu_s
        + reaped.ru_utime
        + reaped.ru_stime
        + sum(stat.own_cpu_s + stat.reaped_cpu_s for stat in below),
        host_cpu_s=host_cpu_s,
        faults=own.ru_minflt
        + reaped.ru_minflt
        + sum(stat.own_faults + stat.reaped_faults for stat in below),
    )


class WrongResultError(Exception):
    """A contender returned something else than the program's value."""


def check(case: list[object], values: list[str] | None) -> None:
    """Compare what came back with what must; with an attacker (expected null) nothing must."""
    expected = case[2]
    if values is not None and expected is not None and values != expected:
        raise WrongResultError(f"expected {expected}, got {values} from {str(case[0])[:80]!r}")


def due_times(request: dict[str, object]) -> Iterator[float | None]:
    """When each call is due, as an offset from the start; None: at once, while there is time."""
    arrivals = request.get("arrivals_s")
    if isinstance(arrivals, list):
        yield from arrivals
        return
    calls = request.get("calls")
    if isinstance(calls, int):
        yield from itertools.repeat(None, calls)
        return
    seconds = request["seconds"]
    assert isinstance(seconds, int | float)
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        yield None


def wait_until(began: float, due_s: float | None) -> float:
    """When a call counts as begun: now, or when it is due, which is waited for."""
    now = time.perf_counter()
    if due_s is None:
        return now
    if began + due_s > now:
        time.sleep(began + due_s - now)
    return began + due_s


def account(latencies_s: list[float], *, elapsed_s: float, before: Usage) -> dict[str, object]:
    """The answer to a request."""
    after = used()
    return {
        "latencies_s": latencies_s,
        "elapsed_s": elapsed_s,
        "cpu_s": after.cpu_s - before.cpu_s,
        "host_cpu_s": after.host_cpu_s - before.host_cpu_s,
        "faults": after.faults - before.faults,
    }


def take(run: Run, request: dict[str, object]) -> dict[str, object]:
    """One turn, one call after the other."""
    cases = request["cases"]
    assert isinstance(cases, list)
    before, latencies_s, began = used(), [], time.perf_counter()
    for index, due_s in enumerate(due_times(request)):
        case = cases[index % len(cases)]
        start = wait_until(began, due_s)
        values = run(case[0], case[1])
        latencies_s.append(time.perf_counter() - start)
        check(case, values)
    return account(latencies_s, elapsed_s=time.perf_counter() - began, before=before)


def serve(turn: Callable[[dict[str, object]], dict[str, object]]) -> None:
    """Answer requests on standard input until it ends."""
    answer = take_standard_output()
    for line in sys.stdin:
        try:
            answer(turn(json.loads(line)))
        except WrongResultError as error:
            answer({"wrong": str(error)})


def take_standard_output() -> Callable[[dict[str, object]], None]:
    """How to write an answer; from here on what anybody prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)

    def write(answer: dict[str, object]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    return write
