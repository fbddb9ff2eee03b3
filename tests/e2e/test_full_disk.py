"""A full disk ends a command with one sentence, spoils nothing, and the same command goes on.

The disk is a small tmpfs, which needs root to be mounted.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.play.outbox import Outbox
from engine.tasks.rows import OutboxRow
from engine.tasks.store import TaskStore
from engine.wire import (
    Finish,
    Group,
    Kind,
    RingReader,
    RingWriter,
    Role,
    Rollout,
    RunDir,
    append_jsonl,
    encode_group,
    read_jsonl,
)
from trainer.cli import main

SIZE_KB = 4096
PAGE = 4096
CAPACITY = 1 << 16
NUM_GROUPS = 12  # of 4 rollouts, 8 a batch: 6 steps
RUN_ID = b"f" * 16


class Disk:
    """A small filesystem that can be filled to the last page."""

    def __init__(self, path):
        self.path = path
        self._filler = path / "filler"

    def fill(self, *, leave_kb=0):
        """Take all space but this."""
        with self._filler.open("ab") as file:
            free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize
            os.posix_fallocate(file.fileno(), 0, file.tell() + max(PAGE, free - leave_kb * 1024))

    def free(self):
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE_KB}k", "tmpfs", str(path)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small filesystem cannot be mounted here: {mounted.stderr.strip()}")
    yield Disk(path)
    subprocess.run(["umount", "--lazy", str(path)], check=True)


# -- the engine's files


def test_a_ring_is_founded_whole_or_not_at_all(disk):
    path = disk.path / "ring"
    disk.fill(leave_kb=32)
    with pytest.raises(OSError, match="No space left"):
        RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    assert not path.exists()
    assert [entry.name for entry in disk.path.iterdir() if "ring" in entry.name] == []
    disk.free()
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    disk.fill()  # its space is reserved
    while writer.try_push(bytes(CAPACITY // 8)) is not None:
        pass
    writer.close()


def row(number):
    return OutboxRow(
        group_id=number.to_bytes(16, "big"),
        role=Role.SOLVER,
        kind=Kind.DEDUCTION,
        task_id="t",
        num_rollouts=1,
        payload=number.to_bytes(4, "big") * 500,
    )


def test_a_round_that_finds_no_space_is_not_committed_and_the_next_ones_are(disk):
    store = TaskStore(disk.path / "tasks.db")
    disk.fill(leave_kb=200)

    def commit():
        first = store.next_seq()
        groups = [row(first + index) for index in range(5)]
        store.commit_round(first, tasks=[], proposals=[], groups=groups, solved=[])

    def fill_up():
        for _ in range(1000):
            commit()

    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        fill_up()
    num_groups = store.next_seq()
    assert num_groups % 5 == 0
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        commit()
    disk.free()
    commit()  # the same process
    store.close()
    with TaskStore(disk.path / "tasks.db") as store:  # and the next
        commit()
        ring = RingWriter.open(disk.path / "ring", capacity=CAPACITY, run_id=RUN_ID)
        Outbox(store, ring).pump()
        assert store.next_seq() == num_groups + 10
        assert ring.next_seq > 0
        ring.close()
    reader = RingReader.open(disk.path / "ring", wait_s=0)
    for record in reader.pop_many(100, timeout_s=0):
        assert record.payload == row(record.seq).payload
    reader.close()


@pytest.mark.slow
def test_engine_serve_says_that_the_disk_is_full_and_goes_on_when_it_is_not(disk):
    command = [sys.executable, "-m", "engine.cli", "serve", "--recipe", "smoke"]
    command += ["--run", str(disk.path / "run")]  # whose ring alone has 64 MiB
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("engine: the disk is full (")
    assert "free some space and run the same command again" in sentence
    subprocess.run(["mount", "-o", "remount,size=128m", str(disk.path)], check=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as engine:
        try:
            RingReader.open(RunDir(disk.path / "run").ring, wait_s=120).close()
        finally:
            engine.terminate()


# -- the trainer's files


def test_a_ledger_row_without_space_is_an_error_and_the_torn_line_is_cut_off(disk):
    ledger = disk.path / "steps.jsonl"
    append_jsonl(ledger, {"step": 1}, fsync=True)
    disk.fill()
    long = {
        "step": 2,
        "text": "x" * PAGE,
    }  # begins in a page that is there, ends in one that is not
    with pytest.raises(Exception, match=r"is the disk full|No space left"):
        append_jsonl(ledger, long, fsync=True)
    assert [row["step"] for row in read_jsonl(ledger)] == [1]
    disk.free()
    append_jsonl(ledger, long, fsync=True)
    assert [row["step"] for row in read_jsonl(ledger)] == [1, 2]


def group_of(number):
    dice = np.random.default_rng(number)

    def rollout():
        tokens = dice.integers(256, size=int(dice.integers(1, 7)), dtype=np.uint32)
        reward = float(dice.choice([-1.0, -0.5, 1.0]))
        return Rollout(
            rollout_id=dice.bytes(16),
            tokens=tokens,
            logprobs=dice.uniform(-5, -3, size=len(tokens)).astype(np.float32),
            versions=((0, len(tokens)),),
            reward=reward,
            components={"accuracy": reward},
            finish=Finish.STOP,
            verdict="ok",
        )

    return Group(
        group_id=dice.bytes(16),
        role=Role.SOLVER,
        kind=list(Kind)[number % 3],
        task_id=f"task-{number}",
        prompt=dice.integers(256, size=6, dtype=np.uint32),
        temperature=1.0,
        rollouts=tuple(rollout() for _ in range(4)),
        created_ns=0,
    )


def found(path, *, model):
    """A run whose groups are all in the ring, as the engine leaves it."""
    table = {"batch_samples": 8, "min_batch_samples": 2, "lr": 1e-3, "threads": 1, "device": "cpu"}
    run = RunDir(path)
    config = {"trainer": table | {"checkpoint_every": 2}, "model": {"directory": str(model)}}
    writer = RingWriter.open(run.ring, capacity=CAPACITY, run_id=run.write_run(config).run_id)
    for number in range(NUM_GROUPS):
        assert writer.try_push(encode_group(group_of(number))) is not None
    writer.close()
    return run


def trainer_run(run, capsys):
    """The command, in this process: (exit code, what it said)."""
    capsys.readouterr()
    try:
        main(["run", "--run", str(run.path)])
        code = 0
    except SystemExit as exit_:
        code = exit_.code
    return code, capsys.readouterr().err


def tensors_of(run):
    newest = max(run.checkpoints.glob("step-*"))
    return {
        (file, name): tensor
        for file in ("model.safetensors", "optimizer.safetensors")
        for name, tensor in load_file(newest / file).items()
    }


def test_trainer_run_ends_with_one_sentence_wherever_space_runs_out_and_then_goes_on(
    disk, model, tmp_path, capsys
):
    torch.set_num_threads(1)
    whole = found(tmp_path / "whole", model=model)
    assert trainer_run(whole, capsys)[0] == 0
    expected, steps = tensors_of(whole), read_jsonl(whole.steps_ledger)
    reached = set()
    for leave_kb in range(0, 1200, 100):
        run = found(disk.path / f"run-{leave_kb}", model=model)
        disk.fill(leave_kb=leave_kb)
        code, said = trainer_run(run, capsys)
        if code == 0:
            break  # enough for all
        assert code == 2, said
        assert "Traceback" not in said
        last = said.strip().splitlines()[-1]
        assert last.startswith("trainer: ")
        assert "No space left" in last or "disk full" in last
        reached.add((len(read_jsonl(run.steps_ledger)), len(list(run.checkpoints.glob("step-*")))))
        disk.free()
        code, said = trainer_run(run, capsys)
        assert code == 0, said
        assert read_jsonl(run.steps_ledger) == steps
        tensors = tensors_of(run)
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensors[name], expected[name]) for name in expected)
        shutil.rmtree(run.path)
    assert code == 0, "the sweep must end where nothing is amiss"
    assert len(reached) >= 3, f"space must have run out at several places, did at {reached}"


def test_the_filesystem_of_these_tests_is_small(disk):
    assert os.statvfs(disk.path).f_blocks * os.statvfs(disk.path).f_frsize <= SIZE_KB * 1024
    assert Path(disk.path).is_mount()
