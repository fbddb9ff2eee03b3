"""A version is whole or not there, its redo is harmless, and it is not deleted under a reader."""

import json
import os
import subprocess
import sys

import pytest

from engine.wire import (
    Ack,
    WireError,
    combine_checksums,
    latest_version,
    lease,
    publish_weights,
    read_ack,
    read_manifest,
    release,
    tensor_checksum,
    versions,
    write_ack,
)


def writing(content=b"weights"):
    def write(directory):
        (directory / "model.safetensors").write_bytes(content)
        (directory / "tokenizer").mkdir()
        (directory / "tokenizer" / "vocab.json").write_text("{}")
        return {"w": tensor_checksum(content), "b": tensor_checksum(b"")}

    return write


def publish(root, version, **options):
    arguments = {"step": version * 2, "consumed_seq": version * 10, "write": writing()}
    return publish_weights(root, version=version, **arguments | options)


def test_a_published_version_is_read_back_as_it_was_published(tmp_path):
    assert latest_version(tmp_path / "none") is None
    published = publish(tmp_path, 3)
    assert latest_version(tmp_path) == read_manifest(tmp_path / "v000003") == published
    assert (published.version, published.step, published.consumed_seq) == (3, 6, 30)
    assert published.files == {"model.safetensors": 7, "tokenizer/vocab.json": 2}
    assert published.checksum == combine_checksums(published.tensors)
    assert not published.final


def test_only_the_newest_are_kept(tmp_path):
    for version in range(6):
        publish(tmp_path, version, keep=3)
    assert versions(tmp_path) == (3, 4, 5)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["v000003", "v000004", "v000005"]


def test_a_redone_publish_changes_nothing(tmp_path):
    first = publish(tmp_path, 1)
    assert publish(tmp_path, 1, step=99) == first
    with pytest.raises(WireError, match=rf"{first.checksum}.*the resumed step differs"):
        publish(tmp_path, 1, write=writing(b"other"))
    assert latest_version(tmp_path) == first


def test_a_redone_publish_can_make_the_version_final(tmp_path):
    publish(tmp_path, 1)
    assert publish(tmp_path, 1, final=True).final
    assert latest_version(tmp_path).final
    assert publish(tmp_path, 1).final, "and never takes it back"


class DiedError(Exception):
    pass


def test_a_writer_that_dies_publishes_nothing_and_is_swept_up(tmp_path):
    publish(tmp_path, 1)

    def dying(directory):
        writing()(directory)
        raise DiedError

    with pytest.raises(DiedError):
        publish(tmp_path, 2, write=dying)
    assert versions(tmp_path) == (1,)
    (tmp_path / ".trash-v000000").mkdir()
    (tmp_path / ".trash-v000000" / "model.safetensors").write_bytes(b"half deleted")
    publish(tmp_path, 2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["v000001", "v000002"]


def test_a_directory_without_a_manifest_is_no_version(tmp_path):
    publish(tmp_path, 1)
    (tmp_path / "v000002").mkdir()
    (tmp_path / "v000002" / "model.safetensors").write_bytes(b"half")
    (tmp_path / "v3").mkdir()
    assert versions(tmp_path) == (1,)
    assert latest_version(tmp_path).version == 1
    assert publish(tmp_path, 2).files["model.safetensors"] == 7


@pytest.mark.parametrize("victim", ["model.safetensors", "tokenizer/vocab.json"])
def test_a_file_cut_short_is_an_error_that_names_it(tmp_path, victim):
    directory = publish(tmp_path, 1).path
    os.truncate(directory / victim, 1)
    with pytest.raises(WireError, match=rf"'{victim}': 1\b.*delete the directory"):
        latest_version(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2}, {"version": "1"}, {"tensors": []}, {"files": 3}, {"checksum": "0" * 32},
        {"final": 1}, {"surprise": 1}, {"tensors": {"w": 1}},
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_ours_is_refused(tmp_path, change):
    manifest = publish(tmp_path, 1).path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(WireError, match=r"not a manifest of this kelvin"):
        latest_version(tmp_path)
    manifest.write_text("{")
    with pytest.raises(WireError, match="must be JSON"):
        latest_version(tmp_path)


def test_a_leased_version_stays_until_it_is_released(tmp_path):
    publish(tmp_path, 1)
    lease(tmp_path, 1, "engine-0")
    for version in (2, 3, 4):
        publish(tmp_path, version)
    assert versions(tmp_path) == (1, 3, 4)
    release(tmp_path, 1, "engine-0")
    release(tmp_path, 1, "engine-0")
    publish(tmp_path, 5)
    assert versions(tmp_path) == (4, 5)


def test_a_lease_dies_with_its_holder(tmp_path):
    publish(tmp_path, 1)
    source = """if True:
        import sys
        from pathlib import Path
        from engine.wire import lease
        lease(Path(sys.argv[1]), 1, "engine-0")
        print("leased", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        for version in (2, 3):
            publish(tmp_path, version)
        assert versions(tmp_path) == (1, 2, 3)
        holder.kill()
        holder.wait()
        publish(tmp_path, 4)
    assert versions(tmp_path) == (3, 4)
    assert list((tmp_path / "leases").iterdir()) == []


def test_a_version_that_is_gone_cannot_be_leased(tmp_path):
    for version in (1, 2, 3):
        publish(tmp_path, version)
    with pytest.raises(WireError, match=r"cannot lease version 1.*'v000002', 'v000003'"):
        lease(tmp_path, 1, "engine-0")
    with pytest.raises(ValueError, match="owner must be a word"):
        lease(tmp_path, 3, "../engine")


def test_an_acknowledgement_is_read_back(tmp_path):
    assert read_ack(tmp_path) is None
    write_ack(tmp_path, 4, "abc")
    assert read_ack(tmp_path) == Ack(version=4, checksum="abc")
    (tmp_path / "ack.json").write_text('{"version": "4"}')
    with pytest.raises(WireError, match="must hold version and checksum"):
        read_ack(tmp_path)


def test_the_combined_checksum_sees_names_and_contents_and_not_the_order():
    one, two = tensor_checksum(b"one"), tensor_checksum(bytearray(b"two"))
    combined = combine_checksums({"a": one, "b": two})
    assert combined == combine_checksums({"b": two, "a": one})
    others = [{"a": two, "b": one}, {"a": one}, {"a": one, "c": two}, {}]
    assert len({combined, *map(combine_checksums, others)}) == 5
