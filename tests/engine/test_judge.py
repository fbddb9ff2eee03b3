"""The judge with a real sandbox: what is a task, and what is a right answer."""

import pytest

from engine.play.judge import LOST, Gates, Rejected, admit, judge
from engine.play.reward import Judgement
from engine.prompts import Proposal
from engine.tasks.task import Task
from engine.wire.messages import Kind
from sandbox import Call, Outcome, Sandbox, Verdict

GATES = Gates(reject_trivial=True, max_value_chars=200, max_program_chars=2000)


async def admitted(sandbox, program, *args, kind=Kind.DEDUCTION, gates=GATES, message=""):
    proposal = Proposal(program=program, args=args, message=message)
    return await admit(sandbox, kind, proposal, gates=gates)


# -- what is no task


async def test_t09_a_long_list_is_compared_whole(sandbox):
    """What AZR cut in the middle: an answer that differs in one place of 300 is wrong."""
    program = "def f(n):\n    return [i * i % 97 for i in range(n)]"
    proposal = Proposal(program=program, args=("300",), message="")
    gates = Gates(reject_trivial=True, max_value_chars=10_000, max_program_chars=1000)
    task = await admit(sandbox, Kind.DEDUCTION, proposal, gates=gates)
    gold = [i * i % 97 for i in range(300)]
    assert await judge(sandbox, task, str(gold)) is Judgement.RIGHT
    for place in (0, 150, 299):
        other = [*gold[:place], gold[place] + 1, *gold[place + 1 :]]
        assert await judge(sandbox, task, str(other)) is Judgement.WRONG
    assert "..." not in task.examples[0].shown


async def test_t09_a_text_of_100_kb_is_too_long_and_says_so(sandbox):
    found = await admitted(sandbox, "def f(s):\n    return s * 100_000", "'a'")
    assert found.fate in ("too_long", "output")


UNSTABLE = {
    "hash of a string": "def f(s):\n    return s.__hash__() % 1000",
    "builtin hash": "def f(s):\n    return hash(s) % 1000",
    "id": "def f(s):\n    return id(s)",
    "counter": "n = [0]\ndef f(s):\n    n[0] += 1\n    return s * n[0]",
    "counter in a default": "def f(s, seen=[]):\n    seen.append(s)\n    return len(seen)",
    "urandom": "import os\ndef f(s):\n    return os.urandom(4).hex()",
    "uuid": "import uuid\ndef f(s):\n    return s + str(uuid.uuid4())",
    "clock": "import time\ndef f(s):\n    return s + str(time.time())",
    "random": "import random\ndef f(s):\n    return s + str(random.random())",
    "environment": "import os\ndef f(s):\n    return s + str(os.environ)",
    "set order": "def f(s):\n    return ''.join({c + s for c in 'abcdefghijklmnop'})",
    "frozenset order": "def f(s):\n    return list(frozenset(s * 2 + 'abcdefghijklmnop'))[0] + s",
    "address in a repr": "def f(s):\n    return s + repr(lambda: s)",
    "object address": "def f(s):\n    return s + str(object())",
}


@pytest.mark.parametrize("name", UNSTABLE)
async def test_t07_a_program_that_is_no_function_of_its_arguments_is_no_task(sandbox, name):
    found = await admitted(sandbox, UNSTABLE[name], "'kelvin'")
    assert isinstance(found, Rejected), f"admitted with gold {found.examples[0].shown}"
    assert found.fate in ("screen", "nondeterministic", "mutates", "forbidden")


