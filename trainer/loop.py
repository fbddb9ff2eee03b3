"""`trainer run`: from the run directory to a better policy, until the engine closes the ring.

    wait_batch -> learn -> ledger -> publish -> metrics -> (every k steps) checkpoint -> commit

What is durable, and when: a record is committed, that is, leaves the ring, only when a checkpoint
covers it. A killed trainer goes back to its last checkpoint, cuts the ledger back to it, and does
the steps since then again from the same records, so in the end every record is in exactly one step.
On CPU the redone steps have the same bits.

SIGINT and SIGTERM end the run after the micro-batch at hand: an unfinished step is given up (its
records come again), a checkpoint is written, and the exit code is 0. A second signal aborts.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch

from engine.wire import (
    RingReader,
    RunDir,
    append_jsonl,
    atomic_write,
    combine_checksums,
    read_jsonl,
)
from engine.wire.ring.layout import HEADER_BYTES
from trainer.checkpoint import (
    Place,
    newest_checkpoint,
    read_place,
    restore_learner,
    save_checkpoint,
)
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.intake import Intake
from trainer.learner import Learner
from trainer.metrics import PhaseClock, StepReport
from trainer.model import load_model, pick_device, vocabulary
from trainer.publish import Publisher
from trainer.signals import StopFlag, StopRequested

COMMIT_SHARE: Final = 4
"""A batch, and the records that wait for a checkpoint, may take a quarter of the ring each."""
RING_WAIT_S: Final = 0.5

log = logging.getLogger(__name__)


def train(run: RunDir, *, model_directory: Path, config: TrainerConfig, stop: StopFlag) -> None:
    """Train until the ring is closed and drained, or a stop is requested. Holds no lock itself.

    Raises TrainerError or WireError if the run cannot go on, StopRequested if a stop is requested
    before there is a ring.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    learner, place = _load(run, model_directory=model_directory, config=config)
    _cut_back(run.steps_ledger, step=place.step)
    _cut_back(run.trainer_metrics, step=place.step)
    publisher = Publisher(run.weights, origin=model_directory, config=config)
    training = Training(
        run=run, learner=learner, origin=model_directory, publisher=publisher, config=config
    )
    training.start(place)
    with _open_ring(run, stop) as reader:
        try:
            training.follow(reader, stop)
        except StopRequested:
            log.info("asked to stop at step %d", learner.step)
            training.save()
        else:
            training.finish()


