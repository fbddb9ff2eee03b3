"""What the task memory costs as it grows: `python -m benchmarks.memory --sizes 10000 100000`.

Per size one file is filled in rounds, then timed: admitting one task in a transaction of a round,
drawing 16 (uniform, recent), asking what is known, evicting one. The rivals of a draw: as many
tasks by `LIMIT 1 OFFSET k`, uniform; and the largest of one random key a row, weighted. Medians
over repetitions; the last ratios say how much more the rival costs.
"""

import argparse
import json
import platform
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from engine.tasks.eviction import Eviction, make_room
from engine.tasks.pools import Weighting
from engine.tasks.store import TaskStore
from engine.tasks.task import Example, Task
from engine.wire.messages import Kind

N = 16
"""Tasks of a draw."""
A_ROUND = 16
CERTIFICATE = json.dumps({"python": "3.11.7", "policy": 2, "values": ["49"], "text": "x" * 500})
"""As long as a real one."""


class Filled:
    """A store of so many tasks, half of a kind."""

    def __init__(self, path: Path, size: int) -> None:
        self.store = TaskStore(path)
        self.path = path
        self.made = 0
        self.store._db.execute("PRAGMA synchronous = OFF")
        for number in range(size // A_ROUND):
            self.admit(number)
        self.store._db.execute("PRAGMA synchronous = FULL")
        self.number = size // A_ROUND

    def admit(self, number: int) -> None:
        """A round of new tasks."""
        tasks = [self.task() for _ in range(A_ROUND)]
        self.store.commit_round(number, tasks=tasks, proposals=[], groups=[], solved=[])

    def task(self) -> Task:
        """One that was never there; one shape in four is known."""
        self.made += 1
        form = f"{self.made:032x}"
        return Task(
            kind=(Kind.DEDUCTION, Kind.ABDUCTION)[self.made % 2],
            program=f"def f(x):\n    y = x * {self.made}\n    return [y, y + 1]",
            examples=(Example(args="7", gold=b"I\x00\x00\x00\x01I", shown="[49, 50]"),),
            normal_form=form,
            shape=f"{self.made * 3 // 4:032x}",
            behaviour=form[:16],
            certificate=CERTIFICATE,
        )

    def next_round(self) -> None:
        """Admit a round, durably."""
        self.admit(self.number)
        self.number += 1


def median_us(action: Callable[[], object], *, repeat: int) -> float:
    """Median time of an action, microseconds."""
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def offset_draw(filled: Filled, dice: random.Random, total: int) -> None:
    """The uniform draw of tasks as a store without slots makes it."""
    query = "SELECT * FROM tasks WHERE slot IS NOT NULL AND kind = ? ORDER BY position"
    for index in dice.sample(range(total), N):
        values = (Kind.DEDUCTION, index)
        filled.store._rows(f"{query} LIMIT 1 OFFSET ?", values)


def sorted_draw(filled: Filled, dice: random.Random) -> None:
    """A weighted draw by one random key a row (Efraimidis and Spirakis), over all rows."""
    rows = filled.store._db.execute(
        "SELECT position, round FROM tasks WHERE slot IS NOT NULL AND kind = ?", (Kind.DEDUCTION,)
    )
    keys = sorted(((dice.random() ** (1 / (number + 2)), at) for at, number in rows), reverse=True)
    for _, position in keys[:N]:
        filled.store._rows("SELECT * FROM tasks WHERE position = ?", (position,))


def figures(size: int, folder: Path, *, repeat: int) -> dict[str, float]:
    """All figures of one size, microseconds unless the name says otherwise."""
    filled = Filled(folder / f"{size}.db", size)
    store, dice = filled.store, random.Random(0)
    total = store.num_tasks(Kind.DEDUCTION)
    recent = Weighting.RECENT
    few = max(3, repeat // 20)
    found = {
        "admit a task": median_us(filled.next_round, repeat=repeat) / A_ROUND,
        "count": median_us(store.num_tasks, repeat=repeat),
        "draw uniform": median_us(lambda: store.draw(dice, [Kind.DEDUCTION], n=N), repeat=repeat),
        "draw recent": median_us(
            lambda: store.draw(dice, [Kind.DEDUCTION], n=N, weighting=recent), repeat=repeat
        ),
        "by OFFSET": median_us(lambda: offset_draw(filled, dice, total), repeat=few),
        "by sorted keys": median_us(lambda: sorted_draw(filled, dice), repeat=few),
        "is it known": median_us(lambda: known(filled), repeat=repeat),
        "evict a task": evict_us(filled, repeat=repeat),
    }
    found["uniform, rival"] = found["by OFFSET"] / found["draw uniform"]
    found["recent, rival"] = found["by sorted keys"] / found["draw recent"]
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found["bytes a task"] = filled.path.stat().st_size / filled.made
    found["peak RSS, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store.close()
    return found


def known(filled: Filled) -> bool:
    """Form, shape and behaviour of a new task."""
    task = filled.task()
    store = filled.store
    return (
        store.is_known(task.kind, task.normal_form)
        or store.is_known(task.kind, task.shape, by_shape=True)
        or store.is_known_behaviour(task.kind, task.behaviour)
    )


def evict_us(filled: Filled, *, repeat: int) -> float:
    """One task of each kind leaves at a time, in a transaction of its own, with the policy."""
    store, dice = filled.store, random.Random(1)

    def evict() -> None:
        capacity = max(map(store.num_tasks, (Kind.DEDUCTION, Kind.ABDUCTION))) - 1
        with store.transaction():
            make_room(store, dice, capacity=capacity, policy=Eviction.COVERAGE)

    evict()  # the kinds are of one size now
    return median_us(evict, repeat=repeat) / 2


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    table = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in asked.sizes:
            table[size] = figures(size, Path(folder), repeat=asked.repeat)
    print(f"{platform.machine()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}")
    print(f"{'microseconds':16}" + "".join(f"{size:>12,}" for size in table))
    for name in next(iter(table.values())):
        print(f"{name:16}" + "".join(f"{row[name]:12,.1f}" for row in table.values()))
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
