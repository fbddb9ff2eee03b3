"""`engine queue tail`: the newest records, one line each."""

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter, validators

from engine.commands.places import DEFAULT_RING, DEFAULT_RUN

if TYPE_CHECKING:
    from engine.commands.sources import Source
    from engine.wire.ring.walk import Found

POLL_S: Final = 0.2
"""How often `--follow` looks for more."""


def tail(
    *,
    run: Path = DEFAULT_RUN,
    ring: str = DEFAULT_RING,
    source: Path | None = None,
    num: Annotated[int, Parameter(name=("--num", "-n"), validator=validators.Number(gte=0))] = 10,
    follow: Annotated[bool, Parameter(name=("--follow", "-f"))] = False,
) -> int:
    """Show the newest records of the queue, one line each: what they hold, or what is wrong.

    In a ring those are records that the trainer has not committed yet. They stay where they are.

    Example: engine queue tail --run runs/first -n 20 --follow

    Parameters
    ----------
    run
        The run directory.
    ring
        Which of its rings: the name of a file in queue/.
    source
        A ring file or a journal's directory anywhere, instead of a run's ring.
    num
        How many records.
    follow
        Go on with new records as they come, until Ctrl-C.
    """
    from engine.commands.sources import open_source
    from engine.wire import RunDir

    place = open_source(run=run, ring=ring, source=source)
    journal = RunDir(run).journal / ring
    try:
        is_empty = _show(place, num=num, follow=follow)
        if is_empty and source is None and journal.is_dir():
            print(f"what the trainer has read is in its journal: --source {journal}")
    except KeyboardInterrupt:
        print()
    return 0


def _show(source: "Source", *, num: int, follow: bool) -> bool:
    """Print them; says whether there was none at first."""
    newest: deque[Found] = deque(maxlen=num)
    next_seq = None
    for found in source.newest(num):
        newest.append(found)
        next_seq = _behind(found)
    for found in newest:
        _print(found)
    is_empty = next_seq is None
    if next_seq is None:
        next_seq = source.end_seq()
        if not follow:
            print(f"nothing is there; the next record will be {next_seq}")
    while follow:
        for found in source.records(first_seq=next_seq, end_seq=None):
            _print(found)
            next_seq = _behind(found)
        time.sleep(POLL_S)
    return is_empty


def _print(found: "Found") -> None:
    from engine.observe.records import headline

    print(headline(found), flush=True)


def _behind(found: "Found") -> int:
    from engine.wire.ring.walk import Overtaken

    return found.end_seq if isinstance(found, Overtaken) else found.seq + 1
