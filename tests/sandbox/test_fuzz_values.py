"""Canonical values against a slow twin: what is equal, what has no form, what may not be read.

The twin is `is_same`, which walks two values side by side and knows nothing of bytes.
"""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sandbox import ValueFormatError, decode, render
from sandbox.guest import canon
from sandbox.guest.literal import parse_arguments
from sandbox.value import check, render_arguments
from tests.strategies import encodables, hashables, spell_out

MAX_BYTES = 1 << 20
SEQUENCES, SETS = (list, tuple), (set, frozenset)


def encode(value: object) -> bytes:
    return canon.encode(value, max_bytes=MAX_BYTES)


def is_same(a: object, b: object) -> bool:
    """Whether two plain values are one under the written policy: types, signs of zero, NaNs."""
    if type(a) is not type(b):
        return False
    if type(a) in SEQUENCES:
        return len(a) == len(b) and all(map(is_same, a, b))
    if type(a) in SETS:
        return len(a) == len(b) and all(any(is_same(x, y) for y in b) for x in a)
    if type(a) is dict:
        pairs = list(b.items())
        return len(a) == len(b) and all(
            any(is_same(k, other) and is_same(v, w) for other, w in pairs) for k, v in a.items()
        )
    if type(a) is complex:
        return is_same(a.real, b.real) and is_same(a.imag, b.imag)
    if type(a) is float:
        return (a != a and b != b) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return a == b


# -- equality --------------------------------------------------------------------------------------

_SIBLINGS = {
    bool: [int, float, str],
    int: [float, complex, bool, str],
    float: [complex, str, lambda x: -x, lambda x: math.nextafter(x, math.inf)],
    complex: [lambda x: x.conjugate(), lambda x: -x],
    str: [lambda x: x.encode("utf-8", "surrogatepass"), lambda x: x + "\0", str.swapcase],
    bytes: [lambda x: x.decode("latin-1"), lambda x: b"\0" + x],
    list: [tuple, lambda x: x[::-1], lambda x: [*x, x]],
    tuple: [list, lambda x: x[::-1], lambda x: (x,)],
    set: [frozenset, sorted],
    frozenset: [set, sorted, tuple],
    dict: [lambda x: dict(reversed(x.items())), list, lambda x: [*x.items()]],
    type(None): [lambda _: False, lambda _: "None"],
}


@st.composite
def siblings(draw: st.DrawFn) -> tuple[object, object]:
    """A value and another that somebody might take for it, wrapped alike or not."""
    value = draw(encodables())
    try:
        other = draw(st.sampled_from(_SIBLINGS[type(value)]))(value)
    except (TypeError, OverflowError, ValueError):
        other = value
    wrap = draw(st.sampled_from([lambda x: x, lambda x: [x], lambda x: {1: x}, lambda x: (0, x)]))
    return wrap(value), draw(st.sampled_from([wrap, lambda x: [x]]))(other)


@given(siblings() | st.tuples(encodables(), encodables()))
def test_bytes_are_equal_exactly_if_values_are(pair: tuple[object, object]):
    try:
        encodings = [encode(value) for value in pair]
    except canon.OversizeError:
        assume(False)
    assert (encodings[0] == encodings[1]) == is_same(*pair)


@given(encodables())
def test_what_is_decoded_is_the_value_with_its_exact_types(value: object):
    assert is_same(decode(encode(value)), value)


# -- what has no form ------------------------------------------------------------------------------


class Text(str):
    """Says it is any other text."""

    __slots__ = ()

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


class Number(int):
    __class__ = bool


class Real(float):
    pass


class Raw(bytes):
    pass


class Items(list):
    def __iter__(self):
        return iter([1])


class Row(tuple):
    __slots__ = ()


class Members(frozenset):
    pass


class Table(dict):
    def items(self):
        return [(1, 1)]


class Chameleon:
    __class__ = int

    def __index__(self):
        return 1


IMPOSTORS = [
    Text("a"), Number(1), Real(1), Raw(b"a"), Items([1]), Row((1,)), Members({1}), Table(a=1),
    Chameleon(), object(), int, len, range(3), bytearray(b"a"), ..., NotImplemented, {}.keys(),
    memoryview(b"a"), iter([]),
]  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> object:
    """A plain value with an impostor somewhere in it."""
    nest = draw(st.sampled_from(IMPOSTORS))
    for _ in range(draw(st.integers(0, 3))):
        nest = draw(
            st.sampled_from(
                [[nest], (nest, 1), {"a": nest}, [draw(encodables()), nest], ("", nest)]
            )
        )
    return nest


@given(spoilt())
def test_an_impostor_anywhere_in_a_value_has_no_form(value: object):
    with pytest.raises(canon.UnencodableError):
        encode(value)


@given(encodables(), st.integers(0, 200))
def test_the_budget_is_exact(value: object, spare: int):
    size = len(encode(value))
    assert canon.encode(value, max_bytes=size) == encode(value)
    if spare < size:
        with pytest.raises(canon.OversizeError):
            canon.encode(value, max_bytes=spare)


# -- what may not be read --------------------------------------------------------------------------


def is_refused(data: bytes) -> bool:
    try:
        check(data)
    except ValueFormatError:
        return True
    return False


@given(st.lists(hashables(), min_size=2, max_size=5), st.randoms(), st.sampled_from([b"E", b"Z"]))
def test_members_are_read_in_one_order_only(members: list[object], random, tag: bytes):
    encodings = [encode(member) for member in members]
    random.shuffle(encodings)
    data = tag + len(encodings).to_bytes(4, "big") + b"".join(encodings)
    members_apart = len(set(members)) == len(members) and len(set(encodings)) == len(members)
    in_order = encodings == sorted(encodings)
    assert is_refused(data) == (not (members_apart and in_order))


@given(st.dictionaries(hashables(), encodables(), min_size=1, max_size=4), st.data())
def test_a_key_twice_is_refused(value: dict[object, object], data: st.DataObject):
    pairs = sorted((encode(key), encode(item)) for key, item in value.items())
    twice = sorted([*pairs, data.draw(st.sampled_from(pairs))])
    assert is_refused(b"M" + len(twice).to_bytes(4, "big") + b"".join(k + v for k, v in twice))


@given(encodables(), st.data())
def test_a_size_that_lies_is_refused(value: object, data: st.DataObject):
    good = encode(value)
    at = data.draw(st.integers(0, max(0, len(good) - 4)))
    lie = data.draw(st.sampled_from([0, 1, 0xFF, 0xFFFF, 1 << 20, 1 << 30, 0x7FFFFFFF, 0xFFFFFFFF]))
    bad = good[:at] + lie.to_bytes(4, "big") + good[at + 4 :]
    if not is_refused(bad):
        assert encode(decode(bad)) == bad


# -- texts -----------------------------------------------------------------------------------------


@given(
    st.lists(encodables(), max_size=3),
    st.dictionaries(st.sampled_from(["a", "k", "_", "naive"]), encodables()),
)
def test_an_argument_list_shown_is_the_one_read(positional: list[object], named: dict[str, object]):
    data = encode([positional, named])
    shown = parse_arguments(render_arguments(data))
    assert encode(list(shown)) == data
    spelled = [*map(spell_out, positional), *(f"{k}={spell_out(v)}" for k, v in named.items())]
    assert encode(list(parse_arguments(", ".join(spelled)))) == data


@given(encodables())
def test_the_text_is_python_and_says_the_value(value: object):
    names = {"__builtins__": {"set": set, "frozenset": frozenset, "float": float,
                              "complex": complex}}  # fmt: skip
    assert is_same(eval(render(encode(value)), names), value)
