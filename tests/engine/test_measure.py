"""Probe and exam, with a scripted policy and a real sandbox."""

from dataclasses import replace

import pytest

from engine.choices import NoveltyGate
from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks, take_exam
from engine.evaluate.probe import best, probe
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.seeds import SeedSet, held_out_programs, seed_programs
from engine.tasks.store import TaskStore
from engine.wire.messages import Kind

CONFIG = EngineConfig(
    seeds=SeedSet.STARTER, references=2, probe_temperatures=(0.5, 1.0), probe_samples=16
)


@pytest.fixture
async def store(sandbox, tmp_path):
    with TaskStore(tmp_path / "tasks.db") as opened:
        opened.add_seeds(
            await certified_tasks(sandbox, seed_programs(SeedSet.STARTER), num_inputs=4)
        )
        yield opened


async def test_the_probe_counts_a_repeated_template_a_seed_and_a_failure_for_what_they_are(
    sandbox, store
):
    seed = next(store.tasks(Kind.DEDUCTION))
    replies = [
        "x):\n    return x + 1\nprint(f(3))\n\n",
        "y):\n    return y + 25\nprint(f(4))\n\n",
        f"{seed.program.removeprefix('def f(')}\nprint(f({seed.examples[0].args}))\n\n",
        "x):\n    return x + 'a'\nprint(f(3))\n\n",
    ]
    policy = ScriptedPolicy(lambda _: replies)
    strict = replace(CONFIG, novelty=NoveltyGate.SHAPE)
    by_form = await probe(policy, sandbox, store, CONFIG, lambda _: None)
    by_shape = await probe(policy, sandbox, store, strict, lambda _: None)
    assert [result.samples for result in by_form] == [16, 16]
    assert (by_form[0].new, by_form[0].valid) == (2, 12)  # each of 16: 4 times one of 4 replies
    assert (by_shape[0].new, by_shape[0].valid) == (1, 12)
    assert by_shape[0].fates == {"new": 1, "repeated": 11, "raised": 4}


def test_the_best_temperature_is_the_one_with_the_largest_share_of_new_proposals():
    from engine.evaluate.probe import ProbeResult

    results = [
        ProbeResult(version=0, temperature=t, samples=n, valid=new, new=new, fates={}, seconds=1.0)
        for t, n, new in ((0.3, 64, 20), (0.7, 32, 15), (1.0, 64, 29))
    ]
    assert best(results).temperature == 0.7


async def test_the_exam_scores_right_answers_and_the_trivial_answer_on_the_same_rows(
    sandbox, store
):
    tasks = await certified_tasks(sandbox, held_out_programs(), num_inputs=4)
    by_end = {}
    for task in tasks:
        example = task.examples[0]
        by_end[f"{task.program}\nassert f({example.args}) =="] = f" {example.shown}\n"
        by_end[f"{task.program}\nassert {example.shown} == f("] = f"{example.args})\n"
    perfect = ScriptedPolicy(
        lambda prompt: [
            next((r for end, r in by_end.items() if prompt.endswith(end)), "*a): return a[0]\n\n")
        ]
    )
    results = {r.kind: r for r in await take_exam(perfect, sandbox, store, CONFIG, tasks)}
    num = len(held_out_programs())
    assert {r.rows for r in results.values()} == {num}
    assert results[Kind.DEDUCTION].right == num
    # The induction script *is* the trivial answer, so it must score exactly its baseline.
    assert results[Kind.INDUCTION].right == results[Kind.INDUCTION].baseline
    # sorted([...]) of a sorted list and the like: giving the result as the argument works there.
    assert 0 < results[Kind.ABDUCTION].baseline < num


async def test_no_held_out_program_is_a_seed(sandbox, store):
    exam = await certified_tasks(sandbox, held_out_programs(), num_inputs=4)
    seeds = {task.shape for task in store.tasks()}
    assert not seeds & {task.shape for task in exam}
