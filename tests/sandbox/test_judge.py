"""The verdict is decided outside, from evidence; a frame is worth nothing on its own."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Verdict
from sandbox.guest import canon, claim
from sandbox.guest.claim import Kind
from sandbox.judge import End, judge

TOKEN = b"12345678"
GOOD = claim.pack(TOKEN, Kind.OK, values=[canon.encode([1], max_bytes=100)])


def verdict(frame: bytes = GOOD, *, status: int = 0, cpu_s: float = 0.1, **seen: bool) -> Verdict:
    end = End(status=status, cpu_s=cpu_s, frame=frame, **seen)
    return judge(end, token=TOKEN, num_values=1, cpu_limit_s=2).verdict


def test_a_good_frame_and_a_clean_exit_are_ok():
    assert verdict() is Verdict.OK


@given(st.binary(max_size=300))
def test_any_bytes_as_a_frame_are_a_crash(frame: bytes):
    assert verdict(frame) is Verdict.CRASHED


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_damaged_frame_is_never_ok_with_another_shape(at: int, flip: int):
    bad = bytearray(GOOD)
    bad[at] ^= flip
    end = End(status=0, cpu_s=0.0, frame=bytes(bad))
    found = judge(end, token=TOKEN, num_values=1, cpu_limit_s=2)
    assert len(found.values) == (1 if found.verdict is Verdict.OK else 0)
    assert found.error.isascii()


@pytest.mark.parametrize(
    "frame",
    [GOOD + b"x", GOOD + GOOD, GOOD[:-1], b"", claim.pack(b"other_ID", Kind.OK, values=[b"N"]),
     claim.pack(TOKEN, Kind.OK), claim.pack(TOKEN, Kind.OK, values=[b"N", b"N"]),
     claim.pack(TOKEN, Kind.RAISED, values=[b"N"]), claim.pack(TOKEN, Kind.RAISED, failed=1),
     claim.pack(TOKEN, Kind.OK, values=[b"bad"]), claim.pack(TOKEN, Kind.OK, values=[b""])],
)  # fmt: skip
def test_a_frame_that_is_not_exactly_right_is_a_crash(frame: bytes):
    assert verdict(frame) is Verdict.CRASHED


@pytest.mark.parametrize(
    ("status", "cpu_s", "expected"),
    [
        (1 << 8, 0.1, Verdict.CRASHED),
        (signal.SIGSEGV, 0.1, Verdict.CRASHED),
        (signal.SIGSYS, 0.1, Verdict.FORBIDDEN),
        (signal.SIGKILL, 0.1, Verdict.CRASHED),
        (signal.SIGXCPU, 0.1, Verdict.CRASHED),
        (signal.SIGXCPU, 0.9, Verdict.CRASHED),
        (signal.SIGXCPU, 1.6, Verdict.TIMEOUT),  # a busy host's ticks were ahead
        (signal.SIGXCPU, 2.0, Verdict.TIMEOUT),
        (signal.SIGKILL, 3.0, Verdict.TIMEOUT),
        (34, 0.1, Verdict.CRASHED),
    ],
)
def test_an_end_that_was_not_clean_beats_a_good_frame(status: int, cpu_s: float, expected: Verdict):
    assert verdict(status=status, cpu_s=cpu_s) is expected


def test_what_the_host_did_beats_everything():
    assert verdict(deadline_passed=True) is Verdict.TIMEOUT
    assert verdict(overflowed=True) is Verdict.OUTPUT


def test_error_texts_are_made_harmless():
    frame = claim.pack(TOKEN, Kind.RAISED, error="\x1b[31mred\n" + "x" * 200)
    end = End(status=0, cpu_s=0.0, frame=frame)
    found = judge(end, token=TOKEN, num_values=1, cpu_limit_s=2)
    assert found.error.startswith("??31mred?x")
    assert len(found.error) <= 80
