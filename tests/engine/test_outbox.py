"""The outbox against a real ring: every group once, in order, whatever is killed when."""

import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.play.outbox import Outbox, OutboxError, pack
from engine.policy.protocol import SamplingParams
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.rows import OutboxRow
from engine.tasks.store import TaskStore
from engine.wire import Rejoiner, RingReader, RingWriter, decode_group
from engine.wire.messages import Finish, Kind, Producer, Role, Rollout, Sampling

CAPACITY = 4096
RUN_ID = bytes(16)


class Side:
    """The engine's side, which can be killed between any two operations and started again."""

    def __init__(self, directory):
        self.directory = directory
        self.num_written = 0
        self.start()

    def start(self):
        self.store = TaskStore(self.directory / "tasks.db")
        self.ring = RingWriter.open(
            self.directory / "ring.bin",
            capacity=CAPACITY,
            run_id=RUN_ID,
            first_seq=self.store.first_kept_seq(),
        )
        self.outbox = Outbox(self.store, self.ring)

    def stop(self):
        self.ring.close(self.ring.state, self.ring.reason)
        self.store.close()

    def commit(self, num_groups):
        rows = [row(self.num_written + index) for index in range(num_groups)]
        self.store.commit_round(
            self.store.next_seq(), tasks=[], proposals=[], groups=rows, solved=[]
        )
        self.num_written += num_groups


def row(number):
    return OutboxRow(
        group_id=secrets.token_bytes(16),
        role=Role.SOLVER,
        kind=Kind.DEDUCTION,
        task_id="t",
        num_rollouts=1,
        payload=number.to_bytes(4, "big") * 40,
    )


def read_all(reader):
    numbers = []
    while (record := reader.pop(timeout_s=0)) is not None:
        number = int.from_bytes(record.payload[:4], "big")
        assert record.seq == number
        numbers.append(number)
    return numbers


OPERATIONS = st.lists(
    st.sampled_from(["commit", "pump", "kill", "lose the ring", "read", "use"]), max_size=40
)


@settings(max_examples=40)
@given(OPERATIONS)
def test_every_group_is_pushed_once_in_order_whatever_is_killed(tmp_path_factory, operations):
    engine = Side(tmp_path_factory.mktemp("outbox"))
    reader = RingReader.open(engine.directory / "ring.bin", wait_s=0)
    used = []  # what the trainer holds durably
    read = []  # what it has popped since

    def pump():
        done = engine.outbox.pump()
        assert done == (engine.ring.next_seq == engine.num_written)
        assert engine.store.next_seq() == engine.num_written

    for operation in [*operations, *["pump", "read", "use"] * 40]:
        if operation == "commit":
            engine.commit(5)
        elif operation == "pump":
            pump()
        elif operation == "kill":
            engine.stop()
            engine.start()
        elif operation == "lose the ring":
            reader.close()
            engine.stop()
            (engine.directory / "ring.bin").unlink()
            engine.start()
            pump()
            reader = RingReader.open(engine.directory / "ring.bin", wait_s=0)
            reader.seek(len(used))  # as its checkpoint says
            read = []
        elif operation == "read":
            read += read_all(reader)
        else:
            used += read
            reader.commit(len(used))
            read = []
    assert used == list(range(engine.num_written))
    reader.close()
    engine.stop()


def test_after_a_kill_exactly_what_the_ring_lacks_is_pushed(tmp_path):
    engine = Side(tmp_path)
    engine.commit(3)
    assert engine.outbox.pump()
    engine.commit(4)
    engine.stop()  # killed between the commit and the push
    engine.start()
    assert engine.ring.next_seq == 3
    assert engine.outbox.pump()
    assert engine.outbox.pump(), "nothing is left to push, and nothing is pushed"
    assert engine.ring.next_seq == 7
    reader = RingReader.open(tmp_path / "ring.bin", wait_s=0)
    assert read_all(reader) == list(range(7))
    reader.close()
    engine.stop()


def test_a_full_ring_is_back_pressure_and_nothing_is_lost(tmp_path):
    engine = Side(tmp_path)
    engine.commit(200)  # several times what fits
    assert not engine.outbox.pump()
    assert 0 < engine.ring.next_seq < 200
    stuck = engine.ring.next_seq
    assert not engine.outbox.pump()
    assert engine.ring.next_seq == stuck
    reader = RingReader.open(tmp_path / "ring.bin", wait_s=0)
    numbers = []
    for _ in range(200):
        numbers += read_all(reader)
        reader.commit(len(numbers))
        if engine.outbox.pump() and len(numbers) == 200:
            break
    assert numbers == list(range(200))
    reader.close()
    engine.stop()


