"""Generated programs: honest ones get what plain Python gives, hostile ones one verdict.

Hostile programs run with modules open to them that the product never opens, so that their pieces
reach the walls, and each is followed by an honest guest of the same zygotes.
"""

import ast
import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from hypothesis import event, given, settings
from hypothesis import strategies as st

from sandbox import (
    Call,
    Certificate,
    Inspection,
    Limits,
    Outcome,
    Rejection,
    Sandbox,
    Verdict,
    certify,
    spell,
)  # fmt: skip
from sandbox.guest import canon
from sandbox.modules import GUEST_MODULES
from tests.honest import MAX_BYTES, expected, honest_arguments, honest_programs
from tests.hostile import OPEN_MODULES, hostile_programs
from tests.sandbox.host import PATIENCE_S, Footprint, assert_sound, descendants, zygote_descriptors
from tests.strategies import argument_texts, encodables, garbage, spell_out

NUM_EXAMPLES = settings().max_examples
ECHO = "def f(*positional, **named):\n    return [list(positional), named]"
WITNESS = Call(
    program="import sys\n"
    "def f(x): return [int('3') + len([4, 5]), sorted(x), sys.getrecursionlimit(), str(x)]",
    args=["[2, 1]"],
)
WITNESSED = (canon.encode([5, [1, 2], 1000, "[2, 1]"], max_bytes=MAX_BYTES),)


@pytest_asyncio.fixture(scope="module")
async def open_sandbox() -> AsyncIterator[Sandbox]:
    modules = [name for name in OPEN_MODULES if importlib.util.find_spec(name)]
    limits = Limits(wall_s=20.0, cpu_s=1.0, memory_mb=64)
    async with Sandbox(workers=1, limits=limits, modules=(*GUEST_MODULES, *modules)) as pool:
        yield pool


async def run(
    sandbox: Sandbox, call: Call, *, family: int | None = None, limits: Limits | None = None
) -> Outcome:
    """A sound outcome, or a hang found out."""
    async with asyncio.timeout(PATIENCE_S):
        outcome = await sandbox.run(call, family=family, limits=limits)
    assert_sound(outcome, num_args=len(call.args))
    return outcome


# -- honest programs -------------------------------------------------------------------------------


@settings(max_examples=max(NUM_EXAMPLES, 100))
@given(honest_programs(), st.lists(honest_arguments(), min_size=1, max_size=2))
async def test_an_honest_program_gives_what_plain_python_gives(
    sandbox: Sandbox, program: str, args: list[str]
):
    wanted = [expected(program, text) for text in args]
    call = Call(program=program, args=args)
    outcomes = [await run(sandbox, call, family=family) for family in (0, 1)]
    certified = await certify(sandbox, program=program, args=args)
    failed = next((i for i, one in enumerate(wanted) if one.raised), None)
    if failed is None:
        gold = tuple(one.value for one in wanted)
        assert [outcome.values for outcome in outcomes] == [gold, gold], outcomes
        assert isinstance(certified, Certificate), certified
        assert certified.values == gold
    else:
        ends = [(outcome.verdict, outcome.error, outcome.failed) for outcome in outcomes]
        assert ends == [(Verdict.RAISED, wanted[failed].raised, failed)] * 2
        assert certified == Rejection(reason="raised", detail=wanted[failed].raised)


# -- argument texts --------------------------------------------------------------------------------


@given(st.lists(encodables(), min_size=1, max_size=4))
async def test_a_literal_arrives_as_its_value_and_has_one_spelling(
    sandbox: Sandbox, values: list[object]
):
    texts = [spell_out(value) for value in values]
    wanted = tuple(canon.encode(value, max_bytes=MAX_BYTES) for value in values)
    answers = await run(sandbox, Call(program=None, args=texts))
    echoes = await run(sandbox, Call(program="def f(v): return v", args=texts))
    assert answers.values == echoes.values == wanted
    spelled = await spell(sandbox, texts)
    assert isinstance(spelled, tuple)
    assert await spell(sandbox, spelled) == spelled
    assert (await run(sandbox, Call(program="def f(v): return v", args=spelled))).values == wanted


@given(st.lists(argument_texts(), min_size=1, max_size=4))
async def test_any_argument_text_is_a_literal_or_invalid(sandbox: Sandbox, texts: list[str]):
    for program in (ECHO, None):
        outcome = await run(sandbox, Call(program=program, args=texts))
        assert outcome.verdict in (
            Verdict.OK, Verdict.INVALID, Verdict.OUTPUT, Verdict.UNENCODABLE,
        )  # fmt: skip
        if outcome.verdict is Verdict.INVALID:
            assert outcome.error.startswith("arguments")
            assert outcome.failed is not None


@given(argument_texts())
async def test_what_is_read_is_what_python_reads(sandbox: Sandbox, text: str):
    try:
        value = canon.encode(ast.literal_eval(text.strip()), max_bytes=MAX_BYTES)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError, SyntaxWarning):
        return
    except (canon.OversizeError, canon.UnencodableError):
        value = b""
    outcome = await run(sandbox, Call(program=None, args=[text]))
    if outcome.is_ok:
        assert outcome.values == (value,)


# -- hostile programs ------------------------------------------------------------------------------


async def assert_contained(sandbox: Sandbox, call: Call, *, family: int) -> None:
    """One verdict; and host, zygotes and the next guests are as they were."""
    before, starts = Footprint.take(), sandbox.status().num_starts
    ours, theirs = set(descendants_of_host()), zygote_descriptors(sandbox)
    outcome = await run(sandbox, call, family=family, limits=replace(sandbox.limits, wall_s=0.3))
    event(outcome.verdict)
    for neighbour in (family, 1 - family):
        outcome = await run(sandbox, WITNESS, family=neighbour)
        assert outcome.values == WITNESSED, outcome
    assert Footprint.take().changed_since(before) == {}
    assert set(descendants_of_host()) == ours
    assert zygote_descriptors(sandbox) == theirs
    assert sandbox.status().num_starts == starts


def descendants_of_host() -> list[int]:
    return list(descendants(os.getpid()))


@given(
    hostile_programs(),
    st.just(["3"]) | st.lists(argument_texts(), min_size=1, max_size=2),
    st.integers(0, 1),
)
async def test_a_hostile_program_gets_one_verdict_and_changes_nothing(
    open_sandbox: Sandbox, program: str, args: list[str], family: int
):
    await assert_contained(open_sandbox, Call(program=program, args=args), family=family)


@given(hostile_programs(), st.integers(0, 1))
async def test_a_hostile_program_of_a_product_pool_gets_one_verdict(
    sandbox: Sandbox, program: str, family: int
):
    await assert_contained(sandbox, Call(program=program, args=["3"]), family=family)


@st.composite
def damaged_programs(draw: st.DrawFn) -> str:
    """Nearly a program: one of ours with a piece cut out or garbage put in."""
    text = draw(honest_programs() | hostile_programs())
    at, size = draw(st.integers(0, len(text))), draw(st.integers(0, 30))
    return text[:at] + draw(st.just("") | garbage) + text[at + size :]


@settings(max_examples=NUM_EXAMPLES // 2)
@given(damaged_programs() | garbage)
async def test_any_text_is_inspected_and_judged(sandbox: Sandbox, text: str):
    inspection = await sandbox.inspect(text)
    assert isinstance(inspection, Inspection)
    assert inspection.ok == (inspection.problem == "")
    assert inspection.problem.isascii()
    outcome = await run(sandbox, Call(program=text, args=["1"]))
    if inspection.problem.startswith("syntax"):
        assert outcome.verdict is Verdict.INVALID
