"""Batches: what is admitted, and that only the ring's order decides."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from engine.wire import RingReader, RingState, RingWriter, encode_group
from trainer.batch import BatchBuilder, admit, oldest_version
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.intake import Intake
from trainer.metrics import PhaseClock
from trainer.signals import StopFlag, StopRequested

VOCAB = 61
ROOMY = 1 << 20


def with_rollout(group, **changed):
    return replace(group, rollouts=(replace(group.rollouts[0], **changed), *group.rollouts[1:]))


def empty(dtype):
    return np.empty(0, dtype=dtype)


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("reward_not_finite", {"reward": float("nan")}),
        ("reward_not_finite", {"reward": float("inf")}),
        (
            "empty_completion",
            {"tokens": empty(np.uint32), "logprobs": empty(np.float32), "versions": ()},
        ),
        (
            "logprob_not_finite",
            {
                "tokens": np.array([1], np.uint32),
                "logprobs": np.array([-np.inf], np.float32),
                "versions": ((0, 1),),
            },
        ),
        (
            "token_out_of_vocabulary",
            {
                "tokens": np.array([VOCAB], np.uint32),
                "logprobs": np.array([-1.0], np.float32),
                "versions": ((0, 1),),
            },
        ),
    ],
)
def test_a_rollout_that_cannot_be_learned_from_is_counted_and_left_out(make_group, reason, changed):
    samples, rejected = admit(with_rollout(make_group(0), **changed), vocab_size=VOCAB)
    assert len(samples) == 3
    assert rejected == Counter({reason: 1})


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("empty_prompt", {"prompt": empty(np.uint32)}),
        ("greedy", {"temperature": 0.0}),
        ("token_out_of_vocabulary", {"prompt": np.array([2**32 - 1], np.uint32)}),
    ],
)
def test_a_group_that_cannot_be_learned_from_is_left_out_whole(make_group, reason, changed):
    samples, rejected = admit(make_group(0, **changed), vocab_size=VOCAB)
    assert samples == []
    assert rejected == Counter({reason: 4})


def test_a_sample_is_as_old_as_its_oldest_token(make_group):
    rollout = make_group(0).rollouts[0]
    n = len(rollout.tokens)
    assert oldest_version(replace(rollout, versions=((7, n), (3, 0)))) == 7


def test_a_builder_counts_what_it_passes_over(make_group):
    builder = BatchBuilder(first_seq=5, vocab_size=VOCAB)
    builder.add(make_group(0), seq=5)
    builder.skip("quarantined", seq=6)
    batch = builder.build()
    assert (batch.first_seq, batch.end_seq, batch.num_groups, batch.num_rollouts) == (5, 7, 1, 4)
    assert batch.rejected == Counter(quarantined=1)


@pytest.fixture
def ring(tmp_path):
    path = tmp_path / "queue" / "ring-0.bin"
    writer = RingWriter.open(path, capacity=1 << 16, run_id=b"r" * 16)
    reader = RingReader.open(path, wait_s=0)
    yield writer, reader
    reader.close()


def intake_of(reader, *, stop=None, batch_bytes=ROOMY, **settings):
    config = TrainerConfig(**{"batch_samples": 8, "min_batch_samples": 4} | settings)
    return Intake(
        reader,
        config,
        vocab_size=VOCAB,
        batch_bytes=batch_bytes,
        between_polls=(stop or StopFlag()).check,
    )


def spans(intake, *, first_seq=0):
    found = []
    while (batch := intake.next_batch(first_seq, clock=PhaseClock())) is not None:
        found.append((batch.first_seq, batch.end_seq, batch.num_rollouts))
        first_seq = batch.end_seq
    return found


def test_groups_are_taken_whole_and_in_order(ring, make_group):
    writer, reader = ring
    for number, size in enumerate([3, 3, 3, 8, 1, 1, 9, 4]):
        writer.try_push(encode_group(make_group(number, num_rollouts=size)))
    writer.set_state(RingState.CLOSED)
    assert spans(intake_of(reader)) == [(0, 3, 9), (3, 4, 8), (4, 7, 11), (7, 8, 4)]


def test_a_remainder_below_the_minimum_is_left(ring, make_group):
    writer, reader = ring
    for number, size in enumerate([8, 3]):
        writer.try_push(encode_group(make_group(number, num_rollouts=size)))
    writer.set_state(RingState.CLOSED)
    assert spans(intake_of(reader)) == [(0, 1, 8)]
    assert reader.committed_seq == 0


def test_what_is_no_group_is_passed_over_and_counted(ring, make_group):
    writer, reader = ring
    writer.try_push(b"\x01not a group")
    writer.try_push(encode_group(make_group(1, num_rollouts=4)), schema=999)
    writer.try_push(encode_group(make_group(2, num_rollouts=8)))
    writer.set_state(RingState.CLOSED)
    batch = intake_of(reader).next_batch(0, clock=PhaseClock())
    assert (batch.first_seq, batch.end_seq, len(batch.samples)) == (0, 3, 8)
    assert batch.rejected == Counter(quarantined=1, unknown_schema=1)


def test_a_damaged_ring_ends_the_run_with_a_sentence(ring, make_group, tmp_path):
    writer, reader = ring
    writer.try_push(encode_group(make_group(0)))
    with (tmp_path / "queue" / "ring-0.bin").open("r+b") as file:
        file.seek(4096 + 32 + 5)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(TrainerError, match="seq 0"):
        intake_of(reader).next_batch(0, clock=PhaseClock())


def test_a_batch_is_closed_before_it_outgrows_the_ring(ring, make_group):
    writer, reader = ring
    payloads = [encode_group(make_group(n, num_rollouts=1)) for n in range(6)]
    for payload in payloads:
        writer.try_push(payload)
    writer.set_state(RingState.CLOSED)
    limit = len(payloads[0]) + len(payloads[1]) + 1
    first = intake_of(reader, batch_bytes=limit).next_batch(0, clock=PhaseClock())
    assert first.end_seq == 3


def test_a_request_to_stop_ends_the_wait(ring):
    _, reader = ring
    stop = StopFlag(is_set=True)
    with pytest.raises(StopRequested):
        intake_of(reader, stop=stop).next_batch(0, clock=PhaseClock())
