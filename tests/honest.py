"""Strategies that write honest programs: pure, deterministic, bounded by construction.

Ints are cut at each assignment, lists and texts too, every loop counts down; a program may raise.
It is written as lines of text from small typed pieces over names that always exist, so that any
piece can be dropped or swapped for a smaller one and what is left is still a program: this is
what makes it shrink well.

`expected` runs such a program in this process, which may be done for no other text: it was
written here.
"""

from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from sandbox.guest import canon
from tests.strategies import encodables, spell_out

MAX_BYTES = 65_536
Block = list[str]

# -- what a program may call -----------------------------------------------------------------------

HELPERS = {
    "depth": "def depth(n, xs):\n    n = abs(n) % 40\n    return n and 1 + depth(n - 1, xs)",
    "drain": "def drain(n, xs):\n    def g():\n        got = yield from xs\n        yield n\n"
    "    return sum(g())",
    "tally": "def tally(n, xs):\n    total = 0\n    def add(x):\n        nonlocal total\n"
    "        total += x\n    any(map(add, xs))\n    return total - n",
    "boxed": "def boxed(n, xs):\n    return len(Box(abs(n) % 5) + Box(len(xs)))",
    "gcd": "def gcd(n, xs):\n    return math.gcd(n, *xs)",
    "place": "def place(n, xs):\n    return bisect.bisect(sorted(xs), n)",
    "common": "def common(n, xs):\n    return Counter(xs).most_common(1)[0][1] + n",
    "folded": "@lru_cache\ndef cached(n):\n    return n * n % 31\n"
    "def folded(n, xs):\n    return reduce(lambda a, b: (a * 3 + b) % 1009, map(cached, xs), n)",
}
_PRELUDE = {
    "math.": "import math",
    "bisect.": "import bisect",
    "re.": "import re",
    "Counter": "from collections import Counter",
    "accumulate": "from itertools import accumulate",
    "reduce": "from functools import lru_cache, reduce",
    "Odd": "class Odd(ValueError):\n    pass",
    "Stop": "class Stop(Exception):\n    def __str__(self):\n        return 1 // 0",
    "Box": "class Box:\n    def __init__(self, n):\n        self.n = abs(n) % 9\n"
    "    def __iter__(self):\n        return iter(range(self.n))\n"
    "    def __len__(self):\n        return self.n\n"
    "    def __add__(self, other):\n        return Box(self.n + other.n)",
}

# -- honest expressions, each of one type, over the names that a program always has ----------------


@cache
def ints(depth: int = 2) -> st.SearchStrategy[str]:
    """Expressions over n, a, b, i, xs, ys, s, t of type int."""
    leaf = st.sampled_from(["n", "a", "b", "i", "len(xs)", "len(s)"]) | st.integers(-9, 99).map(str)
    if depth == 0:
        return leaf
    x, c, xs, s = ints(depth - 1), bools(depth - 1), lists(depth - 1), texts(depth - 1)
    return (
        leaf
        | _build("({} {} {})", x, st.sampled_from(["+", "-", "*", "//", "%", "&", "|", "^"]), x)
        | _build("({} if {} else {})", x, c, x)
        | _build("{}({}, default={})", st.sampled_from(["max", "min"]), xs, x)
        | _build("{}[{} % 5]", xs, x)
        | _build("{}.{}({})", s, st.sampled_from(["count", "find", "index"]), s)
        | _build("{}({}, {})", st.sampled_from(list(HELPERS)), x, xs)
        | _build("sum({})", xs)
        | _build("int({})", s)
        | _build("int({})", c)
    )


@cache
def lists(depth: int = 2) -> st.SearchStrategy[str]:
    """Expressions of type list of ints."""
    leaf = st.sampled_from(["xs", "ys", "[]"])
    if depth == 0:
        return leaf
    x, c, xs = ints(depth - 1), bools(depth - 1), lists(depth - 1)
    return (
        leaf
        | _build("[{}, {}]", x, x)
        | _build("[{} for i in {}]", x, xs)
        | _build("[i for i in {} if {}]", xs, c)
        | _build("[i for j in {} for i in [j, {}]][:9]", xs, x)
        | _build("({} + {})[:20]", xs, xs)
        | _build("{}[{}:{}]", xs, x, x)
        | _build("sorted({}, key=lambda i: ({}, i), reverse={})", xs, x, c)
        | _build("sorted(set({}) | {{{}}})", xs, x)
        | _build("list({}({}))", st.sampled_from(["reversed", "accumulate", "dict.fromkeys"]), xs)
        | _build("list(range({} % 7))", x)
    )


@cache
def texts(depth: int = 2) -> st.SearchStrategy[str]:
    """Expressions of type str."""
    leaf = st.sampled_from(["s", "t", "'ab'", "''"])
    if depth == 0:
        return leaf
    x, xs, s = ints(depth - 1), lists(depth - 1), texts(depth - 1)
    return (
        leaf
        | st.text(max_size=4).map(ascii)
        | _build("({} + {})[:40]", s, s)
        | _build("({} * ({} % 4))[:40]", s, x)
        | _build("{}.{}()", s, st.sampled_from(["upper", "title", "strip", "casefold"]))
        | _build("{}.replace({}, {})[:40]", s, s, s)
        | _build("''.join(sorted({}))", s)
        | _build("f'{{{}}}:{{{}!r:>9}}'[:40]", st.sampled_from(["n", "xs", "s"]), st.just("a"))
        | _build("str({})[:40]", x)
        | _build("','.join(map(str, {}))[:40]", xs)
        | _build("re.sub('[a-m]+', '-', {})", s)
        | _build("{}[::-1]", s)
    )


