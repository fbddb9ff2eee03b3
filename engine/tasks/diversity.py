"""How diverse the newest tasks of a run are: figures that a falling curve would not show.

A proposer that has found one template keeps its validity and its reward; what falls then is the
number of families, of types and of values. All of it is read from rows that the store has anyway,
of the newest tasks only, so it costs the same however large the memory is.
"""

import json
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from engine.tasks.store import TaskStore
from engine.tasks.task import Task

_TYPES = {b"T": "bool", b"F": "bool"} | {tag.encode(): tag for tag in "NDCISBLUEZM"}
"""Type of a canonical value by its first byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """Of the newest tasks that can be drawn; shares and means are 0 where there are none."""

    num_tasks: int
    """Tasks that were looked at."""
    families_per_100: float
    """Families per 100 tasks: tasks are of one if they share a shape or a behaviour."""
    programs_per_100: float
    """Normal forms per 100 tasks."""
    values_per_100: float
    """Different golds per 100 examples."""
    commonest_value: float
    """Share of the examples that have the most frequent gold."""
    type_bits: float
    """Entropy of the types of golds, in bits."""
    num_nodes: float
    """Mean size of the syntax tree."""
    trained_age: float
    """Mean of rounds between a task's admission and its being trained on."""
    trained_ages: tuple[int, int, int]
    """Their quartiles."""


def diversity(store: TaskStore, last_n: int) -> Diversity:
    """The diversity of the newest `last_n` tasks and of as many solver's groups."""
    stored = store.newest(last_n)
    tasks = [each.task for each in stored]
    golds = [example.gold for task in tasks for example in task.examples]
    ages = store.trained_ages(last_n)
    return Diversity(
        num_tasks=len(tasks),
        families_per_100=100 * num_families(tasks) / max(len(tasks), 1),
        programs_per_100=_per_100(task.normal_form for task in tasks),
        values_per_100=_per_100(golds),
        commonest_value=max(Counter(golds).values(), default=0) / max(len(golds), 1),
        type_bits=_entropy([_TYPES.get(gold[:1], "other") for gold in golds]),
        num_nodes=_mean([_num_nodes(task) for task in tasks]),
        trained_age=_mean(ages),
        trained_ages=_quartiles(ages),
    )


def num_families(tasks: Sequence[Task]) -> int:
    """How many groups are left when all that share a shape, or a behaviour, are put together."""
    leaders: dict[Hashable, Hashable] = {}

    def leader(of: Hashable) -> Hashable:
        while (above := leaders.setdefault(of, of)) != of:
            leaders[of] = of = leaders[above]
        return of

    for task in tasks:
        own = ("task", task.id)
        leaders[leader(own)] = leader(("shape", task.kind, task.shape))
        if task.behaviour:
            leaders[leader(own)] = leader(("behaviour", task.kind, task.behaviour))
    return len({leader(("task", task.id)) for task in tasks})


def _per_100(things: Iterable[Hashable]) -> float:
    counted = list(things)
    return 100 * len(set(counted)) / max(len(counted), 1)


def _entropy(things: Sequence[Hashable]) -> float:
    """Shannon's, in bits: -sum(p log2 p)."""
    shares = [count / len(things) for count in Counter(things).values()]
    return -sum(share * math.log2(share) for share in shares) + 0.0


def _num_nodes(task: Task) -> int:
    inspection = json.loads(task.certificate).get("inspection", {})
    return int(inspection.get("num_nodes", 0))


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / max(len(numbers), 1)


def _quartiles(numbers: Sequence[int]) -> tuple[int, int, int]:
    if not numbers:
        return (0, 0, 0)
    ranked = sorted(numbers)
    lower, middle, upper = (ranked[(len(ranked) - 1) * k // 4] for k in (1, 2, 3))
    return (lower, middle, upper)
