"""What a guest may try, and the one verdict it gets; the next guest never notices."""

import pytest

from sandbox import Call, Sandbox, Verdict, render

HONEST = Call(program="def f(x): return sorted(x)", args=["[3, 1, 2]"])

LIES = """
class Liar:
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __repr__(self): return '42'
    def __reduce__(self): return (int, (42,))
class Number(int):
    def __repr__(self): return '43'
class Text(str):
    pass
class Meta(type):
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(int)
class Chameleon(metaclass=Meta):
    __class__ = int
"""

CACHED = """
import functools
class A:
    @functools.cached_property
    def b(self): return 7
def f(x): return A().b
"""
DATACLASS = """
from dataclasses import dataclass
@dataclass
class P:
    a: 'int' = 5
def f(x): return P().a
"""

PROMISES = {
    "loops": ("def f(x):\n while True: pass", Verdict.TIMEOUT),
    "loops in C": ("def f(x): return sum(iter(int, 1))", Verdict.TIMEOUT),
    "loops at the top level": ("while True: pass", Verdict.TIMEOUT),
    "loops while it swallows": (
        "def f(x):\n while True:\n  try:\n   while True: pass\n  except BaseException: pass",
        Verdict.TIMEOUT,
    ),
    "allocates 10 GB": ("def f(x): return len(bytearray(10 << 30))", Verdict.MEMORY),
    "allocates bit by bit": ("def f(x):\n a = []\n while True: a.append(bytearray(1 << 20))",
                             Verdict.MEMORY),
    "shifts an int": ("def f(x): return 1 << (1 << 40)", Verdict.MEMORY),
    "exits with 0": ("import sys\ndef f(x): sys.exit(0)", Verdict.RAISED),
    "raises SystemExit": ("def f(x): raise SystemExit(0)", Verdict.RAISED),
    "raises a BaseException": ("class Q(BaseException): pass\ndef f(x): raise Q", Verdict.RAISED),
    "raises KeyboardInterrupt": ("def f(x): raise KeyboardInterrupt", Verdict.RAISED),
    "raises StopIteration": ("def f(x): raise StopIteration", Verdict.RAISED),
    "ends its process": ("import os\ndef f(x): os._exit(0)", Verdict.FORBIDDEN),
    "ends its process all the same": (
        "def f(x):\n [c.__init__.__globals__['_exit'](0) for c in object.__subclasses__()]",
        Verdict.RAISED,
    ),
    "prints 1 GB": ("def f(x):\n while True: print('a' * 2 ** 20)", Verdict.TIMEOUT),
    "raises at the top level": ("1 / 0", Verdict.RAISED),
    "recurses": ("def f(x): return f(x)", Verdict.RAISED),
    "imports os": ("import os\ndef f(x): return 1", Verdict.FORBIDDEN),
    "imports nothing that exists": ("import numpy\ndef f(x): return 1", Verdict.FORBIDDEN),
    "opens a file": ("def f(x): return open('/etc/passwd').read()", Verdict.FORBIDDEN),
    "asks for the time": ("import time\ndef f(x): return time.time()", Verdict.FORBIDDEN),
    "sleeps": ("import time\ndef f(x): time.sleep(60)", Verdict.FORBIDDEN),
    "reads its input": ("def f(x): return input()", Verdict.RAISED),
    "returns an object": ("def f(x): return object()", Verdict.UNENCODABLE),
    "returns a function": ("def f(x): return f", Verdict.UNENCODABLE),
    "returns a generator": ("def f(x): return (i for i in x)", Verdict.UNENCODABLE),
    "returns an always-equal object": (LIES + "def f(x): return Liar()", Verdict.UNENCODABLE),
    "hides one in a list": (LIES + "def f(x): return [1, Liar()]", Verdict.UNENCODABLE),
    "returns a subclass of int": (LIES + "def f(x): return Number(1)", Verdict.UNENCODABLE),
    "returns a subclass of str": (LIES + "def f(x): return Text('a')", Verdict.UNENCODABLE),
    "returns a lying class": (LIES + "def f(x): return Chameleon()", Verdict.UNENCODABLE),
    "returns a range": ("def f(x): return range(10 ** 18)", Verdict.UNENCODABLE),
    "returns two NaNs in a set": (
        "def f(x): return {float('nan'), float('nan')}", Verdict.UNENCODABLE,
    ),
    "returns itself in itself": ("def f(x):\n a = []\n a.append(a)\n return a", Verdict.OUTPUT),
    "returns a deep nest": ("def f(x):\n a = 1\n for _ in range(99): a = [a]\n return a",
                            Verdict.OUTPUT),
    "returns many nodes": ("def f(x): return [0] * 30000", Verdict.OUTPUT),
    "returns a long text": ("def f(x): return 'a' * 10 ** 6", Verdict.OUTPUT),
    "returns a huge int": ("def f(x): return 10 ** 5000", Verdict.OUTPUT),
    "defines no f": ("g = 1", Verdict.INVALID),
    "defines an f that is no function": ("f = 1", Verdict.INVALID),
    "is no Python": ("def f(x", Verdict.INVALID),
    "holds a NUL": ("def f(x): return '\0'", Verdict.INVALID),
    "nests parentheses": ("f = " + "(" * 500 + ")" * 500, Verdict.INVALID),
    "is over the size limit": ("# " + "a" * 70_000, Verdict.INVALID),
}  # fmt: skip

