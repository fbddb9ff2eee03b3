"""One invocation of self-play, from seeds to report.

    seeds -> measure before (once a run) -> play until the budget is spent or the goal is reached
          -> close the ring, wait for the trainer -> measure after -> report

The session owns no process and no file: the service opens them and hands them in. It may be
cancelled at any await; what was committed is on disk, what was not leaves no trace.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import asdict, dataclass, field

from engine.api.counters import Counters
from engine.child import TrainerChild
from engine.config import EngineConfig
from engine.errors import EngineError
from engine.evaluate.held_out import certified_tasks, take_exam
from engine.evaluate.probe import probe
from engine.observe.board import Board, round_row
from engine.observe.report import evaluations_path, write_report
from engine.observe.rows import Rows
from engine.play.arena import Arena
from engine.play.loop import Player
from engine.play.occupancy import Occupancy
from engine.play.outbox import Outbox
from engine.play.patience import patiently
from engine.play.round import RoundReport
from engine.play.seeding import SeedBatch, Seeding
from engine.policy.protocol import Policy
from engine.tasks.seeds import held_out_programs, seed_programs
from engine.tasks.store import TaskStore
from engine.tasks.task import Task
from engine.versions import VersionFollower
from engine.wire import (
    Liveness,
    Manifest,
    Producer,
    RingState,
    RingWriter,
    RunDir,
    append_jsonl,
    last_jsonl,
    read_jsonl,
)
from engine.wire.waits import ROOM, Waits, wait_file
from sandbox import Sandbox

OWNER = "engine-0"
"""This engine's name among those of the run."""
OBSERVE_S = 1.0
TOTALS_EVERY = 10
"""Observations between two rows of running totals."""
DRAIN_RESERVE_S = 45.0
"""Time kept for the trainer's last step before the closing measurement."""
NO_TRAINER_AFTER_S = 20.0


