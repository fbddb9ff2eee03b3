"""Probe, exam and the follower of versions, with a scripted policy and a real sandbox."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.config import EngineConfig
from engine.errors import EngineError
from engine.evaluate.held_out import certified_tasks, take_exam
from engine.evaluate.probe import best, probe
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.seeds import SeedSet, held_out_programs, seed_programs
from engine.tasks.store import TaskStore
from engine.versions import VersionFollower
from engine.wire import publish_weights, read_ack, tensor_checksum
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
    strict = replace(CONFIG, novelty_by_shape=True)
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


def write_tensor(value: float):
    def write(directory: Path) -> dict[str, str]:
        tensor = np.full(4, value, dtype=np.float32)
        save_file({"w": tensor}, directory / "model.safetensors")
        return {"w": tensor_checksum(tensor.tobytes())}

    return write


async def test_the_follower_loads_acknowledges_and_holds_the_newest_version(tmp_path):
    policy = ScriptedPolicy({})
    seen = []
    follower = VersionFollower(
        root=tmp_path, policy=policy, on_version=lambda m: seen.append(m.version)
    )
    await follower.update()
    assert (seen, follower.consumed_seq) == ([], 0)
    for version, consumed in ((0, 0), (1, 7), (2, 9)):
        publish_weights(
            tmp_path,
            version=version,
            step=version,
            consumed_seq=consumed,
            write=write_tensor(version),
            keep=1,
        )
        await follower.update()
        await follower.update()
    assert seen == [0, 1, 2]
    assert (policy.version, follower.consumed_seq) == (2, 9)
    ack = read_ack(tmp_path)
    assert ack is not None
    assert ack.version == 2
    assert follower.newest is not None
    assert ack.checksum == follower.newest.checksum


async def test_weights_that_changed_after_they_were_published_are_refused(tmp_path):
    published = publish_weights(
        tmp_path, version=1, step=1, consumed_seq=3, write=write_tensor(1.0)
    )
    save_file({"w": np.full(4, 2.0, np.float32)}, published.path / "model.safetensors")
    follower = VersionFollower(root=tmp_path, policy=ScriptedPolicy({}), on_version=lambda _: None)
    with pytest.raises(EngineError, match="changed after it was published"):
        await follower.update()
    assert read_ack(tmp_path) is None
