"""Plays rounds with a scripted model, three at a time, until killed or told to have enough.

    python tests/engine/round_player.py RUN ROUNDS

Everything but the model is the product's. There is no trainer, and credit without end.
"""

import asyncio
import random
import re
import sys
from hashlib import sha256
from pathlib import Path

from engine.choices import Estimate, NoveltyGate
from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.play.loop import Player
from engine.play.outbox import Outbox
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.eviction import Eviction
from engine.tasks.seeds import SeedProgram
from engine.tasks.store import TaskStore
from engine.wire import Producer, RingWriter, RunDir
from sandbox import Limits, Sandbox

SEED = SeedProgram(
    program="def f(x):\n    return [x]", inputs=("1", "5", "3", "4"), message="wraps what it gets"
)
CONFIG = EngineConfig(
    prompts=2,
    proposals=4,
    references=3,
    solver_shots=1,
    num_inputs=4,
    estimate=Estimate.ADAPTIVE,
    reward_shape="variance",
    mixed_only=True,
    novelty=NoveltyGate.FORM,
    memory_capacity=12,
    eviction=Eviction.COVERAGE,
    rounds_in_flight=3,
    max_in_flight=24,
    proposal_tokens=200,
    answer_tokens=50,
)


def replies(prompt: str) -> list[str]:
    """Sixteen replies that are a function of the prompt; many proposals repeat each other."""
    dice = random.Random(sha256(prompt.encode()).digest())
    heading, _, rest = prompt.partition("\n")
    if "each with one call" in heading:
        return [_program(dice) for _ in range(16)]
    if "each with what it does" in heading:
        return [_described(dice) for _ in range(16)]
    right = dice.random()
    return [_answer(rest, dice, is_right=dice.random() < right) for _ in range(16)]


def _program(dice: random.Random) -> str:
    factor, term = dice.randrange(2, 5), dice.randrange(100)
    body = dice.choice([f"x * {factor}", f"x + {term}", f"[x, {term}]", "x", "x / 0", "x +"])
    name = dice.choice(["x", "number"])
    return f"{name}):\n    return {body.replace('x', name)}\nprint(f({dice.randrange(9)}))\n\n"


def _described(dice: random.Random) -> str:
    calls = [f"f({number})" for number in dice.sample(range(50), dice.choice([3, 4, 4]))]
    return "\n".join([f" case {dice.randrange(9)}", *calls]) + "\n\n"


def _answer(rest: str, dice: random.Random, *, is_right: bool) -> str:
    """Right for the seed's function and wrong for most others: it says what depends on nothing."""
    numbers = re.findall(r"\d+", rest.rsplit("\n\n", maxsplit=1)[-1]) or ["0"]
    value = numbers[-1] if is_right else str(dice.randrange(9))
    begun = rest.rsplit("\n", 1)[-1]
    if begun.startswith("def f("):
        return "x):\n    return [x]\n\n"
    return f"{value})\n" if begun.endswith("f(") else f" {value}\n"


async def serve(run: RunDir, rounds: int) -> None:
    with run.lock("engine"):
        founded = run.write_run({})
        async with Sandbox(workers=1, limits=Limits(wall_s=30.0, cpu_s=30.0)) as sandbox:
            with TaskStore(run.tasks_db) as store:
                ring = RingWriter.open(
                    run.ring,
                    capacity=1 << 24,
                    run_id=founded.run_id,
                    first_seq=store.first_kept_seq(),
                )
                store.add_seeds(await certified_tasks(sandbox, [SEED], num_inputs=4))
                player = Player(
                    config=CONFIG,
                    policy=ScriptedPolicy(replies),
                    sandbox=sandbox,
                    store=store,
                    outbox=Outbox(store, ring),
                    batch_samples=1_000_000,
                    consumed_seq=lambda: 0,
                    producer=lambda _: Producer(engine="scripted", epoch=1),
                    on_round=lambda _: sys.stdout.write("a round\n") and sys.stdout.flush(),
                )
                await player.play(lambda: store.next_round() >= rounds - CONFIG.rounds_in_flight)
                ring.close()


if __name__ == "__main__":
    asyncio.run(serve(RunDir(Path(sys.argv[1])), int(sys.argv[2])))
