"""The live panel: redrawn twice a second on a terminal, one line now and then elsewhere."""

import asyncio
import sys
import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from engine.observe.board import Board
from engine.wire.messages import Role

REDRAW_S = 0.5
LINE_EVERY_S = 15.0


async def show(board: Board) -> None:
    """Draw the board until cancelled."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(panel(board), console=console, auto_refresh=False) as live:
            try:
                while True:
                    live.update(panel(board), refresh=True)
                    await asyncio.sleep(REDRAW_S)
            finally:
                live.update(panel(board), refresh=True)
    last = ""
    while True:
        text = line(board)
        if text != last:
            print(text, file=sys.stderr, flush=True)  # noqa: T201  # this is the display
        last = text
        await asyncio.sleep(LINE_EVERY_S)


def line(board: Board) -> str:
    """The board in one line, for logs."""
    minutes = (time.monotonic() - board.started) / 60
    valid = " ".join(
        f"{kind.value[:3]} {_percent(board.valid_share(kind))}" for kind in board.kinds
    )
    solved = " ".join(
        f"{kind.value[:3]} {_percent(board.solve_rate(kind))}" for kind in board.kinds
    )
    return (
        f"{minutes:5.1f} min | step {board.version} {board.goal} | {board.phase} | "
        f"valid {valid} | solved {solved} | {board.tokens.per_s:.0f} tok/s | "
        f"{board.calls.per_s:.0f} calls/s | staleness {_number(board.age_mean)} | "
        f"trainer: {board.trainer}"
    )


def panel(board: Board) -> RenderableType:
    """The board as a panel."""
    return Panel(
        Group(_head(board), _kinds(board), _fates(board)),
        title=f"kelvin  {board.run}",
        subtitle="Ctrl-C stops both processes; the same command goes on",
    )


def _head(board: Board) -> Table:
    table = Table.grid(padding=(0, 3))
    seconds = int(time.monotonic() - board.started)
    table.add_row(
        f"step [bold]{board.version}[/] {board.goal}",
        f"phase [bold]{board.phase}[/]",
        f"{seconds // 60}:{seconds % 60:02d}",
        f"tasks {board.tasks}",
    )
    table.add_row(
        f"{board.tokens.per_s:.0f} tokens/s",
        f"{board.calls.per_s:.0f} sandbox calls/s",
        f"staleness {_number(board.age_mean)}",
        f"waiting in the queue {board.unconsumed}",
    )
    table.add_row("trainer", board.trainer)
    return table


def _kinds(board: Board) -> Table:
    table = Table("kind", "proposer reward", "valid", "solver reward", "solve rate", expand=True)
    for kind in board.kinds:
        table.add_row(
            kind.value,
            _number(board.mean_reward(Role.PROPOSER, kind)),
            _percent(board.valid_share(kind)),
            _number(board.mean_reward(Role.SOLVER, kind)),
            _percent(board.solve_rate(kind)),
        )
    return table


def _fates(board: Board) -> str:
    counts = board.fates().most_common(8)
    return "recent proposals: " + ("  ".join(f"{f} {n}" for f, n in counts) or "none yet")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
