"""What this invocation has played so far, counted as rounds are committed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.play.round import RoundReport
from engine.wire.messages import Finish, Kind, Role

_Ended = tuple[Role, Finish, int, int]
"""Role, finish, tokens drawn and the token budget of a completion."""


@dataclass(slots=True)
class Counters:
    """Running totals; the names are those of the metrics."""

    rounds: Counter[Kind] = field(default_factory=Counter)
    proposals: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """By kind and fate."""
    attempts: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """By kind and verdict."""
    aborted: Counter[Role] = field(default_factory=Counter)
    """Completions that were cut."""
    saved: Counter[Role] = field(default_factory=Counter)
    """What was left of their token budgets: the most that the cuts can have saved."""

    def add(self, report: RoundReport) -> None:
        """Count a committed round."""
        self.rounds[report.kind] += 1
        self.proposals.update((report.kind, each.fate) for each in report.judged)
        for attempts in (*report.admitted, *report.practice):
            self.attempts.update((report.kind, each.verdict) for each in attempts.rollouts)
        for role, finish, drawn, budget in _completions(report):
            if finish is Finish.ABORT:
                self.aborted[role] += 1
                self.saved[role] += max(0, budget - drawn)


def _completions(report: RoundReport) -> Iterator[_Ended]:
    for judged in report.judged:
        completion = judged.completion
        budget = report.requests[judged.place[1]].params.max_tokens
        yield Role.PROPOSER, completion.finish, len(completion.tokens), budget
    for attempts in (*report.admitted, *report.practice):
        for rollout in attempts.rollouts:
            budget = attempts.params.max_tokens
            yield Role.SOLVER, rollout.finish, len(rollout.tokens), budget
