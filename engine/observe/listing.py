"""`engine tasks list` and `show`: the newest tasks of a run as a table, and one task as a page."""

import json
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table

from engine.errors import EngineError
from engine.observe.plain import printable, shown
from engine.tasks.rows import Retirement, Stored
from engine.tasks.store import TaskStore
from engine.wire import RunDir

_CERTIFIED = ("policy", "python", "num_runs", "num_draws", "num_guests")
"""What a page tells of a certificate."""


def task_table(run: RunDir, *, limit: int) -> Table:
    """The newest tasks, newest last; before them the retired ones, with the reason."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        retired = {each.task.id: each for each in store.retired()}
        newest = [each.task for each in reversed(store.newest(limit))]
        tasks = [*(each.task for each in retired.values()), *newest]
    table = Table("id", "kind", "from", "version", "program", "arguments", "gold", "retired")
    for task in tasks:
        example = task.examples[0]
        table.add_row(
            task.id,
            task.kind.value,
            task.origin.value,
            str(task.version),
            shown(task.program),
            shown(example.args),
            shown(example.shown),
            _when(retired.get(task.id)),
        )
    return table


def task_page(run: RunDir, task_id: str) -> Group:
    """All that is known of one task; EngineError if there is none, or several, of this name."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        return Group(*task_parts(find_task(store, run, task_id)))


def find_task(store: TaskStore, run: RunDir, task_id: str) -> Stored:
    """The one task whose id begins so; EngineError if there is none, or several."""
    names = store.ids_like(task_id, most=2)
    stored = store.stored(names[0]) if len(names) == 1 else None
    if stored is None:
        seen = "several" if names else "none"
        raise EngineError(
            f"expected one task of {run.path} whose id begins with {task_id!r}, found {seen}; "
            f"`engine tasks list --run {run.path}` names them"
        )
    return stored


def task_parts(stored: Stored) -> list[RenderableType]:
    """Facts, program and examples."""
    examples = Table("arguments", "gold", "")
    for example in stored.task.examples:
        is_shown = example in stored.task.shown
        examples.add_row(
            shown(example.args), shown(example.shown), "shown" if is_shown else "hidden"
        )
    facts = Table(show_header=False, box=None)
    for name, value in _facts(stored).items():
        facts.add_row(name, shown(value))
    return [facts, Syntax(printable(stored.task.program), "python"), examples]


def _facts(stored: Stored) -> dict[str, str]:
    task = stored.task
    told = json.loads(task.certificate)
    behaviour = task.behaviour or "not asked"
    facts = {
        "id": task.id,
        "kind": task.kind.value,
        "state": stored.state,
        "from": f"{task.origin.value}, round {stored.round}, version {task.version}",
        "parents": " ".join(task.parents),
        "solved": f"{stored.solved} of {stored.attempts}",
        "form": f"{task.normal_form}, shape {task.shape}, behaviour {behaviour}",
        "certificate": ", ".join(f"{name} {told[name]}" for name in _CERTIFIED if name in told),
        "message": task.message,
    }
    return {name: value for name, value in facts.items() if value}


def _when(retirement: Retirement | None) -> str:
    if retirement is None:
        return ""
    at = datetime.fromtimestamp(retirement.at_ns / 1e9, UTC)
    return f"{at:%Y-%m-%d %H:%M}: {retirement.reason}"