@pytest.mark.parametrize(
    ("program", "args", "fate"),
    [
        ("def f(x):\n    return 1 +", "1", "syntax"),
        ("def g(x):\n    return x + 1", "1", "no_f"),
        ("def f(x):\n    return eval(x)", "'1'", "screen"),
        ("def f(x):\n    return open(x).read()", "'/etc/passwd'", "screen"),
        ("def f(x):\n    return x / 0", "1", "raised"),
        ("def f(x):\n    raise StopIteration", "1", "raised"),
        ("def f(x):\n    raise SystemExit(0)", "1", "raised"),
        ("def f(x):\n    return (y for y in x)", "[1]", "unencodable"),
        ("def f(x):\n    return x + 1", "1) + f(2", "arguments"),
        ("def f(x):\n    return x + 1", "len('a')", "arguments"),
        ("def f(x):\n    return x + 1", "*[1]", "arguments"),
        ("def f(x):\n    return x", "1", "trivial"),
        ("def f(x):\n    return 7", "1", "trivial"),
        ("def f(x):\n    print(x)", "1", "trivial"),
        ("def f(x):\n    y = x\n    return y", "[1, 2]", "trivial"),
        ("def f(x):\n    return x * 300", "'a'", "too_long"),
        ("def f(x):\n    return len(x)", repr("a" * 300), "too_long"),
        ("def f(x):\n    return x + 1" + " " * 2000, "1", "too_long"),
    ],
)
async def test_what_is_no_task_says_why_in_one_word(sandbox, program, args, fate):
    found = await admitted(sandbox, program, args)
    assert isinstance(found, Rejected)
    assert found.fate == fate


async def test_an_induction_task_whose_results_are_all_equal_is_no_task(sandbox):
    program = "def f(x):\n    y = x * 0\n    return y"
    found = await admitted(sandbox, program, "1", "2", "3", kind=Kind.INDUCTION, message="m")
    assert found == Rejected(fate="trivial", detail=found.detail)


async def test_a_certified_proposal_is_a_task_with_the_sandboxs_own_gold(sandbox, make_task):
    program = "def f(xs, k=2):\n    return {x * k: (x,) for x in xs}"
    task = await admitted(sandbox, program, "[3, 1]")
    assert isinstance(task, Task)
    same = make_task(Kind.DEDUCTION, program, ("[3, 1]", {6: (3,), 2: (1,)}))
    assert task.examples[0].gold == same.examples[0].gold
    assert (task.id, task.program) == (same.id, program)
    assert task.normal_form
    assert '"seeds"' in task.certificate


# -- answers to deduction: the table of values

VALUES = [
    # value of f, answers that are right, answers that are wrong or no literal
    ("True", ["True", " True "], ["1", "1.0", "'True'", "true", "not False"]),
    ("1", ["1", "+1", "0x1", "1  # one"], ["True", "1.0", "'1'", "(1,)", "2 - 1", "int(1)"]),
    ("6.0", ["6.0", "6.", "60e-1"], ["6", "'6.0'", "6.000001", "float(6)"]),
    ("(1, 2)", ["(1, 2)", "1, 2", "(1,2,)"], ["[1, 2]", "{1, 2}", "(2, 1)"]),
    ("[1, 2]", ["[1, 2]", "[1,2]"], ["(1, 2)", "[1, 2, ]]", "[2, 1]", "list((1, 2))"]),
    ("-0.0", ["-0.0"], ["0.0", "0", "-0"]),
    ("0.0", ["0.0"], ["-0.0", "0", "False"]),
    ("float('nan')", ["float('nan')", "nan"], ["0.0", "float('inf')", "None"]),
    ("float('inf')", ["float('inf')", "inf", "1e999"], ["float('-inf')", "nan"]),
    ("{3, 1}", ["{1, 3}", "{3, 1}"], ["[1, 3]", "frozenset({1, 3})", "{1}", "{1, 3.0}"]),
    ("frozenset({1})", ["frozenset({1})"], ["{1}", "[1]"]),
    ("set()", ["set()"], ["{}", "frozenset()", "[]"]),
    ("{}", ["{}"], ["set()", "[]", "dict()"]),
    ("{'b': 1, 'a': 2}", ["{'a': 2, 'b': 1}"], ["{'a': 1, 'b': 2}", "{'a': 2}"]),
    ("[(1, {'k': {2}}), None]", ["[(1, {'k': {2}}), None]"],
     ["[[1, {'k': {2}}], None]", "[(1, {'k': [2]}), None]", "[(True, {'k': {2}}), None]"]),
    ("b'a'", ["b'a'"], ["'a'", "b'b'", "bytearray(b'a')"]),
    ("'a'", ["'a'", '"a"', "'\\x61'"], ["a", "b'a'", "['a']", "f'a'", "'a' or 1"]),
    ("2 ** 200", [str(2**200), hex(2**200)], [str(2**200 + 1), "2 ** 200", "1.6e60"]),
    ("1 + 2j", ["1+2j", "(1 + 2j)"], ["1", "2j", "1-2j"]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "right", "wrong"), VALUES, ids=[row[0] for row in VALUES])
