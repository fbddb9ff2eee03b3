"""Figures of a run from its own records: steps an hour, tokens and guests a second, time by phase.

Only the time in which the engine played counts; start-up, probes and exams are left out. Medians
are over optimizer steps.
"""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.wire import RunDir, read_jsonl

Row = Mapping[str, object]


def of_run(path: Path) -> dict[str, float | str]:
    """The figures of a run directory, by name."""
    run = RunDir(path)
    return measure(read_jsonl(run.engine_metrics), read_jsonl(run.trainer_metrics))


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
        **_shares(engine),
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


def _shares(engine: Sequence[Row]) -> dict[str, float | str]:
    """Where the time of play went, and what became of generations."""
    seconds = [dict(row["play/seconds"]) for row in engine if "play/seconds" in row]  # type: ignore[call-overload]
    figures: dict[str, float | str] = {}
    if seconds and (total := sum(seconds[-1].values())):
        figures = {f"play: share of {name}": value / total for name, value in seconds[-1].items()}
    rounds = [row for row in engine if row.get("event") == "round"]
    attempts = sum(_number(row, "solver/rollouts") for row in rounds)
    if attempts:
        trained = sum(_number(row, "solver/trained") for row in rounds)
        figures["solver samples trained on per attempt"] = trained / attempts
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
