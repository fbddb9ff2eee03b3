"""`engine tasks diversity`: is the proposer still inventing, or repeating one idea?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.commands.places import DEFAULT_RUN

MOST_TREES: Final = 64
"""Newest programs whose trees are compared, each with each."""


def diversity(*, run: Path = DEFAULT_RUN, last: int = 300) -> int:
    """Tell how diverse and how complex the newest tasks of a run are.

    Families, programs and values are counted per 100 tasks; a falling number of families beside as
    many programs as ever is a collapse onto one template. Complexity needs the extra `complexity`
    (pip install 'kelvin-rl[complexity]'); programs are parsed in a process of their own.

    Example: engine tasks diversity --run runs/first --last 100

    Parameters
    ----------
    run
        The run directory.
    last
        How many of the newest tasks to look at.
    """
    from dataclasses import asdict

    from engine.tasks.diversity import diversity as diversity_of
    from engine.tasks.store import TaskStore
    from engine.wire import RunDir

    with TaskStore(RunDir(run).tasks_db, read_only=True) as store:
        figures = asdict(diversity_of(store, last))
        programs = [stored.task.program for stored in store.newest(last)]
    figures |= asyncio.run(_syntax(programs))
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}  {f'{value:.2f}' if isinstance(value, float) else value}")
    return 0


async def _syntax(programs: Sequence[str]) -> dict[str, object]:
    """Distances of the syntax trees, and means of what the libraries say that are installed."""
    from engine.observe.syntax import measure, spread

    found = [each for each in await measure(programs) if each]
    apart = spread([each.tree for each in found[:MOST_TREES]])
    figures: dict[str, object] = {"tree_distance": apart.mean, "nearest_tree": apart.nearest}
    for name in ("cognitive", "volume", "effort"):
        values = [value for each in found if (value := getattr(each, name)) is not None]
        if values:
            figures[name] = sum(values) / len(values)
    return figures
