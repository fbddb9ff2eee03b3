"""Does a program still give its gold? The question to ask again at every later use.

A certificate compares runs of a few moments; what depends on the day, on the machine or on a bit
that agreed by chance shows later. An audit is one more run of the program on its own arguments in
any zygote, compared on the host with the gold that the host has kept; the guest never sees it.

`compare` is the same judgement of a run that was made for another purpose.

A finding is one of three. Only a value, or an end that is the program's own doing, is a mismatch:
a guest that was lost, was too slow, or found too little memory says that the machine is busy.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sandbox.call import Call, Outcome
from sandbox.pool import Sandbox
from sandbox.verdict import Verdict

_OURS = frozenset({Verdict.LOST, Verdict.TIMEOUT, Verdict.MEMORY, Verdict.OUTPUT})
"""Ends that depend on the machine, or on limits that may be others than the gold's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The gold came out again."""

    seed: int
    """Hash seed of the zygote that agreed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Something else than the gold came out: no task can rest on this program."""

    reason: str
    index: int | None
    """Of the argument list that differs, if one is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """Nothing came out, and it may not be the program's fault."""

    cause: str


Finding = Agreement | Mismatch | Inconclusive


async def audit(
    sandbox: Sandbox,
    *,
    program: str,
    args: Sequence[str],
    gold: Sequence[bytes],
    names_errors: bool = False,
    family: int | None = None,
    other_than: Collection[int] = (),
) -> Finding:
    """Run a program on its own arguments and compare; costs one guest."""
    if len(args) != len(gold):
        raise ValueError(f"expected one gold per argument list, got {len(gold)} for {len(args)}")
    call = Call(program=program, args=args, names_errors=names_errors)
    return compare(await sandbox.run(call, family=family, other_than=other_than), gold)


def compare(outcome: Outcome, gold: Sequence[bytes]) -> Finding:
    """What an outcome says of the gold of its last `len(gold)` argument lists."""
    if outcome.is_ok:
        found = outcome.values[len(outcome.values) - len(gold) :]
        for index, (value, wanted) in enumerate(zip(found, gold, strict=True)):
            if value != wanted:
                return Mismatch(reason="another value", index=index)
        return Agreement(seed=outcome.seed)
    is_killed = outcome.error == "SIGKILL"  # by the kernel, short of memory
    if outcome.verdict in _OURS or is_killed or not outcome.seed:  # or it was never run
        return Inconclusive(cause=outcome.verdict.value)
    return Mismatch(reason=f"ended as {outcome.verdict}", index=outcome.failed)
