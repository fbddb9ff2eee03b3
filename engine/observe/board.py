"""The state of a run as people see it: plain numbers, updated by the service, drawn elsewhere.

Rates and means are over a sliding window of recent rounds, so that they show the present.
"""

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from engine.play.round import RoundReport
from engine.wire.messages import MAIN_KINDS, Finish, Kind, Role

WINDOW_ROUNDS = 12
WINDOW_S = 30.0


@dataclass(slots=True)
class Rate:
    """Events a second over the last WINDOW_S seconds, from a running total."""

    _marks: deque[tuple[float, float]] = field(default_factory=deque)

    def update(self, total: float) -> None:
        """Note the running total now."""
        now = time.monotonic()
        self._marks.append((now, total))
        while now - self._marks[0][0] > WINDOW_S:
            self._marks.popleft()

    @property
    def per_s(self) -> float:
        """Events a second, 0 before there are two marks."""
        if len(self._marks) < 2:
            return 0.0
        (then, before), (now, after) = self._marks[0], self._marks[-1]
        return (after - before) / (now - then) if now > then else 0.0


@dataclass(slots=True, kw_only=True)
class Board:
    """Everything the live panel shows."""

    run: str
    phase: str = "starting"
    version: int = 0
    goal: str = ""
    started: float = field(default_factory=time.monotonic)
    tasks: int = 0
    rounds: int = 0
    trainer: str = "not seen yet"
    trainer_row: dict[str, object] = field(default_factory=dict)
    unconsumed: int = 0
    tokens: Rate = field(default_factory=Rate)
    calls: Rate = field(default_factory=Rate)
    recent: deque[RoundReport] = field(default_factory=lambda: deque(maxlen=WINDOW_ROUNDS))

    def set_trainer(self, state: str) -> None:
        """Say how the trainer's process is."""
        self.trainer = state

    def add_round(self, report: RoundReport) -> None:
        """Take in a committed round."""
        self.rounds += 1
        self.recent.append(report)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Those that are worth a line."""
        others = {report.kind for report in self.recent} - set(MAIN_KINDS)
        return (*MAIN_KINDS, *others)

    def mean_reward(self, role: Role, kind: Kind) -> float | None:
        """Mean reward of a role and kind in the window."""
        if role is Role.PROPOSER:
            rewards = [j.reward for r in self.recent if r.kind is kind for j in r.scored]
        else:
            rewards = [
                rollout.reward
                for r in self.recent
                if r.kind is kind
                for j in r.judged
                if j.attempts
                for rollout in j.attempts.rollouts
            ]
        return sum(rewards) / len(rewards) if rewards else None

    def solve_rate(self, kind: Kind) -> float | None:
        """Share of right answers in the window."""
        attempts = [
            j.attempts for r in self.recent if r.kind is kind for j in r.judged if j.attempts
        ]
        num = sum(len(a.rollouts) for a in attempts)
        return sum(a.num_right for a in attempts) / num if num else None

    def valid_share(self, kind: Kind) -> float | None:
        """Share of proposals that became tasks in the window."""
        scored = [j for r in self.recent if r.kind is kind for j in r.scored]
        return sum(j.attempts is not None for j in scored) / len(scored) if scored else None

    def fates(self) -> Counter[str]:
        """What became of the proposals in the window."""
        return Counter(j.fate for r in self.recent for j in r.judged)

    @property
    def age_mean(self) -> float | None:
        """Mean staleness, in versions, of the samples of the trainer's last step."""
        value = self.trainer_row.get("policy/age_steps_mean")
        return float(value) if isinstance(value, int | float) else None


def round_row(report: RoundReport) -> dict[str, object]:
    """A committed round as a row of metrics/engine.jsonl."""
    attempts = [j.attempts for j in report.judged if j.attempts]
    rollouts = [rollout for a in attempts for rollout in a.rollouts]
    rewards = [j.reward for j in report.scored]
    completions = [j.completion for j in report.judged]
    cut = [completion for completion in completions if completion.finish is Finish.ABORT]
    return {
        "event": "round",
        "time": time.time(),
        "round": report.number,
        "kind": report.kind.value,
        "version": report.version,
        "round/seconds": round(report.seconds, 3),
        "proposer/rollouts": len(rewards),
        "proposer/valid": len(attempts),
        "proposer/reward_mean": _mean(rewards),
        "proposer/cut": len(cut),
        "proposer/cut_tokens": sum(len(completion.tokens) for completion in cut),
        "proposer/tokens": sum(len(j.completion.tokens) for j in report.judged),
        "solver/rollouts": len(rollouts),
        "solver/trained": report.num_trained,
        "solver/right": sum(a.num_right for a in attempts),
        "solver/reward_mean": _mean([rollout.reward for rollout in rollouts]),
        "solver/tokens": sum(len(rollout.tokens) for rollout in rollouts),
        "fates": dict(Counter(j.fate for j in report.judged)),
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
