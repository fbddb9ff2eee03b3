"""`engine status`: what a run does now, and why it does not go on, from its files alone.

Nothing is asked of engine or trainer, which may hang: the answer comes from the headers of the
rings, the locks, the waits that both tell (`engine.wire.waits`), the ledger of steps, the manifests
of the weights and the last row of the engine's metrics. A file that cannot be read is named in
`notes` and does not hide the others.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from engine.observe.parties import Party, look_at
from engine.wire import Manifest, RunDir, WireError, last_jsonl, latest_version, read_acks
from engine.wire.ring.header import RingStat
from engine.wire.ring.view import RingView

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """A run at one moment."""

    run: RunDir
    run_id: str
    """Hexadecimal; empty before the run is founded."""
    created: str
    engine: Party
    trainer: Party
    rings: tuple[RingStat, ...]
    step: int
    """Optimizer steps done."""
    step_age_s: float | None
    """Since the last of them; None before the first."""
    version: int | None
    """The newest published weights."""
    version_age_s: float | None
    is_final: bool
    """The trainer has said that no version follows."""
    sampled: Mapping[str, int]
    """The version that each engine said last that it samples from."""
    phase: str
    """What the engine said last that it does."""
    phase_age_s: float | None
    notes: tuple[str, ...]
    """Files that cannot be read."""


def read_status(run: RunDir) -> RunStatus:
    """Look at a run directory. Raises WireError if nobody has ever begun a run in it."""
    if not run.run_json.exists() and not (run.path / "locks").is_dir():
        raise WireError(
            f"expected a run in {run.path}, found no run.json; begin one with "
            f"`engine serve --run {run.path}`"
        )
    files = _Files(run)
    founded = files.known(run.read_run)
    rings = files.rings()
    first = rings[0] if rings else None
    newest = files.known(lambda: latest_version(run.weights))
    acks = files.known(lambda: read_acks(run.weights)) or ()
    phase, phase_age_s = files.phase()
    return RunStatus(
        run=run,
        run_id="" if founded is None else founded.run_id.hex(),
        created="" if founded is None else founded.created,
        engine=look_at(run, "engine", end=None if first is None else first.writer),
        trainer=look_at(run, "trainer", end=None if first is None else first.reader),
        rings=rings,
        step=files.step(),
        step_age_s=files.step_age_s(),
        version=None if newest is None else newest.version,
        version_age_s=None if newest is None else _age_s(_published(newest)),
        is_final=newest is not None and newest.final,
        sampled={ack.owner: ack.version for ack in acks},
        phase=phase,
        phase_age_s=phase_age_s,
        notes=tuple(files.notes),
    )


class _Files:
    """Reads what it can, and notes what it cannot."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self.notes: list[str] = []

    def known(self, read: Callable[[], _T | None]) -> _T | None:
        """What a function reads; None if there is no such file yet, or a bad one."""
        try:
            return read()
        except FileNotFoundError:
            return None
        except (WireError, OSError) as error:
            self.notes.append(str(error))
            return None

    def rings(self) -> tuple[RingStat, ...]:
        """The headers of all rings, in the order of their numbers."""
        seen = (self.known(partial(_look, path)) for path in self._run.rings())
        return tuple(stat for stat in seen if stat is not None)

    def step(self) -> int:
        """The last step in the ledger, 0 before the first."""
        row = self.known(lambda: last_jsonl(self._run.steps_ledger)) or {}
        step = row.get("step", 0)
        return step if isinstance(step, int) else 0

    def step_age_s(self) -> float | None:
        """Since the ledger was last written."""
        changed = self.known(lambda: self._run.steps_ledger.stat().st_mtime)
        return None if changed is None else _age_s(changed)

    def phase(self) -> tuple[str, float | None]:
        """What the engine was doing at its last row of metrics, and how long that is ago."""
        row = self.known(lambda: last_jsonl(self._run.engine_metrics)) or {}
        phase = "playing" if row.get("event") == "round" else str(row.get("phase", ""))
        told = row.get("time")
        return phase, _age_s(told) if isinstance(told, int | float) else None


def _look(path: Path) -> RingStat:
    with RingView.open(path) as view:
        return view.stat()


def _published(manifest: Manifest) -> float:
    return datetime.fromisoformat(manifest.created).timestamp()


def _age_s(moment: float) -> float:
    return max(0.0, time.time() - moment)