async def test_t10_a_deduction_answer_is_right_exactly_if_it_is_the_same_value(
    sandbox, value, right, wrong
):
    task = await admitted(sandbox, f"def f(x):\n    y = {value}\n    return y", "7")
    assert isinstance(task, Task), task
    for answer in right:
        assert await judge(sandbox, task, answer) is Judgement.RIGHT, answer
    for answer in wrong:
        assert await judge(sandbox, task, answer) in (Judgement.WRONG, Judgement.MALFORMED), answer


@pytest.mark.parametrize(
    "program",
    [
        "from collections import Counter\ndef f(x):\n    return Counter(x)",
        "from collections import deque\ndef f(x):\n    return deque(x)",
        "from decimal import Decimal\ndef f(x):\n    return Decimal(1)",
        "from fractions import Fraction\ndef f(x):\n    return Fraction(1, 3)",
        "from dataclasses import dataclass\n@dataclass\nclass P: a = 1\ndef f(x): return P()",
        "class Int(int):\n    __slots__ = ()\ndef f(x):\n    return Int()",
    ],
)
async def test_t10_a_value_without_a_canonical_form_makes_no_task(sandbox, program):
    found = await admitted(sandbox, program, "'aab'")
    assert isinstance(found, Rejected)
    assert found.fate == "unencodable"


# -- answers to the other kinds


@pytest.mark.parametrize(
    ("answer", "judgement"),
    [
        ("3, 4", Judgement.RIGHT),
        ("6, 2", Judgement.RIGHT),
        ("k=3, x=4", Judgement.RIGHT),
        ("3, 5", Judgement.WRONG),
        ("12.0, 1", Judgement.WRONG),
        ("12", Judgement.WRONG),
        ("3, 4) or f(1, 1", Judgement.MALFORMED),
        ("3, 4) == 12 or (1", Judgement.MALFORMED),
        ("int(12), 1", Judgement.MALFORMED),
        ("*(3, 4)", Judgement.MALFORMED),
        ("", Judgement.WRONG),
    ],
)
async def test_an_abduction_answer_is_right_if_it_gives_the_gold(sandbox, answer, judgement):
    task = await admitted(sandbox, "def f(x, k):\n    return x * k", "2, 6", kind=Kind.ABDUCTION)
    assert await judge(sandbox, task, answer) is judgement


@pytest.mark.parametrize(
    ("answer", "judgement"),
    [
        ("def f(x):\n    return x + x", Judgement.RIGHT),
        ("def f(x):\n    return x * 2 if x < 3 else 0", Judgement.WRONG),
        ("def f(x):\n    return {1: 2, 2: 4}[x]", Judgement.WRONG),
        ("def f(x):\n    return float(x + x)", Judgement.WRONG),
        ("def g(x):\n    return x + x", Judgement.WRONG),
        ("def f(x): return", Judgement.WRONG),
        ("not python:", Judgement.WRONG),
    ],
)
async def test_an_induction_answer_is_right_if_it_gives_all_hidden_golds(
    sandbox, answer, judgement
):
    program = "def f(x):\n    return x * 2"
    task = await admitted(
        sandbox, program, "1", "2", "3", "4", kind=Kind.INDUCTION, message="doubles"
    )
    assert [example.args for example in task.hidden] == ["3", "4"]
    assert await judge(sandbox, task, answer) is judgement


