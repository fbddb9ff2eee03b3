"""A version is whole or not there, its redo is harmless, and it is not deleted under a reader."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from engine.wire import (
    TornVersion,
    WireError,
    checksum,
    combine_checksums,
    latest_version,
    lease,
    publish_weights,
    read_acks,
    read_leases,
    read_manifest,
    release,
    tensor_checksum,
    versions,
    write_ack,
)
from engine.wire.process import ProcessIdentity


def writing(content=b"weights"):
    def write(directory):
        (directory / "model.safetensors").write_bytes(content)
        (directory / "tokenizer").mkdir()
        (directory / "tokenizer" / "vocab.json").write_text("{}")
        return {"w": tensor_checksum(content), "b": tensor_checksum(b"")}

    return write


def publish(root, version, **options):
    arguments = {"step": version * 2, "consumed": {"ring-0": version * 10}, "write": writing()}
    return publish_weights(root, version=version, **arguments | options)


def names(directory):
    return sorted(entry.name for entry in directory.iterdir())


# -- publishing


def test_a_published_version_is_read_back_as_it_was_published(tmp_path):
    assert latest_version(tmp_path / "none") is None
    published = publish(tmp_path, 3, consumed={"ring-0": 30, "ring-1": 7})
    assert latest_version(tmp_path) == read_manifest(tmp_path / "v000003") == published
    assert (published.version, published.step) == (3, 6)
    assert published.consumed == {"ring-0": 30, "ring-1": 7}
    assert published.files == {"model.safetensors": 7, "tokenizer/vocab.json": 2}
    assert published.checksum == combine_checksums(published.tensors)
    assert published.replaces == ()
    assert not published.final


def test_only_the_newest_are_kept(tmp_path):
    for version in range(6):
        publish(tmp_path, version, keep=3)
    assert versions(tmp_path) == (3, 4, 5)
    assert names(tmp_path) == ["v000003", "v000004", "v000005"]


def test_a_redone_publish_changes_nothing(tmp_path):
    first = publish(tmp_path, 1)
    inode = (first.path / "model.safetensors").stat().st_ino
    assert publish(tmp_path, 1, step=99) == first
    with pytest.raises(WireError, match=rf"{first.checksum}.*the resumed step differs"):
        publish(tmp_path, 1, write=writing(b"other"))
    assert latest_version(tmp_path) == first
    assert (first.path / "model.safetensors").stat().st_ino == inode
    assert names(tmp_path) == ["v000001"]


def test_a_redone_publish_can_make_the_version_final(tmp_path):
    publish(tmp_path, 1)
    assert publish(tmp_path, 1, final=True).final
    assert latest_version(tmp_path).final
    assert publish(tmp_path, 1).final, "and never takes it back"


def test_other_bits_replace_a_version_on_request_and_the_manifest_remembers(tmp_path):
    first = publish(tmp_path, 1)
    second = publish(tmp_path, 1, write=writing(b"second"), may_replace=True)
    third = publish(tmp_path, 1, write=writing(b"third"), may_replace=True)
    assert latest_version(tmp_path) == third
    assert (third.path / "model.safetensors").read_bytes() == b"third"
    assert third.replaces == (first.checksum, second.checksum)
    assert names(tmp_path) == ["v000001"]


def test_contents_are_on_disk_before_the_name_and_the_name_on_return(tmp_path, monkeypatch):
    """The order that a power failure finds."""
    events, fsync, rename = [], os.fsync, Path.rename

    def noted_fsync(descriptor):
        events.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def noted_rename(path, target):
        events.append(f"rename {path} {target}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    path = publish(tmp_path, 1).path
    staging = tmp_path / ".tmp-v000001"
    named = events.index(f"rename {staging} {path}")
    inside = ("model.safetensors", "tokenizer/vocab.json", "tokenizer", ".")
    assert {str(staging / name) for name in inside} <= set(events[:named])
    assert any("manifest.json" in event for event in events[:named])
    assert events[named - 1] == str(staging), "names inside last"
    assert events[named + 1] == str(tmp_path)


class DiedError(Exception):
    pass


@pytest.mark.parametrize("error", [DiedError(), KeyboardInterrupt()])
def test_a_writer_that_dies_publishes_nothing_and_leaves_nothing(tmp_path, error):
    publish(tmp_path, 1)

    def dying(directory):
        writing()(directory)
        raise error

    with pytest.raises(type(error)):
        publish(tmp_path, 2, write=dying)
    assert names(tmp_path) == ["v000001"]


def test_what_a_killed_publisher_left_is_swept_up_and_named(tmp_path, caplog):
    publish(tmp_path, 1)
    for left in (".tmp-v000002", ".trash-v000000-1a2b"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "model.safetensors").write_bytes(b"half")
    publish(tmp_path, 2)
    assert names(tmp_path) == ["v000001", "v000002"]
    assert ".tmp-v000002: a publisher was killed there" in caplog.text
    assert ".trash-v000000-1a2b: a publisher was killed there" in caplog.text


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full .*make room"), (errno.EDQUOT, "full"), (errno.EIO, "see to")],
)
def test_a_disk_that_fails_is_a_sentence_and_leaves_everything_as_it_was(tmp_path, number, words):
    before = publish(tmp_path, 1)

    def failing(directory):
        (directory / "model.safetensors").write_bytes(b"we")
        raise OSError(number, os.strerror(number))

    with pytest.raises(WireError, match=rf"version 2 was not published.*{words}.*as they were"):
        publish(tmp_path, 2, write=failing)
    assert names(tmp_path) == ["v000001"]
    assert latest_version(tmp_path) == before
    assert publish(tmp_path, 2).version == 2


def test_nobody_but_the_owner_can_write_and_nobody_writes_what_is_published(tmp_path):
    before = os.umask(0)
    try:
        published = publish(tmp_path / "weights", 1)
        lease(tmp_path / "weights", 1, "engine-0")
        write_ack(tmp_path / "weights", 1, checksum="abc", owner="engine-0")
    finally:
        os.umask(before)
    for entry in [tmp_path / "weights", *(tmp_path / "weights").rglob("*")]:
        assert entry.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH) == 0, entry
    for file in (*published.files, "manifest.json"):
        assert (published.path / file).stat().st_mode & 0o222 == 0, file


def test_a_private_umask_keeps_weights_private(tmp_path):
    before = os.umask(0o077)
    try:
        published = publish(tmp_path, 1, final=True)
    finally:
        os.umask(before)
    for entry in [published.path, *published.path.rglob("*")]:
        assert entry.stat().st_mode & 0o077 == 0, entry


def test_a_link_is_not_published(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"weights")

    def link(directory):
        (directory / "model.safetensors").symlink_to(tmp_path / "elsewhere")
        return {}

    with pytest.raises(WireError, match=r"model.safetensors must be a plain file"):
        publish(tmp_path / "weights", 1, write=link)
    assert names(tmp_path / "weights") == []
    assert (tmp_path / "elsewhere").stat().st_mode & 0o200


# -- torn directories


def tear(directory, how):
    if how == "manifest":
        (directory / "manifest.json").unlink()
    elif how == "json":
        (directory / "manifest.json").chmod(0o644)
        (directory / "manifest.json").write_text("{")
    elif how == "surplus":
        (directory / "more.safetensors").write_bytes(b"more")
    else:
        (directory / how).chmod(0o644)
        os.truncate(directory / how, 1)


TEARS = ["manifest", "json", "surplus", "model.safetensors", "tokenizer/vocab.json"]


@pytest.mark.parametrize("how", TEARS)
def test_a_torn_version_is_passed_over_and_named_once(tmp_path, how, caplog):
    whole = publish(tmp_path, 1)
    torn = publish(tmp_path, 2).path
    tear(torn, how)
    for _ in range(3):
        assert latest_version(tmp_path) == whole
    named = [record for record in caplog.records if str(torn) in record.getMessage()]
    # Without its manifest a directory is no version at all: the report shows it.
    assert len(named) == (0 if how == "manifest" else 1)


@pytest.mark.parametrize("how", TEARS)
def test_a_torn_version_can_be_published_again(tmp_path, how):
    tear(publish(tmp_path, 1).path, how)
    again = publish(tmp_path, 1)
    assert latest_version(tmp_path) == again
    assert (again.path / "model.safetensors").read_bytes() == b"weights"
    assert names(again.path) == ["manifest.json", "model.safetensors", "tokenizer"]


@pytest.mark.parametrize("how", TEARS)
def test_a_torn_version_counts_for_nothing_when_old_ones_are_deleted(tmp_path, how):
    for version in (1, 2):
        publish(tmp_path, version, keep=1)
    tear(tmp_path / "v000002", how)
    publish(tmp_path, 0, keep=1)
    assert latest_version(tmp_path).version == 0, "the only whole one is never deleted"
    publish(tmp_path, 3, keep=1)
    assert names(tmp_path) == ["v000003"]


@pytest.mark.parametrize(
    ("victim", "seen"),
    [("model.safetensors", "should be 7 bytes long"), ("tokenizer/vocab.json", "be 2 bytes long")],
)
def test_a_file_cut_short_is_an_error_that_names_it(tmp_path, victim, seen):
    directory = publish(tmp_path, 1).path
    os.truncate(directory / victim, 1)
    with pytest.raises(TornVersion, match=rf"{victim} .*{seen}, is 1 bytes.*delete the directory"):
        read_manifest(directory)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "2"}, {"version": "1"}, {"tensors": []}, {"files": 3}, {"checksum": "0" * 32},
        {"final": 1}, {"surprise": 1}, {"tensors": {"w": 1}}, {"version": 2}, {"consumed": 7},
        {"consumed": {"ring-0": -1}}, {"consumed": {"ring-0": None}}, {"replaces": [1]},
        {"replaces": None},
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_ours_is_refused(tmp_path, change):
    manifest = publish(tmp_path, 1).path / "manifest.json"
    content = json.loads(manifest.read_text()) | change
    manifest.chmod(0o644)
    manifest.write_text(json.dumps(content))
    with pytest.raises(TornVersion, match=r"not a manifest of this kelvin"):
        read_manifest(manifest.parent)


@pytest.mark.parametrize("schema", [1, 3])
def test_a_manifest_of_another_schema_is_an_error_and_no_damage(tmp_path, schema):
    publish(tmp_path, 1)
    manifest = publish(tmp_path, 2).path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(json.dumps({"schema": schema, "version": 2, "consumed_seq": 7}))
    for ask in (lambda: latest_version(tmp_path), lambda: publish(tmp_path, 2)):
        with pytest.raises(WireError, match=rf"must have schema 2, has {schema}.*start a new run"):
            ask()
    assert manifest.exists()


def test_a_publisher_without_xxhash_is_named_and_taken_for_no_damage(tmp_path, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(checksum, "xxhash", None)
        published = publish(tmp_path, 1)
        assert read_manifest(published.path) == published
    with pytest.raises(WireError, match=r"by a trainer without xxhash, this process is with"):
        latest_version(tmp_path)


# -- leases and acknowledgements


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


def test_a_lease_that_cannot_be_read_is_held_against_deletion(tmp_path, caplog):
    publish(tmp_path, 1)
    lease(tmp_path, 1, "engine-0")
    (tmp_path / "leases" / "engine-0-v000001.json").write_text("{}")
    assert [(each.process, each.is_alive) for each in read_leases(tmp_path)] == [(None, True)]
    for version in (2, 3):
        publish(tmp_path, version)
    assert versions(tmp_path) == (1, 2, 3)
    assert "engine-0-v000001.json is damaged, so version 1 is kept" in caplog.text


def test_a_version_that_is_gone_cannot_be_leased(tmp_path):
    for version in (1, 2, 3):
        publish(tmp_path, version)
    with pytest.raises(WireError, match=r"cannot lease version 1.*'v000002', 'v000003'"):
        lease(tmp_path, 1, "engine-0")
    with pytest.raises(ValueError, match="owner must be a word"):
        lease(tmp_path, 3, "../engine")


def test_each_engine_has_its_own_acknowledgement(tmp_path):
    assert read_acks(tmp_path) == ()
    write_ack(tmp_path, 4, checksum="abc", owner="engine-0")
    write_ack(tmp_path, 3, checksum="def", owner="engine-1")
    write_ack(tmp_path, 5, checksum="ghi", owner="engine-0")
    acks = read_acks(tmp_path)
    assert [(a.owner, a.version, a.checksum) for a in acks] == [
        ("engine-0", 5, "ghi"),
        ("engine-1", 3, "def"),
    ]
    assert all(ack.is_alive and ack.process == ProcessIdentity.current() for ack in acks)
    assert acks[0].time >= acks[1].time
    with pytest.raises(ValueError, match="owner must be a word"):
        write_ack(tmp_path, 5, checksum="ghi", owner="../engine")


def test_a_damaged_acknowledgement_is_an_error_that_names_it(tmp_path):
    write_ack(tmp_path, 4, checksum="abc", owner="engine-0")
    (tmp_path / "acks" / "engine-0.json").write_text('{"version": "4"}')
    with pytest.raises(WireError, match=r"engine-0.json must hold version.*delete it"):
        read_acks(tmp_path)


def test_the_combined_checksum_sees_names_and_contents_and_not_the_order():
    one, two = tensor_checksum(b"one"), tensor_checksum(bytearray(b"two"))
    combined = combine_checksums({"a": one, "b": two})
    assert combined == combine_checksums({"b": two, "a": one})
    others = [{"a": two, "b": one}, {"a": one}, {"a": one, "c": two}, {}]
    assert len({combined, *map(combine_checksums, others)}) == 5
