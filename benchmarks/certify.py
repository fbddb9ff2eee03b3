"""What a certificate costs, and how often it is wrong: refused by mistake, accepted by mistake.

Honest programs are those of a CRUXEval file (JSON lines with `code`, `input`, `output`): a refusal
is a mistake, and so is a gold that is not the file's output. Rows whose arguments are no literals
(calls, lambdas) say nothing of the program and are counted apart. Dishonest programs are those of
folders of `.py` files and of TOML files (`f` is called with 3): a certificate is a mistake. Each
program is certified once a round; rounds differ by hash seeds, address layouts and random seeds,
for the pool is started anew for each.

    python -m benchmarks.certify [--honest FILE] [--dishonest PATH ...] [--rounds 1] [--json FILE]
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sandbox import Call, Certificate, Limits, Rejection, Sandbox, certify

CONCURRENCY = 2
HARMLESS = frozenset({"str_set_text_order"})
"""Returns a set of texts: the text of that value differs between processes, the value does not."""
LIMITS = Limits(wall_s=5.0, cpu_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One program and what is known of it."""

    name: str
    program: str
    args: str
    output: str | None = None
    """Literal of the right value; None for a dishonest program."""


@dataclass(slots=True)
class Tally:
    """What the rounds found."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Honest (name, reason) pairs."""
    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Dishonest (name, value) pairs."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of right refusals."""
    unreadable: set[str] = field(default_factory=set)
    """Rows whose arguments are no literals."""
    num_right: int = 0
    guests: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    """Certificates a second, honest programs, a round each."""


def read_honest(path: Path) -> list[Case]:
    """The rows of a CRUXEval file."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Case(name=row["id"], program=row["code"], args=row["input"], output=row["output"])
        for row in rows
    ]


def read_dishonest(path: Path) -> list[Case]:
    """The programs of a folder of files, or of a TOML file with a table for each."""
    if path.is_dir():
        programs = {file.stem: file.read_text("utf-8") for file in sorted(path.glob("*.py"))}
    else:
        tables = tomllib.loads(path.read_text("utf-8"))
        programs = {name: table["program"] for name, table in tables.items()}
    return [
        Case(name=name, program=program, args="3")
        for name, program in programs.items()
        if name not in HARMLESS
    ]


async def run_round(honest: list[Case], dishonest: list[Case], tally: Tally) -> None:
    """One pool, every program once."""
    async with Sandbox(workers=2, limits=LIMITS) as sandbox:
        started = time.perf_counter()
        await _all(sandbox, honest, tally)
        if honest:
            tally.rates.append(len(honest) / (time.perf_counter() - started))
        await _all(sandbox, dishonest, tally)


async def _all(sandbox: Sandbox, cases: list[Case], tally: Tally) -> None:
    waiting = iter(cases)

    async def worker() -> None:
        for case in waiting:
            found = await certify(sandbox, program=case.program, args=[case.args])
            _note(case, found, await _wanted(sandbox, case), tally)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(worker())


async def _wanted(sandbox: Sandbox, case: Case) -> tuple[bytes, ...]:
    if case.output is None:
        return ()
    return (await sandbox.run(Call(program=None, args=[case.output]))).values


def _note(
    case: Case, found: Certificate | Rejection, wanted: tuple[bytes, ...], tally: Tally
) -> None:
    if isinstance(found, Certificate):
        tally.guests.append(found.num_guests + 1)
        if case.output is None:
            tally.accepted[case.name, found.values[0].hex()[:64]] += 1
        elif found.values != wanted:
            tally.refused[case.name, "another value than the file's"] += 1
        else:
            tally.num_right += 1
    elif case.output is None:
        tally.reasons[found.reason] += 1
    elif found.reason == "arguments":
        tally.unreadable.add(case.name)
    else:
        tally.refused[case.name, f"{found.reason}: {found.detail}"] += 1


def summary(
    tally: Tally, honest: list[Case], dishonest: list[Case], rounds: int
) -> dict[str, object]:
    """For JSON and for print."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "host": f"{platform.machine()} {platform.system()} {platform.release()}",
        "rounds": rounds,
        "honest": len(honest),
        "honest_certified": tally.num_right,
        "honest_without_literal_arguments": len(tally.unreadable),
        "refused_by_mistake": sum(tally.refused.values()),
        "refused": [[*key, count] for key, count in tally.refused.most_common()],
        "dishonest": len(dishonest),
        "accepted_by_mistake": sum(tally.accepted.values()),
        "accepted": [[*key, count] for key, count in tally.accepted.most_common()],
        "reasons": dict(tally.reasons.most_common()),
        "certificates_per_s": round(statistics.median(tally.rates), 1) if tally.rates else None,
        "guests_per_certificate": round(statistics.mean(tally.guests), 2) if tally.guests else None,
    }


def main() -> int:
    """Entry point; exit code 1 if a certificate was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certify")
    parser.add_argument("--honest", type=Path, help="CRUXEval file, JSON lines")
    parser.add_argument("--dishonest", type=Path, nargs="*", default=[], help="folders, TOML files")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    honest = read_honest(options.honest) if options.honest else []
    dishonest = [case for folder in options.dishonest for case in read_dishonest(folder)]
    tally = Tally()
    for number in range(1, options.rounds + 1):
        asyncio.run(run_round(honest, dishonest, tally))
        print(
            f"round {number}/{options.rounds}: {sum(tally.refused.values())} refused and "
            f"{sum(tally.accepted.values())} accepted by mistake so far",
            file=sys.stderr,
            flush=True,
        )
    found = summary(tally, honest, dishonest, options.rounds)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if tally.refused or tally.accepted else 0


if __name__ == "__main__":
    raise SystemExit(main())
