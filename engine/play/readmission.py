"""Tasks that were certified elsewhere or long ago, before the sandbox once more.

Nothing is taken over from a stranger's file: a task is certified like a proposal, must give the
gold that the file claims for it, and must be new to this run. A stored task is certified again
under the rules and the interpreter of today.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from engine.config import EngineConfig
from engine.play.judge import Rejected, admit
from engine.play.novelty import fingerprinted, is_stored
from engine.play.propose import gates_of
from engine.prompts import Proposal
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin, Task
from sandbox import Rejection, Sandbox, Verdict, certify

AT_ONCE = 32
"""Tasks before the sandbox together; its own queue bounds how many run."""
IMPORTED = "imported"
T = TypeVar("T")


async def import_tasks(
    sandbox: Sandbox, store: TaskStore, config: EngineConfig, tasks: Iterable[Task | None]
) -> Counter[str]:
    """Insert those that pass, in order; how many had which fate. None: a row that is no task."""
    fates: Counter[str] = Counter()
    for part in _parts(tasks):
        async with asyncio.TaskGroup() as group:
            judging = [group.create_task(_readmit(sandbox, config, task)) for task in part]
        for done in judging:
            fates[_insert(store, config, done.result())] += 1
    return fates


async def rejudge(sandbox: Sandbox, tasks: Iterable[Task]) -> AsyncIterator[str | None]:
    """For each task, in order: what is wrong with it today, or None."""
    for part in _parts(tasks):
        async with asyncio.TaskGroup() as group:
            judging = [group.create_task(_problem(sandbox, task)) for task in part]
        for done in judging:
            yield done.result()


async def _readmit(sandbox: Sandbox, config: EngineConfig, claimed: Task | None) -> Task | str:
    """The task as this sandbox has it, or the one word why there is none."""
    if claimed is None:
        return "malformed"
    proposal = Proposal(
        program=claimed.program,
        args=tuple(example.args for example in claimed.examples),
        message=claimed.message,
    )
    gates = gates_of(config)
    task = await admit(sandbox, claimed.kind, proposal, gates=gates, origin=Origin.IMPORTED)
    if isinstance(task, Rejected):
        return task.fate
    if [example.gold for example in task.examples] != [each.gold for each in claimed.examples]:
        return "another_value"
    return await fingerprinted(sandbox, config, task)


def _insert(store: TaskStore, config: EngineConfig, task: Task | str) -> str:
    if isinstance(task, str):
        return task
    if is_stored(store, task, config.novelty) or not store.add_imported(task):
        return "duplicate"
    return IMPORTED


async def _problem(sandbox: Sandbox, task: Task) -> str | None:
    args = [example.args for example in task.examples]
    found = await certify(sandbox, program=task.program, args=args, names_errors=task.names_errors)
    if isinstance(found, Rejection):
        lost = " (ours: run the check again)" if found.reason == Verdict.LOST else ""
        detail = f": {found.detail}" if found.detail else ""
        return f"task {task.id} is no longer certified, {found.reason}{detail}{lost}"
    if found.values != tuple(example.gold for example in task.examples):
        return f"task {task.id} gives another value than its gold"
    return None


def _parts(things: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(things)
    while part := list(islice(iterator, AT_ONCE)):
        yield part
