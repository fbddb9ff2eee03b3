"""What is asked of the sandbox and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.verdict import Verdict

NO_ERROR: Final = "NoError"
"""What a call that ends well gives where names of errors are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One program on one or more argument lists, in one guest, in order.

    With `program=None` every text of `args` must be exactly one literal, whose value is returned:
    the way to read what a model wrote as an answer.
    """

    program: str | None
    """Python source that defines `f`."""
    args: Sequence[str]
    """Argument lists as text, each what stands between the parentheses: `[3, 1], k=4`."""
    names_errors: bool = False
    """Ask for the class name of the `Exception` that each call ends with, or `NO_ERROR`, instead of
    its value. Ends that are no verdict of `f` (memory, a forbidden call, `SystemExit`) stay so."""

    def __post_init__(self) -> None:
        if isinstance(self.args, str):
            raise TypeError(
                f"args is a list of argument lists, got one text; try args=[{self.args!r}]"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call used."""

    wall_s: float
    """From the order to fork until the guest was reaped."""
    cpu_s: float
    max_rss_mb: float
    """Peak resident size, pages shared with the zygote included."""


FREE = Cost(wall_s=0.0, cpu_s=0.0, max_rss_mb=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that is known of an ended call."""

    verdict: Verdict
    values: tuple[bytes, ...] = ()
    """Canonical bytes, one per argument list; empty unless the verdict is OK.

    Of a script: one value, its pages, if it ended by itself.
    """
    error: str = ""
    """Type name of the exception, or a short cause; ASCII."""
    failed: int | None = None
    """Index of the argument list that failed; None if the program failed before the first."""
    cost: Cost = FREE
    seed: int = 0
    """Hash seed of the zygote that ran it."""

    @property
    def is_ok(self) -> bool:
        """Whether there are values."""
        return self.verdict is Verdict.OK
