"""`engine queue`: what its commands print, write and answer, on rings live, dead and damaged."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgpack
import numpy as np
import pytest

from engine.commands import sources
from engine.commands.queue_export import export
from engine.commands.queue_fsck import fsck
from engine.commands.queue_stat import stat
from engine.commands.queue_tail import tail
from engine.errors import EngineError
from engine.wire import (
    Finish,
    Group,
    Kind,
    Producer,
    Record,
    RingReader,
    RingWriter,
    Role,
    Rollout,
    RunDir,
    WireError,
    encode_group,
)
from engine.wire.findings import Finding

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
NUM_GROUPS = 6


def engine_command(*arguments):
    return [sys.executable, "-m", "engine.cli", *map(str, arguments)]


def run_engine(*arguments):
    return subprocess.run(
        engine_command(*arguments),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )


def rollout(number, *, version):
    return Rollout(
        rollout_id=number.to_bytes(16, "big"),
        tokens=np.arange(number, number + 3, dtype=np.uint32),
        logprobs=np.array([-0.5, -math.inf, -0.1], dtype=np.float32),
        versions=((version, 1), (version + 1, 2)),
        reward=number / 4,
        components={"answer": 0.25},
        finish=Finish.STOP,
        verdict="ok",
    )


def group(number):
    return Group(
        group_id=number.to_bytes(16, "big"),
        role=Role.SOLVER,
        kind=Kind.ABDUCTION,
        task_id=f"task-{number}",
        prompt=np.array([1, 2, 2**32 - 1], dtype=np.uint32),
        temperature=0.7,
        rollouts=(rollout(number, version=3), rollout(number + 1, version=4)),
        created_ns=10**18 + number,
        parents=("a", "b"),
        producer=Producer(engine="engine-0", epoch=1),
    )


@pytest.fixture
def run(tmp_path):
    """A run with six groups, a record that is no group, and one of another schema."""
    directory = RunDir(tmp_path / "run").create()
    founded = directory.write_run({})
    writer = RingWriter.open(directory.ring, capacity=1 << 16, run_id=founded.run_id)
    for number in range(NUM_GROUPS):
        writer.try_push(encode_group(group(number)))
    writer.try_push(b"\x81\x01")
    writer.try_push(b"from tomorrow", schema=99)
    writer.close()
    return directory


def damage(run, *, seq):
    with run.ring.open("r+b") as file:
        offset = 4096 + sum(
            -(-(32 + len(encode_group(group(number)))) // 32) * 32 for number in range(seq)
        )
        file.seek(offset + 60)
        file.write(b"\xff\xff\xff")
    return offset


# -- export


def exported(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open("rb") as file:
        return list(msgpack.Unpacker(file))


@pytest.mark.parametrize("suffix", [".jsonl", ".msgpack"])
def test_every_field_of_a_group_is_exported(run, tmp_path, capsys, suffix):
    out = tmp_path / f"groups{suffix}"
    assert export(out, run=run.path) == 0
    rows = exported(out)
    assert [row["seq"] for row in rows] == list(range(NUM_GROUPS + 2))
    for number, row in enumerate(rows[:NUM_GROUPS]):
        expected = group(number)
        assert (row["epoch"], row["schema"], row["task_id"]) == (1, 1, expected.task_id)
        assert (row["role"], row["kind"]) == ("solver", "abduction")
        assert (row["temperature"], row["created_ns"]) == (0.7, expected.created_ns)
        assert row["group_id"] == expected.group_id.hex()
        assert row["prompt"] == [1, 2, 2**32 - 1]
        assert set(row) == {"seq", "epoch", "schema", *Group.__dataclass_fields__}
        assert row["part"] == {"index": 0, "count": 1}
        assert (row["parents"], row["producer"]["engine"]) == (["a", "b"], "engine-0")
        for seen, of in zip(row["rollouts"], expected.rollouts, strict=True):
            assert set(seen) == set(Rollout.__dataclass_fields__)
            assert seen["rollout_id"] == of.rollout_id.hex()
            assert seen["tokens"] == of.tokens.tolist()
            assert np.array_equal(np.array(seen["logprobs"], dtype=np.float32), of.logprobs)
            assert seen["versions"] == [list(each) for each in of.versions]
            assert (seen["reward"], seen["components"]) == (of.reward, dict(of.components))
            assert (seen["finish"], seen["verdict"]) == ("stop", "ok")
    said = capsys.readouterr()
    assert said.out == ""
    assert "8 records" in said.err
    assert "2 of them as errors" in said.err


def test_a_record_that_is_no_group_is_exported_as_its_error(run, tmp_path):
    out = tmp_path / "groups.jsonl"
    export(out, run=run.path)
    quarantined, unknown = exported(out)[NUM_GROUPS:]
    assert quarantined["error"].startswith("quarantined: expected one msgpack map")
    assert quarantined["field"] == "group"
    assert unknown["error"] == "schema 99, this kelvin reads 1"
    assert (unknown["seq"], unknown["schema"]) == (NUM_GROUPS + 1, 99)


def test_a_damaged_record_is_exported_as_its_error_and_all_others_whole(run, tmp_path):
    out = tmp_path / "groups.jsonl"
    offset = damage(run, seq=2)
    assert export(out, run=run.path) == 1
    rows = exported(out)
    assert [row["seq"] for row in rows] == list(range(NUM_GROUPS + 2))
    assert (rows[2]["offset"], rows[2]["epoch"]) == (offset, 1)
    assert "damaged: record 2" in rows[2]["error"]


def test_a_range_is_of_the_first_number_and_before_the_second(run, tmp_path):
    out = tmp_path / "some.jsonl"
    assert export(out, run=run.path, from_seq=2, to_seq=4) == 0
    assert [row["seq"] for row in exported(out)] == [2, 3]


def test_records_that_have_left_the_ring_are_said_to_have(run, tmp_path):
    reader = RingReader.open(run.ring, wait_s=0)
    reader.pop_many(3, timeout_s=0)
    reader.commit(3)
    reader.close()
    out = tmp_path / "some.jsonl"
    assert export(out, run=run.path, from_seq=1, to_seq=4) == 1
    gap, record = exported(out)
    assert (gap["seq"], gap["end_seq"], record["seq"]) == (1, 3, 3)
    assert gap["error"] == "records 1 to 2 are no longer there"


def test_an_export_that_fails_leaves_neither_its_file_nor_a_half(run, tmp_path, monkeypatch):
    out = tmp_path / "groups.jsonl"
    out.write_text("what was there before")

    def broken(*_, **__):
        raise WireError("half way")
        yield

    monkeypatch.setattr(sources.RingSource, "records", broken)
    with pytest.raises(WireError, match="half way"):
        export(out, run=run.path)
    assert out.read_text() == "what was there before"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_an_export_needs_a_known_ending_and_a_place(run, tmp_path):
    with pytest.raises(EngineError, match=r"\.jsonl or \.msgpack, got groups\.csv"):
        export(tmp_path / "groups.csv", run=run.path)
    with pytest.raises(EngineError, match="cannot write"):
        export(tmp_path / "none" / "groups.jsonl", run=run.path)


class Memory:
    """Records from no file at all, as a source."""

    path = Path("memory")
    remedy = "none"

    def end_seq(self):
        return 3

    def records(self, *, first_seq, end_seq):
        for seq in range(first_seq or 0, end_seq or 3):
            yield Record(seq, 1, 7, encode_group(group(seq)))

    def newest(self, num):
        return self.records(first_seq=3 - num, end_seq=None)

    def findings(self):
        yield Finding(path=self.path, offset=5, seq=1, epoch=7, what="a hole")

    def notes(self):
        yield "nothing else"


def test_the_commands_take_any_source_of_records(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sources, "open_source", lambda **_: Memory())
    out = tmp_path / "groups.msgpack"
    assert export(out, from_seq=1) == 0
    assert [(row["seq"], row["epoch"]) for row in exported(out)] == [(1, 7), (2, 7)]
    assert tail(num=1) == 0
    assert "seq 2  epoch 7" in capsys.readouterr().out
    assert fsck() == 1
    assert "memory byte 5, seq 1, epoch 7: a hole\nnote: nothing else" in capsys.readouterr().out


# -- tail


def test_tail_shows_one_line_a_record(run, capsys):
    assert tail(run=run.path, num=4) == 0
    lines = capsys.readouterr().out.splitlines()
    size = len(encode_group(group(4)))
    assert lines[0] == (
        f"seq 4  epoch 1  {size} bytes  schema 1  solver/abduction  task task-4  2 rollouts  "
        "reward 1.12  versions 3..5"
    )
    assert [line.split("  ")[0] for line in lines] == ["seq 4", "seq 5", "seq 6", "seq 7"]
    assert "quarantined" in lines[2]
    assert "schema 99, this kelvin reads 1" in lines[3]


def test_tail_names_a_damaged_record_among_the_others(run, capsys):
    offset = damage(run, seq=5)
    tail(run=run.path, num=3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"damaged at byte {offset}: record 5")
    assert lines[1].startswith("seq 6")


def test_tail_of_a_ring_that_was_consumed_says_so(run, capsys):
    reader = RingReader.open(run.ring, wait_s=0)
    reader.pop_many(100, timeout_s=0)
    reader.commit(NUM_GROUPS + 2)
    reader.close()
    assert tail(run=run.path) == 0
    assert "nothing is there; the next record will be 8" in capsys.readouterr().out


def test_tail_follows_new_records_and_a_new_ring_and_ends_on_ctrl_c(run):
    founded = run.read_run()
    command = engine_command("queue", "tail", "--run", run.path, "-n", 1, "--follow")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as following:
        assert following.stdout.readline().startswith("seq 7")
        writer = RingWriter.open(run.ring, capacity=1 << 16, run_id=founded.run_id)
        writer.try_push(encode_group(group(8)))
        assert "task task-8" in following.stdout.readline()
        writer.close()
        run.ring.unlink()
        again = RingWriter.open(run.ring, capacity=1 << 16, run_id=founded.run_id, first_seq=9)
        again.try_push(encode_group(group(9)))
        assert "task task-9" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=PATIENCE_S)
    assert following.returncode == 0
    assert (out.strip(), err) == ("", "")


def test_a_reader_of_the_output_may_go_away(run):
    command = engine_command("queue", "tail", "--run", run.path, "--follow")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as following:
        following.stdout.readline()
        following.stdout.close()
        writer = RingWriter.open(run.ring, capacity=1 << 16, run_id=run.read_run().run_id)
        stop = time.monotonic() + PATIENCE_S
        while following.poll() is None and time.monotonic() < stop:
            writer.try_push(b"more")
            time.sleep(0.05)
        assert following.returncode == 128 + signal.SIGPIPE
        assert following.stderr.read() == ""


# -- stat, fsck


def test_stat_tells_what_the_ring_holds(run, capsys):
    assert stat(run=run.path) == 0
    text = capsys.readouterr().out
    assert f"run {run.read_run().run_id.hex()}" in text
    assert "8 pushed, 0 popped, 0 committed: 8 wait to be popped" in text
    assert "writer   nobody: the last one has let go" in text
    assert "reader   nobody yet" in text
    assert stat(run=run.path, json=True) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["next_seq"], row["state"], row["capacity"]) == (8, "closed", 1 << 16)
    assert row["reader"]["liveness"] == "never"
    assert row["used_bytes"] + row["free_bytes"] == row["capacity"]


def test_stat_of_a_damaged_ring_shows_it_and_says_that_it_is(run, capsys):
    with run.ring.open("r+b") as file:
        file.write(b"no magic")
    assert stat(run=run.path) == 0
    assert "damaged  the magic is wrong; `engine queue fsck`" in capsys.readouterr().out


def test_fsck_answers_0_for_a_sound_ring_and_1_with_each_finding_named(run, capsys):
    assert fsck(run=run.path) == 0
    assert f"{run.ring} is sound" in capsys.readouterr().out
    first, second = damage(run, seq=1), damage(run, seq=4)
    assert fsck(run=run.path) == 1
    out = capsys.readouterr().out
    assert f"{run.ring} byte {first}, seq 1, epoch 1: record 1 is here" in out
    assert f"{run.ring} byte {second}, seq 4, epoch 1: record 4 is here" in out
    assert fsck(run=run.path, json=True) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["offset"], row["seq"]) for row in rows] == [(first, 1), (second, 4)]


def test_fsck_knows_a_ring_of_another_run(run, tmp_path, capsys):
    other = RunDir(tmp_path / "other").create()
    other.write_run({})
    other.ring.write_bytes(run.ring.read_bytes())
    assert fsck(run=other.path) == 1
    assert "the ring belongs to run" in capsys.readouterr().out
    assert fsck(source=other.ring) == 0


# -- the command line


@pytest.mark.parametrize(
    "command",
    [["queue", "stat"], ["queue", "tail"], ["queue", "fsck"], ["queue", "export"], ["status"]],
)
def test_the_help_of_a_command_shows_an_example_that_is_one(command):
    done = run_engine(*command, "--help")
    assert done.returncode == 0
    (example,) = [line for line in done.stdout.splitlines() if "Example:" in line]
    words = example.partition("Example: engine ")[2].split()
    assert words[: len(command)] == command
    options = [word for word in words if word.startswith("-")]
    assert options
    assert all(option in done.stdout for option in options)


SLIPS = {
    "no run directory": (["queue", "stat", "--run", "/nowhere"], "/nowhere"),
    "no run directory, tail": (["queue", "tail", "--run", "/nowhere"], "/nowhere"),
    "no run directory, fsck": (["queue", "fsck", "--run", "/nowhere"], "/nowhere"),
    "no run directory, status": (["status", "--run", "/nowhere"], "/nowhere"),
    "no ring": (["queue", "stat", "--run", "RUN", "--ring", "ring-7"], "ring-7.bin"),
    "no ring, fsck": (["queue", "fsck", "--run", "RUN", "--ring", "ring-7"], "ring-7.bin"),
    "no ring, export": (["queue", "export", "x.jsonl", "--run", "RUN", "--ring", "r"], "r.bin"),
    "no such file": (["queue", "tail", "--source", "/nowhere/ring-0.bin"], "/nowhere/ring-0.bin"),
    "an unknown format": (["queue", "export", "x.csv", "--run", "RUN"], "x.csv"),
    "an empty directory": (["status", "--run", "EMPTY"], "found no run.json"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_named_in_one_sentence_with_exit_code_2(run, tmp_path, name):
    arguments, culprit = SLIPS[name]
    (tmp_path / "empty").mkdir()
    places = {"RUN": run.path, "EMPTY": tmp_path / "empty"}
    done = run_engine(*(places.get(word, word) for word in arguments))
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("engine: ")
    assert culprit in done.stderr
    assert done.stdout == ""
