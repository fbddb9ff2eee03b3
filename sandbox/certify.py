"""Is this program a function? The deterministic checks that a proposal must pass to be a task.

    1  inspection: syntax, f, the screen, the number of arguments it may take
    2  the argument lists as given, in one guest: these values are the gold
    3  the lists and then the same lists backwards, in one guest of another zygote (another hash
       seed, address layout and random seed): catches what differs between processes, and answers
       that depend on earlier calls or on the order of the lists
    4  for programs in which something that Python leaves open may show (sets, texts of values, a
       broad `except`): their twin (`guest/twin.py`), in which all that is drawn by lot, NUM_DRAWS
       times per argument list; where a program can have no twin, or shows no order itself but is
       given a set, every other zygote of the pool

Three guests for most programs, five for those of step 4: 3 does there and back in one guest, and 4
puts its draws into as few guests as time and size allow, two at least, for what a program does
while it is loaded is drawn once a guest. Merging more would weaken: 2 and 3 must be two processes,
and a twin is another program.

Values are compared here, as canonical bytes; no guest ever sees a value to match. One hidden bit
agrees in two runs with an even chance, in a twin with one of 2 ** NUM_DRAWS; a program that looks
for its twin's surroundings is not held by that, only by steps 1 to 3.
"""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources

from sandbox.call import Call, Cost, Outcome
from sandbox.inspection import Inspection
from sandbox.pool import Sandbox
from sandbox.value import render
from sandbox.verdict import Verdict

