"""`engine queue stat`: one look at a ring."""

import json as jsonlib
from pathlib import Path

from engine.commands.places import DEFAULT_RING, DEFAULT_RUN


def stat(
    *,
    run: Path = DEFAULT_RUN,
    ring: str = DEFAULT_RING,
    source: Path | None = None,
    json: bool = False,
) -> int:
    """Show what is in the queue, how full it is, and who holds its ends; damaged or not.

    Example: engine queue stat --run runs/first

    Parameters
    ----------
    run
        The run directory.
    ring
        Which of its rings: the name of a file in queue/.
    source
        A ring file or a journal's directory anywhere, instead of a run's ring.
    json
        One JSON object instead of text.
    """
    from engine.commands.journals import stat_lines, stat_row
    from engine.commands.sources import existing_run, ring_path
    from engine.observe.ring import lines, row
    from engine.wire.ring.view import RingView

    if source is not None and source.is_dir():
        fields, shown = stat_row(source), stat_lines(source)
    else:
        with RingView.open(source or ring_path(existing_run(run), ring)) as view:
            seen = view.stat()
        fields, shown = row(seen), lines(seen)
    if json:
        print(jsonlib.dumps(fields))
        return 0
    where = f"--source {source}" if source else f"--run {run} --ring {ring}"
    for name, text in (*shown, ("now", f"engine queue tail {where}")):
        print(f"{name:8} {text}")
    return 0
