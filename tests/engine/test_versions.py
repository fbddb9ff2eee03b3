"""The follower of versions: leases, proofs and refusals, with scripted policies and real files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.errors import EngineError
from engine.policy.errors import PolicyError
from engine.policy.scripted import ScriptedPolicy
from engine.versions import GIVE_UP_S, RETRY_S, VersionFollower
from engine.wire import (
    combine_checksums,
    publish_weights,
    read_acks,
    read_leases,
    tensor_checksum,
    versions,
)


def publish(root, version, *, value=None, **options):
    """A version of two tensors, "w" and "x", filled with `value`."""

    def write(directory: Path) -> dict[str, str]:
        tensors = {name: np.full(4, value or version, np.float32) for name in "wx"}
        save_file(tensors, directory / "model.safetensors")
        return {name: tensor_checksum(tensor.tobytes()) for name, tensor in tensors.items()}

    plain = {"step": version, "consumed": {"ring-0": 10 * version, "ring-1": 7}, "keep": 1}
    return publish_weights(root, version=version, write=write, **plain | options)


def damage(manifest, *, tensor="x"):
    """Flip the last byte of one tensor, as a bad disk would."""
    path = manifest.path / "model.safetensors"
    data = bytearray(path.read_bytes())
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    end = 8 + int.from_bytes(data[:8], "little") + header[tensor]["data_offsets"][1]
    data[end - 1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


class Follower(VersionFollower):
    """With what it has loaded, and a clock that stands still until it is moved."""

    def __init__(self, root, policy=None, *, ring="ring-0", owner="engine-0"):
        self.seen, self.time_s = [], 0.0
        super().__init__(
            root=root,
            policy=policy or ScriptedPolicy({}),
            ring=ring,
            owner=owner,
            on_version=lambda manifest: self.seen.append(manifest.version),
            now=lambda: self.time_s,
        )


def held(root):
    return [(each.owner, each.version) for each in read_leases(root)]


async def test_the_newest_version_is_loaded_acknowledged_and_held(tmp_path):
    follower = Follower(tmp_path)
    await follower.update()
    assert (follower.seen, follower.consumed_seq) == ([], 0)
    for version in range(3):
        newest = publish(tmp_path, version)
        await follower.update()
        await follower.update()
        assert held(tmp_path) == [("engine-0", version)]
    assert follower.seen == [0, 1, 2]
    assert (follower.policy.version, follower.consumed_seq) == (2, 20)
    (ack,) = read_acks(tmp_path)
    assert (ack.owner, ack.version, ack.checksum) == ("engine-0", 2, newest.checksum)
    assert (ack.is_alive, ack.process.pid) == (True, os.getpid())


async def test_engines_follow_side_by_side_each_by_its_own_ring(tmp_path):
    first = Follower(tmp_path, ring="ring-0", owner="engine-0")
    second = Follower(tmp_path, ring="ring-1", owner="engine-1")
    third = Follower(tmp_path, ring="ring-2", owner="engine-2")
    publish(tmp_path, 1)
    for follower in (first, second, third):
        await follower.update()
    publish(tmp_path, 2)
    await first.update()
    assert [f.consumed_seq for f in (first, second, third)] == [20, 7, 0]
    assert [(a.owner, a.version) for a in read_acks(tmp_path)] == [
        ("engine-0", 2),
        ("engine-1", 1),
        ("engine-2", 1),
    ]
    publish(tmp_path, 3)
    assert versions(tmp_path) == (1, 2, 3), "each engine keeps what it samples from"


class Watching(ScriptedPolicy):
    """Notes which versions are leased while a load goes on."""

    def __init__(self, root):
        super().__init__({})
        self.root, self.leased = root, []

    async def load(self, directory, version, *, expected=None):
        self.leased.append(held(self.root))
        return await super().load(directory, version, expected=expected)


async def test_a_version_is_leased_before_it_is_read_and_until_another_is_in_use(tmp_path):
    policy = Watching(tmp_path)
    follower = Follower(tmp_path, policy)
    for version in (1, 2):
        publish(tmp_path, version)
        await follower.update()
    assert policy.leased == [[("engine-0", 1)], [("engine-0", 1), ("engine-0", 2)]]
    assert held(tmp_path) == [("engine-0", 2)]


async def test_other_bits_of_the_same_version_are_loaded(tmp_path):
    follower = Follower(tmp_path)
    publish(tmp_path, 1)
    await follower.update()
    redone = publish(tmp_path, 1, value=5, may_replace=True)
    await follower.update()
    assert follower.seen == [1, 1]
    assert read_acks(tmp_path)[0].checksum == redone.checksum
    assert held(tmp_path) == [("engine-0", 1)]


async def test_an_older_version_than_the_one_in_use_is_never_loaded(tmp_path):
    follower = Follower(tmp_path)
    publish(tmp_path, 1, keep=3)
    newest = publish(tmp_path, 2, keep=3)
    await follower.update()
    newest.path.rename(tmp_path / "moved away")
    await follower.update()
    assert follower.seen == [2]


@pytest.mark.parametrize("tensor", ["w", "x"])
async def test_a_damaged_file_leaves_the_old_weights_in_use_and_its_tensor_is_named(
    tmp_path, caplog, tensor
):
    follower = Follower(tmp_path)
    publish(tmp_path, 1, keep=3)
    await follower.update()
    damage(publish(tmp_path, 2, keep=3), tensor=tensor)
    for _ in range(3):
        await follower.update()
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert f"version 2 is refused: tensor {tensor} of {tmp_path / 'v000002'} has checksum" in said
    assert (follower.policy.version, follower.consumed_seq, follower.seen) == (1, 10, [1])
    assert read_acks(tmp_path)[0].version == 1
    assert held(tmp_path) == [("engine-0", 1)], "what is refused is not held"
    publish(tmp_path, 3, keep=3)
    await follower.update()
    assert (follower.policy.version, follower.seen) == (3, [1, 3])


async def test_a_refused_version_is_tried_again_and_taken_once_it_is_repaired(tmp_path):
    follower = Follower(tmp_path)
    published = publish(tmp_path, 1)
    damage(published)
    await follower.update()
    damage(published)  # flips the same bit back
    await follower.update()
    assert follower.seen == [], "not yet: each try reads all files"
    follower.time_s += RETRY_S
    await follower.update()
    assert follower.seen == [1]


async def test_a_version_that_stays_refused_ends_the_engine_with_advice(tmp_path):
    follower = Follower(tmp_path)
    damage(publish(tmp_path, 1))
    await follower.update()
    follower.time_s += GIVE_UP_S
    with pytest.raises(EngineError, match=r"tensor x .*delete .*v000001 and start the trainer"):
        await follower.update()
    assert read_acks(tmp_path) == ()


class Corrupting(ScriptedPolicy):
    """Reads whole files and holds one wrong tensor, as bad memory would make it."""

    async def load(self, directory, version, *, expected=None):
        await super().load(directory, version, expected=expected)
        return combine_checksums({**expected, "x": tensor_checksum(b"other bits")})


async def test_tensors_that_differ_after_the_swap_are_acknowledged_as_they_are_and_an_error(
    tmp_path,
):
    follower = Follower(tmp_path, Corrupting({}))
    published = publish(tmp_path, 1)
    with pytest.raises(EngineError, match=rf"{published.checksum}, the policy holds"):
        await follower.update()
    (ack,) = read_acks(tmp_path)
    assert ack.version == 1
    assert ack.checksum != published.checksum, "the truth, not what should be"


class Dead(ScriptedPolicy):
    async def load(self, *_arguments, **_options):
        raise PolicyError("the local policy has failed")


async def test_a_dead_policy_is_not_taken_for_a_bad_file(tmp_path):
    publish(tmp_path, 1)
    with pytest.raises(PolicyError, match="has failed"):
        await Follower(tmp_path, Dead({})).update()