@dataclass(slots=True, kw_only=True, eq=False)
class Training:
    """The parts of a run, and the order in which a step becomes durable."""

    run: RunDir
    learner: Learner
    origin: Path
    publisher: Publisher
    config: TrainerConfig
    next_seq: int = field(default=0, init=False)
    """The first record that no step has used."""
    _saved_step: int = field(default=-1, init=False)
    _saved_bytes: int = field(default=0, init=False)
    _clock: PhaseClock = field(default_factory=PhaseClock, init=False)
    _reader: RingReader | None = field(default=None, init=False)

    def start(self, place: Place) -> None:
        """Begin at `place`; sees to it that its version is published."""
        self.next_seq = place.next_seq
        self._saved_step = place.step
        sums = self.publisher.checksums(self.learner)
        manifest = self.publisher.publish(self.learner, next_seq=self.next_seq, sums=sums)
        log.info("version %d is published, checksum %s", manifest.version, manifest.checksum)

    def follow(self, reader: RingReader, stop: StopFlag) -> None:
        """Train on the ring until it is closed and drained. StopRequested leaves between steps."""
        reader.seek(self.next_seq)
        reader.commit(self.next_seq)  # a kill between checkpoint and commit is made good here
        self._reader = reader
        share = (self.run.ring.stat().st_size - HEADER_BYTES) // COMMIT_SHARE
        intake = Intake(
            reader,
            self.config,
            vocab_size=vocabulary(self.learner.model),
            batch_bytes=share,
            between_polls=stop.check,
        )
        self._clock.lap()
        while (batch := intake.next_batch(self.next_seq, clock=self._clock)) is not None:
            report = self.learner.learn(batch, clock=self._clock, between_passes=stop.check)
            self.next_seq = batch.end_seq
            with self._clock.phase("publish"):
                self._announce(report)
            is_due = self.learner.step % self.config.checkpoint_every == 0
            if is_due or intake.popped_bytes - self._saved_bytes > share:
                self.save()
                self._saved_bytes = intake.popped_bytes
            self._record(report, depth=reader.depth)
            stop.check()

    def finish(self) -> None:
        """The ring is closed: the last checkpoint, and the last version marked as such."""
        self.save()
        sums = self.publisher.checksums(self.learner)
        self.publisher.publish(self.learner, next_seq=self.next_seq, sums=sums, final=True)
        log.info("the engine has closed the queue; done at step %d", self.learner.step)

    def save(self) -> None:
        """Write a checkpoint of this step unless there is one, then let the ring forget."""
        if self._saved_step == self.learner.step:
            return
        with self._clock.phase("checkpoint"):
            path = save_checkpoint(
                self.run.checkpoints,
                self.learner,
                next_seq=self.next_seq,
                origin=self.origin,
                keep=self.config.keep_checkpoints,
            )
            if self._reader is not None:
                self._reader.commit(self.next_seq)
        self._saved_step = self.learner.step
        log.info("checkpoint %s", path)

    def _announce(self, report: StepReport) -> None:
        """Ledger before weights: a version that can be seen has its row."""
        sums = self.publisher.checksums(self.learner)
        batch = report.batch
        append_jsonl(
            self.run.steps_ledger,
            {
                "step": report.step,
                "first_seq": batch.first_seq,
                "end_seq": batch.end_seq,
                "num_groups": batch.num_groups,
                "num_samples": len(batch.samples),
                "version": report.step,
                "checksum": combine_checksums(sums),
            },
            fsync=True,
        )
        self.publisher.publish(self.learner, next_seq=self.next_seq, sums=sums)

    def _record(self, report: StepReport, *, depth: int) -> None:
        times = self._clock.lap()
        row = {**report.row(), "queue/depth_records": depth, **times}
        append_jsonl(self.run.trainer_metrics, row)
        log.info("%s | %.1f s", report.line(), times["time/step_s"])


def _load(run: RunDir, *, model_directory: Path, config: TrainerConfig) -> tuple[Learner, Place]:
    """The learner of the newest checkpoint, or of the initial model."""
    checkpoint = newest_checkpoint(run.checkpoints)
    source = checkpoint or model_directory
    model = load_model(source, device=pick_device(config.device))
    learner = Learner(model=model, config=config)
    if checkpoint is None:
        log.info("starting from %s", source)
        return learner, Place(step=0, next_seq=0)
    restore_learner(checkpoint, learner)
    place = read_place(checkpoint)
    log.info("resuming from %s: step %d, record %d", checkpoint, place.step, place.next_seq)
    return learner, place


@contextmanager
def _open_ring(run: RunDir, stop: StopFlag) -> Iterator[RingReader]:
    """The reader's end; waits for the engine to create the ring, or for a request to stop."""
    if not run.ring.exists():
        log.info("waiting for the engine to create %s", run.ring)
    while not run.ring.exists():
        stop.check()
        time.sleep(RING_WAIT_S)
    reader = RingReader.open(run.ring, wait_s=RING_WAIT_S)
    try:
        if reader.run_id != run.read_run().run_id:
            raise TrainerError(
                f"{run.ring} belongs to run {reader.run_id.hex()}, {run.run_json} is run "
                f"{run.read_run().run_id.hex()}; one of them was copied here: put it back"
            )
        yield reader
    finally:
        reader.close()


def _cut_back(path: Path, *, step: int) -> None:
    """Drop the rows of steps that will be done again."""
    rows = read_jsonl(path)
    kept = [row for row in rows if int(str(row["step"])) <= step]
    if len(kept) < len(rows):
        atomic_write(path, b"".join(_line(row) for row in kept))


def _line(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"
