"""A task, and all that the flight recorder has of it, as plain values: what JSON can say."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from engine.observe.listing import find_task
from engine.tasks.flight import AttemptRow, ProposalRow
from engine.tasks.rows import Stored
from engine.tasks.store import TaskStore
from engine.wire import RunDir

MOST_ATTEMPTS = 64
"""Attempts of a history: the last ones."""


def task_row(stored: Stored) -> dict[str, object]:
    """A task with its statistics."""
    task = stored.task
    return {
        "id": task.id,
        "kind": task.kind.value,
        "origin": task.origin.value,
        "state": stored.state,
        "round": stored.round,
        "version": task.version,
        "program": task.program,
        "message": task.message,
        "examples": [
            {"args": each.args, "gold": each.shown, "is_shown": each in task.shown}
            for each in task.examples
        ],
        "attempts": stored.attempts,
        "solved": stored.solved,
        "normal_form": task.normal_form,
        "shape": task.shape,
        "behaviour": task.behaviour,
        "parents": list(task.parents),
    }


def history_row(run: RunDir, task_id: str) -> dict[str, object]:
    """The one task whose id begins so, from prompt to descendants; EngineError as `find_task`."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        stored = find_task(store, run, task_id)
        proposed = store.proposal_of_task(stored.task.id)
        attempts = list(store.attempts_at(stored.task.id))
        last = attempts[-1][1].written.prompt_id if attempts else ""
        return {
            **task_row(stored),
            "certificate": json.loads(stored.task.certificate),
            "proposed": None if proposed is None else _row(store, *proposed),
            "num_attempts": len(attempts),
            "attempted": [
                _row(store, *each, with_prompt=False) for each in attempts[-MOST_ATTEMPTS:]
            ],
            "solver_prompt": _prompt(store, last),
            "children": store.children_of(stored.task.id),
        }


def _row(
    store: TaskStore, number: int, row: ProposalRow | AttemptRow, *, with_prompt: bool = True
) -> Mapping[str, object]:
    fields = asdict(row)
    fields |= fields.pop("written")
    prompt = {"prompt": _prompt(store, row.written.prompt_id)} if with_prompt else {}
    return {"round": number, **fields, **prompt}


def _prompt(store: TaskStore, prompt_id: str) -> str | None:
    prompt = store.prompt(prompt_id)
    return None if prompt is None else prompt.text
