"""Who plays next, and whether anyone may: pure decisions, no tasks, no clocks.

`KindScheduler` keeps the kinds in the proportion of their weights. `has_credit` bounds staleness
at admission: a round may start only while the rollouts that no published version has learned from
yet, running rounds included, are fewer than (staleness + 1) batches. A running round is reserved
at the size of the last one; one that turns out larger adds its excess to the age of its samples.
What really happened is measured at consumption.

`RoundOrder` lets rounds run side by side and end in any order, and has them committed in the order
of their numbers. `Lanes` shares the policy among roles and kinds: each (role, kind) is a lane, jobs
of a lane start in the order in which they came, and the lane that was served least goes first.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.wire.messages import Kind, Role

Lane = tuple[Role, Kind]


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

    def at(self, number: int) -> Kind:
        """The kind of round `number`, 0 first: the rounds of a cycle repeat."""
        fresh = KindScheduler(self.weights)
        for _ in range(number % sum(self.weights.values())):
            fresh.next()
        return fresh.next()


def has_credit(*, unconsumed: int, running: int, batch_samples: int, staleness: int) -> bool:
    """Whether another round may start; all counts are rollouts."""
    return unconsumed + running < (staleness + 1) * batch_samples


@dataclass(slots=True)
class RoundOrder:
    """Rounds that run side by side and are committed one after the other."""

    most: int
    """Rounds that may be started and not yet committed."""
    first: int = 0
    """The oldest round that is not committed."""
    _started: int = field(default=0, init=False)
    _ended: set[int] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"at least 1 round must be allowed to run, got {self.most}")

    @property
    def next(self) -> int:
        """The number of the next round to start."""
        return self.first + self._started

    @property
    def num_running(self) -> int:
        """Rounds that were started and have not ended."""
        return self._started - len(self._ended)

    @property
    def num_open(self) -> int:
        """Rounds that were started and are not committed."""
        return self._started

    def can_start(self) -> bool:
        """Whether the bound leaves room for another round."""
        return self._started < self.most

    def start(self) -> int:
        """Start the next round; returns its number."""
        if not self.can_start():
            raise ValueError(f"{self.most} rounds are open already: commit round {self.first}")
        self._started += 1
        return self.next - 1

    def end(self, number: int) -> None:
        """A round has ended and waits to be committed."""
        if not self.first <= number < self.next or number in self._ended:
            raise ValueError(f"round {number} does not run; rounds {self.first} to {self.next - 1}")
        self._ended.add(number)

    def is_due(self, number: int) -> bool:
        """Whether this round is the one to be committed now."""
        return number == self.first and number in self._ended

    def commit(self) -> int:
        """The oldest round is committed; returns its number."""
        if self.first not in self._ended:
            raise ValueError(f"round {self.first} has not ended")
        self._ended.remove(self.first)
        self.first += 1
        self._started -= 1
        return self.first - 1


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Some completions that are to be sampled together."""

    lane: Lane
    cost: int
    """Completions."""


@dataclass(slots=True)
class _Queue:
    waiting: deque[Job] = field(default_factory=deque)
    served: int = 0
    """Completions started, on a scale shared by all lanes."""


@dataclass(slots=True)
class Lanes:
    """Shares a bounded number of completions under way among the lanes.

    Fair: between two lanes that both have waiting jobs, what was started differs by less than the
    cost of two jobs. Nobody starves: the job whose turn it is waits for room and is not overtaken.
    A lane that was idle does not catch up. A job larger than the bound runs alone.
    """

    capacity: int
    """Completions under way at once."""
    _queues: dict[Lane, _Queue] = field(default_factory=dict, init=False)
    _running: set[Job] = field(default_factory=set, init=False)
    _in_flight: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"a capacity is 1 or more, got {self.capacity}")

    @property
    def in_flight(self) -> int:
        """Completions of the jobs that run."""
        return self._in_flight

    @property
    def num_waiting(self) -> int:
        """Jobs that wait for their turn."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def submit(self, job: Job) -> None:
        """A job waits for its turn from now on."""
        if job.cost < 1:
            raise ValueError(f"a job has at least one completion, got {job.cost}")
        queue = self._queues.setdefault(job.lane, _Queue())
        if not queue.waiting:
            queue.served = max(queue.served, self._least_served())
        queue.waiting.append(job)

    def start(self) -> Job | None:
        """The job whose turn it is, if there is room for it: it runs from now on."""
        busy = [queue for queue in self._queues.values() if queue.waiting]
        if not busy:
            return None
        queue = min(busy, key=lambda queue: queue.served)
        job = queue.waiting[0]
        if self._running and self._in_flight + job.cost > self.capacity:
            return None
        queue.waiting.popleft()
        queue.served += job.cost
        self._running.add(job)
        self._in_flight += job.cost
        return job

    def end(self, job: Job) -> None:
        """A job has ended, or is cancelled before or while it runs. Saying it twice is harmless."""
        if job in self._running:
            self._running.remove(job)
            self._in_flight -= job.cost
        else:
            queue = self._queues.get(job.lane)
            if queue and job in queue.waiting:
                queue.waiting.remove(job)

    def _least_served(self) -> int:
        """What the busy lane that was served least had, or the most anyone had if all are idle."""
        busy = [queue.served for queue in self._queues.values() if queue.waiting]
        return min(busy) if busy else max((q.served for q in self._queues.values()), default=0)
