"""The decision about one attack: contained, or what is wrong. Pure.

Four of the words that a file can expect are refusals: denied, error, timeout, oom. There the
verdict must be one of failure, and one that fits: a crash is no way to run out of memory, for it
could be the host's memory that ran out. A denied program may also end well and go on, since its
file says how success would show, and that did not. Of the other three an OK counts only if its
value says that the program was refused, or the file that ending well is no success.

Whatever is expected, the verdict must be true: LOST is our fault, NONDETERMINISTIC is not a guest's
to have, and a TIMEOUT needs the time to have passed. And no value may hold what the file names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.call import Outcome
from sandbox.corpus.program import Program
from sandbox.judge import CPU_EVIDENCE
from sandbox.limits import Limits
from sandbox.value import decode, render
from sandbox.verdict import Verdict

_FAILURES = frozenset(Verdict) - {Verdict.OK, Verdict.LOST, Verdict.NONDETERMINISTIC}
_ACCEPTED = {
    "denied": _FAILURES | {Verdict.OK},
    "error": _FAILURES,
    "timeout": _FAILURES,
    "oom": _FAILURES - {Verdict.CRASHED},
    "crash-contained": _FAILURES | {Verdict.OK},
    "nondeterministic": _FAILURES | {Verdict.OK},
    "ok-contained": _FAILURES | {Verdict.OK},
}
_REFUSED = re.compile(r"\b(blocked|nothing|none|no|not|denied|refused|failed)\b", re.IGNORECASE)
_COUNTED = re.compile(r"(.+ )[1-9]\d*")
HONEST_TEXT = "[True, [1, 2]]"
"""What the honest program, which follows each attack, returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one worker did: the attack, then honest work."""

    attacks: tuple[Outcome, ...]
    """The attack in each spelling, and again if it shows the second time only."""
    honest: Outcome
    """The next guest of the same worker."""
    victims: tuple[Outcome, ...] = ()
    """The victim, if there is one: on a worker that met no attack yet, right before, and after."""


def complaint(program: Program, run: Run, *, limits: Limits) -> str:
    """The first thing that is wrong with a run; empty if the attack was contained."""
    return next(_complaints(program, run, limits), "")


def _complaints(program: Program, run: Run, limits: Limits) -> Iterator[str]:
    for attack in run.attacks:
        yield from _about_verdict(program, attack, limits)
        yield from _about_value(program, attack)
    honest = values_text(run.honest)
    if honest != HONEST_TEXT:
        yield f"the next guest gave {run.honest.verdict} {honest}, expected {HONEST_TEXT}"
    if run.victims:
        yield from _about_victim(*run.victims)


def _about_verdict(program: Program, attack: Outcome, limits: Limits) -> Iterator[str]:
    verdict, cost = attack.verdict, attack.cost
    is_fine = verdict is Verdict.OK and (
        program.header.is_harmless_done or _REFUSED.search(values_text(attack))
    )
    if not is_fine and verdict not in _ACCEPTED[program.header.expect]:
        yield f"expected {program.header.expect}, got {verdict} {values_text(attack)}".rstrip()
    has_time_passed = cost.wall_s >= limits.wall_s or cost.cpu_s >= CPU_EVIDENCE * limits.cpu_s
    if verdict is Verdict.TIMEOUT and not has_time_passed:
        yield f"a timeout after {cost.wall_s:.2f} s, {cost.cpu_s:.2f} s of CPU: forged"


def _about_value(program: Program, attack: Outcome) -> Iterator[str]:
    text = values_text(attack)
    for marker in program.header.markers:
        if re.search(_pattern(marker), text):
            yield f"the value holds {marker}: {text}"
    gold = program.gold
    if gold is not None and gold in attack.values and not _has_order(decode(gold)):
        yield f"the value passes for the gold: {text}"


def _has_order(gold: object) -> bool:
    """Whether a dict in it has an order: dicts that differ in nothing else are equal on purpose."""
    if isinstance(gold, dict):
        return len(gold) > 1 or any(map(_has_order, gold.values()))
    return isinstance(gold, list | tuple) and any(map(_has_order, gold))


def _pattern(marker: str) -> str:
    """Of a marker that counts successes ("FORKED 40") any count but none is one."""
    counted = _COUNTED.fullmatch(marker)
    return re.escape(counted[1]) + r"[1-9]" if counted else re.escape(marker)


def _about_victim(clean: Outcome, before: Outcome, after: Outcome) -> Iterator[str]:
    for when, victim in (("before", before), ("after", after)):
        if (victim.verdict, victim.values) != (clean.verdict, clean.values):
            yield (
                f"the victim gave {victim.verdict} {values_text(victim)} {when}, on an untouched "
                f"worker {clean.verdict} {values_text(clean)}"
            )


def note(program: Program, run: Run) -> str:
    """What a reader should know of a file although nothing got out.

    A victim that gives something else than the file says already where no attack ever ran is the
    file's mistake: that it gives the same afterwards is what counts.
    """
    expected = program.victim_expect
    if not run.victims or expected is None or run.victims[0].values in ((), (expected,)):
        return ""
    text = values_text(run.victims[0])
    return f"VICTIM_EXPECT is {render(expected)}, an untouched worker gives {text}"


def values_text(outcome: Outcome) -> str:
    """All values of an outcome, to read."""
    text = " ".join(render(value) for value in outcome.values)
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."


_MAX_TEXT = 200
