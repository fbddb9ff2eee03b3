"""`engine status`: who runs, who waits for whom, and what to do."""

import json as jsonlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.commands.places import DEFAULT_RUN

REDRAW_S: Final = 1.0


def status(*, run: Path = DEFAULT_RUN, json: bool = False, watch: bool = False) -> int:
    """Explain on one screen what a run does, or what it waits for, since when and on whom.

    Asks neither process: it works when both hang, and when both are dead.

    Example: engine status --run runs/first --watch

    Parameters
    ----------
    run
        The run directory.
    json
        One JSON object instead of text; with --watch one a line.
    watch
        Once a second, until Ctrl-C.
    """
    if json:
        return _repeat(lambda: print(_json(run), flush=True), is_repeated=watch)
    if not watch:
        print(_text(run))
        return 0
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False) as live:
        return _repeat(lambda: live.update(Text(_text(run)), refresh=True), is_repeated=True)


def _repeat(show: Callable[[], None], *, is_repeated: bool) -> int:
    try:
        show()
        while is_repeated:
            time.sleep(REDRAW_S)
            show()
    except KeyboardInterrupt:
        pass
    return 0


def _json(run: Path) -> str:
    from engine.commands.sources import existing_run
    from engine.observe.explain import row
    from engine.observe.status import read_status

    return jsonlib.dumps(row(read_status(existing_run(run))))


def _text(run: Path) -> str:
    from engine.commands.sources import existing_run
    from engine.observe.explain import lines
    from engine.observe.status import read_status

    seen = lines(read_status(existing_run(run)))
    return "\n".join(f"{name + ':':9} {text}" for name, text in seen)
