"""The command `sandbox corpus`: progress on a terminal, lines or JSON on standard output."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.corpus.runner import Row, examine
from sandbox.corpus.show import document, line, summary
from sandbox.jails import Jail


def run_corpus(directory: Path, *, as_json: bool, jail: Jail) -> int:
    """0 if every program was contained, else 1; CorpusError if there is nothing to run."""
    with _progress() as advance:

        def on_row(row: Row, num_rows: int) -> None:
            advance(row.name, num_rows)
            if not as_json:
                _say(line(row))

        report = asyncio.run(examine(directory, jail=jail, on_row=on_row))
    if as_json:
        _say(document(report, directory=directory))
    else:
        _say(summary(report))
    return 0 if report.num_contained == len(report.rows) else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Gives what moves the bar on; there is a bar only where a terminal shows it."""
    if not sys.stderr.isatty():
        yield lambda _name, _num_rows: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda name, num_rows: bar.update(task, description=name, total=num_rows, advance=1)
