"""The outbox against a real ring: every group once, in order, whatever is killed when."""

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.play.outbox import Outbox, OutboxError, pack
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.rows import OutboxRow
from engine.tasks.store import TaskStore
from engine.wire import RingReader, RingWriter, decode_group
from engine.wire.messages import Kind, Role

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


def test_a_packed_group_reads_back():
    policy = ScriptedPolicy({})
    packed = pack(
        policy,
        role=Role.PROPOSER,
        kind=Kind.INDUCTION,
        task_id="a+b",
        prompt="def f(",
        temperature=0.5,
        rollouts=[],
    )
    group = decode_group(packed.payload)
    assert bytes(group.prompt.tolist()).decode() == "def f("
    assert (group.group_id, group.role, group.kind) == (packed.group_id, packed.role, packed.kind)
    assert (group.task_id, group.temperature) == ("a+b", 0.5)
    assert packed.seq is None
