"""Which task makes room when the memory is full.

A few tasks are drawn at random and the one that is worth least leaves, so the cost does not depend
on how many there are, and what is left is the newest and most useful with high probability rather
than by a sort. Seeds stay. AZR keeps the oldest 16,384 and drops every later task without a word,
which freezes its curriculum; no policy here does that.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.tasks.memory import TaskMemory
from engine.tasks.task import Origin
from engine.wire.messages import Kind

SAMPLE: Final = 16
"""Tasks of which one leaves."""
FAMILY_COUNTED: Final = 64
"""A family is counted up to this size."""


class Eviction(StrEnum):
    """What makes a task worth least."""

    AGE = "age"
    """It is the oldest."""
    SOLVED = "solved"
    """Every attempt or none solves it; then age."""
    COVERAGE = "coverage"
    """There are many of its shape; then as `solved`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task that may leave."""

    id: str
    position: int
    """Order of admission."""
    attempts: int
    solved: int
    family: int
    """Tasks of its kind and shape that can be drawn, up to FAMILY_COUNTED."""


def worst(candidates: Sequence[Candidate], policy: Eviction) -> Candidate:
    """The candidate that is worth least under this policy."""
    return min(candidates, key=lambda candidate: _worth(candidate, policy))


def make_room(store: TaskMemory, dice: random.Random, *, capacity: int, policy: Eviction) -> int:
    """Evict until no kind has more than `capacity` tasks; returns how many left."""
    num_evicted = 0
    for kind in Kind:
        while store.num_tasks(kind) > capacity:
            candidates = _candidates(store, dice, kind)
            if not candidates:
                break
            store.evict(worst(candidates, policy).id)
            num_evicted += 1
    return num_evicted


def _worth(candidate: Candidate, policy: Eviction) -> tuple[int, int, int]:
    """What is compared; smaller leaves first."""
    is_mixed = int(candidate.attempts == 0 or 0 < candidate.solved < candidate.attempts)
    if policy is Eviction.AGE:
        return 0, 0, candidate.position
    if policy is Eviction.SOLVED:
        return 0, is_mixed, candidate.position
    return -candidate.family, is_mixed, candidate.position


def _candidates(store: TaskMemory, dice: random.Random, kind: Kind) -> list[Candidate]:
    tasks = store.draw(dice, [kind], n=SAMPLE)
    return [
        Candidate(id=task.id, **store.statistics(task, family_counted=FAMILY_COUNTED))
        for task in tasks
        if task.origin is not Origin.SEED
    ]
