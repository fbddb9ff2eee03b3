"""From how a guest ended to one verdict, decided outside the guest; pure.

Evidence, strongest first: what the host did (the deadline's kill, the cap on the frame), what the
kernel says (wait status, CPU time), and last the guest's claim, which counts only if the guest
ended by itself with status 0 and sent exactly one well-formed frame with its call's token.
"""

import os
import re
import signal
import struct
from dataclasses import dataclass

from sandbox import value
from sandbox.guest.claim import NO_INDEX, TOKEN_BYTES, Kind
from sandbox.verdict import Verdict

VERDICTS = {
    Kind.OK: Verdict.OK,
    Kind.RAISED: Verdict.RAISED,
    Kind.MEMORY: Verdict.MEMORY,
    Kind.OUTPUT: Verdict.OUTPUT,
    Kind.FORBIDDEN: Verdict.FORBIDDEN,
    Kind.UNENCODABLE: Verdict.UNENCODABLE,
    Kind.INVALID: Verdict.INVALID,
}
"""What a claim comes to, if it is believed."""
_HEAD = struct.Struct(f">I{TOKEN_BYTES}sBIB")
_UNPRINTABLE = re.compile(r"[^A-Za-z0-9_ .,:;()<>'*+-]")
CPU_EVIDENCE = 0.5
"""Of the limit: the kernel counts it in ticks, which on a busy host run ahead of the CPU time that
it reports in the end, by a fifth and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What the host saw of a guest's end."""

    status: int
    """Wait status, as wait4 gives it."""
    cpu_s: float
    frame: bytes
    deadline_passed: bool = False
    """We killed it for the wall clock."""
    overflowed: bool = False
    """We killed it for a frame over the cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its cause."""

    verdict: Verdict
    values: tuple[bytes, ...] = ()
    error: str = ""
    failed: int | None = None


def judge(end: End, *, token: bytes, num_values: int, cpu_limit_s: int) -> Judgement:
    """The one verdict; `num_values` is how many values an OK claim must carry."""
    if end.deadline_passed:
        return Judgement(verdict=Verdict.TIMEOUT, error="wall clock")
    if end.overflowed:
        return Judgement(verdict=Verdict.OUTPUT, error="frame over the limit")
    if os.WIFSIGNALED(end.status):
        return _by_signal(os.WTERMSIG(end.status), end.cpu_s, cpu_limit_s)
    if end.status != 0 or not end.frame:
        return Judgement(verdict=Verdict.CRASHED, error="ended without a claim")
    try:
        return _read(end.frame, token, num_values)
    except (struct.error, value.ValueFormatError, ValueError) as error:
        return Judgement(verdict=Verdict.CRASHED, error=f"malformed claim: {printable(str(error))}")


def _by_signal(number: int, cpu_s: float, cpu_limit_s: int) -> Judgement:
    # A guest that kills itself must not look like one that we, or its limits, have stopped.
    if number in (signal.SIGXCPU, signal.SIGKILL) and cpu_s >= CPU_EVIDENCE * cpu_limit_s:
        return Judgement(verdict=Verdict.TIMEOUT, error="CPU time")
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    verdict = Verdict.FORBIDDEN if number == signal.SIGSYS else Verdict.CRASHED
    return Judgement(verdict=verdict, error=name)


def _read(frame: bytes, token: bytes, num_values: int) -> Judgement:
    size, claimed, kind, failed, error_size = _HEAD.unpack_from(frame)
    if size != len(frame) - 4 or claimed != token:
        raise ValueError("size or token")
    at = _HEAD.size + error_size
    error = printable(frame[_HEAD.size : at].decode("latin-1"))
    verdict = VERDICTS[Kind(kind)]
    values = tuple(_values(frame, at, count=num_values if verdict is Verdict.OK else 0))
    index = None if failed == NO_INDEX else failed
    if index is not None and (verdict is Verdict.OK or index >= num_values):
        raise ValueError("index")
    return Judgement(verdict=verdict, values=values, error=error, failed=index)


def _values(frame: bytes, at: int, *, count: int) -> list[bytes]:
    """Exactly `count` values; a claim of another number is refused before any is looked at."""
    if struct.unpack_from(">I", frame, at) != (count,):
        raise ValueError("number of values")
    at += 4
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from(">I", frame, at)
        found.append(frame[at + 4 : at + 4 + size])
        at += 4 + size
        value.check(found[-1])
    if at != len(frame):
        raise ValueError("trailing bytes")
    return found


def printable(text: str) -> str:
    """Text of a guest, safe to log and to show."""
    return _UNPRINTABLE.sub("?", text)[:80]
