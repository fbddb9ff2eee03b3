"""`engine explain`: a task's story from the flight recorder, on one page."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.observe.listing import find_task, task_parts
from engine.observe.plain import shown
from engine.tasks.flight import AttemptRow, ProposalRow, Written
from engine.tasks.rows import Stored
from engine.tasks.store import TaskStore
from engine.wire import RunDir

_PROMPT_CHARS = 4000
_ANSWER_CHARS = 120
_NAMED = 12
"""Descendants that are named; all are counted."""


def story(run: RunDir, task_id: str) -> Group:
    """All that the run knows of a task; EngineError if there is none, or several, of this name."""
    with TaskStore(run.tasks_db, read_only=True) as store:
        stored = find_task(store, run, task_id)
        return Group(*_chapters(store, stored))


def _chapters(store: TaskStore, stored: Stored) -> Iterator[RenderableType]:
    yield from task_parts(stored)
    proposed = store.proposal_of_task(stored.task.id)
    if proposed is None:
        yield Rule("proposed")
        yield Text(f"by nobody in this run: it is of origin {stored.task.origin.value}")
    else:
        yield from _proposal(store, *proposed)
    yield from _attempts(store, stored)
    children = store.children_of(stored.task.id)
    yield Rule("shown later")
    named = " ".join(children[:_NAMED]) + (" ..." if len(children) > _NAMED else "")
    yield Text(f"to the proposers of {len(children)} tasks {named}".rstrip())


def _proposal(store: TaskStore, number: int, row: ProposalRow) -> Iterator[RenderableType]:
    yield Rule(f"proposed in round {number}")
    prompt = store.prompt(row.written.prompt_id)
    text = "(not kept: engine.record is off)" if prompt is None else prompt.text
    yield Text("prompt", style="bold")
    yield shown(_shortened(text, _PROMPT_CHARS))
    yield Text("completion", style="bold")
    yield shown(row.text if prompt is None else row.text.removeprefix(prompt.lead))
    facts = Table(show_header=False, box=None)
    facts.add_row("fate", row.fate)
    facts.add_row("written", _written(row.written))
    facts.add_row("reward", f"{row.reward:g}: {_components(row.written)}")
    yield facts


def _attempts(store: TaskStore, stored: Stored) -> Iterator[RenderableType]:
    rows = list(store.attempts_at(stored.task.id))
    yield Rule(f"attempted {stored.attempts} times, solved {stored.solved} times")
    if not rows:
        return
    prompt = store.prompt(rows[0][1].written.prompt_id)
    if prompt is not None:
        yield Text("prompt", style="bold")
        yield shown(_shortened(prompt.text, _PROMPT_CHARS))
    table = Table("answer", "verdict", "reward", "for", "tokens", "version", "round")
    for number, row in rows:
        table.add_row(
            shown(_shortened(row.text.strip(), _ANSWER_CHARS)),
            row.verdict,
            f"{row.reward:g}",
            _purpose(row),
            str(row.written.num_tokens),
            _versions(row.written),
            str(number),
        )
    yield table


def _purpose(row: AttemptRow) -> str:
    purposes = [("measure", row.is_measure), ("training", row.is_trained)]
    return " and ".join(name for name, holds in purposes if holds) or "practice"


def _written(written: Written) -> str:
    return (
        f"{written.num_tokens} tokens by version {_versions(written)}, {written.finish}; sample "
        f"{written.sample} of seed {written.seed}"
    )


def _versions(written: Written) -> str:
    runs = [str(version) for version, _ in written.versions]
    return " then ".join(runs) or "-"


def _components(written: Written) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in written.components.items())


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ... ({len(text)} characters)"
