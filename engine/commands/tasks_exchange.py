"""`engine tasks export` and `import`: tasks between runs, as Parquet files."""

from pathlib import Path

from engine.commands.places import DEFAULT_RUN


def export_file(out: Path, /, *, run: Path = DEFAULT_RUN) -> int:
    """Write the tasks that can be drawn to a Parquet file, with certificates and solve statistics.

    May run beside the engine. The file appears whole or not at all.

    Example: engine tasks export tasks.parquet --run runs/first

    Parameters
    ----------
    out
        The file to write.
    run
        The run directory.
    """
    from engine.tasks.parquet import write_tasks
    from engine.tasks.store import TaskStore
    from engine.wire import RunDir

    with TaskStore(RunDir(run).tasks_db, read_only=True) as store:
        num_tasks = write_tasks(out, store.stored_tasks())
    print(f"{num_tasks} tasks in {out}")
    return 0


def import_file(source: Path, /, *, run: Path = DEFAULT_RUN) -> int:
    """Add the tasks of a Parquet file to a run: each is certified here first, as if proposed.

    What gives another value here than the file claims, or is known to the run, stays out. The run
    need not have begun: it then starts from these tasks besides its seeds. Not beside an engine.

    Example: engine tasks import tasks.parquet --run runs/second

    Parameters
    ----------
    source
        The file to read; the columns kind, program, message and examples are used.
    run
        The run directory.
    """
    from engine.commands.judging import import_into
    from engine.tasks.parquet import read_tasks
    from engine.wire import RunDir

    fates = import_into(RunDir(run), read_tasks(source))
    told = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
    print(told or f"no tasks in {source}")
    print(f"now: engine tasks list --run {run}")
    return 0
