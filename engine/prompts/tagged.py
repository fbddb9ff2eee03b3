"""Prompts in words, for the forms `tags` and `chat`; the words are in `requests.toml`.

A reference shows a program and its input, its result only where that is asked for (the paper shows
it; no reference is a task that is being solved). What a proposer must not give away to a solver is
decided by what it writes, not by what it was shown.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from engine.prompts.forms import Form, Rendered
from engine.prompts.tag_readers import ANSWERED, THINK
from engine.tasks.task import Task, error_of
from engine.wire.messages import Kind

STOPS = (ANSWERED,)


def propose(
    kind: Kind,
    references: Sequence[Task],
    *,
    form: Form,
    num_inputs: int,
    program: str = "",
    show_outputs: bool = False,
) -> Rendered:
    """The proposer's request; induction invents inputs and a message for `program`."""
    words = _words()
    asked = words["propose"][kind.value]
    parts = [asked["task"].strip().format(num_inputs=num_inputs), asked["hard"].strip()]
    if kind is Kind.INDUCTION:
        parts += [
            "The function:\n" + _fenced("python", program),
            "Rules for each input:\n" + words["rules"]["input"].strip(),
            f"Write the {num_inputs} inputs, each in a block of its own, and then the message:",
            _fenced("input", "'first', 1"),
            _fenced("input", "'second', 2"),
            _fenced("message", "What the function is good for."),
        ]
    else:
        parts += [
            "Rules for the function:\n" + words["rules"]["program"].strip(),
            "Rules for the input:\n" + words["rules"]["input"].strip(),
            "Write the function and then the input, each in a block of its own:",
            _fenced("python", "def f(text, times):\n    ...\n    return result"),
            _fenced("input", "'some text', 2"),
        ]
    parts += _shown(references, show_outputs=show_outputs)
    return _rendered("\n\n".join(parts), kind, form, given=program)


def solve(task: Task, shots: Sequence[Task], *, form: Form) -> Rendered:
    """The solver's request, with other tasks and their answers first if there are any."""
    asked = _words()["solve"][task.kind.value]
    parts = [asked["task"].strip(), asked["reply"].strip()]
    for number, shot in enumerate(shots, 1):
        parts += [f"Example {number}:", *_posed(shot), _solution(shot)]
    parts += ["The task:" if shots else "", *_posed(task)]
    return _rendered("\n\n".join(filter(None, parts)), task.kind, form)


def _rendered(request: str, kind: Kind, form: Form, *, given: str = "") -> Rendered:
    wrapper = _words()["wrapper"][form.value].strip("\n")
    before, _, after = wrapper.partition("{request}")
    return Rendered(
        text=before + request + after,
        lead=THINK if form is Form.TAGS else "",
        stop=STOPS,
        kind=kind,
        form=form,
        given=given,
    )


def _shown(references: Sequence[Task], *, show_outputs: bool) -> list[str]:
    """Earlier tasks, numbered."""
    if not references:
        return []
    parts = ["Earlier tasks, to show what is meant. Invent something of another kind:"]
    for number, task in enumerate(references, 1):
        example = task.examples[0]
        blocks = [_fenced("python", task.program), _fenced("input", example.args)]
        if show_outputs:
            shown = error_of(example) if task.kind is Kind.ERROR else example.shown
            blocks.append(_fenced("output", shown))
        parts.append(f"Task {number}:\n" + "\n".join(blocks))
    return parts


def _posed(task: Task) -> list[str]:
    """What a solver sees of a task."""
    example = task.examples[0]
    if task.kind is Kind.INDUCTION:
        pairs = [
            f"Input {number}:\n{_fenced('input', shown.args)}\n"
            f"Result {number}:\n{_fenced('output', shown.shown)}"
            for number, shown in enumerate(task.shown, 1)
        ]
        return [_fenced("message", task.message), *pairs]
    program = _fenced("python", task.program)
    if task.kind is Kind.ABDUCTION:
        return [program, _fenced("output", example.shown)]
    return [program, _fenced("input", example.args)]


def _solution(task: Task) -> str:
    example = task.examples[0]
    if task.kind is Kind.INDUCTION:
        return "Answer:\n" + _fenced("python", task.program)
    if task.kind is Kind.ABDUCTION:
        return "Answer:\n" + _fenced("input", example.args)
    shown = error_of(example) if task.kind is Kind.ERROR else example.shown
    return "Answer:\n" + _fenced("output", shown)


def _fenced(word: str, text: str) -> str:
    return f"```{word}\n{text}\n```"


@cache
def _words() -> Mapping[str, Any]:
    path = resources.files("engine.prompts").joinpath("requests.toml")
    return tomllib.loads(path.read_text("utf-8"))
