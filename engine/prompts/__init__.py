"""Prompts for each form, role and kind, and the readers of what comes back.

`propose` and `solve` render a prompt; `proposal_reader` and `answer_reader` read its completion
while it is written.
"""

from collections.abc import Sequence

from engine.prompts import render, tagged
from engine.prompts.block_readers import BlockAnswerReader, BlockProposalReader
from engine.prompts.forms import (
    Answer,
    AnswerReader,
    Form,
    Malformed,
    Proposal,
    ProposalReader,
    Rendered,
)
from engine.prompts.tag_readers import TagAnswerReader, TagProposalReader
from engine.tasks.task import Task
from engine.wire.messages import Kind


def propose(
    kind: Kind,
    references: Sequence[Task],
    *,
    form: Form = Form.BLOCKS,
    num_inputs: int,
    program: str = "",
    show_outputs: bool = False,
) -> Rendered:
    """The proposer's prompt; induction invents inputs and a message for `program`."""
    if form is Form.BLOCKS:
        return render.propose(kind, references, num_inputs=num_inputs, program=program)
    return tagged.propose(
        kind,
        references,
        form=form,
        num_inputs=num_inputs,
        program=program,
        show_outputs=show_outputs,
    )


def solve(task: Task, shots: Sequence[Task], *, form: Form = Form.BLOCKS) -> Rendered:
    """The solver's prompt: `shots` are other tasks with their answers, then `task` without."""
    if form is Form.BLOCKS:
        return render.solve(task, shots)
    return tagged.solve(task, shots, form=form)


def proposal_reader(prompt: Rendered, *, num_inputs: int) -> ProposalReader:
    """Reads one completion of a proposer's prompt."""
    if prompt.form is Form.BLOCKS:
        return BlockProposalReader(prompt, num_inputs)
    return TagProposalReader(prompt, num_inputs)


def answer_reader(prompt: Rendered) -> AnswerReader:
    """Reads one completion of a solver's prompt."""
    return BlockAnswerReader(prompt) if prompt.form is Form.BLOCKS else TagAnswerReader(prompt)


__all__ = [
    "Answer",
    "AnswerReader",
    "Form",
    "Malformed",
    "Proposal",
    "ProposalReader",
    "Rendered",
    "answer_reader",
    "proposal_reader",
    "propose",
    "solve",
]
