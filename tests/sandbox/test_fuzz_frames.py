"""The claim on the wire: whatever a guest writes, and however, the host keeps to its evidence.

A real guest, with ctypes and os open to it, writes drawn bytes to descriptor 3 with the call's own
token in them, in pieces of drawn size and pace, tries what else can be done to a socket, and ends
in a drawn way. The model below knows what each verdict must be.
"""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest_asyncio
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from sandbox import Call, Limits, Outcome, Sandbox, Verdict
from sandbox.guest import canon, claim
from sandbox.guest.claim import Kind, max_frame
from sandbox.judge import End, judge
from sandbox.modules import GUEST_MODULES
from tests.sandbox.host import (
    PATIENCE_S,
    Footprint,
    assert_sound,
    forget_peak,
    resident_mb,
    zygote_descriptors,
)
from tests.strategies import encodables, spell_out

TOKEN = b"\xa5kelvin\x5a"
"""Stands for the call's token; the guest puts the real one in its place."""
LIMITS = Limits(wall_s=15.0, cpu_s=10.0, output_bytes=256)
ENDLESS, SHORT = ("loop", "drip"), replace(LIMITS, wall_s=0.4)
WRITER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)

def token():
    frame = sys._getframe()
    while frame is not None:
        if hasattr(frame.f_locals.get('job'), 'token'):
            return frame.f_locals['job'].token
        frame = frame.f_back

def write(data, size, spin):
    for at in range(0, len(data), size):
        os.write(3, data[at:at + size])
        for _ in range(spin):
            pass

def f(data, size, spin, tricks, end):
    for trick in tricks:
        libc.syscall(*trick, 0, 0, 0)
    write(data.replace(PLACE, token()), size, spin)
    while end == 'drip':
        write(b'x', 1, 2_000_000)
    while end == 'flood':
        write(bytes(1 << 20), 1 << 20, 0)
    while end == 'loop':
        pass
    if end == 'exit':
        os._exit(0)
    if end == 'fail':
        os._exit(1)
    if end == 'segv':
        ctypes.string_at(0)
    return 7
