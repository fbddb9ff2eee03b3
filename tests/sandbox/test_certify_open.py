"""What Python leaves open shows in no certificate, and no honest program is refused for it."""

import json
import tomllib
from pathlib import Path

import pytest

from sandbox import Certificate, Rejection, Sandbox, certify, render

HIDDEN = {
    name: table["program"]
    for name, table in tomllib.loads(
        Path(__file__).with_name("hidden_bits.toml").read_text("utf-8")
    ).items()
}
SHARED = next((d for p in Path(__file__).resolve().parents if (d := p / "shared").is_dir()), None)
ROUNDS = 3
NONDETERMINISTIC = sorted(SHARED.glob("attacks/nondeterminism/*.py")) if SHARED else []
CRUXEVAL = sorted(SHARED.glob("data/cruxeval/*.jsonl")) if SHARED else []


@pytest.mark.parametrize("name", HIDDEN)
async def test_a_hidden_bit_is_refused_every_time(sandbox: Sandbox, name: str):
    for _ in range(ROUNDS):
        found = await certify(sandbox, program=HIDDEN[name], args=["3"])
        assert isinstance(found, Rejection), render(found.values[0])
        assert found.reason in ("nondeterministic", "screen", "mutates", "unencodable")


@pytest.mark.skipif(not NONDETERMINISTIC, reason="no folder shared/attacks beside this repository")
@pytest.mark.parametrize("path", NONDETERMINISTIC, ids=lambda path: path.stem)
async def test_an_attack_on_determinism_is_refused_every_time(sandbox: Sandbox, path: Path):
    if path.stem == "str_set_text_order":
        pytest.skip("the value is a set, the same everywhere; only its text differs")
    program = read(path)
    for _ in range(ROUNDS):
        found = await certify(sandbox, program=program, args=["3"])
        assert isinstance(found, Rejection)