@dataclass(slots=True, kw_only=True)
class Session:
    """The parts of one invocation, wired together."""

    run: RunDir
    config: EngineConfig
    batch_samples: int
    policy: Policy
    sandbox: Sandbox
    store: TaskStore
    ring: RingWriter
    board: Board
    child: TrainerChild | None
    run_id: bytes
    counters: Counters = field(default_factory=Counters, init=False)
    follower: VersionFollower = field(init=False)
    waits: Waits = field(init=False)
    occupancy: Occupancy = field(default_factory=Occupancy, init=False)
    exam: list[Task] = field(default_factory=list, init=False)
    _metrics: Rows = field(init=False)
    _first_step: int = field(default=0, init=False)
    _closing_s: float = field(default=0.0, init=False)
    """Time to keep for the trainer's last step and the closing measurement."""

    def __post_init__(self) -> None:
        self.waits = Waits(wait_file(self.run.path, "engine"))
        self._metrics = Rows(self.run.engine_metrics)
        self.follower = VersionFollower(
            root=self.run.weights,
            policy=self.policy,
            ring=self.run.ring.stem,
            owner=OWNER,
            on_version=self._on_version,
        )

    async def play(self) -> None:
        """Seeds, measurement, self-play, measurement, report."""
        await self._plant_seeds()
        if not self._evaluations():
            await self._measure()
        slowest = max(float(str(row["seconds"])) for row in self._evaluations())
        self._closing_s = 1.1 * (DRAIN_RESERVE_S + slowest)
        await self.follower.update()
        self._first_step = self.follower.newest.step if self.follower.newest else 0
        self.board.goal = f"of {self._first_step + self.config.steps}" if self.config.steps else ""
        async with _background(self.follower.follow()):
            self.board.phase = "playing"
            player = Player(
                config=self.config,
                policy=self.policy,
                sandbox=self.sandbox,
                store=self.store,
                outbox=Outbox(self.store, self.ring),
                batch_samples=self.batch_samples,
                consumed_seq=lambda: self.follower.consumed_seq,
                producer=self._producer,
                on_round=self._on_round,
                run_id=self.run_id,
                occupancy=self.occupancy,
                waits=self.waits,
            )
            await player.play(self._is_enough)
            await self._drain(player)
        await self.follower.update()
        await self._measure()
        self.board.phase = "writing the report"
        write_report(self.run)
        self.board.phase = "done"

    async def observe(self) -> None:
        """Keep the board, the heartbeat and the totals current until cancelled."""
        for second in itertools.count():
            status = self.sandbox.status()
            self.ring.heartbeat()
            self.board.tokens.update(self.policy.num_tokens)
            self.board.calls.update(status.num_calls)
            if second % TOTALS_EVERY == 0:
                self._metrics.add(
                    {
                        "event": "totals",
                        "time": time.time(),
                        "phase": self.board.phase,
                        "policy/tokens": self.policy.num_tokens,
                        "sandbox/calls": status.num_calls,
                        "sandbox/busy_s": round(status.busy_s, 3),
                        "sandbox/verdicts": dict(status.verdicts),
                        "play/seconds": self.occupancy.seconds(),
                    }
                )
            self.board.tasks = self.store.num_tasks()
            self.board.unconsumed = self.store.num_rollouts_from(self.follower.consumed_seq)
            self.board.trainer_row = last_jsonl(self.run.trainer_metrics) or {}
            if self.child is None:
                self.board.trainer = self._trainer_state()
            await asyncio.sleep(OBSERVE_S)

    # -- parts of the session

    async def _plant_seeds(self) -> None:
        self.board.phase = "certifying seeds"
        num_inputs = self.config.num_inputs
        programs = seed_programs(self.config.seeds)
        tasks = await certified_tasks(
            self.sandbox, programs, num_inputs=num_inputs, kinds=self.config.kinds
        )
        self.store.add_seeds(tasks)
        arena = Arena(
            config=self.config, policy=self.policy, sandbox=self.sandbox, run_id=self.run_id
        )
        await Seeding(arena=arena, store=self.store, on_batch=self._on_seeds).run()
        self.exam = await certified_tasks(
            self.sandbox, held_out_programs(), num_inputs=num_inputs, kinds=self.config.kinds
        )

    async def _measure(self) -> None:
        """Probe and exam of the version at hand, appended to evaluations.jsonl."""
        started = time.monotonic()
        self.board.phase = "held-out exam"
        exam = await take_exam(self.policy, self.sandbox, self.store, self.config, self.exam)
        results = []
        if self.config.probe_samples:
            results = await probe(
                self.policy, self.sandbox, self.store, self.config, self._set_phase
            )
        append_jsonl(
            evaluations_path(self.run),
            {
                "time": time.time(),
                "version": self.policy.version,
                "seconds": time.monotonic() - started,
                "probe": [asdict(result) for result in results],
                "exam": [asdict(result) for result in exam],
            },
        )

    def _is_enough(self) -> bool:
        newest = self.follower.newest
        if self.config.steps and newest and newest.step >= self._first_step + self.config.steps:
            return True
        if not self.config.minutes:
            return False
        spent = time.monotonic() - self.board.started
        return spent > self.config.minutes * 60 - self._closing_s

    async def _drain(self, player: Player) -> None:
        """Close the ring and wait until the trainer has ended or is not there."""
        self.board.phase = "waiting for the trainer's last step"
        while not await patiently(player.outbox.pump, self.waits):
            self._check_trainer()
            self.waits.tell(ROOM, on="trainer")
            await player.outbox.pause(0.05)
        self.ring.set_state(RingState.CLOSED, "the budget of this invocation is spent")
        while self._is_trainer_running():  # another process: there is no event
            self.waits.tell("its last step", on="trainer")
            await asyncio.sleep(0.2)

    def _is_trainer_running(self) -> bool:
        if self.child is not None:
            return not self.child.is_done
        return self.ring.reader_alive() in (Liveness.ALIVE, Liveness.HUNG)

    def _check_trainer(self) -> None:
        if not self._is_trainer_running():
            raise EngineError(
                "the queue is full and no trainer reads it; start "
                f"`trainer run --run {self.run.path}` and run this command again"
            )

    def _trainer_state(self) -> str:
        state = self.ring.reader_alive()
        if state is Liveness.ALIVE:
            return "running"
        waited = time.monotonic() - self.board.started > NO_TRAINER_AFTER_S
        advice = f"; start `trainer run --run {self.run.path}`" if waited else ""
        return f"{state.value}{advice}"

    def _producer(self, version: int) -> Producer:
        checksum = self.follower.checksums.get(version)
        return Producer(engine=OWNER, epoch=self.ring.epoch, checksum=checksum)

    # -- what others tell

    def _set_phase(self, phase: str) -> None:
        self.board.phase = phase

    def _on_seeds(self, batch: SeedBatch) -> None:
        self.board.phase = f"seeding, {batch.kind}: {batch.num_seeds} of {batch.wanted}"
        row = {"event": "seeds", "time": time.time(), **asdict(batch)}
        self._metrics.add(row)

    def _on_version(self, manifest: Manifest) -> None:
        self.board.version = manifest.step

    def _on_round(self, report: RoundReport) -> None:
        self.board.add_round(report)
        self.counters.add(report)
        self._metrics.add(round_row(report))

    def _evaluations(self) -> list[dict[str, object]]:
        return [dict(row) for row in read_jsonl(evaluations_path(self.run))]


@contextlib.asynccontextmanager
async def _background(coroutine: Coroutine[object, object, None]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(coroutine)
        try:
            yield
        finally:
            task.cancel()
