"""Groups survive the trip as bytes; what is not a group is named, not believed."""

import math
from dataclasses import fields

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.wire import (
    Finish,
    Group,
    Kind,
    QuarantinedRecord,
    Role,
    Rollout,
    WireError,
    decode_group,
    encode_group,
)

ids = st.binary(min_size=16, max_size=16)
counts = st.integers(0, 5)
floats = st.floats(allow_nan=True)


def arrays(dtype, *, length):
    elements = hnp.from_dtype(np.dtype(dtype))
    return hnp.arrays(dtype, length, elements=elements)


@st.composite
def rollouts(draw):
    versions = draw(st.lists(st.tuples(st.integers(0, 2**40), counts), max_size=3))
    length = sum(count for _, count in versions)
    return Rollout(
        rollout_id=draw(ids),
        tokens=draw(arrays(np.uint32, length=length)),
        logprobs=draw(arrays(np.float32, length=length)),
        versions=tuple(versions),
        reward=draw(floats),
        components=draw(st.dictionaries(st.text(), floats, max_size=3)),
        finish=draw(st.sampled_from(Finish)),
        verdict=draw(st.text()),
    )


groups = st.builds(
    Group,
    group_id=ids,
    role=st.sampled_from(Role),
    kind=st.sampled_from(Kind),
    task_id=st.text(),
    prompt=counts.flatmap(lambda length: arrays(np.uint32, length=length)),
    temperature=floats,
    rollouts=st.lists(rollouts(), max_size=3).map(tuple),
    created_ns=st.integers(0, 2**63),
)


def plain(value):
    """A value as lists of comparable things: arrays to the bit, NaN equal to itself."""
    match value:
        case np.ndarray():
            return [str(value.dtype), value.tobytes()]
        case Group() | Rollout():
            return [plain(getattr(value, field.name)) for field in fields(value)]
        case tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case float() if math.isnan(value):
            return "nan"
    return value


def assert_same(one, other):
    assert plain(one) == plain(other)


def a_group():
    rollout = Rollout(
        rollout_id=bytes(16),
        tokens=np.array([5, 6], np.uint32),
        logprobs=np.array([-0.5, -1.5], np.float32),
        versions=((3, 1), (4, 1)),
        reward=1.0,
        components={"correct": 1.0},
        finish=Finish.STOP,
        verdict="ok",
    )
    return Group(
        group_id=bytes(range(16)),
        role=Role.SOLVER,
        kind=Kind.ABDUCTION,
        task_id="t",
        prompt=np.array([1, 2, 3], np.uint32),
        temperature=1.0,
        rollouts=(rollout, rollout),
        created_ns=7,
    )


def unpacked():
    return msgpack.unpackb(encode_group(a_group()), strict_map_key=False)


@given(groups)
def test_a_group_survives_the_round_trip(group):
    assert_same(group, decode_group(encode_group(group)))


def test_decoded_arrays_are_read_only():
    group = decode_group(encode_group(a_group()))
    for array in (group.prompt, group.rollouts[0].tokens, group.rollouts[0].logprobs):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_unknown_keys_are_ignored():
    packed = unpacked()
    packed[99] = "from the future"
    packed["name"] = None
    packed[8][0][42] = [1, {2: 3}]
    assert_same(decode_group(msgpack.packb(packed)), a_group())


GROUP_KEYS = {
    1: "group_id", 2: "role", 3: "kind", 4: "task_id", 5: "prompt", 6: "temperature",
    7: "created_ns", 8: "rollouts",
}  # fmt: skip
ROLLOUT_KEYS = {
    0: "rollout_id", 1: "tokens", 2: "logprobs", 3: "versions", 4: "reward", 5: "components",
    6: "finish", 7: "verdict",
}  # fmt: skip


@pytest.mark.parametrize(("key", "name"), GROUP_KEYS.items())
@pytest.mark.parametrize("wrong", ["missing", None, True, [None], b"abc", "no such word", {1: 2}])
def test_a_bad_group_key_is_named(key, name, wrong):
    if key == 4 and wrong == "no such word":
        pytest.skip("any text is a task id")
    packed = unpacked()
    if wrong == "missing":
        del packed[key]
    else:
        packed[key] = wrong
    with pytest.raises(QuarantinedRecord, match=name) as caught:
        decode_group(msgpack.packb(packed))
    assert caught.value.field.startswith(("group." + name, name))


@pytest.mark.parametrize(("key", "name"), ROLLOUT_KEYS.items())
@pytest.mark.parametrize("wrong", ["missing", None, True, [None], b"abc", "no such word", {1: 2}])
def test_a_bad_rollout_key_is_named_with_its_rollout(key, name, wrong):
    if key == 7 and wrong == "no such word":
        pytest.skip("any text is a verdict")
    packed = unpacked()
    if wrong == "missing":
        del packed[8][1][key]
    else:
        packed[8][1][key] = wrong
    with pytest.raises(QuarantinedRecord, match=rf"rollouts\[1\].{name}"):
        decode_group(msgpack.packb(packed))


@pytest.mark.parametrize(
    ("key", "value"), [(2, bytes(4)), (3, [[0, 1]]), (3, [[0, 3], [1, -1]]), (3, [[-1, 2]])]
)
def test_a_rollout_whose_lengths_disagree_is_quarantined(key, value):
    packed = unpacked()
    packed[8][0][key] = value
    with pytest.raises(QuarantinedRecord, match=r"rollouts\[0\]"):
        decode_group(msgpack.packb(packed))


@given(st.binary())
def test_bytes_that_are_no_group_are_quarantined(payload):
    with pytest.raises(QuarantinedRecord):
        decode_group(payload)


@given(st.data())
def test_a_damaged_payload_is_quarantined_or_decodes_to_a_group(data):
    payload = bytearray(encode_group(a_group()))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        group = decode_group(bytes(payload))
    except QuarantinedRecord:
        return
    assert all(len(r.tokens) == len(r.logprobs) for r in group.rollouts)


@pytest.mark.parametrize(
    "prompt", [np.array([-1]), np.array([1.0], np.float32), np.zeros((2, 2), np.uint32)]
)
def test_an_array_of_another_type_is_refused_and_not_cast(prompt):
    good = a_group()
    bad = Group(**{f.name: getattr(good, f.name) for f in fields(good)} | {"prompt": prompt})
    with pytest.raises(WireError, match="one-dimensional uint32"):
        encode_group(bad)


def test_a_token_costs_eight_bytes():
    def size(num_tokens):
        rollout = Rollout(
            rollout_id=bytes(16),
            tokens=np.zeros(num_tokens, np.uint32),
            logprobs=np.zeros(num_tokens, np.float32),
            versions=((3, num_tokens),),
            reward=1.0,
            components={},
            finish=Finish.STOP,
            verdict="ok",
        )
        good = a_group()
        kept = {f.name: getattr(good, f.name) for f in fields(good)}
        return len(encode_group(Group(**kept | {"rollouts": (rollout,)})))

    assert size(2000) - size(1000) == 8 * 1000
