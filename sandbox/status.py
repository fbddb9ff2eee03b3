"""What a pool says of itself: its layers, its queue, its counters."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from sandbox.call import Outcome

LAYERS = (
    "seccomp",
    "rlimits",
    "no_new_privs",
    "namespaces",
    "root",
    "uid",
    "landlock",
    "mdwe",
    "clock",
    "cgroup",
)
"""Every layer, as a zygote or the host reports it; the first three are never optional."""
MANDATORY = LAYERS[:3]
LATENCY_BOUNDS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper ends of the ranges by which calls are counted; one more is without an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the pool is made of and what it has done."""

    jail: str
    """`native`, `nsjail` or `filter-only`: what the zygotes really have."""
    layers: dict[str, tuple[bool, str]]
    """Layer -> (on in every zygote, detail)."""
    num_workers: int
    num_idle: int
    """Zygotes without a guest."""
    num_running: int
    """Guests that run now."""
    num_waiting: int
    """Calls that no zygote has taken yet."""
    num_starts: int
    """Zygotes ever started."""
    num_recycled: int
    """Zygotes replaced because they had served long or had grown; not counted as lost."""
    num_calls: int
    verdicts: dict[str, int]
    busy_s: float
    """Seconds of guests, summed over the workers."""
    latency: tuple[int, ...] = ()
    """Calls by how long their guests took, one count for each range of LATENCY_BOUNDS_S."""
    pids: tuple[int, ...]


@dataclass(slots=True)
class Tally:
    """Counts of what has ended."""

    verdicts: Counter[str] = field(default_factory=Counter)
    busy_s: float = 0.0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))

    def add(self, outcome: Outcome) -> Outcome:
        """Count an outcome and hand it on."""
        self.verdicts[outcome.verdict] += 1
        self.busy_s += outcome.cost.wall_s
        self.latency[bisect_left(LATENCY_BOUNDS_S, outcome.cost.wall_s)] += 1
        return outcome
