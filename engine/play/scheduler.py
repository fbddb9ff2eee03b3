"""Who plays next, and whether anyone may: two pure decisions, no tasks, no clocks.

`KindScheduler` keeps the kinds in the proportion of their weights. `has_credit` bounds staleness
at admission: a round may start only while the rollouts that no published version has learned from
yet, running rounds included, are fewer than (staleness + 1) batches. A running round is reserved
at the size of the last one; one that turns out larger adds its excess to the age of its samples.
What really happened is measured at consumption.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.wire.messages import Kind


@dataclass(slots=True)
class KindScheduler:
    """Smooth weighted round-robin: after any prefix each kind is within one round of its share."""

    weights: Mapping[Kind, int]
    """Rounds of each kind per cycle; 0 leaves a kind out."""
    _balance: dict[Kind, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if any(weight < 0 for weight in self.weights.values()) or not any(self.weights.values()):
            raise ValueError(
                f"kinds need weights of 0 or more, one above 0, got {dict(self.weights)}"
            )

    def next(self) -> Kind:
        """The kind of the next round."""
        for kind, weight in self.weights.items():
            self._balance[kind] = self._balance.get(kind, 0) + weight
        chosen = max(self._balance, key=lambda kind: self._balance[kind])
        self._balance[chosen] -= sum(self.weights.values())
        return chosen


def has_credit(*, unconsumed: int, running: int, batch_samples: int, staleness: int) -> bool:
    """Whether another round may start; all counts are rollouts."""
    return unconsumed + running < (staleness + 1) * batch_samples
