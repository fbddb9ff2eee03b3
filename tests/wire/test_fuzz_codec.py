"""Whatever the bytes, decoding gives a group or a QuarantinedRecord, in work that they bound."""

import subprocess
import sys
from pathlib import Path

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.wire import Group, QuarantinedRecord, decode_group, encode_group
from tests.wire.groups import a_detailed_group, assert_same, groups

DEEP = 1000
"""Nesting that msgpack still takes."""

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary() | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20))
    | st.sampled_from(["solver", "stop", bytes(16), bytes(8)]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.integers(0, 13) | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def decode(payload):
    """The group, or None where the payload was quarantined; anything else is a failure."""
    group = error = None
    try:
        group = decode_group(payload)
    except QuarantinedRecord as quarantined:
        error = quarantined
    if error is not None:
        assert error.field
        assert len(str(error)) < 1000, "a message is for people"
        return None
    assert isinstance(group, Group)
    # What was taken for a group is one: it can be sent again, and arrives the same.
    assert_same(group, decode_group(encode_group(group)))
    return group


@given(st.binary())
@example(b"")
@example(b"\xc1")
@example(b"\x91" * DEEP + b"\xc0\xc0")  # whole, deep, and with more behind it
@example(b"\x91" * 2000)
@example(b"\xff")
@example(b"\xd6\xff\x00\x00\x00\x00")  # a timestamp
@example(b"\xc7\x0c\xff" + b"\xff" * 12)  # one out of range
@example(b"\x81\x90\x00")  # a list as a key
def test_bytes_that_are_no_group_are_quarantined(payload):
    assert decode(payload) is None


@given(groups(), st.data())
def test_a_damaged_payload_is_quarantined_or_decodes_to_a_group(group, data):
    payload = bytearray(encode_group(group))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        until = data.draw(st.integers(at, min(len(payload), at + 4)))
        payload[at:until] = data.draw(st.binary(max_size=4))
        if not payload:
            break
    decode(bytes(payload))


@given(groups(), st.data())
def test_a_payload_cut_short_is_quarantined(group, data):
    payload = encode_group(group)
    assert decode(payload[: data.draw(st.integers(0, len(payload) - 1))]) is None


def places(value, path=()):
    """Every place in nested lists and maps."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in list(steps):
        yield (*path, step)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, step))


DETAILED = encode_group(a_detailed_group())


@given(anything, st.data())
def test_any_value_in_any_place_is_quarantined_or_makes_another_group(value, data):
    packed = msgpack.unpackb(DETAILED, strict_map_key=False)
    *path, last = data.draw(st.sampled_from(list(places(packed))))
    inner = packed
    for step in path:
        inner = inner[step]
    inner[last] = value
    decode(msgpack.packb(packed))


@pytest.mark.parametrize("key", range(13))
def test_a_value_of_any_depth_is_named_and_not_shown(key):
    packed = dict.fromkeys(range(13))
    payload = msgpack.packb(packed)
    at = payload.index(bytes([key, 0xC0])) + 1
    assert decode(payload[:at] + b"\x91" * (DEEP - 1) + b"\xc0" + payload[at + 1 :]) is None


HOSTILE = {
    "long text": b"\xdb\xff\xff\xff\xff",
    "long blob": b"\xc6\xff\xff\xff\xff",
    "long extension": b"\xc9\xff\xff\xff\xff\x05",
    "long list": b"\xdd\xff\xff\xff\xff",
    "long map": b"\xdf\xff\xff\xff\xff",
    "lists in lists": b"\xdc\xff\xff" * DEEP,
    "maps in maps": b"\xde\xff\xff\x00" * DEEP,
    "lists as long as the record": b"\xdd\x00\x7f\xff\x00" * DEEP,
}
RECORD_BYTES = 1 << 23
"""The largest record of an engine's ring."""
MEMORY_BYTES = 1 << 30


@pytest.mark.parametrize("name", HOSTILE)
def test_a_length_that_lies_is_quarantined_within_bounded_memory(name):
    script = Path(__file__).with_name("hostile_decoder.py")
    done = subprocess.run(
        [sys.executable, script, str(MEMORY_BYTES), str(RECORD_BYTES)],
        input=HOSTILE[name],
        capture_output=True,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"quarantined\n" * 2), done.stderr.decode()