""".replace("PLACE", repr(TOKEN))
TRICKS = [
    [3, 3],  # close the socket
    [48, 3, 1],  # shut it down for writing
    [48, 3, 2],
    [32, 3],  # duplicate it
    [46, 3, 0, 0],  # send a message with ancillary data
    [44, 3, 0, 0],  # send
    [45, 3, 0, 9],  # receive
    [72, 3, 4, 2048],  # make it non-blocking
    [54, 3, 1, 7],  # shrink its buffer
    [62, 0, 9],  # kill the process group
    [0, 3],  # read
]
"""System calls by number, for x86; elsewhere they are others, and refused just the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Bytes of a guest and what a claim they make; an OK without values claims nothing."""

    data: bytes
    claimed: Verdict | None = None
    values: tuple[bytes, ...] = ()
    error: str = ""
    failed: int | None = None


UNPRINTABLE = "\x00\x1b\n~"
_CLAIMABLE = {kind: Verdict[kind.name] for kind in Kind}


@st.composite
def good_frames(draw: st.DrawFn, num_values: int) -> Written:
    """One frame that is right in every respect for a call of so many argument lists."""
    kind = draw(st.sampled_from(Kind))
    encoded = st.builds(lambda value: canon.encode(value, max_bytes=1 << 20), encodables())
    values = draw(st.lists(encoded, min_size=num_values, max_size=num_values))
    failed = draw(st.none() | st.integers(0, num_values - 1)) if kind else None
    error = draw(st.text("ab_ :." + UNPRINTABLE, max_size=claim.MAX_ERROR))
    sent = values if kind is Kind.OK else []
    return Written(
        data=claim.pack(TOKEN, kind, failed=failed, error=error, values=sent),
        claimed=_CLAIMABLE[kind],
        values=tuple(sent),
        error=error.translate(dict.fromkeys(map(ord, UNPRINTABLE), "?")),
        failed=failed,
    )


@st.composite
def damaged_frames(draw: st.DrawFn, num_values: int) -> Written:
    """One that was right, and then was cut, doubled, padded or given a size that lies."""
    good = draw(good_frames(num_values)).data
    at = draw(st.integers(0, len(good)))
    lie = draw(st.sampled_from([b"\0\0\0\0", b"\0\0\0\1", b"\x40\0\0\0", b"\xff\xff\xff\xff"]))
    bad = draw(
        st.sampled_from([
            good[:at],
            good + good,
            good + good[:at],
            good[:at] + b"\xff" + good[at:],
            b"\xff" * at + good,
            lie + good[4:],
            good[:at] + lie + good[at + 4 :],
            good.replace(TOKEN, bytes(8)),
            bytes(at),
        ])
    )  # fmt: skip
    # A lie within an error text or a value can leave the frame in order.
    assume(bad[:4] != good[:4] or len(bad) != len(good) or TOKEN not in bad)
    return Written(data=bad)


def written(num_values: int) -> st.SearchStrategy[Written]:
    """Anything, at most one frame of it in order."""
    return (
        good_frames(num_values)
        | damaged_frames(num_values)
        | st.binary(max_size=40).map(lambda data: Written(data=data))
    )


# -- the judge on its own --------------------------------------------------------------------------


@given(written(2), st.integers(0, 3))
def test_a_frame_in_order_is_believed_and_no_other(sent: Written, num_values: int):
    end = End(status=0, cpu_s=0.0, frame=sent.data)
    found = judge(end, token=TOKEN, num_values=num_values, cpu_limit_s=1)
    fits = len(sent.values) == num_values if sent.claimed is Verdict.OK else (
        sent.claimed is not None and (sent.failed or 0) < max(num_values, 1)
    )  # fmt: skip
    if num_values == 2:
        assert fits == (sent.claimed is not None)
    if fits and (num_values or sent.failed is None):
        assert (found.verdict, found.values) == (sent.claimed, sent.values)
        assert (found.error, found.failed) == (sent.error, sent.failed)
    else:
        assert (found.verdict, found.values) == (Verdict.CRASHED, ())


@given(written(1), st.data())
def test_what_is_believed_can_be_written_in_one_way_only(sent: Written, data: st.DataObject):
    frame = bytearray(sent.data)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, max(0, len(frame) - 1)))
        frame[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    found = judge(
        End(status=0, cpu_s=0.0, frame=bytes(frame)), token=TOKEN, num_values=1, cpu_limit_s=1
    )
    if found.verdict is not Verdict.CRASHED:
        index = claim.NO_INDEX if found.failed is None else found.failed
        text = bytes(frame[18 : 18 + frame[17]])
        body = struct.pack(">8sBIB", TOKEN, Kind[found.verdict.name], index, len(text)) + text
        body += struct.pack(">I", len(found.values))
        body += b"".join(struct.pack(">I", len(value)) + value for value in found.values)
        assert bytes(frame) == struct.pack(">I", len(body)) + body


# -- a real guest on the other end -----------------------------------------------------------------


@pytest_asyncio.fixture(scope="module")
async def writers() -> AsyncIterator[Sandbox]:
    modules = (*GUEST_MODULES, "ctypes", "os")
    async with Sandbox(workers=1, limits=LIMITS, modules=modules) as pool:
        yield pool


def model(sent: Written, end: str, num_args: int) -> Written:
    """What the outcome must be."""
    verdict = Verdict.CRASHED
    cap = max_frame(num_args, LIMITS.total_bytes)
    if end == "return" and sent.data:
        sent = Written(data=sent.data + b"the harness's own frame")
    elif end == "return":
        sevens = (canon.encode(7, max_bytes=9),) * num_args
        sent = Written(data=b"", claimed=Verdict.OK, values=sevens)
    if len(sent.data) > cap or end == "flood":
        verdict = Verdict.OUTPUT
    elif end in ENDLESS:
        verdict = Verdict.TIMEOUT
    elif end in ("exit", "return") and sent.claimed is not None:
        return sent
    return Written(data=sent.data, claimed=verdict)


async def run(
    pool: Sandbox, sent: Written, end: str, *, num_args: int, size: int = 1 << 20, spin: int = 0,
    tricks: tuple[list[int], ...] = (),
) -> Outcome:  # fmt: skip
    """The outcome of a guest that writes and ends like this in its first call of f."""
    first = ", ".join(map(spell_out, (sent.data, size, spin, list(tricks), end)))
    rest = ["b'', 1, 0, [], ''"] * (num_args - 1)
    async with asyncio.timeout(PATIENCE_S):
        limits = SHORT if end in ENDLESS else LIMITS
        outcome = await pool.run(Call(program=WRITER, args=[first, *rest]), limits=limits)
    assert_sound(outcome, num_args=num_args)
    return outcome


ENDS = ["exit"] * 6 + ["return"] * 2 + ["fail", "segv", "loop", "flood"]


@example(Written(data=b""), "drip", 1, 1, 0, [])
@example(Written(data=b"\xff" * 9), "drip", 1, 1, 0, [])
@given(
    written(1) | written(2),
    st.sampled_from(ENDS),
    st.integers(1, 2),
    st.sampled_from([1, 2, 7, 1 << 20]),
    st.sampled_from([0, 0, 10, 1000]),
    st.lists(st.sampled_from(TRICKS), max_size=3),
)
async def test_a_guest_on_the_wire_gets_the_verdict_of_the_model(
    writers: Sandbox, sent: Written, end: str, num_args: int, size: int, spin: int,
    tricks: list[list[int]],
):  # fmt: skip
    claims_values = sent.claimed is Verdict.OK and len(sent.values) != num_args
    if claims_values or (sent.failed is not None and sent.failed >= num_args):
        sent = Written(data=sent.data)
    before, descriptors = Footprint.take(), zygote_descriptors(writers)
    wanted = model(sent, end, num_args)
    found = await run(
        writers, sent, end, num_args=num_args, size=size, spin=spin, tricks=tuple(tricks)
    )
    event(str(found.verdict))
    assert found.verdict is wanted.claimed, found
    assert found.values == wanted.values
    assert Footprint.take().changed_since(before) == {}
    assert zygote_descriptors(writers) == descriptors
    for family in (0, 1):
        after = await writers.run(Call(program="def f(x): return [x]", args=["1"]), family=family)
        assert after.values == (canon.encode([1], max_bytes=99),)


@settings(max_examples=20)
@given(st.integers(-3, 3), st.integers(1, 3), st.booleans())
async def test_the_cap_on_a_frame_is_exact(
    writers: Sandbox, over: int, num_args: int, is_whole: bool
):
    cap = max_frame(num_args, LIMITS.total_bytes)
    size = 1 << 20 if is_whole else 4096
    found = await run(
        writers, Written(data=bytes(cap + over)), "exit", num_args=num_args, size=size
    )
    assert found.verdict is (Verdict.OUTPUT if over > 0 else Verdict.CRASHED)


async def test_a_flood_is_not_held_in_memory(writers: Sandbox):
    nothing = Written(data=b"")
    await run(writers, nothing, "flood", num_args=1)
    forget_peak()
    before = resident_mb()
    for _ in range(10):
        found = await run(writers, nothing, "flood", num_args=1)
        assert found.verdict is Verdict.OUTPUT
    assert resident_mb("VmHWM") < before + 8


async def test_sizes_that_lie_cost_no_memory(writers: Sandbox):
    good = claim.pack(TOKEN, Kind.OK, values=[b"L\x3f\xff\xff\xff", b"S\x40\0\0\0a"])
    forget_peak()
    before = resident_mb()
    for at, lie in itertools.product(range(len(good)), (b"\x40\0\0\0", b"\xff\xff\xff\xff")):
        bad = replace(Written(data=good), data=good[:at] + lie + good[at + 4 :])
        end = End(status=0, cpu_s=0.0, frame=bad.data)
        assert judge(end, token=TOKEN, num_values=2, cpu_limit_s=1).verdict is Verdict.CRASHED
    assert resident_mb("VmHWM") < before + 8
