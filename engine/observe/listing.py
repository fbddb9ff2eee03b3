"""`engine tasks`: the newest tasks of a run as a table."""

from datetime import UTC, datetime

from rich.table import Table

from engine.tasks.rows import Retirement
from engine.tasks.store import TaskStore
from engine.wire import RunDir


def task_table(run: RunDir, *, limit: int) -> Table:
    """The newest tasks, newest last; before them the retired ones, with the reason."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        retired = {each.task.id: each for each in store.retired()}
        tasks = [*(each.task for each in retired.values()), *store.tasks()]
    table = Table("id", "kind", "from", "version", "program", "arguments", "gold", "retired")
    for task in [*tasks[: len(retired)], *tasks[len(retired) :][-limit:]]:
        example = task.examples[0]
        table.add_row(
            task.id,
            task.kind.value,
            task.origin.value,
            str(task.version),
            task.program,
            example.args,
            example.shown,
            _when(retired.get(task.id)),
        )
    return table


def _when(retirement: Retirement | None) -> str:
    if retirement is None:
        return ""
    at = datetime.fromtimestamp(retirement.at_ns / 1e9, UTC)
    return f"{at:%Y-%m-%d %H:%M}: {retirement.reason}"
