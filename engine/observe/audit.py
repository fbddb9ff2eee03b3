"""`engine tasks --check`: that nothing was lost, used twice, or left without its counterpart.

What is compared, all of it from files, live or dead run alike:

    groups     numbered 0, 1, 2, ... without gap or double (the store's outbox)
    ring       ends where the store ends, or before it (the rest is still in the outbox)
    orphans    a solver's group names an admitted task; every proposed task has exactly one
    steps      1, 2, 3, ...; each consumed the groups right after the step before it, once
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire import RunDir, latest_version, read_jsonl
from engine.wire.messages import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found."""

    summary: str
    problems: tuple[str, ...]


def audit(run: RunDir) -> Audit:
    """Check a run directory; raises StoreError if it is none."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        groups = store.group_rows()
        proposed = [task.id for task in store.tasks(origin=Origin.PROPOSAL)]
        num_seeds = store.num_tasks(origin=Origin.SEED)
    steps = read_jsonl(run.steps_ledger)
    problems = [
        *_gaps([row[0] for row in groups]),
        *_orphans(groups, proposed),
        *_steps(steps, num_groups=len(groups)),
        *_versions(run, steps),
    ]
    trained = int(str(steps[-1]["end_seq"])) if steps else 0
    summary = (
        f"{num_seeds} seeds, {len(proposed)} proposed tasks, {len(groups)} groups, "
        f"{len(steps)} steps on the first {trained} groups: "
        f"{'no gap, no double, no orphan' if not problems else f'{len(problems)} problems'}"
    )
    return Audit(summary=summary, problems=tuple(problems))


def _gaps(seqs: Sequence[int]) -> Iterator[str]:
    for expected, seq in enumerate(seqs):
        if seq != expected:
            yield f"expected group {expected}, found {seq}"
            return


def _orphans(
    groups: Sequence[tuple[int, str, str, str, int]], proposed: Sequence[str]
) -> Iterator[str]:
    solved = Counter(task for _, role, _, task, _ in groups if role == Role.SOLVER)
    known = set(proposed)
    for task, count in solved.items():
        if task not in known:
            yield f"a solver's group names task {task}, which was never admitted"
        if count > 1:
            yield f"task {task} has {count} solver's groups, expected one"
    for task in proposed:
        if task not in solved:
            yield f"task {task} was admitted without its solver's group"


def _steps(steps: Sequence[Mapping[str, object]], *, num_groups: int) -> Iterator[str]:
    end = 0
    for number, row in enumerate(steps, start=1):
        if row["step"] != number:
            yield f"expected step {number} in the ledger, found {row['step']}"
            return
        if row["first_seq"] != end:
            yield f"step {number} began at group {row['first_seq']}, the one before ended at {end}"
        end = int(str(row["end_seq"]))
    if end > num_groups:
        yield f"steps consumed {end} groups, the store knows {num_groups}"


def _versions(run: RunDir, steps: Sequence[Mapping[str, object]]) -> Iterator[str]:
    newest = latest_version(run.weights)
    if newest is None or not steps:
        return
    row = steps[-1]
    if newest.version == row["version"] and newest.checksum != row["checksum"]:
        yield f"version {newest.version} is published with another checksum than its step's"
    if newest.step > len(steps):
        yield f"version {newest.version} is of step {newest.step}, the ledger ends at {len(steps)}"
