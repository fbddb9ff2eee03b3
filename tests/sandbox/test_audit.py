"""An audit tells agreement, mismatch and nothing apart, and blames no program for our failures."""

import pytest

from sandbox import (
    Agreement,
    Call,
    Inconclusive,
    Limits,
    Mismatch,
    Outcome,
    Sandbox,
    Verdict,
    audit,
    compare,
)
from sandbox.guest import canon


def encode(value: object) -> bytes:
    return canon.encode(value, max_bytes=4096)


ONE, TWO = encode(1), encode(2)


async def test_a_function_agrees_with_its_gold_in_either_family(sandbox: Sandbox):
    program = "def f(x): return sorted(set(x))"
    gold = [encode(["a", "b"]), encode([1])]
    for family in (0, 1):
        found = await audit(
            sandbox, program=program, args=["'aba'", "[1, 1]"], gold=gold, family=family
        )
        assert isinstance(found, Agreement)
        elsewhere = await audit(
            sandbox, program=program, args=["'ab'"], gold=gold[:1], other_than=[found.seed]
        )
        assert isinstance(elsewhere, Agreement)
        assert elsewhere.seed != found.seed


MISMATCHES = {
    "another value": ("def f(x): return x + 1", 1),
    "another type": ("def f(x): return float(x)", 0),
    "an exception": ("def f(x): return 2 if x == 2 else 1 // 0", 0),
    "no plain value": ("def f(x): return 1 if x == 1 else object()", 1),
    "an exception at load": ("raise ValueError\ndef f(x): return x", None),
    "no program": ("def f(x", None),
    "a refused import": ("import os\ndef f(x): return x", None),
}


@pytest.mark.parametrize("name", MISMATCHES)
async def test_a_program_that_does_not_give_its_gold_is_found_out(sandbox: Sandbox, name: str):
    program, index = MISMATCHES[name]
    gold = [TWO, TWO] if name == "another value" else [ONE, TWO]
    found = await audit(sandbox, program=program, args=["1", "2"], gold=gold)
    assert isinstance(found, Mismatch), found
    assert found.index == index
    assert found.reason


INCONCLUSIVE = {
    "too slow": "def f(x):\n while True: pass",
    "too big": "def f(x): return [0] * 10 ** 9",
    "a value that these limits cut": "def f(x): return 'a' * 10 ** 6",
}


@pytest.mark.parametrize("name", INCONCLUSIVE)
async def test_spent_budgets_are_no_mismatch(sandbox: Sandbox, name: str):
    found = await audit(sandbox, program=INCONCLUSIVE[name], args=["1"], gold=[ONE])
    assert isinstance(found, Inconclusive), found


async def test_what_is_over_todays_limits_is_no_mismatch(sandbox: Sandbox):
    async with Sandbox(workers=1, limits=Limits(source_bytes=10)) as small:
        found = await audit(small, program="def f(x): return x", args=["1"], gold=[ONE])
    assert isinstance(found, Inconclusive)


@pytest.mark.parametrize("verdict", [Verdict.LOST, Verdict.TIMEOUT, Verdict.MEMORY])
def test_our_own_failures_are_no_mismatch(verdict: Verdict):
    assert isinstance(compare(Outcome(verdict=verdict, seed=7), [ONE]), Inconclusive)


def test_a_guest_that_the_kernel_killed_is_no_mismatch_but_a_crash_is():
    killed = Outcome(verdict=Verdict.CRASHED, error="SIGKILL", seed=7)
    assert isinstance(compare(killed, [ONE]), Inconclusive)
    crashed = Outcome(verdict=Verdict.CRASHED, error="SIGSEGV", seed=7)
    assert isinstance(compare(crashed, [ONE]), Mismatch)


def test_only_the_last_values_are_compared():
    outcome = Outcome(verdict=Verdict.OK, values=(TWO, ONE), seed=7)
    assert compare(outcome, [ONE]) == Agreement(seed=7)
    assert compare(outcome, [TWO]) == Mismatch(reason="another value", index=0)


async def test_an_audit_needs_a_gold_for_every_argument_list(sandbox: Sandbox):
    with pytest.raises(ValueError, match="one gold"):
        await audit(sandbox, program="def f(x): return x", args=["1", "2"], gold=[ONE])


async def test_no_guest_sees_the_gold(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    sent: list[Call] = []
    run = Sandbox.run

    async def spy(self: Sandbox, call: Call, **more: object) -> Outcome:
        sent.append(call)
        return await run(self, call, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Sandbox, "run", spy)
    await audit(sandbox, program="def f(x): return x * 3", args=["7"], gold=[encode(21)])
    assert sent == [Call(program="def f(x): return x * 3", args=["7"])]
