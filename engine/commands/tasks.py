"""`engine tasks`: the tasks of a run, listed, shown and checked."""

from pathlib import Path

from engine.commands.places import DEFAULT_RUN


def list_tasks(*, run: Path = DEFAULT_RUN, limit: int = 20) -> int:
    """List the newest tasks of a run that can be drawn, newest last; first the retired ones.

    Example: engine tasks list --run runs/first --limit 50

    Parameters
    ----------
    run
        The run directory.
    limit
        How many tasks to list.
    """
    from rich.console import Console

    from engine.observe.listing import task_table
    from engine.wire import RunDir

    Console().print(task_table(RunDir(run), limit=limit))
    return 0


def show(task_id: str, /, *, run: Path = DEFAULT_RUN) -> int:
    """Show all that is known of one task; also of one that was retired or evicted.

    Example: engine tasks show 3f2a90c1d4e5b687 --run runs/first

    Parameters
    ----------
    task_id
        The task, as `engine tasks list` names it; the first digits do if no other task has them.
    run
        The run directory.
    """
    from rich.console import Console

    from engine.observe.listing import task_page
    from engine.wire import RunDir

    Console().print(task_page(RunDir(run), task_id))
    return 0


def check(*, run: Path = DEFAULT_RUN, rejudge: bool = False) -> int:
    """Check that nothing was lost, doubled or orphaned; exit code 1 if something is wrong.

    Tasks, groups, ring and steps are compared, all from files: beside a live run, or after a kill.

    Example: engine tasks check --run runs/first --rejudge

    Parameters
    ----------
    run
        The run directory.
    rejudge
        Also certify every task again, in the sandbox: under the rules of this version and with
        this interpreter. Changes nothing.
    """
    from engine.observe.audit import audit
    from engine.wire import RunDir

    found = audit(RunDir(run))
    print(found.summary)
    problems = list(found.problems)
    if rejudge:
        from engine.commands.judging import rejudge_run

        num_tasks, told = rejudge_run(RunDir(run))
        print(f"{num_tasks} tasks certified again: {num_tasks - len(told)} agree")
        problems += told
    for problem in problems:
        print(f"problem: {problem}")
    return 1 if problems else 0
