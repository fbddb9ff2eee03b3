"""Self-play with a model that recites and gets better: everything but the network, for long.

The policy's skill grows with its version, and a version comes whenever a batch's worth of rollouts
has been committed. Programs, answers and right answers are computed; scheduler, credit, sandbox,
memory, store and ring are the product's own.
"""

import asyncio
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256

import psutil
import pytest

from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.play.loop import Player
from engine.play.outbox import Outbox
from engine.play.round import RoundReport
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.pools import Weighting
from engine.tasks.seeds import IDENTITY
from engine.tasks.store import TaskStore
from engine.wire import Producer, RingWriter, RunDir, decode_group
from engine.wire.messages import MAIN_KINDS, Role

BATCH = 40
CAPACITY = 40
"""Tasks of a kind that can be drawn."""


class Pupil(ScriptedPolicy):
    """Right with a chance that grows from a tenth to nine in ten with its version."""

    def __init__(self, steps):
        super().__init__(self.replies)
        self.steps = steps

    def learn(self):
        self._version += 1

    def replies(self, prompt):
        dice = random.Random(sha256(f"{self._version}{prompt}".encode()).digest())
        if "each with one call" in prompt:
            return [program(dice) for _ in range(4)]
        if "each with what it does" in prompt:
            return [description(dice) for _ in range(4)]
        skill = 0.1 + 0.8 * min(1.0, self._version / self.steps)
        return [answer(prompt, is_right=dice.random() < skill) for _ in range(4)]


def program(dice):
    a, b = dice.randrange(2, 99), dice.randrange(1, 999)
    bad = dice.random() < 0.1
    return f"x):\n    return x * {a} + {b}{' +' * bad}\nprint(f({dice.randrange(99)}))\n\n"


def description(dice):
    calls = [f"f({number})" for number in dice.sample(range(200), 4)]
    return "\n".join([f" case {dice.randrange(10**9)}", *calls]) + "\n\n"


def answer(prompt, *, is_right):
    """To the last block of a solver's prompt, computed from its text."""
    task = prompt.rsplit("\n\n", 1)[-1]
    if task.endswith("def f("):
        pairs = re.findall(r"assert f\((\d+)\) == (\d+)", task)
        (x, y), (u, v) = ((int(a), int(b)) for a, b in pairs[:2])
        a = (v - y) // (u - x) + (not is_right)
        return f"x):\n    return x * {a} + {y - a * x}\n\n"
    line = re.search(r"return x \* (\d+) \+ (\d+)", task)
    a, b = (1, 0) if line is None else map(int, line.groups())
    number = int(re.findall(r"\d+", task.rsplit("\n", 1)[-1])[0])
    if task.endswith("f("):
        return f"{(number - b) // a + (not is_right)})\n"
    return f" {number * a + b + (not is_right)}\n"


@dataclass
class Lesson:
    """What happened in a run."""

    reports: list[RoundReport] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    """After each version."""
    consumed: int = 0


async def study(sandbox, run, steps):
    lesson, pupil, pending = Lesson(), Pupil(steps), 0
    config = EngineConfig(
        prompts=1, proposals=4, solver_rollouts=4, references=3, solver_shots=1, num_inputs=4,
        memory_capacity=CAPACITY, reference_weighting=Weighting.RECENT, staleness=1,
        rounds_in_flight=3, leak_gate=False,
    )  # fmt: skip
    process = psutil.Process()
    with TaskStore(run.tasks_db) as store:
        store.add_seeds(await certified_tasks(sandbox, [IDENTITY], num_inputs=4))
        ring = RingWriter.open(run.ring, capacity=1 << 26, run_id=bytes(16))

        def on_round(report):
            nonlocal pending
            lesson.reports.append(report)
            pending += len(report.judged) + sum(len(a.rollouts) for a in report.admitted)
            while pending >= BATCH:  # what the trainer would do
                pending -= BATCH
                lesson.consumed = store.next_seq()
                pupil.learn()
                lesson.resident_mb.append(process.memory_info().rss / 2**20)

        player = Player(
            config=config, policy=pupil, sandbox=sandbox, store=store,
            outbox=Outbox(store, ring), batch_samples=BATCH, consumed_seq=lambda: lesson.consumed,
            producer=lambda _: Producer(engine="pupil", epoch=1), on_round=on_round,
        )  # fmt: skip
        await player.play(lambda: pupil.version >= steps)
        groups = [decode_group(row.payload) for row in store.outbox(0)]
        kept = {kind: store.num_tasks(kind) for kind in MAIN_KINDS}
        rounds = {stored.task.id: stored.round for stored in store.stored_tasks()}
        everything = [store.stored(i) for i in store.ids_like("", most=10**6)]
        ring.close()
    rounds |= {stored.task.id: stored.round for stored in everything}
    return lesson, groups, kept, everything, rounds


def mean_reward(groups, role):
    rewards = [r.reward for group in groups if group.role is role for r in group.rollouts]
    return sum(rewards) / len(rewards)


STEPS = [20, pytest.param(200, marks=[pytest.mark.stress])]


@pytest.mark.parametrize("steps", STEPS)
async def test_t18_a_learning_policy_plays_fairly_and_its_curriculum_moves(
    sandbox, tmp_path, steps
):
    run = RunDir(tmp_path).create()
    async with asyncio.timeout(120 if steps == 20 else 1200):
        lesson, groups, kept, everything, rounds = await study(sandbox, run, steps)

    per_cell = Counter((group.role, group.kind, group.task_id) for group in groups)
    assert len(per_cell) > steps
    played = Counter(report.kind for report in lesson.reports)
    assert max(played.values()) - min(played.values()) <= 1, "quotas of the kinds"
    proposers = Counter(g.kind for g in groups if g.role is Role.PROPOSER)
    assert proposers == played, "a proposer's group a round"
    solvers = Counter(g.kind for g in groups if g.role is Role.SOLVER)
    admitted = Counter(report.kind for report in lesson.reports for _ in report.admitted)
    assert solvers == admitted, "a solver's group a task"
    idle = max_idle([bool(report.admitted) for report in lesson.reports])
    assert idle <= 1, "the solver never goes hungry for two rounds"

    quarter = len(groups) // 4
    gain = mean_reward(groups[-quarter:], Role.SOLVER) - mean_reward(groups[:quarter], Role.SOLVER)
    assert gain > 0.4, "who gets better earns more"
    paid = [mean_reward(part, Role.PROPOSER) for part in (groups[:quarter], groups[-quarter:])]
    assert paid[0] != paid[1]

    ages = [
        (stored.round, [rounds[parent] for parent in stored.task.parents])
        for stored in everything
        if stored.round >= 0
    ]
    ages.sort()
    early, late = ages[: len(ages) // 4], ages[-len(ages) // 4 :]
    assert mean_parent(late) > mean_parent(early) + 1, "what is shown moves on with what is found"
    for kind in MAIN_KINDS:
        assert kept[kind] <= CAPACITY + 1
    if steps >= 100:
        half = lesson.resident_mb[len(lesson.resident_mb) // 2]
        assert lesson.resident_mb[-1] - half < 16, "memory is flat"


def max_idle(fed):
    """The longest row of rounds without a task."""
    return max(len(row) for row in "".join("x" if each else "." for each in fed).split("x"))


def mean_parent(aged):
    parents = [round_ for _, known in aged for round_ in known]
    return sum(parents) / len(parents)
