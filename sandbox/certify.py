"""Is this program a function? The deterministic checks that a proposal must pass to be a task.

    1  inspection: syntax, f, the screen, the number of arguments it may take
    2  the argument lists as given, in one guest: these values are the gold
    3  the lists and then the same lists backwards, in one guest of another zygote (another hash
       seed, address layout and random seed): catches what differs between processes, and answers
       that depend on earlier calls or on the order of the lists
    4  for programs that use sets, whose order the hash seed decides: the same in every other
       zygote of the pool

Values are compared here, as canonical bytes; no guest ever sees a value to match. Two runs cannot
see a difference that happens to be equal in both: for one hidden bit that is an even chance, and
halves with every zygote asked in step 4.
"""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sandbox.call import Call, Cost, Outcome
from sandbox.inspection import Inspection
from sandbox.pool import Sandbox
from sandbox.value import render
from sandbox.verdict import Verdict

_INVALID_REASONS = frozenset({"syntax", "no_f", "arguments"})
"""What a guest may say of an invalid call: its own words must not choose another verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Why a program is believed to be a function of its arguments."""

    values: tuple[bytes, ...]
    """The gold: canonical bytes, one per argument list."""
    python: str
    """Version of the interpreter; a gold holds for it, others may differ."""
    seeds: tuple[int, ...]
    """Hash seeds of the zygotes that agreed."""
    num_runs: int
    """How often f was called in all."""
    cost: Cost
    """Of all guests together; memory is the largest."""
    inspection: Inspection

    @property
    def normal_form(self) -> str:
        """Digest of the program with names made canonical."""
        return self.inspection.normal_form

    @property
    def shape(self) -> str:
        """Digest of the program with names made canonical and constants erased."""
        return self.inspection.shape

    def to_dict(self) -> dict[str, object]:
        """For JSON; values as hexadecimal canonical bytes and as text to read."""
        return {
            "values": [value.hex() for value in self.values],
            "texts": [render(value) for value in self.values],
            "python": self.python,
            "seeds": list(self.seeds),
            "num_runs": self.num_runs,
            "cost": asdict(self.cost),
            "inspection": asdict(self.inspection)
            | {"num_params": list(self.inspection.num_params)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a program is no task."""

    reason: str
    """One word: syntax, no_f, screen, arguments, nondeterministic, mutates, or the verdict."""
    detail: str = ""


async def certify(
    sandbox: Sandbox, *, program: str, args: Sequence[str]
) -> Certificate | Rejection:
    """Run all checks; stops at the first that fails. A lost guest is a rejection with `lost`."""
    if not args:
        raise ValueError("certify needs at least one argument list; for f() give args=['']")
    inspection = await sandbox.inspect(program)
    if not inspection.ok:
        reason, _, detail = inspection.problem.partition(":")
        return Rejection(reason=reason, detail=detail.strip())
    first = await sandbox.run(Call(program=program, args=args))
    if not first.is_ok:
        return _rejection(first)
    outcomes = [first]
    for _ in range(_num_witnesses(sandbox, inspection)):
        seen = [outcome.seed for outcome in outcomes]
        again = await sandbox.run(_there_and_back(program, args), other_than=seen)
        difference = _difference(again, first)
        if difference is not None:
            return difference
        outcomes.append(again)
    return Certificate(
        values=first.values,
        python=platform.python_version(),
        seeds=tuple(outcome.seed for outcome in outcomes),
        num_runs=len(args) * (2 * len(outcomes) - 1),
        cost=_total(outcomes),
        inspection=inspection,
    )


def _num_witnesses(sandbox: Sandbox, inspection: Inspection) -> int:
    return sandbox.num_zygotes - 1 if inspection.order_sensitive else 1


def _there_and_back(program: str, args: Sequence[str]) -> Call:
    return Call(program=program, args=[*args, *reversed(args)])


def _difference(again: Outcome, first: Outcome) -> Rejection | None:
    """What is wrong with a second run, if anything."""
    num_args = len(first.values)
    if again.is_ok:
        there, back = again.values[:num_args], again.values[num_args:][::-1]
        if there != first.values:
            return Rejection(reason="nondeterministic", detail="another process, another value")
        if back != there:
            return Rejection(reason="mutates", detail="a later call gave another value")
        return None
    if again.verdict in (Verdict.LOST, Verdict.TIMEOUT):
        return _rejection(again)  # says nothing of the program: twice the work, a busy machine
    if again.failed is not None and again.failed >= num_args:
        return Rejection(reason="mutates", detail=f"a later call ended as {again.verdict}")
    return Rejection(reason="nondeterministic", detail=f"another process ended as {again.verdict}")


def _rejection(outcome: Outcome) -> Rejection:
    reason, _, detail = outcome.error.partition(":")
    if outcome.verdict is Verdict.INVALID and reason in _INVALID_REASONS:
        return Rejection(reason=reason, detail=detail.strip())
    return Rejection(reason=outcome.verdict.value, detail=outcome.error)


def _total(outcomes: Sequence[Outcome]) -> Cost:
    return Cost(
        wall_s=sum(outcome.cost.wall_s for outcome in outcomes),
        cpu_s=sum(outcome.cost.cpu_s for outcome in outcomes),
        max_rss_mb=max(outcome.cost.max_rss_mb for outcome in outcomes),
    )