@cache
def bools(depth: int = 2) -> st.SearchStrategy[str]:
    """Expressions of type bool."""
    if depth == 0:
        return st.sampled_from(["True", "(a > b)", "(n % 2 == 0)"])
    x, c, xs, s = ints(depth - 1), bools(depth - 1), lists(depth - 1), texts(depth - 1)
    return (
        bools(0)
        | _build("({} {} {})", x, st.sampled_from(["<", "==", "!=", ">="]), x)
        | _build("({} {} {})", c, st.sampled_from(["and", "or", "is"]), c)
        | _build("(not {})", c)
        | _build("({} in {})", x, xs)
        | _build("({} < {})", s, s)
        | _build("({} == {})", xs, xs)
        | _build("{}(i > 1 for i in {})", st.sampled_from(["any", "all"]), xs)
    )


@cache
def results() -> st.SearchStrategy[str]:
    """Expressions of any plain type: what an honest program returns."""
    plain = ints() | lists() | texts() | bools() | st.just("v")
    return plain | (
        _build("[{}, {}]", plain, plain)
        | _build("({},)", plain)
        | _build("{{{}: {}, {}: v}}", texts(1), plain, ints(1))
        | _build("set({})", lists())
        | _build("frozenset({})", texts())
        | _build("({} / 7)", ints(1))
        | _build("complex({}, -0.0)", ints(1))
        | _build("{}.encode('utf-8', 'surrogatepass')", texts())
        | _build("Box({})", ints(1)).map(lambda made: f"list({made})")
    )


def _build(form: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda drawn: form.format(*drawn))


# -- honest statements -----------------------------------------------------------------------------

_ASSIGN = {
    "{} = ({}) % 10_007": (st.sampled_from("ab"), ints()),
    "a, b = b, ({}) % 997": (ints(1),),
    "ys = ({})[:20]": (lists(),),
    "ys.append(({}) % 101)": (ints(1),),
    "ys.sort(key=lambda i: ({}, i))": (ints(1),),
    "t = ({})[:40]": (texts(),),
    "counts[({}) % 5] = {}": (ints(1), bools(1)),
    "if {}: raise {}({})": (bools(), st.sampled_from(["ValueError", "Odd", "Stop"]), ints(0)),
    "if {}: return {}": (bools(), results()),
    "assert {}": (bools(),),
    "print({})": (texts(),),
}
_simple = st.one_of([_build(form, *parts) for form, parts in _ASSIGN.items()]).map(lambda s: [s])


def _indent(block: Block) -> Block:
    return ["    " + line for line in block]


@cache
def blocks(depth: int = 2) -> st.SearchStrategy[Block]:
    """One to three statements; those of more than one line nest `depth` deep."""
    one = _simple if depth == 0 else _simple | _compound(depth)
    return st.lists(one, min_size=1, max_size=3).map(lambda many: [x for one in many for x in one])


def _compound(depth: int) -> st.SearchStrategy[Block]:
    inner, k = blocks(depth - 1), f"k{depth}"
    caught = st.sampled_from(["ValueError", "(ArithmeticError, LookupError)", "Exception", "Stop"])
    return st.one_of(
        st.builds(lambda c, x, y: [f"if {c}:", *_indent(x), "else:", *_indent(y)], bools(), inner,
                  inner),
        st.builds(lambda xs, x: [f"for i in ({xs})[:6]:", *_indent(x)], lists(), inner),
        st.builds(lambda n, c, x: [f"{k} = ({n}) % 6", f"while {k}:", *_indent(
            [f"{k} -= 1", f"if {c}: continue", *x])], ints(), bools(), inner),
        st.builds(lambda x, e, y, z: ["try:", *_indent(x), f"except {e}:", *_indent(y), "finally:",
                  *_indent(z)], inner, caught, inner, _simple),
        st.builds(lambda n, x, y: [f"match ({n}) % 3:", *_indent(["case 0 | 1:", *_indent(x),
                  "case other:", *_indent([f"a = {n} - other", *y])])], ints(1), inner, inner),
    )  # fmt: skip


def _program(body: Block, result: str) -> str:
    start = ["a, b, i, k1, k2, ys, t, counts = 0, 1, 0, 0, 0, [], '', {}"]
    text = "def f(n, xs, s='', *, v=None):\n" + "\n".join(
        _indent([*start, *body, f"return {result}"])
    )
    helpers = [source for name, source in HELPERS.items() if name + "(" in text]
    text = "\n".join([*helpers, text])
    prelude = [source for name, source in _PRELUDE.items() if name in text]
    return "\n".join([*prelude, text]) + "\n"


@st.composite
def honest_programs(draw: st.DrawFn) -> str:
    """The source of a program."""
    return _program(draw(blocks()), draw(results()))


@st.composite
def honest_arguments(draw: st.DrawFn) -> str:
    """The text of one argument list for an honest program."""
    numbers = st.integers(-50, 50)
    parts = [str(draw(numbers)), str(draw(st.lists(numbers, max_size=5)))]
    if draw(st.booleans()):
        parts.append(f"s={draw(st.text(max_size=6))!a}")
    if draw(st.booleans()):
        parts.append(f"v={spell_out(draw(encodables()))}")
    return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Expected:
    """What plain Python makes of an honest program: the canonical bytes, or what was raised."""

    value: bytes = b""
    raised: str = ""


def expected(program: str, arguments: str) -> Expected:
    """Run an honest program here; its own texts only, written by the strategies above."""
    namespace: dict[str, object] = {"__name__": "program", "print": lambda *_: None}
    exec(program, namespace)
    try:
        value = eval(f"f({arguments})", namespace)
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is asked for
        return Expected(raised=type(error).__name__)
    return Expected(value=canon.encode(value, max_bytes=MAX_BYTES))
