"""`engine explain`: one page about a task, from its prompt to what was made of it."""

from pathlib import Path

from engine.commands.places import DEFAULT_RUN


def explain(task_id: str, /, *, run: Path = DEFAULT_RUN) -> int:
    """Tell the story of one task: prompt, proposal, certificate, attempts, rewards, descendants.

    Example: engine explain 3f2a90c1 --run runs/first

    Parameters
    ----------
    task_id
        The task, as `engine tasks list` names it; the first digits do if no other task has them.
    run
        The run directory.
    """
    from rich.console import Console

    from engine.observe.story import story
    from engine.wire import RunDir

    Console().print(story(RunDir(run), task_id))
    return 0