def test_bytes_are_forgotten_only_once_the_trainer_holds_them(tmp_path):
    engine = Side(tmp_path)
    engine.commit(4)
    engine.outbox.pump()
    reader = RingReader.open(tmp_path / "ring.bin", wait_s=0)
    read_all(reader)
    engine.outbox.pump()
    assert engine.store.first_kept_seq() == 0, "popped is not durable"
    reader.commit(3)
    engine.outbox.pump()
    assert engine.store.first_kept_seq() == 3
    assert len(engine.store.group_rows()) == 4, "the rows stay"
    reader.close()
    engine.stop()


def test_a_ring_that_holds_more_than_the_store_is_of_another_run(tmp_path):
    engine = Side(tmp_path)
    engine.ring.try_push(b"x")
    with pytest.raises(OutboxError, match="use another --run"):
        Outbox(engine.store, engine.ring)
    engine.stop()


def producer(version):
    return Producer(engine="engine", epoch=3, checksum=f"of {version}")


def pack_rollouts(num, *, limit, tokens=12, version=4):
    """A solver's group of so many rollouts, as rows."""
    rollouts = [
        Rollout(
            rollout_id=secrets.token_bytes(16),
            tokens=np.full(tokens, number, np.uint32),
            logprobs=np.zeros(tokens, np.float32),
            versions=((version - 1, tokens - 1), (version, 1)),
            reward=1.0,
            components={},
            finish=Finish.STOP,
            verdict="right",
        )
        for number in range(num)
    ]
    return pack(
        ScriptedPolicy({}, version=9),
        group_id=secrets.token_bytes(16),
        role=Role.SOLVER,
        kind=Kind.INDUCTION,
        task_id="t",
        parents=["a", "b"],
        prompt="def f(",
        params=SamplingParams(n=num, temperature=0.5, max_tokens=64, seed=7),
        rollouts=rollouts,
        producer=producer,
        limit=limit,
    )


def test_a_packed_group_reads_back_with_all_that_the_engine_knows():
    (packed,) = pack_rollouts(2, limit=4096)
    group = decode_group(packed.payload)
    assert bytes(group.prompt.tolist()).decode() == "def f("
    assert (group.group_id, group.role, group.kind) == (packed.group_id, packed.role, packed.kind)
    assert (group.task_id, group.parents, group.temperature) == ("t", ("a", "b"), 0.5)
    assert group.sampling == Sampling(top_p=1.0, max_tokens=64, seed=7)
    assert group.producer == producer(4), "the newest version that its tokens were drawn from"
    assert (packed.seq, packed.part, packed.num_rollouts) == (None, 0, 2)


def test_a_group_too_large_for_one_record_is_as_many_rows_and_records_and_reads_back_whole(
    tmp_path,
):
    engine = Side(tmp_path)
    limit = engine.ring.max_payload
    rows = [*pack_rollouts(1, limit=limit), *pack_rollouts(3, limit=limit)]
    assert [(each.part, each.num_rollouts) for each in rows] == [(0, 1), (0, 2), (1, 1)]
    assert all(len(each.payload) <= limit for each in rows)
    engine.store.commit_round(0, tasks=[], proposals=[], groups=rows, solved=[])
    assert engine.outbox.pump()
    assert [each.seq for each in engine.store.group_rows()] == [0, 1, 2]
    assert engine.store.num_rollouts_from(1) == 3
    reader = RingReader.open(tmp_path / "ring.bin", wait_s=0)
    rejoiner = Rejoiner()
    groups = []
    for seq in range(3):
        record = reader.pop(timeout_s=0)
        assert record.seq == seq
        joined = rejoiner.add(decode_group(record.payload))
        groups += [joined.group] if joined.group else []
    assert [len(group.rollouts) for group in groups] == [1, 3]
    assert [r.tokens[0] for r in groups[1].rollouts] == [0, 1, 2]
    assert groups[1].group_id == rows[1].group_id == rows[2].group_id
    reader.close()
    engine.stop()


def test_a_group_of_more_records_than_may_wait_for_each_other_is_refused():
    with pytest.raises(OutboxError, match="takes 3 records of 512 bytes, at most 2"):
        pack_rollouts(5, limit=512)


async def test_groups_of_a_round_say_what_they_were_made_of(play):
    task = "x):\n    y = x * 2\n    return y\nprint(f(21))"
    played = await play(Kind.DEDUCTION, propose=[task], solve=[" 42\n", " 1\n"])
    proposer, solver = played.group(Role.PROPOSER), played.group(Role.SOLVER)
    assert proposer.parents == tuple(proposer.task_id.split("+"))
    assert solver.parents == proposer.parents, "its task was proposed after them"
    assert (
        proposer.producer == solver.producer == Producer(engine="engine", epoch=1, checksum="of 5")
    )
    assert proposer.sampling.max_tokens == solver.sampling.max_tokens == 2000
    assert None not in (proposer.sampling.seed, solver.sampling.seed)