# -- our own failures


@pytest.mark.parametrize("kind", Kind)
async def test_a_lost_call_is_a_lost_verdict_whatever_was_answered(make_task, monkeypatch, kind):
    async def lost(self, call, **_more):
        return Outcome(verdict=Verdict.LOST)

    monkeypatch.setattr(Sandbox, "run", lost)
    task = make_task(kind, "def f(x):\n    return [x]", *[(str(i), [i]) for i in range(4)])
    for answer in ("1", "[0]", "def f(x):\n    return [x]", "9 ** 9"):
        assert await judge(Sandbox(), task, answer) is Judgement.LOST


@pytest.mark.parametrize("step", [0, 1, 2])
async def test_a_proposal_that_is_lost_at_any_step_is_lost(sandbox, monkeypatch, step):
    whole = Sandbox._run
    num_calls = 0

    async def lost_at_a_step(self, call, **more):
        nonlocal num_calls
        num_calls += 1
        if num_calls == step + 1:
            return Outcome(verdict=Verdict.LOST)
        return await whole(self, call, **more)

    monkeypatch.setattr(Sandbox, "_run", lost_at_a_step)
    found = await admitted(sandbox, "def f(x):\n    return x + 1", "1")
    assert isinstance(found, Rejected)
    assert found.fate == LOST


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("3,4", "3, 4"),
        ("3, 4 # the result is 12", "3, 4"),
        ("0x3, k = 4", "3, k=4"),
        ('"a" "b", 4', "'ab', 4"),
        ("'\u00e9', 2", "'\\xe9', 2"),
    ],
)
async def test_arguments_are_kept_in_one_spelling_without_comments(sandbox, written, kept):
    task = await admitted(sandbox, "def f(x, k):\n    return x * k", written)
    assert isinstance(task, Task), task
    assert task.examples[0].args == kept


async def test_inputs_that_are_equal_in_other_words_show_no_hidden_gold(sandbox):
    program = "def f(x):\n    return x * 3"
    found = await admitted(
        sandbox, program, "1", "2", "+1", "0x2", kind=Kind.INDUCTION, message="triples"
    )
    assert isinstance(found, Rejected)
    assert found.fate == "few_inputs"


async def test_the_gold_is_that_of_the_arguments_as_they_are_shown(sandbox):
    task = await admitted(sandbox, "def f(d):\n    return list(d)", "{'b': 1, 'a': 2}")
    assert isinstance(task, Task), task
    assert await judge(sandbox, task, task.examples[0].shown) is Judgement.RIGHT
    again = await sandbox.run(Call(program=task.program, args=[task.examples[0].args]))
    assert again.values == (task.examples[0].gold,)


async def test_an_abduction_answer_that_is_right_by_a_coin_toss_is_not_right(sandbox):
    coin = "def f(s):\n    return ''.join(set(s))[:1] * 2"
    task = await admitted(sandbox, coin, "'x'", kind=Kind.ABDUCTION)
    assert isinstance(task, Task), task
    letters = repr("x" + "".join(map(chr, range(0x4E00, 0x4E00 + 500))))
    verdicts = [await judge(sandbox, task, letters) for _ in range(12)]
    assert set(verdicts) == {Judgement.WRONG}
    assert await judge(sandbox, task, "'x'") is Judgement.RIGHT


# -- error deduction

GUARDED = """
class Cold(Exception):
    pass

def f(x):
    if x < 0:
        raise Cold("below")
    return [10 // x, {1: 'a'}[x]]
"""


