"""A whole program from standard input to standard output, and how it ended.

The second kind of request, for answers that are programs rather than functions. It goes the way
of a call: one guest, one claim, one verdict. What the claim carries is the text of both outputs
and the exit code, so all three are what the script says of itself; whether the output is right is
for the caller to judge, here, outside.

    ok         ended with exit code 0
    raised     an uncaught exception (exit code 1), or `sys.exit` with another code
    forbidden  as raised, by a refused import, path or clock; or killed for a refused system call
    memory     as raised, by a MemoryError
    invalid    the source does not compile (exit code 1, the complaint on stderr)
    output     stdout and stderr together over `limits.output_bytes`: nothing of them is returned
    timeout, crashed, lost   as for a call: no output, no exit code
"""

from dataclasses import dataclass

from sandbox.call import FREE, Cost, Outcome
from sandbox.guest.claim import Kind
from sandbox.judge import VERDICTS, Judgement, printable
from sandbox.value import ValueFormatError, decode
from sandbox.verdict import Verdict

_PAGES = (bytes, bytes, int, int, str)
_ENDINGS = (Kind.OK, Kind.RAISED, Kind.MEMORY, Kind.FORBIDDEN, Kind.INVALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One program to run as `__main__`, with its standard input."""

    source: str
    """Python source."""
    stdin: str = ""
    """Counted against `limits.args_bytes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptOutcome:
    """All that is known of an ended script."""

    verdict: Verdict
    stdout: str = ""
    """What is not UTF-8 is replaced by U+FFFD."""
    stderr: str = ""
    exit_code: int | None = None
    """None if it did not end by itself."""
    error: str = ""
    """Type name of the exception, or a short cause; ASCII."""
    cost: Cost = FREE
    seed: int = 0
    """Hash seed of the zygote that ran it."""

    @property
    def is_ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.verdict is Verdict.OK


def settle(judgement: Judgement) -> Judgement:
    """The verdict on a script whose guest made its claim: its own words say how it ended."""
    if judgement.verdict is not Verdict.OK:
        return judgement
    try:
        _, _, exit_code, kind, error = _pages(judgement.values[0])
        ending = Kind(kind)
    except (ValueFormatError, ValueError):
        return Judgement(verdict=Verdict.CRASHED, error="malformed claim: pages")
    if ending not in _ENDINGS or (ending is Kind.OK) != (exit_code == 0):
        return Judgement(verdict=Verdict.CRASHED, error="malformed claim: ending")
    verdict = VERDICTS[ending]
    return Judgement(verdict=verdict, values=judgement.values, error=printable(error))


def to_script_outcome(outcome: Outcome) -> ScriptOutcome:
    """The settled outcome of a script, its pages as text."""
    stdout, stderr, exit_code = b"", b"", None
    if outcome.values:
        stdout, stderr, exit_code, _, _ = _pages(outcome.values[0])
    return ScriptOutcome(
        verdict=outcome.verdict,
        stdout=stdout.decode("utf-8", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
        exit_code=exit_code,
        error=outcome.error,
        cost=outcome.cost,
        seed=outcome.seed,
    )


def _pages(value: bytes) -> tuple[bytes, bytes, int, int, str]:
    """The guest's tuple, every field of which is checked."""
    pages = decode(value)
    if not isinstance(pages, tuple) or tuple(map(type, pages)) != _PAGES:
        raise ValueFormatError("not the pages of a script")
    stdout, stderr, exit_code, kind, error = pages
    if not 0 <= exit_code <= 0xFF:
        raise ValueFormatError("an exit code over 255")
    return stdout, stderr, exit_code, kind, error
