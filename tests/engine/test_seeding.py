"""The seeding phase: from one zero triplet to as many certified seeds as are wanted."""

import contextlib
import json
import random
from collections import Counter
from hashlib import sha256

import pytest

from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.play.arena import Arena
from engine.play.seeding import PATIENCE, Seeding
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.rows import Retirement
from engine.tasks.seeds import IDENTITY
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire.messages import MAIN_KINDS, Kind
from sandbox import Mismatch, audit

CONFIG = EngineConfig(
    prompts=64, proposals=1, seed_factor=4, references=6, num_inputs=10, reject_trivial=False
)
PROGRAM = '''xs):
    """What this is for."""
    total = {a}  # where it begins
    for x in xs:
        total = total {op} x
    return [total, {b}] + xs

print("loose talk")
print(f([{a}, {c}]))'''
OPERATORS = ("+", "-", "*", "|", "^", "&")


def recite(prompt: str) -> list[str]:
    """A function of the prompt: sixteen proposals, of which some are no programs."""
    dice = random.Random(sha256(prompt.encode()).digest())
    if "each with what it does" in prompt:
        return [_described(dice) for _ in range(16)]
    return [_program(dice) for _ in range(16)]


def _program(dice: random.Random) -> str:
    if dice.random() < 0.1:
        return "x):\n    return x +\n"
    numbers = {name: dice.randrange(1, 90) for name in "abc"}
    # Loose statements would end at the blank line in this form; a semicolon keeps them in it.
    return PROGRAM.format(op=dice.choice(OPERATORS), **numbers).replace(
        '\n\nprint("loose talk")', '\nloose = "talk"'
    )


def _described(dice: random.Random) -> str:
    calls = [f"f([{dice.randrange(99)}, {index}])" for index in range(10)]
    return "\n".join([f" folds, variant {dice.randrange(10**6)}", *calls])


@pytest.fixture
def open_store(tmp_path, sandbox):
    stores = []

    async def open_one(name="tasks.sqlite"):
        store = TaskStore(tmp_path / name)
        stores.append(store)
        store.add_seeds(await certified_tasks(sandbox, [IDENTITY], num_inputs=10))
        return store

    yield open_one
    for store in stores:
        store.close()


def seeding(sandbox, store, *, script=recite, config=CONFIG, on_batch=None):
    arena = Arena(config=config, policy=ScriptedPolicy(script), sandbox=sandbox)
    return Seeding(arena=arena, store=store, on_batch=on_batch or id)


async def test_t04_the_zero_triplet_becomes_256_certified_seeds_none_twice(sandbox, open_store):
    store = await open_store()
    assert [store.num_tasks(kind, Origin.SEED) for kind in MAIN_KINDS] == [1, 1, 1], (
        "the zero triplet"
    )
    batches = []
    await seeding(sandbox, store, on_batch=batches.append).run()
    seeds = {kind: store.seeds(kind) for kind in MAIN_KINDS}
    assert all(len(tasks) >= 256 for tasks in seeds.values())
    assert len(seeds[Kind.DEDUCTION]) < 256 + 64, "it stops when there are enough"
    for kind in (Kind.DEDUCTION, Kind.ABDUCTION):
        assert Counter(task.normal_form for task in seeds[kind]).most_common(1)[0][1] == 1
    assert {task.program for task in seeds[Kind.DEDUCTION]} == {
        task.program for task in seeds[Kind.ABDUCTION]
    }
    assert {task.program for task in seeds[Kind.INDUCTION]} <= {
        task.program for task in seeds[Kind.DEDUCTION]
    }
    everything = [task for tasks in seeds.values() for task in tasks]
    assert len({task.id for task in everything}) == len(everything)
    certificates = [json.loads(task.certificate) for task in everything]
    assert all(len(set(certificate["seeds"])) >= 2 for certificate in certificates)
    for task in random.Random(0).sample(everything, 12):
        gold = [example.gold for example in task.examples]
        args = [example.args for example in task.examples]
        assert not isinstance(
            await audit(sandbox, program=task.program, args=args, gold=gold), Mismatch
        )
    assert sum(sum(batch.fates.values()) for batch in batches) == 64 * len(batches)


