"""`trainer run`: from the run directory to a better policy, until the engines close their rings.

    wait_batch -> learn -> ledger -> publish -> metrics -> (every k steps) checkpoint -> commit

What is durable, and when: a record leaves the ring only when it is in the journal or a checkpoint
covers it. A killed trainer goes back to its last checkpoint and does the steps since then again,
from the records that the ledger says they had, so in the end every record is in exactly one step.
On CPU the redone steps have the same bits.

SIGINT and SIGTERM end the run after the micro-batch at hand: an unfinished step is given up (its
records come again), a checkpoint is written, and the exit code is 0. A second signal aborts.
"""

import logging
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Final

import torch

from engine.wire import RunDir, append_jsonl, combine_checksums, read_jsonl
from engine.wire.files import atomic_jsonl
from engine.wire.ledger import Ledger, Step
from engine.wire.waits import Waits, wait_file
from trainer.checkpoint import (
    Place,
    newest_checkpoint,
    oldest_place,
    read_place,
    restore_learner,
    save_checkpoint,
)
from trainer.config import TrainerConfig
from trainer.intake import Intake
from trainer.learner import Learner
from trainer.metrics import PhaseClock, StepReport
from trainer.model import load_model, pick_device, vocabulary
from trainer.publish import Publisher
from trainer.rings import Rings, open_rings
from trainer.signals import StopFlag, StopRequested

COMMIT_SHARE: Final = 4
"""Without a journal a batch, and what waits for a checkpoint, may take a quarter of a ring each."""

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
    _cut_back(run.trainer_metrics, step=place.step)
    publisher = Publisher(run.weights, origin=model_directory, config=config)
    training = Training(
        run=run, learner=learner, origin=model_directory, publisher=publisher, config=config
    )
    training.start(place)
    with open_rings(run, config, cursors=place.cursors, stop=stop) as rings:
        try:
            training.follow(rings, stop)
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
    cursors: dict[str, int] = field(default_factory=dict, init=False)
    """By ring: the first record that no step has used."""
    _saved_step: int = field(default=-1, init=False)
    _saved_bytes: int = field(default=0, init=False)
    _clock: PhaseClock = field(default_factory=PhaseClock, init=False)
    _rings: Rings | None = field(default=None, init=False)
    _ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.run.steps_ledger)

    def start(self, place: Place) -> None:
        """Begin at `place`; sees to it that its version is published."""
        self.cursors = dict(place.cursors)
        self._saved_step = place.step
        sums = self.publisher.checksums(self.learner)
        manifest = self.publisher.publish(self.learner, consumed=self.cursors, sums=sums)
        log.info("version %d is published, checksum %s", manifest.version, manifest.checksum)

    def follow(self, rings: Rings, stop: StopFlag) -> None:
        """Train until the rings are closed and drained. StopRequested leaves between steps."""
        self._rings = rings
        self._let_go()  # a kill between checkpoint and commit is made good here
        share = rings.waiting_bytes / COMMIT_SHARE if rings.waiting_bytes else inf

        def look_up() -> None:
            stop.check()
            rings.tend()

        intake = Intake(
            rings,
            self.config,
            vocab_size=vocabulary(self.learner.model),
            batch_bytes=share,
            between_polls=look_up,
            quarantine=self.run.quarantine,
            waits=Waits(wait_file(self.run.path, "trainer")),
        )
        self._clock.lap()
        while batch := intake.next_batch(
            self.cursors, clock=self._clock, plan=self._ledger.planned(self.learner.step + 1)
        ):
            report = self.learner.learn(batch, clock=self._clock, between_passes=look_up)
            self.cursors |= {ring: end for ring, (_, end) in batch.stretches.items()}
            with self._clock.phase("publish"):
                self._announce(report)
            self._record(report, depth=rings.depth)
            is_due = self.learner.step % self.config.checkpoint_every == 0
            if is_due or intake.popped_bytes - self._saved_bytes > share:
                self.save()
                self._saved_bytes = intake.popped_bytes
            look_up()

    def finish(self) -> None:
        """The ring is closed: the last checkpoint, and the last version marked as such."""
        self.save()
        sums = self.publisher.checksums(self.learner)
        self.publisher.publish(self.learner, consumed=self.cursors, sums=sums, final=True)
        log.info("the engine has closed the queue; done at step %d", self.learner.step)

    def save(self) -> None:
        """Write a checkpoint of this step unless there is one, then let the ring forget."""
        if self._saved_step == self.learner.step:
            return
        with self._clock.phase("checkpoint"):
            path = save_checkpoint(
                self.run.checkpoints,
                self.learner,
                cursors=self.cursors,
                origin=self.origin,
                keep=self.config.keep_checkpoints,
            )
            self._let_go()
        self._saved_step = self.learner.step
        log.info("checkpoint %s", path)

    def _let_go(self) -> None:
        """Let the rings forget what the newest checkpoint has, the journals what the oldest has."""
        if self._rings is not None:
            oldest = oldest_place(self.run.checkpoints)
            self._rings.covered(self.cursors, oldest=oldest.cursors if oldest else {})

    def _announce(self, report: StepReport) -> None:
        """Ledger before weights: a version that can be seen has its row."""
        sums = self.publisher.checksums(self.learner)
        batch = report.batch
        self._ledger.record(
            Step(
                step=report.step,
                stretches=batch.stretches,
                num_groups=batch.num_groups,
                num_samples=len(batch.samples),
                version=report.step,
                checksum=combine_checksums(sums),
            )
        )
        self.publisher.publish(self.learner, consumed=self.cursors, sums=sums)

    def _record(self, report: StepReport, *, depth: int) -> None:
        times = self._clock.lap()
        behind = dict(self.publisher.behind)
        depths = {"queue/depth_records": depth, "engines/behind_versions": behind}
        row = {**report.row(), **depths, **times}
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
        return learner, Place(step=0, cursors={})
    restore_learner(checkpoint, learner)
    place = read_place(checkpoint)
    log.info("resuming from %s: step %d, records %s", checkpoint, place.step, dict(place.cursors))
    return learner, place


def _cut_back(path: Path, *, step: int) -> None:
    """Drop the rows of steps that will be done again."""
    rows = read_jsonl(path)
    kept = [row for row in rows if int(str(row["step"])) <= step]
    if len(kept) < len(rows):
        atomic_jsonl(path, kept)
