"""What one program call costs: our sandbox beside the limit, the floor and the rivals.

    python -m benchmarks.executor                         all rivals, all workloads
    python -m benchmarks.executor --parts split load ...  where our time goes, load, sizes, workers
    python -m benchmarks.executor --soak 100000           does anything grow?

All contenders run the same calls in the same run of this script, in turns (round robin, so that a
busy machine slows all of them), each from processes that do nothing else; every result is checked,
and a wrong one ends the run. Percentiles are over all calls; rates, CPU and ratios are medians over
the rounds, a ratio being taken within a round. Who cannot take part is named with the reason.

Columns: calls/s; latency as the caller waits; CPU per call of all processes (`sandbox.turn` says
how it is counted) and of the calling process alone; latency and CPU as multiples of a bare fork
that compiles and runs (`/fork`) and of ours (`/ours`).
"""

import argparse
import asyncio
import contextlib
import json
import shlex
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import costs, soak
from benchmarks.callers import OURS
from benchmarks.progress import say
from benchmarks.rivals import FLOOR, RIVALS, Rival
from benchmarks.workloads import WORKLOADS, Workload
from sandbox import bench, floor
from sandbox.bench import Summary, Turn
from sandbox.floor import Caller
from sandbox.turn import WrongResultError

LANES = (1, 2)
WARM_S = 0.2
PARTS = ("rivals", "split", "size", "load", "workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender on one workload in so many lanes."""

    workload: str
    key: str
    name: str
    walls: str
    lanes: int
    summary: Summary
    p50_per_fork: float | None
    cpu_per_fork: float | None
    p50_per_ours: float | None
    cpu_per_ours: float | None
    """Medians over the rounds; None without that contender in the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A contender that takes no part, and why."""

    name: str
    workload: str
    reason: str


@dataclass(slots=True)
class Entry:
    """A contender in so many lanes, and its rounds so far."""

    rival: Rival
    lanes: int
    callers: list[Caller]
    rounds: list[Turn]

    def play(self, request: dict[str, object]) -> Turn:
        """One turn; a wrong result names who returned it."""
        try:
            return floor.take_turn(self.callers, request)
        except WrongResultError as wrong:
            raise SystemExit(f"{self.rival.name}: wrong result: {wrong}") from wrong


def compare(
    workload: Workload, rivals: Sequence[Rival], *, seconds: float, rounds: int
) -> list[Row]:
    """Everyone in turn; `seconds` is each one's share in all, for each number of lanes."""
    with _entered(workload, rivals) as entries:
        for entry in entries:
            entry.play(workload.request | {"seconds": WARM_S})
        for number in range(rounds):
            for entry in entries:
                say(f"{workload.name}, round {number + 1} of {rounds}: {entry.rival.name}")
                entry.rounds.append(entry.play(workload.round(seconds / rounds)))
        return [_row(workload, entry, entries) for entry in entries]


@contextlib.contextmanager
def _entered(workload: Workload, rivals: Sequence[Rival]) -> Iterator[list[Entry]]:
    with contextlib.ExitStack() as stack:
        entries = []
        for rival in rivals:
            for lanes in LANES:
                callers = rival.callers(lanes=lanes, wall_s=workload.wall_s)
                entries.append(Entry(rival, lanes, callers, []))
                for caller in callers:
                    stack.callback(caller.close)
        yield entries


def _row(workload: Workload, entry: Entry, everyone: Sequence[Entry]) -> Row:
    each = [Summary.of(turn) for turn in entry.rounds]
    pooled = Turn([])
    for turn in entry.rounds:
        pooled.add(turn)
    bare, ours = (_rounds_of(key, entry.lanes, everyone) for key in (FLOOR, OURS))
    return Row(
        workload=workload.name,
        key=entry.rival.key,
        name=entry.rival.name,
        walls=entry.rival.walls,
        lanes=entry.lanes,
        summary=Summary.of(pooled).with_medians(each),
        p50_per_fork=_ratio("p50_ms", each, bare),
        cpu_per_fork=_ratio("cpu_ms", each, bare),
        p50_per_ours=_ratio("p50_ms", each, ours),
        cpu_per_ours=_ratio("cpu_ms", each, ours),
    )


def _rounds_of(key: str, lanes: int, everyone: Sequence[Entry]) -> list[Summary]:
    found = [e.rounds for e in everyone if (e.rival.key, e.lanes) == (key, lanes)]
    return [Summary.of(turn) for turn in found[0]] if found else []


def _ratio(field: str, mine: Sequence[Summary], theirs: Sequence[Summary]) -> float | None:
    pairs = zip(mine, theirs, strict=False)
    ratios = [getattr(a, field) / getattr(b, field) for a, b in pairs if getattr(b, field) > 0]
    return statistics.median(ratios) if ratios else None


def select(workload: Workload, names: Sequence[str]) -> tuple[list[Rival], list[Absent]]:
    """Who takes part in a workload, and who does not and why."""
    present, absent = [], []
    for rival in RIVALS:
        if names and rival.key not in names:
            continue
        reason = rival.missing()
        if not reason and workload.is_hostile and not rival.endures:
            reason = "does not come back from an attacker"
        if reason:
            absent.append(Absent(name=rival.name, workload=workload.name, reason=reason))
        else:
            present.append(rival)
    return present, absent


def show(workload: Workload, rows: Sequence[Row]) -> None:
    """A table for people."""
    print(f"\n{workload.name}: {workload.says}")
    print(
        f"{'':31}{'lanes':>5}{'calls':>8}{'calls/s':>9}{'p50 ms':>8}{'p90 ms':>8}{'p99 ms':>8}"
        f"{'CPU ms':>8}{'host ms':>8}{'p50/fork':>9}{'CPU/fork':>9}{'p50/ours':>9}{'CPU/ours':>9}"
        "  walls"
    )
    for row in rows:
        s = row.summary
        ratios = (row.p50_per_fork, row.cpu_per_fork, row.p50_per_ours, row.cpu_per_ours)
        print(
            f"{row.name:31}{row.lanes:5}{s.num_calls:8}{s.calls_per_s:9.0f}{s.p50_ms:8.2f}"
            f"{s.p90_ms:8.2f}{s.p99_ms:8.2f}{s.cpu_ms:8.2f}{s.host_cpu_ms:8.2f}"
            + "".join(f"{ratio:9.2f}" if ratio is not None else f"{'-':>9}" for ratio in ratios)
            + f"  {row.walls}"
        )


def run_rivals(options: argparse.Namespace) -> dict[str, object]:
    """The part `rivals`: a table for each workload."""
    rows: list[Row] = []
    absent: list[Absent] = []
    for workload in WORKLOADS:
        if options.workloads and workload.name not in options.workloads:
            continue
        present, left_out = select(workload, options.contenders)
        absent += left_out
        found = compare(workload, present, seconds=options.seconds, rounds=options.rounds)
        say("")
        show(workload, found)
        rows += found
        for item in left_out:
            print(f"{item.name:31} not run: {item.reason}")
    return {"rows": [asdict(row) for row in rows], "absent": [asdict(item) for item in absent]}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What one program call costs, beside rivals.")
    parser.add_argument("--seconds", type=float, default=4.0, help="each contender, each table")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["rivals", "split"])
    parser.add_argument("--workloads", nargs="+", choices=[w.name for w in WORKLOADS])
    parser.add_argument("--contenders", nargs="+", choices=[r.key for r in RIVALS])
    parser.add_argument("--soak", type=int, metavar="N", help="N programs and nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="a chart of the part rivals")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    options = parse(arguments)
    where = bench.host()
    command = "python -m benchmarks.executor " + shlex.join(arguments or sys.argv[1:])
    print(command.strip())
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    report: dict[str, object] = {"command": command.strip(), "host": where}
    if options.soak:
        report["soak"] = asyncio.run(soak.run(options.soak))
    else:
        for part in options.parts:
            report[part] = run_rivals(options) if part == "rivals" else costs.run(part, options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.svg:
        from benchmarks import chart

        print(chart.draw(report, options.svg))


if __name__ == "__main__":
    main()
