"""A certificate means: the same canonical values, in other processes, orders and hash seeds."""

import json
import platform

import pytest

from sandbox import Certificate, Limits, Rejection, Sandbox, certify, render
from sandbox.certify import NUM_DRAWS, POLICY

COUNTER = "n = [0]\ndef f(x):\n n[0] += 1\n return n[0]"
DEFAULT = "def f(x, seen=[]):\n seen.append(x)\n return len(seen)"
CACHE = "last = {}\ndef f(x):\n y = last.get('x', x)\n last['x'] = x\n return y"

REJECTED = {
    "no syntax": ("def f(", "syntax"),
    "no f": ("def g(x): return x", "no_f"),
    "an import of os": ("import os\ndef f(x): return x", "screen"),
    "an import of random": ("import random\ndef f(x): return random.random()", "screen"),
    "a dunder walk": ("def f(x): return ().__class__.__bases__", "screen"),
    "an eval": ("def f(x): return eval('1')", "screen"),
    "a hash": ("def f(x): return hash('a') & 1", "screen"),
    "a name that is not ASCII": ("def f(x):\n \u00e9 = 1\n return \u00e9", "screen"),
    "an exception": ("def f(x): return 1 // 0", "raised"),
    "SystemExit": ("def f(x): raise SystemExit(0)", "raised"),
    "an object": ("class A: pass\ndef f(x): return A()", "unencodable"),
    "a loop": ("def f(x):\n while True: pass", "timeout"),
    "a 5 GB list": ("def f(x): return len([0] * 10 ** 9)", "memory"),
    "a long text": ("def f(x): return 'a' * 10 ** 6", "output"),
    "the order of a set": ("def f(x): return list(set(map(str, range(20))))", "nondeterministic"),
    "an address": ("class A: pass\ndef f(x): return repr(A())", "nondeterministic"),
    "an answer that counts calls": (COUNTER, "mutates"),
    "a default that grows": (DEFAULT, "mutates"),
    "an answer that depends on the last": (CACHE, "mutates"),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
async def test_a_program_is_rejected_for(sandbox: Sandbox, name: str):
    program, reason = REJECTED[name]
    found = await certify(sandbox, program=program, args=["3", "4"])
    assert isinstance(found, Rejection)
    assert found.reason == reason, found


async def test_one_argument_list_is_enough_to_see_a_counter(sandbox: Sandbox):
    found = await certify(sandbox, program=COUNTER, args=["3"])
    assert isinstance(found, Rejection)
    assert found.reason == "mutates"


async def test_arguments_that_are_no_literals_are_rejected(sandbox: Sandbox):
    found = await certify(sandbox, program="def f(x): return x", args=["1", "g(1)"])
    assert isinstance(found, Rejection)
    assert found.reason == "arguments"


async def test_a_function_gets_a_certificate(sandbox: Sandbox):
    program = "def f(x):\n x.append(len(x))\n return sorted(x, reverse=True)"
    found = await certify(sandbox, program=program, args=["[3]", "[]"])
    assert isinstance(found, Certificate)
    assert [render(value) for value in found.values] == ["[3, 1]", "[0]"]
    assert len(set(found.seeds)) == 2
    assert found.num_runs == 6
    assert json.loads(json.dumps(found.to_dict()))["texts"] == ["[3, 1]", "[0]"]


async def test_a_certificate_tells_how_it_was_made(sandbox: Sandbox):
    plain = await certify(sandbox, program="def f(x): return x + 1", args=["1", "2"])
    assert isinstance(plain, Certificate)
    assert (plain.num_guests, plain.num_runs, plain.num_draws) == (2, 2 + 4, 0)
    sets = await certify(sandbox, program="def f(x): return len({str(x), 'a'})", args=["1", "2"])
    assert isinstance(sets, Certificate)
    assert (sets.num_guests, sets.num_draws) == (4, NUM_DRAWS)
    assert sets.num_runs == 2 + 4 + 2 * NUM_DRAWS
    assert len(set(sets.seeds)) == len(sets.seeds) >= 3
    assert sets.cost.cpu_s > 0
    facts = json.loads(json.dumps(sets.to_dict()))
    assert facts["policy"] == POLICY
    assert facts["python"] == platform.python_version()
    assert facts["seeds"] == list(sets.seeds)
    assert facts["inspection"]["leaves_open"]
    assert "twin" not in facts["inspection"]


async def test_a_program_that_can_have_no_twin_is_asked_of_every_hash_seed(sandbox: Sandbox):
    program = "def f(x):\n set = frozenset\n return len(set(x))"
    inspection = await sandbox.inspect(program)
    assert (inspection.leaves_open, inspection.twin) == (True, "")
    found = await certify(sandbox, program=program, args=["'abc'"])
    assert isinstance(found, Certificate)
    assert len(set(found.seeds)) == sandbox.num_zygotes == 4
    assert found.num_draws == 0


async def test_a_program_that_compiles_and_is_nested_too_deep_to_look_at_is_refused(
    sandbox: Sandbox,
):
    program = "def f(x): return " + " + ".join(["x"] * 900)
    found = await certify(sandbox, program=program, args=["1"])
    assert found == Rejection(reason="screen", detail="nested too deep")
    program = "def f(x): return " + " + ".join(["x"] * 200)
    assert isinstance(await certify(sandbox, program=program, args=["1"]), Certificate)


async def test_small_outputs_do_not_cut_an_inspection():
    limits = Limits(output_bytes=4096)
    async with Sandbox(workers=1, limits=limits) as small:
        program = "def f(x):\n" + " x = f'{x}'\n" * 200 + " return x"
        found = await certify(small, program=program, args=["1"])
    assert isinstance(found, Certificate), found
    assert len(found.inspection.twin) > limits.output_bytes


async def test_draws_that_are_too_much_for_one_guest_are_spread(sandbox: Sandbox):
    program = "def f(x):\n s = {str(i) for i in range(300_000)}\n return len(s)"
    found = await certify(sandbox, program=program, args=["1"])
    assert isinstance(found, Certificate), found
    assert found.num_guests > 4
    assert found.num_runs == 1 + 2 + NUM_DRAWS


async def test_certify_without_arguments_is_a_mistake(sandbox: Sandbox):
    with pytest.raises(ValueError, match="args"):
        await certify(sandbox, program="def f(): return 1", args=[])


async def test_renaming_and_comments_keep_the_normal_form(sandbox: Sandbox):
    a = await sandbox.inspect("def f(x):\n    '''Doc.'''\n    y = x + 1  # more\n    return y")
    b = await sandbox.inspect("def f(value):\n  result = value + 1\n  return result")
    c = await sandbox.inspect("def f(x):\n    y = x + 2\n    return y")
    d = await sandbox.inspect("def f(x):\n    y = x - 1\n    return y")
    assert a.ok
    assert a.normal_form == b.normal_form != c.normal_form
    assert a.shape == b.shape == c.shape != d.shape


@pytest.mark.parametrize(
    ("program", "trivial", "params"),
    [
        ("def f(x): return x", True, (1, 1)),
        ("def f(): return [1, (2, -3)]", True, (0, 0)),
        ("def f(x, y=1): pass", True, (1, 2)),
        ("def f(*x): return x[0]", False, (0, 255)),
        ("def f(x): return x + 1", False, (1, 1)),
    ],
)
async def test_an_inspection_tells(sandbox: Sandbox, program: str, trivial: bool, params):
    found = await sandbox.inspect(program)
    assert (found.problem, found.trivial, found.num_params) == ("", trivial, params)


@pytest.mark.parametrize(
    "source", ["(" * 5000, "x = " + "-" * 50_000 + "1", "\0", "\ud800", "a" * 99_999]
)
async def test_a_bomb_for_the_parser_is_a_problem_and_no_more(sandbox: Sandbox, source: str):
    found = await sandbox.inspect(source)
    assert not found.ok
    assert found.problem
    assert (await sandbox.inspect("def f(x): return x")).ok
