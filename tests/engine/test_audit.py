"""The audit: a clean run is clean, and each planted fault is named."""

import json
import secrets
import sqlite3
from contextlib import closing

import pytest

from engine.observe.audit import audit
from engine.tasks.rows import OutboxRow
from engine.tasks.store import StoreError, TaskStore
from engine.tasks.task import Origin
from engine.wire import RunDir, publish_weights
from engine.wire.ledger import Ledger, Step
from engine.wire.messages import Kind, Role

NUM_TASKS = 4


def group(role, task_id, *, group_id=b"", part=0):
    return OutboxRow(
        group_id=group_id or secrets.token_bytes(16),
        part=part,
        role=role,
        kind=Kind.DEDUCTION,
        task_id=task_id,
        num_rollouts=2,
        payload=b"",
    )


@pytest.fixture
def run(tmp_path, make_task):
    """A seed, four rounds of one task each (eight groups), three steps on seven of them."""
    run = RunDir(tmp_path / "run").create()
    with TaskStore(run.tasks_db) as store:
        store.add_seeds([make_task(Kind.DEDUCTION, "seed", ("1", 1), origin=Origin.SEED)])
        for number in range(NUM_TASKS):
            task = make_task(Kind.DEDUCTION, f"program {number}", ("1", 1))
            groups = [group(Role.PROPOSER, "seed"), group(Role.SOLVER, task.id)]
            store.commit_round(number, tasks=[task], proposals=[], groups=groups, solved=[])
    write_steps(run, (1, 0, 2), (2, 2, 5), (3, 5, 7))
    return run


def write_steps(run, *steps):
    run.steps_ledger.unlink(missing_ok=True)
    ledger = Ledger(run.steps_ledger)
    for step, first, end in steps:
        ledger.record(
            Step(
                step=step,
                stretches={"ring-0": (first, end)},
                num_groups=end - first,
                num_samples=end - first,
                version=step,
                checksum="c",
            )
        )


def change(run, statement):
    with closing(sqlite3.connect(run.tasks_db)) as db:
        assert db.execute(statement).rowcount > 0, "the fault was not planted"
        db.commit()


def problem(run) -> str:
    """The one problem."""
    (only,) = audit(run).problems
    return only


def test_a_task_that_made_room_for_others_is_no_orphan(run):
    with TaskStore(run.tasks_db) as store:
        store.evict(next(store.tasks(origin=Origin.PROPOSAL)).id)
    found = audit(run)
    assert found.problems == ()
    assert "3 proposed tasks, 1 evicted, 8 groups" in found.summary


def test_a_clean_run_is_clean(run):
    found = audit(run)
    assert found.problems == ()
    assert found.summary == (
        "1 seeds, 4 proposed tasks, 8 groups, 3 steps on the first 7 groups: "
        "no gap, no double, no orphan"
    )


def test_a_run_without_steps_is_clean(run):
    run.steps_ledger.unlink()
    assert audit(run).problems == ()


def test_a_proposers_group_that_is_missing_is_a_gap(run):
    change(run, "DELETE FROM groups WHERE seq = 4")
    assert problem(run) == "expected record 4, found 5"


def test_a_group_that_is_there_twice_is_named(run):
    change(
        run,
        "INSERT INTO groups SELECT 8, randomblob(16), part, round, role, kind, task_id, "
        "num_rollouts, payload FROM groups WHERE seq = 3",
    )
    assert "has 2 solver's groups, expected one" in problem(run)


def test_a_group_in_parts_counts_once_and_each_record_has_its_number(run, make_task):
    add_parts(run, make_task, parts=(0, 1, 2))
    write_steps(run, (1, 0, 11))
    assert audit(run).problems == ()
    assert "5 proposed tasks, 9 groups, 1 steps on the first 9 groups" in audit(run).summary


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ((0, 2), "record 9 is part 2 of its group, expected part 1"),
        ((1, 0), "record 8 is part 1 of its group, expected part 0"),
    ],
)
def test_a_part_out_of_its_place_is_named(run, make_task, parts, named):
    add_parts(run, make_task, parts=parts)
    assert audit(run).problems[0] == named


def test_a_step_that_ended_within_a_group_is_named(run, make_task):
    add_parts(run, make_task, parts=(0, 1))
    write_steps(run, (1, 0, 9), (2, 9, 10))
    assert problem(run) == "step 1 ended at record 9, within a group"


def add_parts(run, make_task, *, parts):
    """A fifth task, whose solver's group, from record 8 on, is several records."""
    with TaskStore(run.tasks_db) as store:
        task = make_task(Kind.DEDUCTION, "program 5", ("1", 1))
        rows = [group(Role.SOLVER, task.id, group_id=b"p" * 16, part=part) for part in parts]
        store.commit_round(NUM_TASKS, tasks=[task], proposals=[], groups=rows, solved=[])


def test_a_solvers_group_without_its_task_is_an_orphan(run):
    change(run, "DELETE FROM tasks WHERE program = 'program 2'")
    assert "which was never admitted" in problem(run)


def test_a_solvers_group_of_a_seed_is_an_orphan(run):
    change(run, "UPDATE tasks SET origin = 'seed' WHERE program = 'program 2'")
    assert "which was never admitted" in problem(run)


def test_a_task_without_its_solvers_group_is_an_orphan(run):
    change(run, "UPDATE groups SET role = 'proposer' WHERE seq = 3")
    assert "admitted without its solver's group" in problem(run)


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([(1, 0, 2), (3, 2, 5)], "step 2 in row 2, has step 3"),
        ([(2, 0, 2)], "step 1 in row 1, has step 2"),
        ([(1, 0, 3), (2, 2, 5)], "step 2 began at record 2 of ring-0, the one before ended at 3"),
        ([(1, 0, 2), (2, 3, 5)], "step 2 began at record 3 of ring-0, the one before ended at 2"),
        ([(1, 1, 3)], "step 1 began at record 1 of ring-0, the one before ended at 0"),
        ([(1, 0, 9)], "steps consumed 9 records, the store knows 8"),
    ],
)
def test_steps_that_do_not_follow_each_other_are_named(run, steps, named):
    write_steps(run, *steps)
    assert named in problem(run)


def publish(run, *, version, step):
    def write(directory):
        # The least that is a safetensors file: one tensor of one byte.
        header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        path = directory / "model.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x01")
        return {"w": "0" * 32}

    return publish_weights(
        run.weights, version=version, step=step, consumed={"ring-0": 7}, write=write
    )


def test_weights_with_another_checksum_than_their_steps_are_named(run):
    publish(run, version=3, step=3)
    assert problem(run) == "version 3 is published with another checksum than its step's"


def test_weights_of_a_step_that_is_not_in_the_ledger_are_named(run):
    publish(run, version=4, step=4)
    assert problem(run) == "version 4 is of step 4, the ledger ends at 3"


def test_several_faults_are_all_named(run):
    change(run, "DELETE FROM groups WHERE seq = 4")
    change(run, "DELETE FROM tasks WHERE program = 'program 0'")
    write_steps(run, (2, 0, 2))
    assert len(audit(run).problems) == 3
    assert audit(run).summary.endswith("3 problems")


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="is this a run directory"):
        audit(RunDir(tmp_path))