async def test_a_seed_has_no_comment_no_docstring_and_no_loose_statement(sandbox, open_store):
    store = await open_store()
    few = EngineConfig(prompts=2, proposals=4, seed_factor=1, induction=0)
    await seeding(sandbox, store, config=few).run()
    programs = [task.program for task in store.seeds(Kind.DEDUCTION)][1:]
    assert programs
    for program in programs:
        assert "#" not in program
        assert "what this is for" not in program.lower()
        assert "loose" not in program


async def test_a_killed_seeding_goes_on_to_the_very_same_seeds(sandbox, open_store):
    config = EngineConfig(prompts=4, proposals=2, seed_factor=3, num_inputs=10)
    whole, cut = await open_store("whole"), await open_store("cut")
    await seeding(sandbox, whole, config=config).run()

    class KilledError(Exception):
        pass

    def die(batch):
        if batch.number % 2:
            raise KilledError

    for _ in range(50):
        try:
            await seeding(sandbox, cut, config=config, on_batch=die).run()
            break
        except KilledError:
            continue
    ids = [[task.id for kind in MAIN_KINDS for task in store.seeds(kind)] for store in (whole, cut)]
    assert ids[0] == ids[1]
    assert len(ids[0]) >= 3 * 24


async def test_a_model_that_proposes_nothing_valid_is_given_up_with_what_there_is(
    sandbox, open_store, caplog
):
    store, batches = await open_store(), []
    config = EngineConfig(prompts=2, proposals=2, seed_factor=2)
    silent = seeding(
        sandbox, store, config=config, script=lambda _: ["no"], on_batch=batches.append
    )
    await silent.run()
    assert len(batches) == 2 * PATIENCE, "programs, then inputs for the one that there is"
    assert [store.num_tasks(kind) for kind in MAIN_KINDS] == [1, 1, 1]
    assert "seeding ends with 1 deduction tasks of 8" in caplog.text


async def test_a_phase_that_was_given_up_is_not_begun_again_when_a_run_is_resumed(
    sandbox, open_store
):
    """By then there may be trained weights, and plans drawn from what there was."""
    store, batches = await open_store(), []
    config = EngineConfig(prompts=2, proposals=2, seed_factor=2)
    for script in (lambda _: ["no"], recite):
        again = seeding(sandbox, store, config=config, script=script, on_batch=batches.append)
        await again.run()
    assert len(batches) == 2 * PATIENCE
    assert [store.num_tasks(kind) for kind in MAIN_KINDS] == [1, 1, 1]


async def test_a_seed_that_leaves_later_is_not_replaced(sandbox, open_store):
    store, batches = await open_store(), []
    config = EngineConfig(prompts=2, proposals=4, seed_factor=1, induction=0)
    await seeding(sandbox, store, config=config).run()
    for task in store.seeds(Kind.DEDUCTION)[4:]:
        store.retire(Retirement(task=task, reason="audit"))
    await seeding(sandbox, store, config=config, on_batch=batches.append).run()
    assert not batches


async def test_a_kill_does_not_make_the_patience_longer(sandbox, open_store):
    store, batches = await open_store(), []
    config = EngineConfig(prompts=2, proposals=2, seed_factor=2, induction=0)

    class KilledError(Exception):
        pass

    def die(batch):
        batches.append(batch)
        raise KilledError

    for _ in range(3 * PATIENCE):
        with contextlib.suppress(KilledError):
            await seeding(
                sandbox, store, config=config, script=lambda _: ["no"], on_batch=die
            ).run()
    assert len(batches) == PATIENCE


async def test_without_a_seed_factor_nothing_is_asked(sandbox, open_store):
    def refuse(prompt):
        raise AssertionError(prompt)

    store = await open_store()
    await seeding(sandbox, store, script=refuse, config=EngineConfig()).run()
    assert store.num_tasks() == 3
