"""`engine tasks`: the newest tasks of a run as a table."""

from rich.table import Table

from engine.tasks.store import TaskStore
from engine.wire import RunDir


def task_table(run: RunDir, *, limit: int) -> Table:
    """The newest tasks, newest last."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        tasks = list(store.tasks())
    table = Table("id", "kind", "from", "version", "program", "arguments", "gold")
    for task in tasks[-limit:]:
        example = task.examples[0]
        table.add_row(
            task.id,
            task.kind.value,
            task.origin.value,
            str(task.version),
            task.program,
            example.args,
            example.shown,
        )
    return table