POLICY = 2
"""Version of the rules above, of the screen and of canonical values; see docs/values.md."""
NUM_DRAWS = 16
_BUSY_SHARE = 0.25
"""Of the budgets of a guest, how much the draws in it may be expected to use."""
_INVALID_REASONS = frozenset({"syntax", "no_f", "arguments"})
"""What a guest may say of an invalid call: its own words must not choose another verdict."""
_UNTOLD = frozenset({Verdict.LOST, Verdict.TIMEOUT, Verdict.MEMORY, Verdict.OUTPUT})
"""Ends of a second run that say nothing of the program: more work than the first, a busy machine.
They are a rejection all the same, but not as nondeterministic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Why a program is believed to be a function of its arguments."""

    values: tuple[bytes, ...]
    """The gold: canonical bytes, one per argument list."""
    python: str
    """Version of the interpreter; a gold holds for it, others may differ."""
    seeds: tuple[int, ...]
    """Hash seeds of the zygotes that agreed, in the order they were asked."""
    num_runs: int
    """How often f was called in all, draws included."""
    num_draws: int
    """How often each argument list was given to the twin; 0 if nothing is left open."""
    num_guests: int
    """Guests that ran f."""
    cost: Cost
    """Of all these guests together; memory is the largest."""
    inspection: Inspection
    policy: int = POLICY
    """Version of the rules it was made under."""

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
        inspection = asdict(self.inspection)
        del inspection["twin"]  # can be made again from the program
        return {
            "policy": self.policy,
            "values": [value.hex() for value in self.values],
            "texts": [render(value) for value in self.values],
            "python": self.python,
            "seeds": list(self.seeds),
            "num_runs": self.num_runs,
            "num_draws": self.num_draws,
            "num_guests": self.num_guests,
            "cost": asdict(self.cost),
            "inspection": inspection | {"num_params": list(self.inspection.num_params)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a program is no task."""

    reason: str
    """One word: syntax, no_f, screen, arguments, nondeterministic, mutates, or the verdict."""
    detail: str = ""


async def certify(
    sandbox: Sandbox, *, program: str, args: Sequence[str], names_errors: bool = False
) -> Certificate | Rejection:
    """Run all checks; stops at the first that fails. A lost guest is a rejection with `lost`.

    With `names_errors` the gold is the names of the errors that the calls end with, see `Call`.
    """
    if not args:
        raise ValueError("certify needs at least one argument list; for f() give args=['']")
    inspection = await sandbox.inspect(program)
    if not inspection.ok:
        reason, _, detail = inspection.problem.partition(":")
        return Rejection(reason=reason, detail=detail.strip())
    asked = Call(program=program, args=args, names_errors=names_errors)
    first = await sandbox.run(asked)
    if not first.is_ok:
        return _rejection(first)
    outcomes, num_runs = [first], len(args)
    plan = _plan(sandbox, asked, inspection, first)
    for call in plan:
        seen = {outcome.seed for outcome in outcomes}
        avoid = seen if len(seen) < sandbox.num_zygotes else [first.seed]
        again = await sandbox.run(call, other_than=avoid)
        difference = _difference(again, first, is_twin=call.program != program)
        if difference is not None:
            return difference
        outcomes.append(again)
        num_runs += len(call.args)
    return Certificate(
        values=first.values,
        python=platform.python_version(),
        seeds=tuple(dict.fromkeys(outcome.seed for outcome in outcomes)),
        num_runs=num_runs,
        num_draws=NUM_DRAWS if inspection.leaves_open and inspection.twin else 0,
        num_guests=len(outcomes),
        cost=_total(outcomes),
        inspection=inspection,
    )


def _plan(sandbox: Sandbox, asked: Call, inspection: Inspection, first: Outcome) -> list[Call]:
    """The calls that must give the first one's values, there and back, there and back."""
    args = asked.args
    there_and_back = [*args, *reversed(args)]
    again = replace(asked, args=there_and_back)
    if not inspection.leaves_open:
        # The program shows no order, but a set among its arguments may: then everybody is asked.
        has_set = any("{" in text or "set(" in text for text in args)
        return [again] * (sandbox.num_zygotes - 1 if has_set else 1)
    preamble = _preamble(sandbox.limits.memory_mb)
    twins = [f"{preamble}\n_lot_call[0] = {start}\n{inspection.twin}" for start in (-1, -2)]
    fits = len(twins[0].encode("utf-8", "surrogatepass")) <= sandbox.limits.source_bytes
    if not inspection.twin or not fits:
        return [again] * (sandbox.num_zygotes - 1)
    sizes = _batches(sandbox, args, first)
    return [again] + [
        replace(asked, program=twin, args=there_and_back * (size // 2))
        for twin in twins
        for size in sizes
    ]


def _batches(sandbox: Sandbox, args: Sequence[str], first: Outcome) -> list[int]:
    """How many draws per guest, each an even number, half of NUM_DRAWS in all."""
    limits = sandbox.limits
    loads = (
        first.cost.cpu_s / limits.cpu_s,
        sum(map(len, first.values)) / limits.total_bytes,
        sum(len(text.encode("utf-8", "surrogatepass")) + 1 for text in args) / limits.args_bytes,
    )
    most = int(_BUSY_SHARE / max(*loads, 1e-6)) // 2 * 2
    total = NUM_DRAWS // 2
    size = min(total, max(2, most))
    return [min(size, total - start) for start in range(0, total, size)]


@cache
def _preamble(memory_mb: int) -> str:
    """What a twin runs behind: the text of `lots.py`, and less memory than the program has."""
    source = resources.files("sandbox.guest").joinpath("lots.py").read_text("utf-8")
    return f"{source}\n_lot_ballast = bytes({memory_mb << 17})"


def _difference(again: Outcome, first: Outcome, *, is_twin: bool) -> Rejection | None:
    """What is wrong with a later run, if anything."""
    num_args = len(first.values)
    if again.is_ok:
        for start in range(0, len(again.values), num_args):
            part = again.values[start : start + num_args]
            is_back = start // num_args % 2
            if (part[::-1] if is_back else part) != first.values:
                return _changed(start, "another value", is_twin=is_twin)
        return None
    if again.verdict in _UNTOLD:
        return _rejection(again)
    is_later = again.failed is not None and again.failed >= num_args
    return _changed(num_args if is_later else 0, again.verdict.value, is_twin=is_twin)


def _changed(start: int, what: str, *, is_twin: bool) -> Rejection:
    if is_twin:
        detail = f"{what} with another set order, other addresses or less room"
        return Rejection(reason="nondeterministic", detail=detail)
    if start:
        return Rejection(reason="mutates", detail=f"a later call: {what}")
    return Rejection(reason="nondeterministic", detail=f"another process: {what}")


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
