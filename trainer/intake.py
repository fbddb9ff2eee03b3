"""The trainer's end of the rings: the next batch, whenever it is complete.

The only place that waits. It is unblocked by a record, by the rings' being closed, or by a request
to stop; while it waits it says once for what. A record that is whole but holds no group is passed
over, named in the log, counted and kept; a damaged ring ends the run.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from engine.wire import (
    GROUP_SCHEMA,
    CorruptRecord,
    QuarantinedRecord,
    Record,
    decode_group,
    keep_quarantined,
)
from engine.wire.ledger import Step
from engine.wire.waits import Waits
from trainer.batch import Batch, BatchBuilder
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.metrics import PhaseClock

POLL_S: Final = 0.5
"""How often a wait looks up: bounds the answer to a signal."""
SAY_AFTER_POLLS: Final = 20

log = logging.getLogger(__name__)

Popped = tuple[str, Record]
"""A record and the name of its ring."""


class Source(Protocol):
    """What records come from: `trainer.rings.Rings`."""

    @property
    def is_closed(self) -> bool:
        """No record will be pushed any more, to any ring."""
        ...

    def is_ring_closed(self, name: str) -> bool:
        """No record will be pushed to this ring any more."""
        ...

    @property
    def engines(self) -> str:
        """What has become of those who push, in words."""
        ...

    def pop(self, *, timeout_s: float) -> Popped | None:
        """The next record of any ring."""
        ...

    def pop_from(self, name: str, *, timeout_s: float) -> Record | None:
        """The next record of one ring."""
        ...


class Intake:
    """Builds batches from rings, in order. One thread; `between_polls` may raise to stop."""

    def __init__(
        self,
        source: Source,
        config: TrainerConfig,
        *,
        vocab_size: int,
        batch_bytes: float,
        between_polls: Callable[[], None],
        quarantine: Path,
        waits: Waits | None = None,
    ) -> None:
        """`batch_bytes` closes a batch early, so that one fits in the ring whatever its size.

        What holds no group is kept in the directory `quarantine`; what it waits for is told to
        `waits`.
        """
        self._source = source
        self._config = config
        self._vocab_size = vocab_size
        self._batch_bytes = batch_bytes
        self._between_polls = between_polls
        self._quarantine = quarantine
        self._waits = waits or Waits()
        self.popped_bytes = 0
        """Bytes of all records popped so far."""

    def next_batch(
        self, cursors: Mapping[str, int], *, clock: PhaseClock, plan: Step | None = None
    ) -> Batch | None:
        """The batch that begins at `cursors`, or None if no more will come.

        With a `plan`, of a step that was made before, exactly its records. The last batch may be
        small; it is None below `min_batch_samples`.
        """
        builder = BatchBuilder(cursors=cursors, vocab_size=self._vocab_size)
        if plan is not None:
            return self._planned(builder, plan, clock=clock)
        limit = self.popped_bytes + self._batch_bytes
        while self._is_small(builder, limit=limit):
            if not self._gather(builder, only=None, clock=clock):
                is_enough = builder.num_rollouts >= self._config.min_batch_samples
                return builder.build() if is_enough else None
        while ring := builder.open_ring:
            if not self._gather(builder, only=ring, clock=clock):
                break  # its engine has closed it: the parts never come, and others go on
        return builder.build()

    def _planned(self, builder: BatchBuilder, plan: Step, *, clock: PhaseClock) -> Batch:
        for ring, (first, end) in plan.stretches.items():
            if builder.end_seq(ring) != first:
                raise TrainerError(
                    f"step {plan.step} consumed {ring} from record {first} when it was made, the "
                    f"checkpoint goes on from {builder.end_seq(ring)}; steps.jsonl and checkpoints "
                    "are not of one run: restore one of them"
                )
            while builder.end_seq(ring) < end:
                if not self._gather(builder, only=ring, clock=clock):
                    raise TrainerError(
                        f"step {plan.step} consumed {ring} up to record {end} when it was made, "
                        f"the ring is closed and ends at {builder.end_seq(ring)}; start its "
                        "engine, which pushes again what was not consumed, or restore the ring"
                    )
        return builder.build()

    def _gather(self, builder: BatchBuilder, *, only: str | None, clock: PhaseClock) -> bool:
        """Wait for a record, of one ring or of any, and add it; False if no more will come."""
        with clock.phase("wait_batch"):
            popped = self._pop(builder, only=only)
        if popped is None:
            return False
        ring, record = popped
        self.popped_bytes += len(record.payload)
        with clock.phase("decode"):
            self._add(builder, ring, record)
        return True

    def _is_small(self, builder: BatchBuilder, *, limit: float) -> bool:
        is_small = builder.num_rollouts < self._config.batch_samples
        return is_small and self.popped_bytes < limit

    def _pop(self, builder: BatchBuilder, *, only: str | None) -> Popped | None:
        """The next record; None when the ring, or every ring, is closed and drained."""
        polls, source = 0, self._source
        while True:
            self._between_polls()
            # Read before popping: what was pushed before a ring was closed must still be seen.
            is_closed = source.is_closed if only is None else source.is_ring_closed(only)
            try:
                popped = self._pop_once(only)
            except CorruptRecord as error:
                raise TrainerError(str(error)) from error
            if popped is not None or is_closed:
                return popped
            polls += 1
            have, need = builder.num_rollouts, self._config.batch_samples
            what = f"rollouts ({have} of {need} for the next step)"
            self._waits.tell(what, on="engine")
            if polls == SAY_AFTER_POLLS:
                log.info("waiting on %s for %s (%s)", only or "the engine", what, source.engines)

    def _pop_once(self, only: str | None) -> Popped | None:
        if only is None:
            return self._source.pop(timeout_s=POLL_S)
        record = self._source.pop_from(only, timeout_s=POLL_S)
        return None if record is None else (only, record)

    def _add(self, builder: BatchBuilder, ring: str, record: Record) -> None:
        if record.schema != GROUP_SCHEMA:
            log.warning(
                "%s record %d has schema %d, this trainer reads %d: passed over",
                ring,
                record.seq,
                record.schema,
                GROUP_SCHEMA,
            )
            builder.skip("unknown_schema", ring=ring, seq=record.seq)
            return
        try:
            group = decode_group(record.payload)
        except QuarantinedRecord as error:
            builder.skip("quarantined", ring=ring, seq=record.seq)
            self._keep(ring, record, error)
        else:
            if refused := builder.add(group, ring=ring, seq=record.seq):
                self._keep(ring, record, refused)

    def _keep(self, ring: str, record: Record, error: QuarantinedRecord) -> None:
        log.warning("%s record %d is quarantined (%s): %s", ring, record.seq, error.field, error)
        keep_quarantined(self._quarantine, record, error, ring=ring)
