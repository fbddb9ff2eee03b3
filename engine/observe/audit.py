"""`engine tasks check`: that nothing was lost, used twice, or left without its counterpart.

What is compared, all of it from files, live or dead run alike:

    records    numbered 0, 1, 2, ... without gap or double (the store's outbox); each is a group, or
               a part of one, which follow each other
    ring       ends where the store ends, or before it (the rest is still in the outbox)
    orphans    a solver's group names an admitted task; every proposed task has exactly one, but
               for retired tasks, whose group may have been void
    steps      1, 2, 3, ...; each consumed, of each ring, the records right after the step before
               it, once, and ended between two groups
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.tasks.rows import GroupRow
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire import RunDir, WireError, latest_version
from engine.wire.ledger import Step, read_steps
from engine.wire.messages import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found."""

    summary: str
    problems: tuple[str, ...]


def audit(run: RunDir) -> Audit:
    """Check a run directory; raises StoreError if it is none."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        rows = store.group_rows()
        proposed = [task.id for task in store.tasks(origin=Origin.PROPOSAL)]
        num_seeds = store.num_tasks(origin=Origin.SEED)
        retired = [each.task.id for each in store.retired()]
        evicted = store.evicted()
    steps, unread = _ledger(run)
    own = run.ring.stem
    problems = [
        *unread,
        *_gaps([row.seq for row in rows]),
        *_scattered(rows),
        *_orphans(rows, [*proposed, *evicted], retired),
        *_steps(steps, rows, own=own),
        *_versions(run, steps),
    ]
    end = max((step.stretches[own][1] for step in steps if own in step.stretches), default=0)
    groups = {row.group_id for row in rows}
    trained = {row.group_id for row in rows if row.seq < end}
    summary = (
        f"{num_seeds} seeds, {len(proposed)} proposed tasks, "
        f"{f'{len(evicted)} evicted, ' if evicted else ''}"
        f"{f'{len(retired)} retired, ' if retired else ''}{len(groups)} groups, "
        f"{len(steps)} steps on the first {len(trained)} groups: "
        f"{'no gap, no double, no orphan' if not problems else f'{len(problems)} problems'}"
    )
    return Audit(summary=summary, problems=tuple(problems))


def _ledger(run: RunDir) -> tuple[list[Step], list[str]]:
    """The steps, or what is wrong with their file."""
    try:
        return read_steps(run.steps_ledger), []
    except WireError as error:
        return [], [str(error)]


def _gaps(seqs: Sequence[int]) -> Iterator[str]:
    for expected, seq in enumerate(seqs):
        if seq != expected:
            yield f"expected record {expected}, found {seq}"
            return


def _scattered(rows: Sequence[GroupRow]) -> Iterator[str]:
    group_id, expected = b"", 0
    for row in rows:
        if row.group_id != group_id:
            group_id, expected = row.group_id, 0
        if row.part != expected:
            yield f"record {row.seq} is part {row.part} of its group, expected part {expected}"
        expected = row.part + 1


def _orphans(
    rows: Sequence[GroupRow],
    proposed: Sequence[str],
    retired: Sequence[str],
) -> Iterator[str]:
    groups = {row.group_id: row.task_id for row in rows if row.role == Role.SOLVER}
    solved = Counter(groups.values())
    known = {*proposed, *retired}
    for task, count in solved.items():
        if task not in known:
            yield f"a solver's group names task {task}, which was never admitted"
        if count > 1:
            yield f"task {task} has {count} solver's groups, expected one"
    for task in proposed:
        if task not in solved:
            yield f"task {task} was admitted without its solver's group"


def _steps(steps: Sequence[Step], rows: Sequence[GroupRow], *, own: str) -> Iterator[str]:
    later_parts = {row.seq for row in rows if row.part}
    ends: Counter[str] = Counter()
    for step in steps:
        for ring, (first, end) in step.stretches.items():
            if first != ends[ring]:
                yield (
                    f"step {step.step} began at record {first} of {ring}, the one before ended "
                    f"at {ends[ring]}"
                )
            ends[ring] = end
        if ends[own] in later_parts:
            yield f"step {step.step} ended at record {ends[own]}, within a group"
    if ends[own] > len(rows):
        yield f"steps consumed {ends[own]} records, the store knows {len(rows)}"


def _versions(run: RunDir, steps: Sequence[Step]) -> Iterator[str]:
    newest = latest_version(run.weights)
    if newest is None or not steps:
        return
    last = steps[-1]
    if newest.version == last.version and newest.checksum != last.checksum:
        yield f"version {newest.version} is published with another checksum than its step's"
    if newest.step > len(steps):
        yield f"version {newest.version} is of step {newest.step}, the ledger ends at {len(steps)}"
