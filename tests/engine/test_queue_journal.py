"""`engine queue` on the directory of a journal: the same commands, the same answers."""

import json

import pytest

from engine.commands.journals import JournalSource
from engine.commands.queue_export import export
from engine.commands.queue_fsck import fsck
from engine.commands.queue_stat import stat
from engine.commands.queue_tail import tail
from engine.wire import Record, WireError
from engine.wire.findings import Finding
from engine.wire.journal import JournalWriter, Sync, segments
from engine.wire.ring.walk import Overtaken

FIRST, END = 40, 100


def payload_of(seq):
    return seq.to_bytes(8, "little") * 3_000


@pytest.fixture
def journal(tmp_path):
    """Sixty records in several segments."""
    directory = tmp_path / "journal" / "ring-0"
    options = {"run_id": b"r" * 16, "sync": Sync.INTERVAL, "segment_bytes": 1 << 18}
    writer = JournalWriter.open(directory, **options)
    writer.append_many([Record(seq, 1, 1, payload_of(seq)) for seq in range(FIRST, END)])
    writer.close()
    assert len(segments(directory)) > 2
    return directory


def damage(path, *, at):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff\xff\xff")


def seqs(found):
    return [each.seq for each in found if isinstance(each, Record)]


def test_its_records_come_in_order_and_in_ranges(journal):
    source = JournalSource(journal)
    assert source.end_seq() == END
    assert seqs(source.records(first_seq=None, end_seq=None)) == list(range(FIRST, END))
    assert seqs(source.records(first_seq=50, end_seq=60)) == list(range(50, 60))
    gap, *rest = source.records(first_seq=FIRST - 5, end_seq=FIRST + 2)
    assert gap == Overtaken(FIRST - 5, FIRST)
    assert seqs(rest) == [FIRST, FIRST + 1]
    assert list(source.records(first_seq=END, end_seq=None)) == []


@pytest.mark.parametrize("num", [0, 1, 7, 1000])
def test_its_newest_records_are_the_last(journal, num):
    newest = seqs(JournalSource(journal).newest(num))
    assert newest[-num:] == list(range(max(FIRST, END - num), END)) or num == 0
    assert newest[-1] == END - 1


def test_a_damaged_payload_is_passed_and_a_damaged_header_costs_the_segment(journal, capsys):
    first, second = segments(journal)[:2]
    damage(first.path, at=first.num_bytes - 2_000)
    damage(second.path, at=second.num_bytes // 2)
    found = list(JournalSource(journal).records(first_seq=None, end_seq=None))
    findings = [each for each in found if isinstance(each, Finding)]
    assert [finding.path for finding in findings] == [first.path, second.path]
    lost = {finding.seq for finding in findings}
    assert seqs(found) == [seq for seq in range(FIRST, END) if seq not in lost]
    assert fsck(source=journal) == 1
    out = capsys.readouterr().out
    assert all(f"seq {seq}, " in out for seq in lost)
    assert f"{journal}: 2 findings" in out
    third = segments(journal)[2]
    damage(third.path, at=0)
    found = list(JournalSource(journal).records(first_seq=None, end_seq=None))
    assert seqs(found)[-1] == END - 1 or third.end_seq is None
    assert any(isinstance(each, Finding) and each.seq == third.first_seq for each in found)


def test_the_commands_take_its_directory(journal, tmp_path, capsys):
    assert fsck(source=journal) == 0
    assert f"{journal} is sound" in capsys.readouterr().out
    assert tail(source=journal, num=2) == 0
    assert [line[:6] for line in capsys.readouterr().out.splitlines()] == ["seq 98", "seq 99"]
    assert stat(source=journal, json=True) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["first"], row["end"], row["segments"]) == (FIRST, END, len(segments(journal)))
    assert stat(source=journal) == 0
    assert f"journal  {journal}" in capsys.readouterr().out
    out = tmp_path / "some.jsonl"
    assert export(out, source=journal, from_seq=90) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["seq"] for row in rows] == list(range(90, END))


def test_an_empty_journal_has_nothing_and_is_sound(tmp_path, capsys):
    assert fsck(source=tmp_path) == 0
    assert tail(source=tmp_path) == 0
    assert "nothing is there; the next record will be 0" in capsys.readouterr().out
    with pytest.raises(WireError, match="no journal in"):
        JournalSource(tmp_path / "none")