@pytest.mark.parametrize(
    ("args", "gold", "wrong"),
    [
        ("1", "NoError", ["ValueError", "None", "", "no error"]),
        ("2", "KeyError", ["NoError", "LookupError", "keyerror", "KeyError or NoError"]),
        ("0", "ZeroDivisionError", ["ArithmeticError", "division by zero", "1 / 0"]),
        ("-1", "Cold", ["Exception", "NoError", "Cold Exception", "Cold.Exception"]),
    ],
)
async def test_an_error_answer_is_right_exactly_if_it_names_the_class(sandbox, args, gold, wrong):
    task = await admitted(sandbox, GUARDED, args, kind=Kind.ERROR)
    assert isinstance(task, Task), task
    assert (task.program, task.examples[0].shown) == (GUARDED, repr(gold))
    for answer in (
        gold,
        f" {gold}\n",
        f"'{gold}'",
        f"`{gold}`",
        f"{gold}: some words",
        f"a.module.{gold}: its words",
    ):
        assert await judge(sandbox, task, answer) is Judgement.RIGHT, answer
    for answer in wrong:
        assert await judge(sandbox, task, answer) in (Judgement.WRONG, Judgement.MALFORMED), answer


@pytest.mark.parametrize(
    ("program", "fate"),
    [
        ("def f(x):\n    raise SystemExit(1)", "raised"),
        ("def f(x):\n    while True: pass", "timeout"),
        ("def f(x):\n    if hash(str(x)) % 2:\n        raise ValueError\n    return x", "screen"),
        ("def f(x):\n    return 7", "trivial"),
        ("def f(x:\n    return 7", "syntax"),
    ],
)
async def test_what_is_no_error_task_says_why_in_one_word(sandbox, program, fate):
    found = await admitted(sandbox, program, "3", kind=Kind.ERROR)
    assert isinstance(found, Rejected)
    assert found.fate == fate


CALLS_ITSELF = """
def f(n):
    if n == 0:
        raise LookupError
    return f(n - 1) + 1
"""
SHADOWS = """
def type(x):
    return Exception

def globals():
    return {}

def f(x):
    return [1, 2][x]
"""
OVERFLOWS = """
import decimal

def f(x):
    return decimal.Decimal(x) / decimal.Decimal(0)
"""
RETURNS_A_SUM_OF_ITSELF = "def f(n):\n    return n if n < 1 else f(n - 1) + n"


@pytest.mark.parametrize(
    ("program", "gold"),
    [
        (CALLS_ITSELF, "LookupError"),
        (RETURNS_A_SUM_OF_ITSELF, "NoError"),
        (SHADOWS, "IndexError"),
        (OVERFLOWS, "DivisionByZero"),
    ],
)
async def test_the_gold_of_an_error_task_is_how_f_ends_where_nothing_is_around_it(
    sandbox, program, gold
):
    task = await admitted(sandbox, program, "3", kind=Kind.ERROR)
    assert isinstance(task, Task), task
    assert task.examples[0].shown == repr(gold)
    assert task.names_errors


NAMED = "def f(x):\n    raise type({name!r}, (Exception,), {{}})"


@pytest.mark.parametrize(
    ("program", "fate"),
    [
        ("def f(x):\n    return [x]\n\n@lambda g: lambda h: lambda x: 'Sure'", "syntax"),
        ("class NoError(Exception): pass\n\ndef f(x):\n    raise NoError", "unencodable"),
        (NAMED.format(name="two words"), "unencodable"),
        (NAMED.format(name="ValueError: x"), "unencodable"),
        ("class Gr\xf6sse(Exception): pass\n\ndef f(x):\n    raise Gr\xf6sse", "unencodable"),
        ("def f(x):\n    raise MemoryError", "memory"),
    ],
)
async def test_an_error_that_no_answer_could_name_makes_no_task(sandbox, program, fate):
    found = await admitted(sandbox, program, "3", kind=Kind.ERROR)
    assert isinstance(found, Rejected), found
    assert found.fate in (fate, "screen")
