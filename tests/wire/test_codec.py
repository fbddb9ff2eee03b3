"""Groups survive the trip as bytes; what is not a group is named, not believed."""

from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given

from engine.wire import Part, QuarantinedRecord, WireError, decode_group, encode_group
from engine.wire.messages import MAX_ITEMS, WHOLE
from tests.wire.groups import a_detailed_group, a_group, assert_same, groups


def unpacked():
    return msgpack.unpackb(encode_group(a_detailed_group()), strict_map_key=False)


@given(groups())
def test_a_group_survives_the_round_trip(group):
    assert_same(group, decode_group(encode_group(group)))


def test_a_part_survives_the_round_trip():
    part = replace(a_detailed_group(), part=Part(index=1, count=3))
    assert_same(part, decode_group(encode_group(part)))


def test_decoded_arrays_are_read_only():
    group = decode_group(encode_group(a_detailed_group()))
    rollout = group.rollouts[0]
    arrays = (group.prompt, rollout.tokens, rollout.logprobs, rollout.mask, rollout.timings_us)
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_decoded_arrays_are_aligned_and_none_keeps_another_alive():
    group = decode_group(encode_group(a_detailed_group()))
    arrays = [group.prompt]
    for rollout in group.rollouts:
        arrays += [rollout.tokens, rollout.logprobs, rollout.timings_us]
    assert all(array.flags.aligned for array in arrays)
    assert all(len(array.base) == array.nbytes for array in arrays)
    assert len({id(array.base) for array in arrays}) == len(arrays)


def test_unknown_keys_are_ignored():
    packed = unpacked()
    packed[99] = "from the future"
    packed["name"] = None
    packed[8][0][42] = [1, {2: 3}]
    packed[10][9] = 1
    packed[8][0][9][9] = 1
    assert_same(decode_group(msgpack.packb(packed)), a_detailed_group())


def test_what_an_older_writer_does_not_send_has_its_default():
    packed = msgpack.unpackb(encode_group(a_group()), strict_map_key=False)
    assert set(packed) == set(range(9))
    assert all(set(rollout) == set(range(8)) for rollout in packed[8])
    packed[0] = 0
    group = decode_group(msgpack.packb(packed))
    assert (group.parents, group.sampling, group.producer, group.part) == ((), None, None, WHOLE)
    assert {(r.mask, r.ruling, r.timings_us) for r in group.rollouts} == {(None, None, None)}


@pytest.mark.parametrize("key", [9, 10, 11, 12])
def test_nil_is_what_an_absent_key_is(key):
    packed = msgpack.unpackb(encode_group(a_group()), strict_map_key=False)
    packed[key] = None
    assert_same(decode_group(msgpack.packb(packed)), a_group())


def test_an_integer_will_do_for_a_float():
    packed = unpacked()
    packed[6] = packed[8][0][4] = packed[8][0][5]["correct"] = 1
    group = decode_group(msgpack.packb(packed))
    assert type(group.temperature) is type(group.rollouts[0].reward) is float
    assert_same(group, a_detailed_group())


def test_a_mask_costs_a_bit_a_token_the_lowest_first():
    mask = np.array([True, False, False, True, True, False, False, False, False, True])
    n = len(mask)
    rollout = replace(
        a_group().rollouts[0],
        tokens=np.zeros(n, np.uint32),
        logprobs=np.zeros(n, np.float32),
        versions=((0, n),),
        mask=mask,
    )
    packed = msgpack.unpackb(
        encode_group(replace(a_group(), rollouts=(rollout,))), strict_map_key=False
    )
    assert packed[8][0][8] == bytes([0b00011001, 0b00000010])


GROUP_KEYS = {
    0: "minor", 1: "group_id", 2: "role", 3: "kind", 4: "task_id", 5: "prompt", 6: "temperature",
    7: "created_ns", 8: "rollouts", 9: "parents", 10: "sampling", 11: "producer", 12: "part",
}  # fmt: skip
ROLLOUT_KEYS = {
    0: "rollout_id", 1: "tokens", 2: "logprobs", 3: "versions", 4: "reward", 5: "components",
    6: "finish", 7: "verdict", 8: "mask", 9: "ruling", 10: "timings_us",
}  # fmt: skip
OPTIONAL = {"minor", "parents", "sampling", "producer", "part", "mask", "ruling", "timings_us"}
ANY_TEXT = {"task_id", "verdict"}
WRONG = ["missing", None, True, [None], b"abc", "no such word", {1: 2}]


def cases(names):
    """Every key with every value that is wrong for it."""
    for key, name in names.items():
        for wrong in WRONG:
            is_absent = wrong is None or wrong == "missing"
            is_right = (is_absent and name in OPTIONAL) or (
                wrong == "no such word" and name in ANY_TEXT
            )
            if not is_right:
                yield pytest.param(key, name, wrong, id=f"{name}-{wrong}")


def spoil(fields, key, wrong):
    if wrong == "missing":
        del fields[key]
    else:
        fields[key] = wrong


