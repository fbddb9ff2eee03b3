"""The ledger of steps: what was consumed when, and what is made again after a kill."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.wire import WireError
from engine.wire.ledger import Ledger, Step, read_steps, step_of


def step(number, **stretches):
    return Step(
        step=number,
        stretches=stretches,
        num_groups=2,
        num_samples=8,
        version=number,
        checksum=f"{number:032x}",
    )


STEPS = [step(1, ring=(0, 4)), step(2, ring=(4, 5), other=(0, 9)), step(3, other=(9, 10))]


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "steps.jsonl"
    for each in STEPS:
        Ledger(path).record(each)
    return path


def test_rows_come_back_as_they_were_written(ledger):
    assert read_steps(ledger) == STEPS


def test_no_file_is_no_steps(tmp_path):
    assert read_steps(tmp_path / "none") == []
    assert Ledger(tmp_path / "none").planned(1) is None


def test_a_step_made_again_finds_its_plan_and_leaves_one_row(ledger):
    again = Ledger(ledger)
    assert [again.planned(number) for number in range(1, 5)] == [*STEPS, None]
    before = ledger.stat().st_mtime_ns, ledger.stat().st_ino
    again.record(STEPS[1])
    assert (ledger.stat().st_mtime_ns, ledger.stat().st_ino) == before, "an equal row is left alone"
    other = replace(STEPS[1], checksum="f" * 32)
    again.record(other)
    again.record(step(4, ring=(5, 7)))
    assert read_steps(ledger) == [STEPS[0], other, STEPS[2], step(4, ring=(5, 7))]


def test_rows_out_of_order_are_refused(ledger):
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text(lines[0] + lines[2])
    with pytest.raises(WireError, match="step 2 in row 2, has step 3"):
        read_steps(ledger)


def test_a_row_torn_by_a_kill_is_as_if_it_had_never_been(ledger):
    whole = ledger.read_bytes()
    for size in range(len(whole.rstrip(b"\n"))):
        ledger.write_bytes(whole[:size])
        complete = whole[:size].count(b"\n")
        assert read_steps(ledger) == STEPS[:complete]


@pytest.mark.parametrize(
    ("ring", "seq", "expected"),
    [("ring", 0, 1), ("ring", 3, 1), ("ring", 4, 2), ("ring", 5, None), ("other", 9, 3)],
)
def test_the_step_of_a_record_is_found(ring, seq, expected):
    assert step_of(STEPS, ring=ring, seq=seq) == expected


def test_a_row_of_another_shape_is_refused_with_the_row(ledger):
    with ledger.open("a") as file:
        file.write('{"step": 4, "first_seq": 3}\n')
    with pytest.raises(WireError, match=r"rows of steps, found .*first_seq"):
        read_steps(ledger)


def test_the_name_of_a_new_ledger_is_synced_with_its_first_row(tmp_path, monkeypatch):
    """A power failure must not take a row away whose weights can be seen."""
    synced, real = [], os.fsync

    def fsync(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "steps.jsonl"
    Ledger(path).record(STEPS[0])
    assert synced == [path, tmp_path]
    Ledger(path).record(STEPS[1])
    assert synced == [path, tmp_path, path]
