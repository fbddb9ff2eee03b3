"""The promise of the whole: whatever is killed, every group is learned from once, in order.

The model recites; all else is the product. A run in which engine and trainer were killed again and
again must end with the same bits as one in which nobody was.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.observe.audit import audit
from engine.tasks.store import TaskStore
from engine.wire import RingReader, RingState, RunDir, latest_version, read_jsonl

KILLER = Path(__file__).with_name("run_killer.py")
ROUNDS = 60
KILLS = 50

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.slow
def test_killed_fifty_times_a_run_learns_from_every_group_once_and_ends_with_the_same_bits(
    model, capsys
):
    check_kills(model.parent, capsys, seed=1)


@pytest.mark.stress
def test_fresh_interpreters_killed_fifty_times_end_with_the_same_bits(model, capsys):
    check_kills(model.parent, capsys, "--cold", seed=2)


def check_kills(directory, capsys, *flags, seed):
    command = [sys.executable, str(KILLER), str(directory), str(ROUNDS), str(KILLS), str(seed)]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["killed"]
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(report, indent=1)}\n")
    assert sum(report["killed"].values()) >= KILLS
    assert all(number > KILLS / 4 for number in report["killed"].values()), report
    whole, killed = (RunDir(directory / name) for name in ("whole", "killed"))
    assert played(killed) == played(whole)
    assert {number for number, *_ in played(whole)[0]} == set(range(ROUNDS))
    for run in (whole, killed):
        assert_each_group_trained_once_in_order(run)
    assert_same_bits(killed, whole)


def played(run):
    """Everything that was played but for its random names and times."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        rows = [(number, row.kind, row.fate, row.text) for number, row in store.proposals()]
        return rows, [row._replace(group_id=b"") for row in store.group_rows()]


def assert_each_group_trained_once_in_order(run):
    assert audit(run).problems == ()
    with TaskStore(run.tasks_db, read_only=True) as store:
        stored = [row.seq for row in store.group_rows()]
    reader = RingReader.open(run.ring, wait_s=0)
    assert reader.state is RingState.CLOSED
    assert (reader.committed_seq, reader.depth) == (len(stored), 0)
    reader.close()
    rows = read_jsonl(run.steps_ledger)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    trained = [seq for row in rows for seq in range(*stretch_of(row))]
    assert trained == stored == list(range(len(stored)))
    assert [row["step"] for row in read_jsonl(run.trainer_metrics)] == [r["step"] for r in rows]


def stretch_of(row):
    """(first, end) of the ring's records in a step."""
    (stretch,) = row["records"].values()
    return stretch


def assert_same_bits(left, right):
    ours, theirs = (max(run.checkpoints.glob("step-*")) for run in (left, right))
    assert ours.name == theirs.name
    for file in ("model.safetensors", "optimizer.safetensors"):
        tensors, expected = load_file(ours / file), load_file(theirs / file)
        assert tensors.keys() == expected.keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, expected[name]), (file, name)
    assert (ours / "state.json").read_bytes() == (theirs / "state.json").read_bytes()
    ours, theirs = (latest_version(run.weights) for run in (left, right))
    assert (ours.version, ours.final, ours.tensors) == (theirs.version, True, theirs.tensors)
    published = [load_file(manifest.path / "model.safetensors") for manifest in (ours, theirs)]
    assert all(torch.equal(published[0][name], published[1][name]) for name in ours.tensors)
    assert read_jsonl(left.steps_ledger) == read_jsonl(right.steps_ledger)
