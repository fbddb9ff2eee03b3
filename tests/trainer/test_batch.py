"""Batches: what is admitted, and that only the ring's order decides."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.wire import Part, RingReader, RingState, RingWriter, encode_group
from engine.wire.fanin import FanIn
from engine.wire.ledger import Step
from engine.wire.stream import RecordStream
from trainer.batch import BatchBuilder, admit, oldest_version
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.intake import Intake
from trainer.metrics import PhaseClock
from trainer.signals import StopFlag, StopRequested

VOCAB = 61
RING = "ring-0"
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
    builder = BatchBuilder(cursors={RING: 5}, vocab_size=VOCAB)
    builder.add(make_group(0), ring=RING, seq=5)
    builder.skip("quarantined", ring=RING, seq=6)
    batch = builder.build()
    assert (*batch.stretches[RING], batch.num_groups, batch.num_rollouts) == (5, 7, 1, 4)
    assert batch.rejected == Counter(quarantined=1)


@pytest.fixture
def ring(tmp_path):
    path = tmp_path / "queue" / "ring-0.bin"
    writer = RingWriter.open(path, capacity=1 << 16, run_id=b"r" * 16)
    reader = RingReader.open(path, wait_s=0)
    yield writer, reader
    reader.close()


class Streams:
    """Records of readers, as `trainer.rings.Rings` gives them."""

    engines = "not asked"

    def __init__(self, *readers):
        self.streams = {reader.path.stem: RecordStream(reader, None) for reader in readers}
        self.fan_in = FanIn()
        for stream in self.streams.values():
            self.fan_in.add(stream)

    @property
    def is_closed(self):
        return all(stream.is_closed for stream in self.streams.values())

    def is_ring_closed(self, name):
        return self.streams[name].is_closed

    def pop(self, *, timeout_s):
        return self.fan_in.pop(timeout_s=timeout_s)

    def pop_from(self, name, *, timeout_s):
        return self.streams[name].pop(timeout_s=timeout_s)


def intake_of(*readers, stop=None, batch_bytes=ROOMY, quarantine=Path("never/made"), **settings):
    config = TrainerConfig(**{"batch_samples": 8, "min_batch_samples": 4} | settings)
    return Intake(
        Streams(*readers),
        config,
        vocab_size=VOCAB,
        batch_bytes=batch_bytes,
        between_polls=(stop or StopFlag()).check,
        quarantine=quarantine,
    )


def spans(intake):
    found, cursors = [], {}
    while (batch := intake.next_batch(cursors, clock=PhaseClock())) is not None:
        found.append((*batch.stretches[RING], batch.num_rollouts))
        cursors = {RING: batch.stretches[RING][1]}
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


def test_what_is_no_group_is_passed_over_counted_and_kept(ring, make_group, tmp_path):
    writer, reader = ring
    writer.try_push(b"\x01not a group")
    writer.try_push(encode_group(make_group(1, num_rollouts=4)), schema=999)
    writer.try_push(encode_group(make_group(2, num_rollouts=8)))
    writer.set_state(RingState.CLOSED)
    kept = tmp_path / "quarantine"
    batch = intake_of(reader, quarantine=kept).next_batch({}, clock=PhaseClock())
    assert (*batch.stretches[RING], len(batch.samples)) == (0, 3, 8)
    assert batch.rejected == Counter(quarantined=1, unknown_schema=1)
    assert (kept / "ring-0-0.bin").read_bytes() == b"\x01not a group"


def push_parts(writer, *parts):
    for part in parts:
        assert writer.try_push(encode_group(part)) is not None


def parts_of(group, count):
    """The parts of a group, of as many rollouts each."""
    size = len(group.rollouts) // count
    return [
        replace(
            group,
            rollouts=group.rollouts[i * size : (i + 1) * size],
            part=Part(index=i, count=count),
        )
        for i in range(count)
    ]


def test_a_batch_does_not_end_within_a_group(ring, make_group):
    writer, reader = ring
    large = make_group(0, num_rollouts=12)
    push_parts(writer, *parts_of(large, 3), make_group(1, num_rollouts=8))
    writer.set_state(RingState.CLOSED)
    assert spans(intake_of(reader, batch_bytes=1)) == [(0, 3, 12), (3, 4, 8)]


def test_a_group_in_parts_gives_the_samples_of_the_whole(make_group):
    whole = make_group(0, num_rollouts=12)
    builder = BatchBuilder(cursors={}, vocab_size=VOCAB)
    for seq, part in enumerate(parts_of(whole, 3)):
        assert builder.open_ring == (RING if seq else None)
        assert builder.num_rollouts == 0, "a part is nothing by itself"
        assert builder.add(part, ring=RING, seq=seq) is None
    assert builder.open_ring is None
    batch = builder.build()
    expected, _ = admit(whole, vocab_size=VOCAB)
    assert [s.tokens.tolist() for s in batch.samples] == [s.tokens.tolist() for s in expected]
    assert (batch.num_groups, batch.num_rollouts, batch.stretches[RING][1]) == (1, 12, 3)


def test_a_group_that_is_incomplete_when_the_ring_is_closed_is_counted_and_left_out(
    ring, make_group
):
    writer, reader = ring
    first, second, _ = parts_of(make_group(1, num_rollouts=6), 3)
    push_parts(writer, make_group(0, num_rollouts=7), first, second)
    writer.set_state(RingState.CLOSED)
    batch = intake_of(reader).next_batch({}, clock=PhaseClock())
    assert (batch.num_groups, batch.num_rollouts, batch.stretches[RING][1]) == (1, 7, 3)
    assert batch.rejected == Counter(incomplete_group=1)


def test_a_damaged_part_costs_its_group_and_no_other(ring, make_group, tmp_path):
    writer, reader = ring
    first, _, third = parts_of(make_group(1, num_rollouts=6), 3)
    push_parts(writer, make_group(0, num_rollouts=8), first)
    writer.try_push(b"\x01not a part")
    push_parts(writer, third, make_group(2, num_rollouts=1))
    kept = tmp_path / "quarantine"
    batch = intake_of(reader, quarantine=kept, batch_samples=9).next_batch({}, clock=PhaseClock())
    assert (batch.num_groups, batch.num_rollouts, batch.stretches[RING][1]) == (2, 9, 5)
    reasons = Counter(quarantined=1, incomplete_group=1, misplaced_part=1)
    assert batch.rejected == reasons
    assert sorted(path.name for path in kept.glob("*.bin")) == ["ring-0-2.bin", "ring-0-3.bin"]


def test_a_batch_that_is_full_does_not_wait_for_the_rest_of_a_damaged_group(
    ring, make_group, tmp_path
):
    writer, reader = ring
    first, _ = parts_of(make_group(1, num_rollouts=2), 2)
    whole = make_group(0, num_rollouts=7)
    push_parts(writer, whole, first)
    writer.try_push(b"\x01not a part")
    size = len(encode_group(whole)) + len(encode_group(first))
    intake = intake_of(reader, quarantine=tmp_path / "quarantine", batch_bytes=size)
    batch = intake.next_batch({}, clock=PhaseClock())  # the ring stays open: to wait is to hang
    assert (batch.num_rollouts, batch.stretches[RING][1]) == (7, 3)
    assert batch.rejected == Counter(quarantined=1, incomplete_group=1)


@pytest.fixture
def second(tmp_path):
    path = tmp_path / "queue" / "ring-1.bin"
    writer = RingWriter.open(path, capacity=1 << 16, run_id=b"r" * 16)
    reader = RingReader.open(path, wait_s=0)
    yield writer, reader
    reader.close()


def test_a_full_batch_waits_for_no_part_of_a_ring_that_is_closed(ring, second, make_group):
    push_parts(second[0], parts_of(make_group(1, num_rollouts=2), 2)[0])
    second[0].set_state(RingState.CLOSED)
    push_parts(ring[0], make_group(0, num_rollouts=8))
    intake = intake_of(ring[1], second[1])
    batch = intake.next_batch({}, clock=PhaseClock())  # the first stays open: to wait is to hang
    assert batch.stretches == {"ring-0": (0, 1), "ring-1": (0, 1)}
    assert (batch.num_rollouts, batch.rejected) == (8, Counter(incomplete_group=1))


def test_a_plan_beyond_a_closed_ring_is_told_while_another_ring_is_open(ring, second, make_group):
    writer, reader = ring
    push_parts(writer, make_group(0))
    writer.set_state(RingState.CLOSED)
    plan = Step(
        step=1, stretches={RING: (0, 2)}, num_groups=2, num_samples=8, version=1, checksum="0"
    )
    with pytest.raises(TrainerError, match="is closed and ends at 1; start its engine"):
        intake_of(reader, second[1]).next_batch({}, clock=PhaseClock(), plan=plan)


def test_a_damaged_ring_ends_the_run_with_a_sentence(ring, make_group, tmp_path):
    writer, reader = ring
    writer.try_push(encode_group(make_group(0)))
    with (tmp_path / "queue" / "ring-0.bin").open("r+b") as file:
        file.seek(4096 + 32 + 5)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(TrainerError, match="seq 0"):
        intake_of(reader).next_batch({}, clock=PhaseClock())


def test_a_batch_is_closed_before_it_outgrows_the_ring(ring, make_group):
    writer, reader = ring
    payloads = [encode_group(make_group(n, num_rollouts=1)) for n in range(6)]
    for payload in payloads:
        writer.try_push(payload)
    writer.set_state(RingState.CLOSED)
    limit = len(payloads[0]) + len(payloads[1]) + 1
    first = intake_of(reader, batch_bytes=limit).next_batch({}, clock=PhaseClock())
    assert first.stretches[RING][1] == 3


def test_a_request_to_stop_ends_the_wait(ring):
    _, reader = ring
    stop = StopFlag(is_set=True)
    with pytest.raises(StopRequested):
        intake_of(reader, stop=stop).next_batch({}, clock=PhaseClock())
