"""The task file: whole rounds or none, a dense sequence, and a clear word about a wrong file."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.observe.audit import audit
from engine.tasks.flight import ProposalRow
from engine.tasks.rows import OutboxRow, Solved
from engine.tasks.store import StoreError, TaskStore
from engine.tasks.task import Origin
from engine.wire import RunDir
from engine.wire.messages import Kind, Role

WRITER = Path(__file__).with_name("store_writer.py")


def group(number: int, *, role: Role = Role.SOLVER, task_id: str = "t") -> OutboxRow:
    return OutboxRow(
        group_id=number.to_bytes(16, "big"),
        role=role,
        kind=Kind.DEDUCTION,
        task_id=task_id,
        num_rollouts=3,
        payload=b"payload %d" % number,
    )


def proposal(**changes: object) -> ProposalRow:
    fields = {"version": 3, "fate": "syntax", "detail": "d", "text": "def f(", "reward": -1.0}
    return ProposalRow(**{"kind": Kind.ABDUCTION, **fields, **changes})


def content(store: TaskStore) -> object:
    return (
        list(store.tasks()),
        store.proposals(),
        list(store.outbox(0)),
        store.next_seq(),
        store.next_round(),
    )


def test_what_was_committed_is_read_back_as_it_was(tmp_path, make_task):
    path = tmp_path / "tasks.db"
    task = make_task(
        Kind.INDUCTION, "def f(x):\n    return x", ("1", 1), ("'\u00e9'", "\u00e9"), message="m"
    )
    row = proposal(fate="admitted", task_id=task.id, solve_rate=0.25, reward=0.75)
    with TaskStore(path) as store:
        store.commit_round(
            7,
            tasks=[task],
            proposals=[row],
            groups=[group(0, task_id=task.id)],
            solved=[Solved(task_id=task.id, attempts=4, solved=1)],
        )
    with TaskStore(path, read_only=True) as store:
        assert store.task(task.id) == task
        assert store.task("none such") is None
        assert store.draw(random.Random(0), [Kind.INDUCTION], n=9) == [task]
        assert store.proposals() == [(7, row)]
        (stored,) = store.group_rows()
        assert stored[0] == 0
        assert stored[2:] == (0, "solver", "deduction", task.id, 3, 7)
        assert store.next_round() == 8
        assert store.draw(random.Random(0), [Kind.DEDUCTION], n=9) == []


@pytest.mark.parametrize("broken", ["task", "proposal", "group", "solved"])
def test_a_round_that_fails_in_the_middle_leaves_nothing(tmp_path, make_task, broken):
    def items(name, whole):
        yield from whole
        if name == broken:
            raise RuntimeError("in the middle")

    task = make_task(Kind.DEDUCTION, "def f(x):\n    return -x", ("1", -1))
    with TaskStore(tmp_path / "tasks.db") as store:
        store.commit_round(0, tasks=[], proposals=[proposal()], groups=[group(0)], solved=[])
        before = content(store)
        with pytest.raises(RuntimeError, match="in the middle"):
            store.commit_round(
                1,
                tasks=items("task", [task]),
                proposals=items("proposal", [proposal()]),
                groups=items("group", [group(1)]),
                solved=items("solved", [Solved(task_id=task.id, attempts=1, solved=1)]),
            )
        assert content(store) == before
        store.commit_round(1, tasks=[task], proposals=[], groups=[group(1)], solved=[])
        assert [row.seq for row in store.outbox(0)] == [0, 1]


def test_a_group_is_stored_once(tmp_path):
    with TaskStore(tmp_path / "tasks.db") as store:
        store.commit_round(0, tasks=[], proposals=[], groups=[group(0)], solved=[])
        before = content(store)
        with pytest.raises(sqlite3.IntegrityError):
            store.commit_round(
                1, tasks=[], proposals=[proposal()], groups=[group(1), group(0)], solved=[]
            )
        assert content(store) == before


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 12)), max_size=12))
def test_groups_are_numbered_densely_over_reopening_and_forgetting(tmp_path_factory, rounds):
    path = tmp_path_factory.mktemp("store") / "tasks.db"
    store, written, forgotten = TaskStore(path), 0, 0
    for number, (num_groups, reopen, forget_before) in enumerate(rounds):
        groups = [group(written + index) for index in range(num_groups)]
        store.commit_round(number, tasks=[], proposals=[], groups=groups, solved=[])
        written += num_groups
        store.forget_payloads(forget_before)
        forgotten = max(forgotten, min(forget_before, written))
        if reopen:
            store.close()
            store = TaskStore(path)
        assert [row[0] for row in store.group_rows()] == list(range(written))
        assert store.next_seq() == written
        # What is kept may include earlier numbers only if they were written after a forgetting.
        kept = [row.seq for row in store.outbox(0)]
        assert kept == list(range(store.first_kept_seq(), written))
        assert store.num_rollouts_from(forgotten) == 3 * (written - forgotten)
    store.close()


def test_seeds_are_added_once_and_found_by_form_and_shape(tmp_path, make_task):
    seed = make_task(Kind.DEDUCTION, "def f(x):\n    return x", ("1", 1), origin=Origin.SEED)
    with TaskStore(tmp_path / "tasks.db") as store:
        assert store.add_seeds([seed, seed]) == 1
        assert store.add_seeds([seed]) == 0
        assert store.is_known(Kind.DEDUCTION, seed.normal_form)
        assert store.is_known(Kind.DEDUCTION, seed.shape, by_shape=True)
        assert not store.is_known(Kind.ABDUCTION, seed.normal_form)
        assert (store.num_tasks(), store.num_tasks(origin=Origin.PROPOSAL)) == (1, 0)


def test_solve_statistics_add_up(tmp_path, make_task):
    task = make_task(Kind.DEDUCTION, "def f(x):\n    return -x", ("1", -1))
    with TaskStore(tmp_path / "tasks.db") as store:
        for number in range(2):
            solved = [Solved(task_id=task.id, attempts=4, solved=number)]
            store.commit_round(number, tasks=[task], proposals=[], groups=[], solved=solved)
    with sqlite3.connect(tmp_path / "tasks.db") as db:
        assert db.execute("SELECT attempts, solved FROM tasks").fetchall() == [(8, 1)]
    db.close()


def test_kill_9_in_the_middle_of_commits_leaves_whole_rounds(tmp_path):
    run = RunDir(tmp_path / "run").create()
    dice = random.Random(1)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(run.tasks_db)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() or writer.poll() is None
        time.sleep(dice.uniform(0, 0.03))
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
        with TaskStore(run.tasks_db) as store:
            num_rounds = store.next_round()
            rounds = [number for number, _ in store.proposals()]
            assert rounds == [number for number in range(num_rounds) for _ in range(2)]
            assert [row[0] for row in store.group_rows()] == list(range(2 * num_rounds))
            assert store.num_tasks() == num_rounds
        assert audit(run).problems == ()
    assert num_rounds > 6, "the writer was killed before it wrote anything: nothing was tested"


# -- a file that is none


def is_one_sentence(error: pytest.ExceptionInfo[StoreError]) -> bool:
    return "\n" not in str(error.value) and "Traceback" not in str(error.value)


def test_a_wrong_path_opened_for_reading_is_named_and_not_created(tmp_path):
    with pytest.raises(StoreError, match=r"none\.db") as error:
        TaskStore(tmp_path / "none.db", read_only=True)
    assert is_one_sentence(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(
    "junk", [b"not a database, certainly not one" * 100, b"SQLite format 3\0x"]
)
def test_a_file_that_is_no_task_file_is_named(tmp_path, junk, read_only):
    path = tmp_path / "tasks.db"
    path.write_bytes(junk)
    with pytest.raises(StoreError, match=r"tasks\.db") as error:
        TaskStore(path, read_only=read_only)
    assert is_one_sentence(error)
    assert path.read_bytes() == junk


@pytest.mark.parametrize("read_only", [True, False])
def test_a_task_file_of_another_schema_is_refused(tmp_path, read_only):
    path = tmp_path / "tasks.db"
    with TaskStore(path) as store:
        store.set_fact("schema", "999")
    with pytest.raises(StoreError, match="schema 999") as error:
        TaskStore(path, read_only=read_only)
    assert is_one_sentence(error)


def test_an_empty_file_is_no_task_file_to_a_reader(tmp_path):
    path = tmp_path / "tasks.db"
    path.touch()
    with pytest.raises(StoreError, match="not a readable task file"):
        TaskStore(path, read_only=True)


@pytest.mark.parametrize("name", ["a?mode=memory", "a#b", "50%20c", "a b"])
def test_the_file_may_be_in_a_directory_of_any_name(tmp_path, name):
    path = tmp_path / name / "tasks.db"
    path.parent.mkdir()
    with TaskStore(path) as store:
        store.set_fact("x", "1")
    with TaskStore(path, read_only=True) as store:
        assert store.fact("x") == "1"
    assert sorted(each.name for each in tmp_path.iterdir()) == [name]


def test_a_refused_file_is_let_go_of(tmp_path):
    path = tmp_path / "tasks.db"
    with TaskStore(path) as store:
        store.set_fact("schema", "999")
    with pytest.raises(StoreError):
        TaskStore(path)
    open_files = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    assert path.resolve() not in open_files


def test_a_reader_cannot_write(tmp_path):
    with TaskStore(tmp_path / "tasks.db") as store:
        store.set_fact("x", "1")
    with (
        TaskStore(tmp_path / "tasks.db", read_only=True) as store,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        store.set_fact("x", "2")


def test_what_a_round_commits_is_synced_and_stays_so(tmp_path):
    """FULL: sqlite syncs its log before a commit returns. Only the forgetting may do without."""
    with TaskStore(tmp_path / "tasks.db") as store:
        store.forget_payloads(3)
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_forgetting_that_fails_leaves_commits_synced(tmp_path):
    path = tmp_path / "tasks.db"
    with TaskStore(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.forget_payloads(3)
        other.close()
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_commit_that_fails_leaves_no_transaction_open(tmp_path):
    """Otherwise all that is written later would join it, and go with it."""
    path = tmp_path / "tasks.db"

    def write_an_orphan(store):
        with store.transaction():
            store._db.execute("INSERT INTO child VALUES (1)")

    with TaskStore(path) as store:
        store._db.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        store._db.execute("CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        store._db.execute("PRAGMA foreign_keys = ON")  # what a COMMIT can fail by at will
        with pytest.raises(sqlite3.IntegrityError):
            write_an_orphan(store)
        with store.transaction():
            store.set_fact("written", "later")
    with TaskStore(path, read_only=True) as store:
        assert store.fact("written") == "later"