@pytest.mark.parametrize(("key", "name", "wrong"), list(cases(GROUP_KEYS)))
def test_a_bad_group_key_is_named(key, name, wrong):
    packed = unpacked()
    spoil(packed, key, wrong)
    with pytest.raises(QuarantinedRecord, match=name) as caught:
        decode_group(msgpack.packb(packed))
    assert caught.value.field.startswith(("group." + name, name))


@pytest.mark.parametrize(("key", "name", "wrong"), list(cases(ROLLOUT_KEYS)))
def test_a_bad_rollout_key_is_named_with_its_rollout(key, name, wrong):
    packed = unpacked()
    spoil(packed[8][1], key, wrong)
    with pytest.raises(QuarantinedRecord, match=rf"rollouts\[1\].{name}") as caught:
        decode_group(msgpack.packb(packed))
    assert caught.value.field.startswith(f"rollouts[1].{name}")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((10, 0), "group.sampling.top_p"),
        ((10, 1), "group.sampling.max_tokens"),
        ((10, 2), "group.sampling.seed"),
        ((11, 0), "group.producer.engine"),
        ((11, 1), "group.producer.epoch"),
        ((11, 2), "group.producer.checksum"),
        ((8, 0, 9, 0), r"rollouts[0].ruling.ms"),
        ((8, 0, 9, 1), r"rollouts[0].ruling.judge"),
    ],
)
def test_a_bad_key_within_a_field_is_named_with_its_path(path, name):
    packed = unpacked()
    fields = packed
    for step in path[:-1]:
        fields = fields[step]
    fields[path[-1]] = [1]
    with pytest.raises(QuarantinedRecord) as caught:
        decode_group(msgpack.packb(packed))
    assert caught.value.field == name


@pytest.mark.parametrize("part", [[0], [0, 0], [1, 1], [-1, 2], [0, 1, 2], [0.0, 1.0], [0, True]])
def test_a_part_that_cannot_be_is_quarantined(part):
    packed = unpacked()
    packed[12] = part
    with pytest.raises(QuarantinedRecord, match=r"group\.part"):
        decode_group(msgpack.packb(packed))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (2, bytes(4)),
        (3, [[0, 1]]),
        (3, [[0, 3], [1, -1]]),
        (3, [[-1, 2]]),
        (3, [[True, 2]]),
        (8, b""),
        (8, b"\x01\x00"),
        (8, b"\x05"),  # a bit beyond the two tokens
    ],
)
def test_a_rollout_whose_lengths_disagree_is_quarantined(key, value):
    packed = unpacked()
    packed[8][0][key] = value
    with pytest.raises(QuarantinedRecord, match=r"rollouts\[0\]"):
        decode_group(msgpack.packb(packed))


@pytest.mark.parametrize("wrong", [np.array([-1]), np.ones(1, np.float16), np.zeros((2, 2), "u4")])
@pytest.mark.parametrize("name", ["prompt", "tokens", "logprobs", "mask", "timings_us"])
def test_an_array_of_another_type_is_refused_where_it_is_made_and_not_cast(name, wrong):
    owner = a_group() if name == "prompt" else a_group().rollouts[0]
    with pytest.raises(ValueError, match=rf"{name} must be a one-dimensional"):
        replace(owner, **{name: wrong})


@pytest.mark.parametrize("name", ["tokens", "logprobs", "mask"])
def test_arrays_of_a_rollout_are_of_one_length(name):
    dtype = {"tokens": np.uint32, "logprobs": np.float32, "mask": np.bool_}[name]
    with pytest.raises(ValueError, match=r"array of [23], got|versions must count"):
        replace(a_group().rollouts[0], **{name: np.zeros(3, dtype)})


@pytest.mark.parametrize(
    "changed", [{"created_ns": 2**64}, {"task_id": "\ud800"}, {"temperature": np.float32(1.0)}]
)
def test_a_value_that_cannot_be_sent_is_refused(changed):
    with pytest.raises(WireError, match="convert"):
        encode_group(replace(a_group(), **changed))


def test_more_rollouts_than_a_reader_takes_are_not_sent():
    group = a_group()
    with pytest.raises(WireError, match="split the group"):
        encode_group(replace(group, rollouts=group.rollouts[:1] * (MAX_ITEMS + 1)))
    rollout = replace(group.rollouts[0], components={})
    with pytest.raises(ValueError, match="at most 65536 versions"):
        replace(rollout, versions=((0, 0),) * MAX_ITEMS + ((0, 2),))


def test_a_token_costs_eight_bytes():
    def size(num_tokens):
        rollout = replace(
            a_group().rollouts[0],
            tokens=np.zeros(num_tokens, np.uint32),
            logprobs=np.zeros(num_tokens, np.float32),
            versions=((3, num_tokens),),
        )
        return len(encode_group(replace(a_group(), rollouts=(rollout,))))

    assert size(2000) - size(1000) == 8 * 1000
