"""Several rings, their journals, and a trainer that is killed over them."""

import json
import random
import shutil
import signal
import time

import pytest
import torch
from safetensors.torch import load_file

from engine.wire import RingReader, RingState, RingWriter, encode_group, latest_version
from engine.wire.journal import read_journal
from engine.wire.ledger import read_steps
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.rings import open_rings
from trainer.signals import StopFlag

RINGS = ("ring-0", "ring-1", "ring-2")
NUM_GROUPS = 36
PATIENCE_S = 120.0


def open_writer(run, name):
    return RingWriter.open(
        run.ring.with_name(f"{name}.bin"), capacity=1 << 16, run_id=run.read_run().run_id
    )


def bits_of(run):
    """Model, moments and published checksum at the end of a run."""
    newest = max(run.checkpoints.iterdir())
    tensors = load_file(newest / "model.safetensors") | load_file(newest / "optimizer.safetensors")
    return tensors, json.loads((newest / "state.json").read_text()), latest_version(run.weights)


def assert_same_bits(left, right):
    ours, theirs = bits_of(left), bits_of(right)
    assert ours[0].keys() == theirs[0].keys()
    for name, tensor in ours[0].items():
        assert torch.equal(tensor, theirs[0][name]), name
    assert ours[1] == theirs[1]
    assert ours[2].checksum == theirs[2].checksum


def await_steps(run, number, process):
    deadline = time.monotonic() + PATIENCE_S
    while len(read_steps(run.steps_ledger)) < number:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)


def end(process):
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output


STRESS = pytest.mark.stress


@pytest.mark.parametrize(
    "journal", ["interval", pytest.param("none", marks=STRESS), pytest.param("each", marks=STRESS)]
)
def test_killed_over_several_rings_it_makes_each_step_again_from_the_same_records(
    new_run, start_trainer, make_group, journal
):
    settings = {"checkpoint_every": 3, "journal": journal}
    run = new_run("killed", trainer=settings, close=False)
    writers = {name: open_writer(run, name) for name in RINGS}
    dice = random.Random(journal)
    pushed = {name: [] for name in RINGS}
    process = start_trainer(run)
    for number in range(NUM_GROUPS):
        name, payload = dice.choice(RINGS), encode_group(make_group(number))
        assert writers[name].try_push(payload) is not None
        pushed[name].append(payload)
        if number in (11, 19, 28):
            await_steps(run, number // 3, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = start_trainer(run)
    for writer in writers.values():
        writer.close(RingState.CLOSED)
    end(process)

    steps = read_steps(run.steps_ledger)
    for name, payloads in pushed.items():
        used = [step.stretches[name] for step in steps if name in step.stretches]
        seqs = [seq for first, end_seq in used for seq in range(first, end_seq)]
        assert seqs == list(range(len(payloads)))
        if journal != "none":
            kept = [record.payload for record in read_journal(run.journal / name)]
            assert kept == payloads
    assert max(len(step.stretches) for step in steps) > 1, "steps should have had several rings"

    whole = new_run("whole", trainer=settings)
    for name, payloads in pushed.items():
        writer = open_writer(whole, name)
        assert writer.try_push_many(payloads) == len(payloads)
        writer.close(RingState.CLOSED)
    shutil.copy(run.steps_ledger, whole.steps_ledger)
    end(start_trainer(whole))
    assert read_steps(whole.steps_ledger) == steps
    assert_same_bits(run, whole)


def test_a_journal_lets_a_small_ring_carry_more_than_a_batch(new_run, start_trainer, make_group):
    """No checkpoint, and one batch larger than the ring: records leave it for the journal."""
    settings = {"checkpoint_every": 1000, "batch_samples": 1600, "journal": "interval"}
    run = new_run(trainer=settings, close=False)
    writer = open_writer(run, "ring-0")
    process = start_trainer(run)
    deadline, total = time.monotonic() + PATIENCE_S, 0
    for number in range(400):
        payload = encode_group(make_group(number))
        total += len(payload)
        while writer.try_push(payload) is None:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
    assert total > 2 * run.ring.stat().st_size
    writer.close(RingState.CLOSED)
    end(process)
    assert [step.stretches for step in read_steps(run.steps_ledger)] == [{"ring-0": (0, 400)}]


def test_a_ring_that_appears_in_mid_run_is_read(new_run, start_trainer, make_group):
    run = new_run(groups=[make_group(n) for n in range(2)], close=False)
    first = open_writer(run, "ring-0")
    process = start_trainer(run)
    await_steps(run, 1, process)
    second = open_writer(run, "ring-7")
    for number in range(2, 4):
        second.try_push(encode_group(make_group(number)))
    await_steps(run, 2, process)
    for writer in (first, second):
        writer.close(RingState.CLOSED)
    end(process)
    assert [step.stretches for step in read_steps(run.steps_ledger)] == [
        {"ring-0": (0, 2)},
        {"ring-7": (0, 2)},
    ]


@STRESS
def test_steps_and_checkpoint_of_two_runs_are_not_mixed(new_run, start_trainer, make_group):
    run = new_run("one", groups=[make_group(n) for n in range(6)])
    end(start_trainer(run))
    other = new_run("other", groups=[make_group(n) for n in range(6)])
    rows = run.steps_ledger.read_text().replace("[0,2]", "[1,3]")
    other.steps_ledger.write_text(rows)
    process = start_trainer(other)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "consumed ring-0 from record 1 when it was made, the checkpoint goes on from 0" in output


def test_a_ring_of_another_run_is_refused_and_let_go(new_run, tmp_path):
    run, other = new_run("one"), new_run("other")
    shutil.copy(other.ring, run.ring.with_name("ring-1.bin"))
    with (
        pytest.raises(TrainerError, match=r"ring-1.bin belongs to run .*put it back"),
        open_rings(run, TrainerConfig(), cursors={}, stop=StopFlag()),
    ):
        pass
    for path in run.rings():
        RingReader.open(path, wait_s=0).close()


def test_a_ring_deleted_in_use_ends_the_trainer_and_a_new_one_is_gone_on_with(
    new_run, start_trainer, make_group
):
    run = new_run(groups=[make_group(n) for n in range(2)], close=False)
    process = start_trainer(run)
    await_steps(run, 1, process)
    run.ring.unlink()
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "ring-0.bin was deleted while this process used it" in output
    writer = RingWriter.open(
        run.ring, capacity=1 << 16, run_id=run.read_run().run_id, first_seq=1
    )  # an engine that had not seen yet that record 1 was committed
    for number in range(1, 4):
        writer.try_push(encode_group(make_group(number)))
    writer.close(RingState.CLOSED)
    end(start_trainer(run))
    stretches = [step.stretches for step in read_steps(run.steps_ledger)]
    assert stretches == [{"ring-0": (0, 2)}, {"ring-0": (2, 4)}]
