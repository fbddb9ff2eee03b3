"""The trainer's end of the ring: the next batch, whenever it is complete.

The only place that waits. It is unblocked by a record, by the ring's being closed, or by a request
to stop; while it waits it says once for what. A record that is whole but holds no group is passed
over, named in the log and counted; a damaged ring ends the run.
"""

import logging
from collections.abc import Callable
from typing import Final

from engine.wire import (
    GROUP_SCHEMA,
    CorruptRecord,
    QuarantinedRecord,
    Record,
    RingReader,
    RingState,
    decode_group,
)
from trainer.batch import Batch, BatchBuilder
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.metrics import PhaseClock

POLL_S: Final = 0.5
"""How often a wait looks up: bounds the answer to a signal."""
SAY_AFTER_POLLS: Final = 20

log = logging.getLogger(__name__)


class Intake:
    """Builds batches from a ring, in order. One thread; `between_polls` may raise to stop."""

    def __init__(
        self,
        reader: RingReader,
        config: TrainerConfig,
        *,
        vocab_size: int,
        batch_bytes: int,
        between_polls: Callable[[], None],
    ) -> None:
        """`batch_bytes` closes a batch early, so that one fits in the ring whatever its size."""
        self._reader = reader
        self._config = config
        self._vocab_size = vocab_size
        self._batch_bytes = batch_bytes
        self._between_polls = between_polls
        self.popped_bytes = 0
        """Bytes of all records popped so far."""

    def next_batch(self, first_seq: int, *, clock: PhaseClock) -> Batch | None:
        """The batch that begins with record `first_seq`, or None if no more will come.

        The last one may be small; it is None below `min_batch_samples`.
        """
        builder = BatchBuilder(first_seq=first_seq, vocab_size=self._vocab_size)
        limit = self.popped_bytes + self._batch_bytes
        while builder.num_rollouts < self._config.batch_samples and self.popped_bytes < limit:
            with clock.phase("wait_batch"):
                record = self._pop(builder)
            if record is None:
                is_enough = builder.num_rollouts >= self._config.min_batch_samples
                return builder.build() if is_enough else None
            self.popped_bytes += len(record.payload)
            with clock.phase("decode"):
                _add(builder, record)
        return builder.build()

    def _pop(self, builder: BatchBuilder) -> Record | None:
        """The next record; None when the ring is closed and drained."""
        polls = 0
        while True:
            self._between_polls()
            self._reader.heartbeat()
            # Read before popping: what was pushed before the ring was closed must still be seen.
            is_closed = self._reader.state is RingState.CLOSED
            try:
                record = self._reader.pop(timeout_s=POLL_S)
            except CorruptRecord as error:
                raise TrainerError(str(error)) from error
            if record is not None or is_closed:
                return record
            polls += 1
            if polls == SAY_AFTER_POLLS:
                log.info(
                    "waiting for the engine: %d of %d rollouts for the next step (engine: %s)",
                    builder.num_rollouts,
                    self._config.batch_samples,
                    self._reader.writer_alive().value,
                )


def _add(builder: BatchBuilder, record: Record) -> None:
    if record.schema != GROUP_SCHEMA:
        log.warning(
            "record %d has schema %d, this trainer reads %d: passed over",
            record.seq,
            record.schema,
            GROUP_SCHEMA,
        )
        builder.skip("unknown_schema", seq=record.seq)
        return
    try:
        group = decode_group(record.payload)
    except QuarantinedRecord as error:
        log.warning("record %d is quarantined (%s): %s", record.seq, error.field, error)
        builder.skip("quarantined", seq=record.seq)
    else:
        builder.add(group, seq=record.seq)
