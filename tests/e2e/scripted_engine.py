"""The engine without a model: plays exactly so many rounds, closes the ring, and ends.

    python tests/e2e/scripted_engine.py RUN MODEL ROUNDS PHASES

Sandbox, task store, outbox, ring, credits and the loading of published weights are the product's;
only the model recites. One round at a time, replies that depend on the prompt alone, and a time
limit that no guest comes near: what is played is then a function of the rounds' numbers, whenever
this process is killed and started again.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from phases import Phases
from replies import replies

from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.play.loop import Player
from engine.play.outbox import Outbox
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.seeds import SeedProgram
from engine.tasks.store import TaskStore
from engine.versions import VersionFollower
from engine.wire import Producer, RingWriter, RunDir
from sandbox import Limits, Sandbox

log = logging.getLogger(__name__)

RING_BYTES = 1 << 17
"""A quarter closes a batch early, by lengths that depend on clocks: no batch has as much."""
OWNER = "scripted"
BATCH_SAMPLES = 20
"""No multiple of a round's 16: steps end inside of rounds."""
SEED = SeedProgram(
    program="def f(x):\n    return [x]", inputs=("1", "5", "3", "4"), message="wraps what it gets"
)
CONFIG = EngineConfig(
    proposals=4,
    solver_rollouts=4,
    references=2,
    solver_shots=1,
    num_inputs=4,
    rounds_in_flight=1,
    proposal_tokens=200,
    answer_tokens=50,
)
TRAINER = {
    "batch_samples": BATCH_SAMPLES,
    "min_batch_samples": 1,
    "checkpoint_every": 3,
    "lr": 1e-3,
    "threads": 1,
    "device": "cpu",
}


class Policy(ScriptedPolicy):
    """Says when it loads weights."""

    def __init__(self, phases: Phases) -> None:
        super().__init__(replies)
        self._phases = phases

    async def load(
        self, directory: Path, version: int, *, expected: Mapping[str, str] | None = None
    ) -> str:
        with self._phases.phase("engine: loading weights"):
            return await super().load(directory, version, expected=expected)


async def serve(run: RunDir, *, model: Path, rounds: int, phases: Phases) -> None:
    """Play the rounds that are missing of `rounds`; all of them are in the ring at the end."""
    with run.lock("engine"):
        founded = run.write_run({"trainer": TRAINER, "model": {"directory": str(model)}})
        phases.enter("engine: starting the sandbox")
        async with Sandbox(workers=1, limits=Limits(wall_s=30.0, cpu_s=30.0)) as sandbox:
            with TaskStore(run.tasks_db) as store:
                ring = RingWriter.open(
                    run.ring,
                    capacity=RING_BYTES,
                    run_id=founded.run_id,
                    first_seq=store.first_kept_seq(),
                )
                phases.enter("engine: planting seeds")
                store.add_seeds(await certified_tasks(sandbox, [SEED], num_inputs=4))
                phases.enter("engine: playing or waiting for credit")
                await play(run, sandbox, store, ring, rounds=rounds, phases=phases)
                phases.enter("engine: closing")
                ring.close()


async def play(
    run: RunDir,
    sandbox: Sandbox,
    store: TaskStore,
    ring: RingWriter,
    *,
    rounds: int,
    phases: Phases,
) -> None:
    """Until the store has so many rounds and the ring all of their groups."""
    store.commit_round = phases.marked("engine: committing a round", store.commit_round)
    outbox = MarkedOutbox(store, ring)
    outbox.phases = phases
    policy = Policy(phases)
    follower = VersionFollower(
        root=run.weights,
        policy=policy,
        ring=run.ring.stem,
        owner=OWNER,
        on_version=lambda _: None,
    )
    await follower.update()
    player = Player(
        config=CONFIG,
        policy=policy,
        sandbox=sandbox,
        store=store,
        outbox=outbox,
        batch_samples=BATCH_SAMPLES,
        consumed_seq=lambda: follower.consumed_seq,
        producer=lambda version: Producer(
            engine=OWNER, epoch=ring.epoch, checksum=follower.checksums.get(version)
        ),
        on_round=lambda report: log.info("round %d: %s", report.number, report.kind),
    )
    async with beside(follower), beating(ring):
        await player.play(lambda: store.next_round() >= rounds)
        with phases.phase("engine: waiting for space"):
            while not outbox.pump():
                await ring.space(timeout_s=1.0)


class MarkedOutbox(Outbox):
    """Says when it pushes."""

    phases: Phases

    def pump(self) -> bool:
        with self.phases.phase("engine: pushing"):
            return super().pump()


@asynccontextmanager
async def beside(follower: VersionFollower) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follower.follow())
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def beating(ring: RingWriter) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            ring.heartbeat()
            await asyncio.sleep(1.0)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


def main(run: str, model: str, rounds: str, phases: str) -> None:
    byte = Phases(Path(phases))
    byte.enter("starting")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s engine: %(message)s")
    asyncio.run(serve(RunDir(Path(run)), model=Path(model), rounds=int(rounds), phases=byte))


if __name__ == "__main__":
    main(*sys.argv[1:])
