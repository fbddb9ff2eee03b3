"""What is kept of quarantined records, and that keeping them never does harm."""

import errno
import json
import os
from pathlib import Path

import pytest

from engine.wire import QuarantinedRecord, Record, RunDir, decode_group, keep_quarantined
from engine.wire.quarantine import MAX_KEPT


def refused(seq, payload=b"\x81\x01\xc0"):
    record = Record(seq, 1, 1, payload)
    with pytest.raises(QuarantinedRecord) as caught:
        decode_group(payload)
    return record, caught.value


@pytest.fixture
def directory(tmp_path):
    return RunDir(tmp_path).quarantine


def test_the_bytes_and_the_reason_are_kept(directory):
    record, error = refused(17)
    path = keep_quarantined(directory, record, error, ring="ring-0")
    assert path == directory / "ring-0-17.bin"
    assert path.read_bytes() == record.payload
    about = json.loads(path.with_suffix(".json").read_text())
    assert about.pop("time") > 0
    assert about == {
        "ring": "ring-0",
        "seq": 17,
        "schema": 1,
        "bytes": 3,
        "field": "group.rollouts",
        "reason": str(error),
    }


def test_what_is_kept_is_not_overwritten(directory):
    path = keep_quarantined(directory, *refused(17, b"first"), ring="ring-0")
    about = path.with_suffix(".json").read_bytes()
    assert keep_quarantined(directory, *refused(17, b"second"), ring="ring-0") == path
    assert path.read_bytes() == b"first"
    assert path.with_suffix(".json").read_bytes() == about


def test_so_many_are_kept_and_no_more(directory):
    for seq in range(MAX_KEPT + 3):
        kept = keep_quarantined(directory, *refused(seq), ring="ring-0")
        assert (kept is not None) == (seq < MAX_KEPT)
    assert len(list(directory.iterdir())) == 2 * MAX_KEPT
    assert keep_quarantined(directory, *refused(0), ring="ring-0") is not None, (
        "it is there already"
    )


@pytest.mark.parametrize("step", ["write_bytes", "mkdir", "link"])
def test_a_full_disk_costs_the_evidence_and_nothing_else(directory, monkeypatch, caplog, step):
    def fail(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "link":
        monkeypatch.setattr(os, "link", fail)
    else:
        monkeypatch.setattr(Path, step, fail)
    assert keep_quarantined(directory, *refused(3), ring="ring-0") is None
    assert "record 3 could not be kept" in caplog.text
    monkeypatch.undo()
    assert list(directory.glob("*")) == [], "no half of a file"
    assert keep_quarantined(directory, *refused(3), ring="ring-0") is not None


def test_a_kill_between_the_two_files_leaves_the_reason_and_is_made_good(directory, monkeypatch):
    record, error = refused(3)
    with monkeypatch.context() as patch:
        links = []

        def second_fails(source, target):
            links.append(target)
            if len(links) == 2:
                raise OSError(errno.EIO, "cut")
            source.rename(target)

        patch.setattr(os, "link", second_fails)
        assert keep_quarantined(directory, record, error, ring="ring-0") is None
    assert [path.name for path in directory.glob("*")] == ["ring-0-3.json"]
    path = keep_quarantined(directory, record, error, ring="ring-0")
    assert path.read_bytes() == record.payload


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path, caplog):
    (tmp_path / "quarantine").write_text("a file")
    assert keep_quarantined(tmp_path / "quarantine", *refused(1), ring="ring-0") is None
    assert "could not be kept" in caplog.text
