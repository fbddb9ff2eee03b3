"""Canonical values: one form, read back exactly, hostile bytes refused."""

import contextlib
import math
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import ValueFormatError, decode, render
from sandbox.guest import canon
from sandbox.guest.literal import LiteralError, parse_arguments, parse_value
from sandbox.value import check

MAX_BYTES = 1 << 20

floats = st.floats(allow_nan=True, allow_infinity=True)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([31, 64, 14_279]).map(lambda bits: -(2**bits))
    | floats
    | st.complex_numbers(allow_nan=True, allow_infinity=True)
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Ll"]))
    | st.binary(max_size=50)
)
hashable = st.recursive(
    leaves, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4), max_leaves=6
)
values = st.recursive(
    leaves | st.frozensets(hashable, max_size=4) | st.sets(hashable, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=4)
    ),
    max_leaves=25,
)


def encode(value: object) -> bytes:
    return canon.encode(value, max_bytes=MAX_BYTES)


def encode_or_none(value: object) -> bytes | None:
    try:
        return encode(value)
    except canon.UnencodableError:
        return None  # several NaNs in one set


@given(values)
def test_what_is_encoded_is_decoded(value: object):
    data = encode_or_none(value)
    if data is not None:
        check(data)
        assert encode(decode(data)) == data


@given(values)
def test_what_is_shown_is_read_back(value: object):
    data = encode_or_none(value)
    if data is not None:
        text = render(data)
        assert text.isascii()
        assert text.isprintable()
        assert encode(parse_value(text)) == data
        positional, _ = parse_arguments(text + ",")
        assert [encode(v) for v in positional] == [data]


@given(st.dictionaries(st.integers() | st.text(), st.integers()), st.randoms())
def test_a_dict_has_no_order(value: dict[object, int], random):
    items = list(value.items())
    random.shuffle(items)
    assert encode(dict(items)) == encode(value)


@pytest.mark.parametrize(
    ("a", "b"),
    [(True, 1), (1, 1.0), (0.0, -0.0), ([1], (1,)), ({1}, frozenset({1})), ("1", 1), (b"a", "a"),
     (1.0, 1 + 0j), (None, False), ({}, set()), ([[]], [[], []]), ("\u00e9", "e\u0301")],
)  # fmt: skip
def test_equality_is_strict(a: object, b: object):
    assert encode(a) != encode(b)


def test_every_nan_is_the_same_nan():
    assert encode(math.nan) == encode(-math.nan) == encode(math.inf - math.inf)


@pytest.mark.parametrize(
    "value",
    ["a" * 101, b"a" * 101, [0] * 30, 2**14_280, "\u20ac" * 40, {i: i for i in range(20)}],
)
def test_a_value_over_the_budget_is_refused_before_it_is_built(value: object):
    with pytest.raises(canon.OversizeError):
        canon.encode(value, max_bytes=100)


def test_depth_and_nodes_are_bounded():
    nest: object = 1
    for _ in range(canon.MAX_DEPTH):
        nest = [nest]
    assert decode(encode(nest)) == nest
    with pytest.raises(canon.OversizeError):
        encode([nest])
    assert len(render(encode([0] * (canon.MAX_NODES - 1)))) > canon.MAX_NODES
    with pytest.raises(canon.OversizeError):
        encode([0] * canon.MAX_NODES)


def refused(data: bytes) -> bool:
    """Whether all three readers refuse; they may never disagree or raise anything else."""
    results = []
    for read in (check, render, decode):
        try:
            read(data)
            results.append(False)
        except ValueFormatError:
            results.append(True)
    assert len(set(results)) == 1
    return results[0]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(data: bytes):
    if not refused(data):
        assert encode(decode(data)) == data


@given(values, st.data())
def test_a_damaged_value_is_refused_or_another_value(value: object, data: st.DataObject):
    good = encode_or_none(value)
    if good is None:
        return
    at = data.draw(st.integers(0, len(good) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "double", "insert"]))
    byte = bytes([data.draw(st.integers(0, 255))])
    bad = {
        "flip": good[:at] + byte + good[at + 1 :],
        "cut": good[:at],
        "double": good + good,
        "insert": good[:at] + byte + good[at:],
    }[kind]
    if not refused(bad):
        assert encode(decode(bad)) == bad


@pytest.mark.fuzz
@settings(max_examples=20_000, deadline=None)
@given(st.lists(st.sampled_from(list(b"NTFIDCSBLUEZM\0\1\2\xff")), max_size=60))
def test_fuzz_tags_and_sizes(data: list[int]):
    if not refused(bytes(data)):
        assert encode(decode(bytes(data))) == bytes(data)


def one(value: object) -> bytes:
    return encode(value)


@pytest.mark.parametrize(
    "forged",
    [
        b"E" + b"\0\0\0\2" + one(1) + one(True),
        b"E" + b"\0\0\0\2" + one(0.0) + one(-0.0),
        b"E" + b"\0\0\0\1" + one([]),
        b"E" + b"\0\0\0\1" + b"U\0\0\0\1" + one([]),
        b"E" + b"\0\0\0\2" + one(2) + one(1),
        b"E" + b"\0\0\0\2" + b"U\0\0\0\1" + one(1) + b"U\0\0\0\1" + one(True),
        b"M" + b"\0\0\0\1" + one({}) + one(1),
        b"L\xff\xff\xff\xff",
        b"S\xff\xff\xff\xff" + b"a",
        b"I\0\0\0\2\0\1",
        b"I\0\0\0\0",
        b"D" + bytes.fromhex("7ff8000000000001"),
        b"S\0\0\0\1\xff",
        b"L\0\0\0\1" * 100 + b"N",
        b"NN",
        b"",
    ],
)
def test_a_forged_value_is_refused(forged: bytes):
    assert refused(forged)


def test_a_set_of_colliding_ints_is_shown_but_not_built():
    members = sorted(encode(k * (2**61 - 1)) for k in range(1, 5000))
    data = b"E" + len(members).to_bytes(4, "big") + b"".join(members)
    assert render(data).startswith("{")
    with pytest.raises(ValueFormatError, match="hash"):
        decode(data)


@given(st.text(string.printable, max_size=30))
def test_any_text_is_a_literal_or_refused(text: str):
    with contextlib.suppress(LiteralError, canon.UnencodableError):
        encode(parse_value(text))
