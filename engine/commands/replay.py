"""`engine replay`: stored completions are judged again and must agree."""

from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.places import DEFAULT_RUN

if TYPE_CHECKING:
    from engine.play.replay import Replayed

_SHOWN = 20
"""Differences that are named; all are counted."""


def replay(*, run: Path = DEFAULT_RUN, first: int = 0, last: int | None = None) -> int:
    """Judge every stored proposal and attempt again; exit code 1 if a verdict differs.

    Parser, certificates, verdicts and rewards are those of this version, in the sandbox of this
    host; settings are the run's. A proposal that ran out of time or memory, then or now, is counted
    apart; an attempt that did so once only differs. Changes nothing; beside a live run, too.

    Example: engine replay --run runs/first --first 10 --last 19

    Parameters
    ----------
    run
        The run directory.
    first
        The first round.
    last
        The last round; the newest one if it is not given.
    """
    import asyncio
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    from engine.play.replay import Outcome

    found = asyncio.run(_judge(run, first, last))
    counts = Counter((each.what, each.outcome) for each in found)
    table = Table("", *(outcome.value for outcome in Outcome))
    for what in ("proposal", "attempt", "reward"):
        table.add_row(what, *(str(counts[what, outcome]) for outcome in Outcome))
    Console().print(table)
    different = [each for each in found if each.outcome is Outcome.DIFFERED]
    for each in different[:_SHOWN]:
        print(
            f"round {each.round}, {each.what} {each.task_id}: recorded {each.recorded}, "
            f"found {each.found}"
        )
    if len(different) > _SHOWN:
        print(f"and {len(different) - _SHOWN} more")
    return 1 if different else 0


async def _judge(path: Path, first: int, last: int | None) -> "list[Replayed]":
    from rich.console import Console
    from rich.progress import track

    from engine.commands.judging import configuration, sandbox_of
    from engine.play.replay import replay_round
    from engine.tasks.store import TaskStore
    from engine.wire import RunDir

    run = RunDir(path)
    config, limits = configuration(run)
    found: list[Replayed] = []
    with TaskStore(run.tasks_db, read_only=True) as store:
        end = store.next_round() if last is None else min(last + 1, store.next_round())
        rounds = range(first, end)
        async with sandbox_of(limits) as sandbox:
            shown = track(rounds, "rounds", console=Console(stderr=True), transient=True)
            for number in shown:
                found += [each async for each in replay_round(sandbox, store, config, number)]
    return found
