"""What a pool says of itself: its layers, its queue, its counters."""

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
    pids: tuple[int, ...]


@dataclass(slots=True)
class Tally:
    """Counts of what has ended."""

    verdicts: Counter[str] = field(default_factory=Counter)
    busy_s: float = 0.0

    def add(self, outcome: Outcome) -> Outcome:
        """Count an outcome and hand it on."""
        self.verdicts[outcome.verdict] += 1
        self.busy_s += outcome.cost.wall_s
        return outcome
