"""Strategies that write plain values and argument texts: good, nearly good, and garbage."""

import math

from hypothesis import strategies as st

from sandbox.guest import canon

# -- plain values ----------------------------------------------------------------------------------

floats = st.floats(allow_nan=True, allow_infinity=True)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.sampled_from([7, 8, 63, 64, 2_000, canon.MAX_INT_BITS - 1]).map(lambda bits: 2**bits)
    | floats
    | st.complex_numbers(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8)
    | st.text(st.characters(categories=["Cs", "Cc", "Lo"]), max_size=4)
    | st.binary(max_size=8)
)


@st.composite
def leaves(draw: st.DrawFn) -> object:
    """Values without parts. A function, as others here, to keep the reprs of strategies short."""
    return draw(_LEAVES)


_HASHABLES = st.recursive(
    leaves(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
)


@st.composite
def hashables(draw: st.DrawFn) -> object:
    """Plain values that can be members of a set."""
    return draw(_HASHABLES)


_VALUES = st.recursive(
    leaves() | st.sets(hashables(), max_size=4) | st.frozensets(hashables(), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(hashables(), inner, max_size=4)
    ),
    max_leaves=12,
)


def has_twins(value: object) -> bool:
    """Whether a set or dict in it holds two NaNs, which have one canonical form."""
    try:
        canon.encode(value, max_bytes=1 << 24)
    except canon.UnencodableError:
        return True
    return False


@st.composite
def encodables(draw: st.DrawFn) -> object:
    """Plain values that have a canonical form."""
    return draw(_VALUES.filter(lambda value: not has_twins(value)))


def spell_out(value: object) -> str:
    """A literal that Python's own repr would write, but for infinities and NaN by name."""
    if type(value) is complex:
        return f"complex({spell_out(value.real)}, {spell_out(value.imag)})"
    if type(value) is float and not math.isfinite(value):
        return f"float('{value}')"
    if type(value) is dict:
        return "{" + ", ".join(f"{spell_out(k)}: {spell_out(v)}" for k, v in value.items()) + "}"
    if type(value) in (list, tuple, set, frozenset):
        return _spell_container(value)
    return ascii(value)


def _spell_container(value: list | tuple | set | frozenset) -> str:
    body = ", ".join(map(spell_out, value))
    if type(value) is list:
        return f"[{body}]"
    if type(value) is tuple:
        return f"({body},)" if body else "()"
    if type(value) is set:
        return f"{{{body}}}" if body else "set()"
    return f"frozenset([{body}])" if body else "frozenset()"


# -- argument texts --------------------------------------------------------------------------------

_NEAR = [
    "1)", "(1", "1) + f(2", "1)(2", "*[1]", "**{'a': 1}", "x for x in y", "f'{1}'", "lambda: 0",
    "1; 2", "a := 1", "{[]: 1}", "{1, []}", "x=1, x=2", "x=1, 2", "...", "-'a'", "not 1", "1 + 1",
    "1_0", "0x", "09", "1e999", "1e999j", "-1e999", "'a' 'b'", "b'a' 'b'", "'''a", "\\", "#",
    "1 #", "1\n", "\n1", "\f1", "\t1", "\ufeff1", "\x00", "'\ud800'", "\u0661", "set()", "set([1])",
    "frozenset({1}, 2)", "frozenset(1)", "float('nan')", "float('1')", "complex(1)",
    "complex(1, 2)", "inf", "-inf", "nan", "infinity", "1 + 2j", "2j + 1", "__import__('os')",
    "().__class__",
    "True + 1j", "-True", "~1", "2 ** 99999", "'a' * 10 ** 9", "(" * 60 + ")" * 60,
    "[" * 300 + "]" * 300, "9" * 5_000, "-" * 400 + "1", "{'a': 1, 'a': 2}", "{1, True}", "print()",
    "# -*- coding: utf-7 -*-\n1", "1 if 1 else 2", "[*[1]]", "{**{}}", "`1`", "1,,", ",", "=1", "",
]  # fmt: skip


@st.composite
def near_literals(draw: st.DrawFn) -> str:
    """What a reader of literals may get wrong."""
    return draw(st.sampled_from(_NEAR))


literals = encodables().map(spell_out)
garbage = st.text(max_size=20) | st.text("()[]{}'\"\\,:#\n*= 1afx+-.j", max_size=30)
_TEXTS = st.recursive(
    literals | near_literals() | garbage,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(", ".join)
        | inner.map("[{}]".format)
        | inner.map("x={}".format)
        | inner.map("{{1: {}}}".format)
    ),
    max_leaves=4,
)


@st.composite
def argument_texts(draw: st.DrawFn) -> str:
    """What may stand between the parentheses of a call, or be said to."""
    return draw(_TEXTS)
