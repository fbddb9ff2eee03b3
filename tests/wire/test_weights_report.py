"""The report shows what is there, who holds it, and why the rest is no version."""

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import (
    WeightsReport,
    lease,
    publish_weights,
    tensor_checksum,
    weights_report,
    write_ack,
)
from engine.wire.process import ProcessIdentity


def publish(root, version, *, size=7, **options):
    def write(directory):
        (directory / "model.safetensors").write_bytes(bytes(size))
        return {"w": tensor_checksum(bytes(size))}

    return publish_weights(root, version=version, step=version, consumed={}, write=write, **options)


def test_an_empty_or_missing_directory_has_nothing_to_report(tmp_path):
    nothing = WeightsReport(versions=(), strays=(), leases=(), acks=())
    assert weights_report(tmp_path) == weights_report(tmp_path / "none") == nothing


def test_versions_are_shown_with_who_holds_them_and_who_samples_from_them(tmp_path):
    publish(tmp_path, 8)
    newest = publish(tmp_path, 9, size=1000, final=True)
    lease(tmp_path, 9, "engine-0")
    lease(tmp_path, 9, "engine-1")
    write_ack(tmp_path, 8, checksum="abc", owner="engine-1")
    write_ack(tmp_path, 7, checksum="abc", owner="engine-2")
    report = weights_report(tmp_path)
    old, new = report.versions
    assert (old.version, old.size_bytes, old.final, old.leases) == (8, 7, False, ())
    assert (new.version, new.size_bytes, new.final) == (9, 1000, True)
    assert (new.step, new.checksum) == (9, newest.checksum)
    assert 0 <= new.age_s <= old.age_s
    me = ProcessIdentity.current()
    held = [(each.owner, each.process, each.is_alive) for each in new.leases]
    assert held == [("engine-0", me, True), ("engine-1", me, True)]
    assert [ack.owner for ack in old.acks] == ["engine-1"]
    assert [ack.owner for ack in report.acks] == ["engine-1", "engine-2"]
    assert report.strays == ()


def test_the_dead_are_shown_as_dead(tmp_path):
    publish(tmp_path, 1)
    source = """if True:
        import sys
        from pathlib import Path
        from engine.wire import lease, write_ack
        lease(Path(sys.argv[1]), 1, "engine-0")
        write_ack(Path(sys.argv[1]), 1, checksum="abc", owner="engine-0")
        print("held", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        for number, is_alive in ((signal.SIGSTOP, True), (signal.SIGKILL, False)):
            holder.send_signal(number)
            if not is_alive:
                holder.wait()
            (version,) = weights_report(tmp_path).versions
            (held,), (ack,) = version.leases, version.acks
            assert (held.is_alive, ack.is_alive) == (is_alive, is_alive)
            assert held.process == ack.process
            assert held.process.pid == holder.pid
    assert (tmp_path / "leases" / "engine-0-v000001.json").exists(), "a report changes nothing"


@pytest.mark.parametrize(
    ("name", "files", "reason"),
    [
        ("v000005", {}, "it has no manifest.json"),
        ("v000005", {"model.safetensors": b"half"}, "it has no manifest.json"),
        ("v000005", {"manifest.json": b"{"}, "must be JSON"),
        ("v000005", {"manifest.json": b"{}"}, "not a manifest of this kelvin"),
        ("v000005", {"manifest.json": b'{"schema": 1}'}, "must have schema 2, has 1"),
        ("v000005", None, "it has no manifest.json"),
        (".tmp-v000005", {"model.safetensors": b"half"}, "it is being written, or"),
        (".trash-v000005-1f", {"model.safetensors": b"half"}, "it is being deleted, or"),
        ("v5", {}, "it has not the name of a version"),
        ("notes.txt", None, "it has not the name of a version"),
    ],
)
def test_what_is_no_version_is_shown_with_the_reason(tmp_path, name, files, reason):
    publish(tmp_path, 1)
    if files is None:
        (tmp_path / name).write_bytes(b"half")
    else:
        (tmp_path / name).mkdir()
    for file, content in (files or {}).items():
        (tmp_path / name / file).write_bytes(content)
    report = weights_report(tmp_path)
    assert [each.version for each in report.versions] == [1]
    (stray,) = report.strays
    assert (stray.name, reason in stray.reason) == (name, True), stray
    size = 4 if files is None else sum(map(len, files.values()))
    assert stray.size_bytes == size
    assert stray.age_s >= 0


@given(st.data())
def test_a_version_cut_short_anywhere_is_reported_with_the_file(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("weights")
    directory = publish(root, 1, size=50).path
    length = data.draw(st.integers(0, 49))
    os.truncate(directory / "model.safetensors", length)
    report = weights_report(root)
    assert report.versions == ()
    assert f"model.safetensors should be 50 bytes long, is {length} " in report.strays[0].reason
