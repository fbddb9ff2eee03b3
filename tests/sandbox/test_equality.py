"""Equality in two modes: strict is the bytes, python is Python's own `==`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import ValueFormatError, equal
from sandbox.guest import canon
from sandbox.guest.literal import parse_value
from tests.sandbox.tables import rows

ROWS = rows("| a | b | strict | python |")


def encode(value: object) -> bytes:
    return canon.encode(value, max_bytes=1 << 20)


@pytest.mark.parametrize(("a", "b", "strict", "python"), ROWS, ids=[f"{r[0]} {r[1]}" for r in ROWS])
def test_the_policy_is_that_of_the_page(a: str, b: str, strict: str, python: str):
    left, right = encode(parse_value(a)), encode(parse_value(b))
    for mode, wanted in (("strict", strict), ("python", python)):
        assert equal(left, right, mode=mode) is (wanted == "yes"), mode
        assert equal(right, left, mode=mode) is (wanted == "yes"), mode


def test_the_page_has_its_table():
    assert len(ROWS) > 30
    assert {row[2] for row in ROWS} == {row[3] for row in ROWS} == {"yes", "no"}


# Few values, so that equal ones of different types meet.
leaves = st.sampled_from([
    None, True, False, 0, 1, 2, -1, 0.0, -0.0, 1.0, 1.5, 2.0, 1e308, 10**308, 2**53, 2.0**53,
    2**53 + 1, math.inf, -math.inf, 0j, 1 + 0j, 1j, complex(-0.0, 1), complex(1.5, -0.0),
    complex(math.inf, 0), "", "1", "a", "\ud800", b"", b"a",
])  # fmt: skip
hashable = st.recursive(
    leaves, lambda inner: st.tuples(inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
values = st.recursive(
    leaves | st.frozensets(hashable, max_size=3) | st.sets(hashable, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=3)
    ),
    max_leaves=8,
)


def variant(value: object, data: st.DataObject) -> object:
    """A value that Python holds equal, written otherwise wherever that is possible."""
    if isinstance(value, bool | int | float | complex) and not isinstance(value, str):
        twins = [v for v in LEAF_NUMBERS if v == value]
        return data.draw(st.sampled_from([value, *twins]))
    if isinstance(value, list):
        return [variant(item, data) for item in value]
    if isinstance(value, tuple):
        return tuple([variant(item, data) for item in value])
    if isinstance(value, set | frozenset):
        make = data.draw(st.sampled_from([set, frozenset]))
        return make([hashed(variant(item, data)) for item in value])
    if isinstance(value, dict):
        items = data.draw(st.permutations(list(value.items())))
        return {hashed(variant(k, data)): variant(v, data) for k, v in items}
    return value


def hashed(value: object) -> object:
    return (
        frozenset(value)
        if isinstance(value, set)
        else (tuple([hashed(item) for item in value]) if isinstance(value, tuple) else value)
    )


LEAF_NUMBERS = [True, False, 0, 1, 2, -1, 0.0, -0.0, 1.0, 2.0, 2**53, 2.0**53, 0j, 1 + 0j]


@given(values, values)
def test_python_mode_is_pythons_own_equality(a: object, b: object):
    assert equal(encode(a), encode(b), mode="python") is (a == b)


@given(values, st.data())
def test_a_value_written_otherwise_is_equal_in_python_mode(a: object, data: st.DataObject):
    b = variant(a, data)
    assert a == b
    assert equal(encode(a), encode(b), mode="python")


@given(values, values, values)
def test_equality_is_an_equivalence_in_both_modes(a: object, b: object, c: object):
    x, y, z = encode(a), encode(b), encode(c)
    for mode in ("strict", "python"):
        assert equal(x, x, mode=mode)
        assert equal(x, y, mode=mode) is equal(y, x, mode=mode)
        if equal(x, y, mode=mode) and equal(y, z, mode=mode):
            assert equal(x, z, mode=mode)
    if equal(x, y, mode="strict"):
        assert equal(x, y, mode="python"), "strict is the finer one"


@given(values)
def test_a_nan_anywhere_equals_nothing_in_python_mode(value: object):
    data = encode([value, {"k": (math.nan,)}])
    assert equal(data, data, mode="strict")
    assert not equal(data, data, mode="python")


@given(values)
def test_hostile_bytes_are_refused_on_either_side(value: object):
    good = encode(value)
    for bad in (b"", good + b"N", good[:-1], b"E\0\0\0\2" + encode(1) + encode(True)):
        for mode in ("strict", "python"):
            with pytest.raises(ValueFormatError):
                equal(good, bad, mode=mode)
            with pytest.raises(ValueFormatError):
                equal(bad, good, mode=mode)


def test_another_mode_is_a_mistake():
    with pytest.raises(ValueError, match="mode"):
        equal(b"N", b"N", mode="lenient")


def colliding() -> bytes:
    members = sorted(encode(k * (2**61 - 1)) for k in range(1, 19_000))
    return b"E" + len(members).to_bytes(4, "big") + b"".join(members)


def deep() -> bytes:
    value: object = ()
    for _ in range(canon.MAX_DEPTH - 1):
        value = frozenset([value])
    return encode(value)


@pytest.mark.timeout(60)  # building the set of colliding ints would take minutes
@pytest.mark.parametrize("make", [colliding, deep, lambda: encode([0.5] * 19_999)])
def test_bombs_are_compared_like_any_value(make):
    data = make()
    for mode in ("strict", "python"):
        assert equal(data, data, mode=mode)
        assert not equal(data, encode([data]), mode=mode)