HONEST = {
    "members counted": ("def f(s): return len(set(s))", "'abca'", "3"),
    "sorted": ("def f(s): return sorted(set(s))", "'cab'", "['a', 'b', 'c']"),
    "a set": ("def f(s): return {c.upper() for c in s}", "'ab'", "{'A', 'B'}"),
    "sets in a dict": ("def f(s): return {c: set(s) - {c} for c in s}", "'ab'",
                       "{'a': {'b'}, 'b': {'a'}}"),
    "frozensets as keys": ("def f(s): return {frozenset(s): frozenset('a') | {'b'}}", "'ab'",
                           "{frozenset({'a', 'b'}): frozenset({'a', 'b'})}"),
    "a sum over members": ("def f(s): return sum(ord(c) for c in set(s))", "'aab'", "195"),
    "one member left": ("def f(s):\n t = set(s) - {'a'}\n return t.pop()", "'ab'", "'b'"),
    "the smallest": ("def f(s): return min(set(s)), max(set(s))", "'hello'", "('e', 'o')"),
    "order of ints": ("def f(s): return list(set(s))", "[3, 1, 2]", "[1, 2, 3]"),
    "order of colliding ints": ("def f(s):\n s = set(s) | {16}\n return list(s - {1})",
                                "[8, 0, 24]", None),
    "ints taken away": ("def f(s): return list({100, 3, 57, 9} - set(s))", "[3]", None),
    "two walks": ("def f(s):\n t = set(s)\n return list(t) == list(t), dict(zip(t, t))", "'ab'",
                  "(True, {'a': 'a', 'b': 'b'})"),
    "while not empty": ("def f(s):\n t, n = set(s), 0\n while t:\n  t.pop()\n  n += 1\n return n",
                        "'abc'", "3"),
    "changed while walked": (("def f(s):\n t = set(s)\n try:\n  for c in t: t.add(c * 2)\n"
                             " except RuntimeError as e: return str(e)"), "'ab'",
                             "'Set changed size during iteration'"),
    "kinds": (("def f(s): return [isinstance(x, set) for x in s], type(s[0]) == set, "
              "[type(x).__name__ for x in s]"), "[{'a', 'b'}, frozenset()]",
              "([True, False], True, ['set', 'frozenset'])"),
    "views": ("def f(d, e): return sorted(d.keys() & e.keys()), d.keys() - e == {'a'}",
              "{'a': 1, 'b': 2}, {'b': 3}", "(['b'], True)"),
    "given sets": ("def f(a, b): return a ^ b, a.issubset(b), a.isdisjoint({'z'})",
                   "{'a', 'b'}, {'b', 'c'}", "({'a', 'c'}, False, True)"),
    "set changed in place": ("def f(a):\n b = a\n b |= {'x'}\n b -= {'y'}\n return a, len(b)",
                             "{'y', 'z'}", "({'x', 'z'}, 2)"),
    "text of numbers": ("def f(x): return f'{x:>5}|%s|{x!r}' % x + str([x]) + format(x, 'b')", "5",
                        "'    5|5|5[5]101'"),
    "hexadecimal text": ("def f(x): return hex(x) + f' at {x:#x}'", "255", "'0xff at 0xff'"),
    "text of a class of its own": (("class P:\n def __init__(self, x): self.x = x\n"
                                   " def __repr__(self): return f'P({self.x})'\n"
                                   "def f(x): return str([P(x)])"), "3", "'[P(3)]'"),
    "an address that is thrown away": ("def f(x):\n print(object())\n return len(str(f)) > 3", "3",
                                       "True"),
    "a broad except": ("def f(x):\n try: return int(x)\n except Exception: return None", "'a1'",
                       "None"),
    "recursion under a broad except": (
        ("def f(x):\n def g(n): return 1 if n == 0 else 1 + g(n - 1)\n"
        " try: return g(x)\n except Exception: return -1"), "400", "401"),
    "f in f": ("def f(x): return {str(x)} if x == 0 else f(x - 1) | {str(x)}", "2",
               "{'0', '1', '2'}"),
    "an f of its own inside": ("def f(x):\n f = [x]\n return f'{f}'", "3", "'[3]'"),
    "cached": (("import functools\n@functools.lru_cache(maxsize=None)\ndef g(n):\n"
               " return n if n < 2 else g(n - 1) + g(n - 2)\ndef f(x): return str(g(x))"), "30",
               "'832040'"),
    "a parameter named like a builtin": ("def f(input, id): return input + id", "1, 2", "3"),
    "a local named like a builtin": ("def f(x):\n hash = x + 1\n return [hash for _ in 'ab']", "1",
                                     "[2, 2]"),
    "arguments changed in place": ("def f(x, d):\n x.sort()\n d['k'] = {*x}\n return x, d",
                                   "['b', 'a'], {}", "(['a', 'b'], {'k': {'a', 'b'}})"),
    "rounding of an int": ("import math\ndef f(x): return math.ceil(x) + math.floor(x) * 10", "3",
                           "33"),
    "a pattern": ("def f(x):\n match x:\n  case set(): return 'set'\n  case [*_]: return 'row'",
                  "{'a'}", "'set'"),
    "a format inside a format": ("def f(x, n): return f'{x:>{n}}' + f'{str(x):{\"*\"}^{n}}'",
                                 "7, 3", "'  7*7*'"),
    "a class made of set": (("class S(set):\n def first(self): return min(self)\n"
                            "def f(x):\n s = S(x)\n return [isinstance(y, S) for y in (s, {1})],"
                            " s.first(), type(s) == S, S == set"), "'ba'",
                            "([True, False], 'a', True, False)"),
    "nested frozensets given": ("def f(x): return sorted(sorted(y) for y in x)",
                                "frozenset({frozenset({'a', 'b'}), frozenset({'c'})})",
                                "[['a', 'b'], ['c']]"),
    "types in a union": ("def f(x): return isinstance(x, set | list), set[str] is not None",
                         "{'a'}", "(True, True)"),
    "sets as default values": (("from collections import defaultdict\ndef f(x):\n"
                               " d = defaultdict(set)\n for c in x: d[c].add(x.count(c))\n"
                               " return dict(d)"), "'aab'", "{'a': {2}, 'b': {1}}"),
    "copies": (("import copy\ndef f(x):\n s = set(x)\n t = copy.deepcopy([s, copy.copy(s)])\n"
               " s.clear()\n return t"), "'ab'", "[{'a', 'b'}, {'a', 'b'}]"),
    "a walrus in a set": ("def f(x): return sorted({(y := c) for c in x}), y", "'a'",
                          "(['a'], 'a')"),
    "super and properties": (("class A(dict):\n def __init__(self, x):\n  super().__init__(k=x)\n"
                             " @property\n def text(self): return '%(k)s' % self\n"
                             "def f(x): return A(x).text"), "3", "'3'"),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
async def test_an_honest_program_gets_its_certificate(sandbox: Sandbox, name: str):
    program, args, wanted = HONEST[name]
    for _ in range(ROUNDS):
        found = await certify(sandbox, program=program, args=[args])
        assert isinstance(found, Certificate), found
        if wanted is not None:
            assert render(found.values[0]) == wanted


REFUSED = {
    "import math\ndef f(x): return math._x": "private name of math",
    "import enum as e\ndef f(x): return e.sys": "sys",
    "import statistics\ndef f(x): return statistics.random": "random",
    "from statistics import random\ndef f(x): return random.random()": "statistics.random",
    "import re\ndef f(x): return re._sys": "sys",
    "def f(x): return x.__hash__()": "__hash__",
    "def f(x):\n def g(): yield\n return g().gi_frame": "gi_frame",
    "def f(x):\n try: return 1\n except RecursionError: return 2": "RecursionError",
    "def f(x):\n try: return 1\n except (ValueError, MemoryError): return 2": "MemoryError",
    "import copy\ndef f(x): return copy.deepcopy(x, {})": "deepcopy",
    "import operator\ndef f(x): return operator.attrgetter('__class__')(x)": "attrgetter",
    "import operator\ndef f(x): return operator.methodcaller(x)(x)": "methodcaller",
    "def f(x):\n def g(hash): return hash\n return hash(x)": "hash",
    "def f(x): return [hash for hash in x] + [hash(x)]": "hash",
    "class A:\n id = 1\n def g(self): return id(self)\ndef f(x): return A().g()": "id",
    "def f(x):\n global id\n id = id\n return id(x)": "id",
}


@pytest.mark.parametrize("program", REFUSED)
async def test_the_screen_refuses(sandbox: Sandbox, program: str):
    inspection = await sandbox.inspect(program)
    assert inspection.problem.startswith("screen: ")
    assert REFUSED[program] in inspection.problem
    assert not inspection.twin


@pytest.mark.parametrize(
    "program",
    [
        "import json\ndef f(x): return json.decoder.JSONDecodeError('a', 'b', 0).pos",
        "import collections\ndef f(x): return collections.abc.Sized",
        "import copy\ndef f(x): return copy.deepcopy(x)",
        "import operator\ndef f(x): return operator.attrgetter('real', 'imag')(x)",
        "import re\ndef f(x): return re.sub(r'_a', '_b', x)",
        "from collections import namedtuple\ndef f(x): return namedtuple('P', 'a')(x)._asdict()",
        "def f(x):\n def g():\n  return input\n input = x\n return g()",
        "def f(x): return (lambda hash: hash + 1)(x)",
        (
            "class A:\n def __hash__(self): return 1\n def __eq__(self, o): return True\n"
            "def f(x): return len({A(), A()})"
        ),
    ],
)
async def test_the_screen_lets_pass(sandbox: Sandbox, program: str):
    assert (await sandbox.inspect(program)).problem == ""


@pytest.mark.skipif(not CRUXEVAL, reason="no folder shared/data/cruxeval beside this repository")
async def test_programs_of_others_are_certified_with_the_value_they_are_known_to_have(
    sandbox: Sandbox,
):
    rows = [json.loads(line) for line in read(CRUXEVAL[0]).splitlines()]
    num_certified = 0
    for row in rows[::8]:
        found = await certify(sandbox, program=row["code"], args=[row["input"]])
        if isinstance(found, Rejection):
            assert found.reason == "arguments", (row, found)  # calls and lambdas are no literals
        else:
            num_certified += 1
            assert render(found.values[0]) == render_of(row["output"]), row
    assert num_certified >= 0.9 * len(rows[::8])


def read(path: Path) -> str:
    return path.read_text("utf-8")


def render_of(literal: str) -> str:
    from sandbox.guest import canon
    from sandbox.guest.literal import parse_value

    return render(canon.encode(parse_value(literal), max_bytes=1 << 20))
