"""Values that are too big are refused as OUTPUT, unexpanded, within a guest's memory."""

import pytest

from sandbox import Call, Limits, Sandbox, Verdict, render

TIGHT = Limits(wall_s=60.0, cpu_s=10.0, memory_mb=128)
BOMBS = {
    "a text of 60 MB": "return 'a' * (60 << 20)",
    "a text of 60 MB outside of ASCII": "return '\\u20ac' * (20 << 20)",
    "60 MB of bytes": "return b'a' * (60 << 20)",
    "a million references to one text of 1 MB": "return ['a' * (1 << 20)] * 10 ** 6",
    "the same as a tuple": "return ('a' * (1 << 20),) * 10 ** 6",
    "one reference too many": "return ['a'] * 20_000",
    "a dict of a million": "return dict.fromkeys(range(10 ** 6), ['a'] * 1000)",
    "a set of a million": "return set(range(10 ** 6))",
    "an int of ten million bits": "return 1 << 10 ** 7",
    "a negative one": "return [-(1 << 10 ** 7)]",
    "an int one bit too long": "return 1 << 14_280",
    "shared parts, doubled 60 times": "v = [0]\n for _ in range(60): v = [v, v]\n return v",
    "shared parts of a dict": "v = {}\n for _ in range(40): v = {1: v, 2: v, 3: v}\n return v",
    "shared parts of frozensets":
        "v = frozenset([0])\n for _ in range(30): v = frozenset([v, (v,), ((v,),)])\n return v",
    "shared texts": "v = ['a' * 60_000] * 2\n for _ in range(10): v = [v] * 10\n return v",
    "a list that holds itself": "v = []\n v.append(v)\n return v",
    "a dict that holds itself": "v = {}\n v[1] = v\n return v",
    "one level too deep": "v = 1\n for _ in range(65): v = (v,)\n return v",
    "a hundred thousand levels": "v = 1\n for _ in range(10 ** 5): v = [v]\n return v",
    "surrogates that grow": "return '\\ud800' * 40_000",
}  # fmt: skip


@pytest.fixture(scope="module")
async def tight():
    async with Sandbox(workers=1, limits=TIGHT) as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused_as_output(tight: Sandbox, name: str):
    outcome = await tight.run(Call(program=f"def f(x):\n {BOMBS[name]}", args=["1"]))
    assert outcome.verdict is Verdict.OUTPUT, outcome
    assert outcome.failed == 0
    assert not outcome.values
    assert outcome.cost.max_rss_mb < 140, "encoding has not expanded it"


async def test_what_is_just_within_the_limits_gets_out(tight: Sandbox):
    program = """
def f(kind):
    if kind == "int":
        return (1 << 14_280) - 1
    if kind == "nodes":
        return [None] * 19_999
    if kind == "text":
        return "a" * (65_536 - 5)
    value = 1
    for _ in range(64):
        value = (value,)
    return value
"""
    for kind in ("int", "nodes", "text", "depth"):
        outcome = await tight.run(Call(program=program, args=[repr(kind)]))
        assert outcome.verdict is Verdict.OK, (kind, outcome)
        assert render(outcome.values[0])


async def test_values_of_a_call_share_a_budget(tight: Sandbox):
    program = "def f(x): return 'a' * 60_000"
    outcome = await tight.run(Call(program=program, args=["1"] * 17))
    assert outcome.is_ok
    outcome = await tight.run(Call(program=program, args=["1"] * 18))
    assert (outcome.verdict, outcome.failed) == (Verdict.OUTPUT, 17)
