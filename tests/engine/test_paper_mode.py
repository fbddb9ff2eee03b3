"""The recipe `azr-paper`, played small: one sample a prompt, measured and practised apart."""

import asyncio
import random
import re
from hashlib import sha256

import pytest

from engine.choices import Estimate, NoveltyGate, SolverMix
from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.play.arena import Arena
from engine.play.loop import Player
from engine.play.outbox import Outbox
from engine.play.seeding import Seeding
from engine.policy.scripted import ScriptedPolicy
from engine.prompts.forms import Form
from engine.recipe import read_recipe
from engine.tasks.seeds import SeedSet, seed_programs
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire import Producer, RingWriter, RunDir, decode_group
from engine.wire.messages import MAIN_KINDS, Kind, Role

WORDS = {
    "form": Form, "estimate": Estimate, "solver_mix": SolverMix, "novelty": NoveltyGate,
    "seeds": SeedSet,
}  # fmt: skip
SMALL = {"prompts": 4, "solver_tasks": 4, "seed_factor": 1, "rounds_in_flight": 1}


def paper(**changes):
    """The shipped recipe with a few numbers made small; words become what they stand for."""
    table = {**read_recipe("azr-paper")["engine"], **SMALL, **changes}
    return EngineConfig(
        **{key: WORDS[key](value) if key in WORDS else value for key, value in table.items()}
    )


def recite(prompt):
    dice = random.Random(sha256(prompt.encode()).digest())
    if "inputs for it and a message" in prompt:
        blocks = "".join(f"```input\n{n}\n```\n" for n in dice.sample(range(500), 10))
        return [f"hm</think>\n<answer>\n{blocks}```message\nno. {dice.random()}\n```\n</answer>"]
    if "Invent" in prompt:
        a, b = dice.randrange(2, 99), dice.randrange(99)
        program = f"```python\ndef f(x):\n    return (x, {a}, {b})\n```\n"
        return [f"hm</think>\n<answer>\n{program}```input\n{dice.randrange(99)}\n```\n</answer>"]
    if "hidden Python function" in prompt:
        return ["hm</think>\n<answer>\n```python\ndef f(x):\n    return x\n```\n</answer>"]
    block = "input" if "Find an input" in prompt or "which input" in prompt else "output"
    right = re.findall(r"return \(x, (\d+), (\d+)\)", prompt)
    number = re.findall(r"```input\n(\d+)\n", prompt)
    value = f"({number[-1]}, {right[-1][0]}, {right[-1][1]})" if right and number else "0"
    good = f"hm</think>\n<answer>\n```{block}\n{value}\n```\n</answer>"
    bad = f"hm</think>\n<answer>\n```{block}\n1\n```\n</answer>"
    return [good, bad, bad, bad]


class Match:
    """What was played."""

    def __init__(self):
        self.reports, self.groups = [], []

    def rounds_of(self, kind):
        return [report for report in self.reports if report.kind is kind]


@pytest.fixture
def play_paper(sandbox, tmp_path):
    async def play(rounds, **changes):
        config, match, run = paper(**changes), Match(), RunDir(tmp_path).create()
        with TaskStore(run.tasks_db) as store:
            programs = seed_programs(config.seeds)
            store.add_seeds(await certified_tasks(sandbox, programs, num_inputs=10))
            policy = ScriptedPolicy(recite)
            arena = Arena(config=config, policy=policy, sandbox=sandbox)
            await Seeding(arena=arena, store=store, on_batch=lambda _: None).run()
            match.seeds = {kind: store.num_tasks(kind, Origin.SEED) for kind in MAIN_KINDS}
            ring = RingWriter.open(run.ring, capacity=1 << 24, run_id=bytes(16))
            player = Player(
                config=config, policy=policy, sandbox=sandbox, store=store,
                outbox=Outbox(store, ring), batch_samples=10_000, consumed_seq=lambda: 0,
                producer=lambda _: Producer(engine="paper", epoch=1),
                on_round=match.reports.append,
            )  # fmt: skip
            async with asyncio.timeout(120):
                await player.play(lambda: len(match.reports) >= rounds)
            match.groups = [decode_group(row.payload) for row in store.outbox(0)]
            match.tasks = {task.id: task for task in store.tasks()}
            ring.close()
        return match

    return play


async def test_t13_the_solver_trains_on_the_tasks_of_its_own_step(play_paper):
    match = await play_paper(6)
    for report in match.reports:
        fresh = {attempts.task.id for attempts in report.admitted}
        practised = [attempts.task.id for attempts in report.practice]
        assert fresh
        assert fresh <= set(practised), "every new task of the step is practised in it"
        assert len(practised) == 4, "the batch is filled up from the memory"
        assert len(set(practised)) == 4


async def test_with_a_lag_the_solver_trains_on_the_tasks_of_the_step_before(play_paper):
    match = await play_paper(6, solver_lag=1)
    for kind in MAIN_KINDS:
        first, second = match.rounds_of(kind)
        before = {attempts.task.id for attempts in first.admitted}
        assert before <= {attempts.task.id for attempts in second.practice}


async def test_what_measures_is_thrown_away_and_what_is_practised_is_trained_on_once(play_paper):
    match = await play_paper(3)
    assert all(count >= 4 for count in match.seeds.values())
    proposers = [group for group in match.groups if group.role is Role.PROPOSER]
    solvers = [group for group in match.groups if group.role is Role.SOLVER]
    assert [len(group.rollouts) for group in proposers] == [1] * 12, "one sample a prompt"
    assert [len(group.rollouts) for group in solvers] == [1] * 12, "one attempt a task"
    for report in match.reports:
        assert all(len(attempts.scored) == 8 for attempts in report.admitted)
    assert {len(group.parents) for group in proposers} <= set(range(1, 7))
    for task in match.tasks.values():
        if task.kind is Kind.INDUCTION:
            assert (len(task.shown), len(task.hidden)) == (5, 5)


async def test_a_proposer_is_paid_one_minus_the_mean_of_eight_samples(play_paper):
    match = await play_paper(1)
    assert match.reports[0].kind is Kind.DEDUCTION
    for judged in match.reports[0].judged:
        assert judged.solve_rate == 0.25, "the script is right in two of eight"
        assert judged.reward == 0.75
