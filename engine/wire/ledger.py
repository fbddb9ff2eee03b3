"""Which records are in which optimizer step: `steps.jsonl`, one row a step.

The trainer writes a step's row before its weights can be seen, and syncs it. So a step whose
weights are published has its row, and a trainer that goes back to its last checkpoint finds in the
rows beyond it what it had put into each step: the same steps are made again from the same records,
however the records of several rings had happened to interleave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.wire.errors import WireError
from engine.wire.files import append_jsonl, atomic_jsonl, read_jsonl

Stretch = tuple[int, int]
"""(first, end): consecutive records of one ring, the end exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row."""

    step: int
    """1, 2, 3, ..."""
    stretches: Mapping[str, Stretch]
    """By ring name: the records it consumed, rejected ones included; empty ones are left out."""
    num_groups: int
    num_samples: int
    """Rollouts that were learned from."""
    version: int
    """The version of the weights that this step made."""
    checksum: str
    """Of those weights."""


class Ledger:
    """The trainer's own: reads what there is, and adds or replaces rows. One writer a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps = {step.step: step for step in read_steps(path)}

    def planned(self, step: int) -> Step | None:
        """What a step consumed when it was made before, if it was."""
        return self._steps.get(step)

    def record(self, step: Step) -> None:
        """Make the row durable; a row of the same step is replaced, an equal one left alone."""
        known = self._steps.get(step.step)
        if known == step:
            return
        self._steps[step.step] = step
        if known is None:
            append_jsonl(self._path, _row_of(step), fsync=True)
        else:
            atomic_jsonl(self._path, map(_row_of, self._steps.values()))


def read_steps(path: Path) -> list[Step]:
    """All rows, [] without a file. Raises WireError for a row that is none, or in the wrong place.

    After a kill the rows beyond the last checkpoint are of steps that are about to be made again.
    """
    steps = [_step_of(row, path=path) for row in read_jsonl(path)]
    for expected, step in enumerate(steps, start=1):
        if step.step != expected:
            raise WireError(
                f"{path} must have step {expected} in row {expected}, has step {step.step}; the "
                "file was edited or damaged: restore it"
            )
    return steps


def step_of(steps: Sequence[Step], *, ring: str, seq: int) -> int | None:
    """The step that consumed a record, or None."""
    for step in steps:
        first, end = step.stretches.get(ring, (0, 0))
        if first <= seq < end:
            return step.step
    return None


def _row_of(step: Step) -> dict[str, object]:
    return {
        "step": step.step,
        "records": {name: list(stretch) for name, stretch in step.stretches.items()},
        "num_groups": step.num_groups,
        "num_samples": step.num_samples,
        "version": step.version,
        "checksum": step.checksum,
    }


def _step_of(row: Mapping[str, object], *, path: Path) -> Step:
    match row:
        case {
            "step": int(step),
            "records": dict(records),
            "num_groups": int(num_groups),
            "num_samples": int(num_samples),
            "version": int(version),
            "checksum": str(checksum),
        }:
            return Step(
                step=step,
                stretches={str(name): _stretch(pair, path=path) for name, pair in records.items()},
                num_groups=num_groups,
                num_samples=num_samples,
                version=version,
                checksum=checksum,
            )
    raise WireError(f"{path} must have rows of steps, found {row}; was it made by another kelvin?")


def _stretch(pair: object, *, path: Path) -> Stretch:
    match pair:
        case [int(first), int(end)] if 0 <= first <= end:
            return first, end
    raise WireError(f"{path}: records must be [first, end], found {pair!r}; repair that row")
