"""Figures of a run from its own records: steps an hour, tokens and guests a second, time by phase.

    python -m benchmarks.pipeline --run runs/first

Only the time in which the engine played counts; start-up, probes and exams are left out. Medians
are over optimizer steps.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.wire import RunDir, read_jsonl

Row = Mapping[str, object]


def main() -> None:
    """Print the table; with --json also write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("runs/first"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    run = RunDir(arguments.run)
    figures = measure(read_jsonl(run.engine_metrics), read_jsonl(run.trainer_metrics))
    figures["host"] = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    figures["date"] = datetime.now(UTC).strftime("%Y-%m-%d")
    for name, value in figures.items():
        print(f"{name:36} {value:.3g}" if isinstance(value, float) else f"{name:36} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def measure(engine: Sequence[Row], trainer: Sequence[Row]) -> dict[str, float | str]:
    """The figures, by name."""
    steps = [row for row in trainer if "time/step_s" in row]
    if not steps:
        raise SystemExit("expected a run with at least one optimizer step, found none")
    playing_s, tokens, calls = _playing(engine)
    figures: dict[str, float | str] = {
        "optimizer steps": float(len(steps)),
        "steps an hour of play": 3600 * len(steps) / playing_s,
        "median step, s": statistics.median(_number(row, "time/step_s") for row in steps),
        "tokens generated a second": tokens / playing_s,
        "guests a second": calls / playing_s,
        "median rollouts a step": statistics.median(_number(r, "batch/rollouts") for r in steps),
        "tokens spared by packing, share": sum(_number(r, "pack/saved_tokens") for r in steps)
        / sum(_number(r, "pack/unpacked_tokens") for r in steps),
    }
    wall = sum(_number(row, "time/step_s") for row in steps)
    for name in sorted({key for row in steps for key in row if key.startswith("time/")}):
        if name != "time/step_s":
            share = sum(_number(row, name) for row in steps) / wall
            figures[f"trainer: share of {name[5:-2]}"] = share
    return figures


def _playing(engine: Sequence[Row]) -> tuple[float, float, float]:
    """Seconds, tokens and sandbox calls between successive totals of the phase `playing`."""
    totals = [row for row in engine if row.get("event") == "totals"]
    seconds = tokens = calls = 0.0
    for before, after in itertools.pairwise(totals):
        if before["phase"] == after["phase"] == "playing":
            seconds += _number(after, "time") - _number(before, "time")
            tokens += _number(after, "policy/tokens") - _number(before, "policy/tokens")
            calls += _number(after, "sandbox/calls") - _number(before, "sandbox/calls")
    if seconds <= 0:
        raise SystemExit("expected at least 10 s of play in the run's records, found none")
    return seconds, tokens, calls


def _number(row: Row, key: str) -> float:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


if __name__ == "__main__":
    main()