FINE = {
    "prints 1 MB": ("def f(x):\n for _ in range(9): print('a' * 100_000)\n return 1", "1"),
    "uses a random seed": ("import random\ndef f(x): return random.Random(3).randint(0, 9)", "3"),
    "parses a date": (
        "import datetime\ndef f(x): return datetime.datetime.strptime('2020', '%Y').year", "2020",
    ),
    "caches a property": (
        CACHED,
        "7",
    ),
    "defines a dataclass": (
        DATACLASS,
        "5",
    ),
    "converts big ints": ("def f(x): return len(str(7 ** 5000))", "4226"),
    "catches ImportError": (
        "try:\n import numpy\nexcept ImportError:\n numpy = None\ndef f(x): return numpy", "None",
    ),
    "returns a surrogate": ("def f(x): return '\\ud800'", "'\\ud800'"),
    "collects garbage": (
        "def f(x):\n for _ in range(30000):\n  a = []\n  a.append(a)\n return 1", "1",
    ),
    "shadows builtins": ("len = sum = 3\ndef f(x): return len + sum", "6"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROMISES)
async def test_t08_a_guest_that(sandbox: Sandbox, name: str):
    program, verdict = PROMISES[name]
    outcome = await sandbox.run(Call(program=program, args=["[1]"]))
    assert outcome.verdict is verdict, outcome
    assert outcome.values == ()
    assert outcome.error.isascii()
    assert (await sandbox.run(HONEST)).is_ok


@pytest.mark.parametrize("name", FINE)
async def test_t08_an_honest_guest_that(sandbox: Sandbox, name: str):
    program, text = FINE[name]
    outcome = await sandbox.run(Call(program=program, args=["[1]"]))
    assert [render(value) for value in outcome.values] == [text], outcome


async def test_one_value_for_each_argument_list(sandbox: Sandbox):
    call = Call(
        program="def f(x, *, k=1): return (x, k)",
        args=["1", "x=2", "3, k=4", "[\n  5,  # five\n]"],
    )
    outcome = await sandbox.run(call)
    assert [render(v) for v in outcome.values] == ["(1, 1)", "(2, 1)", "(3, 4)", "([5], 1)"]
    assert outcome.cost.wall_s > 0
    assert outcome.cost.max_rss_mb > 1


async def test_the_failing_argument_list_is_named(sandbox: Sandbox):
    call = Call(program="def f(x): return 1 // x", args=["1", "2", "0", "3"])
    outcome = await sandbox.run(call)
    assert (outcome.verdict, outcome.error, outcome.failed) == (
        Verdict.RAISED, "ZeroDivisionError", 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["1) + f(2", "1)(2", "1) or (1", "*[1]", "**{}", "x for x in []", "f(1)", "__import__('os')",
     "[i for i in [1]]", "f'{1}'", "(lambda: 1)()", "1 if 1 else 2", "a", "'a'.upper()", "1; 2",
     "{[]: 1}", "1, x=2, x=3", "...", "-'a'", "not 1", "1 + 1", "set([1])", "float('1')", "\0",
     "(" * 300 + ")" * 300, "True + 1j", "-True"],
)  # fmt: skip
async def test_arguments_are_literals_and_nothing_else(sandbox: Sandbox, text: str):
    outcome = await sandbox.run(Call(program="def f(*a, **k): return 1", args=["1", text]))
    assert (outcome.verdict, outcome.failed) == (Verdict.INVALID, 1), outcome


async def test_an_answer_is_read_without_a_program(sandbox: Sandbox):
    texts = ["[1, {2: 'a'}]", " 1, 2 ", "-0.0", "float('inf')", "nan", "frozenset({1})", "set()"]
    outcome = await sandbox.run(Call(program=None, args=texts))
    assert [render(value) for value in outcome.values] == [
        "[1, {2: 'a'}]", "(1, 2)", "-0.0", "float('inf')", "float('nan')", "frozenset({1})",
        "set()",
    ]  # fmt: skip


async def test_an_answer_that_is_code_is_invalid(sandbox: Sandbox):
    outcome = await sandbox.run(Call(program=None, args=["__import__('os').getpid()"]))
    assert outcome.verdict is Verdict.INVALID


async def test_t11_patched_builtins_end_with_their_guest(sandbox: Sandbox):
    program = "__builtins__.sorted = lambda x: 'POISONED'\ndef f(x): return sorted(x)"
    poisoned = await sandbox.run(Call(program=program, args=["[2, 1]"]), family=0)
    assert [render(v) for v in poisoned.values] == ["'POISONED'"]
    for _ in range(4):
        after = await sandbox.run(HONEST, family=0)
        assert [render(v) for v in after.values] == ["[1, 2, 3]"]


async def test_a_call_of_no_argument_lists_runs_the_top_level(sandbox: Sandbox):
    outcome = await sandbox.run(Call(program="def f(): return 1", args=[]))
    assert (outcome.verdict, outcome.values) == (Verdict.OK, ())


def test_args_is_a_list_of_texts():
    with pytest.raises(TypeError, match="args"):
        Call(program="", args="[1]")
