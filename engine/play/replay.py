"""Judging stored completions again: parser, certificates, verdicts, rewards must come out the same.

A completion is fed to its reader and what it amounts to goes through the sandbox, as when it was
played. Whether a proposal was *new* depends on all that came before it and is not asked again; what
ran out of time or memory then or now says something of the machine: of a proposal it is known and
counted apart, of an attempt it is not, for such an answer is wrong like any other.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.config import EngineConfig
from engine.play.judge import Rejected, Ruling, admit, judge
from engine.play.learnability import Belief
from engine.play.propose import (
    ADMITTED,
    DUPLICATE,
    RETIRED,
    UNFORMATTED,
    gates_of,
    proposal_in,
    reward_of,
)
from engine.play.reward import Judgement, solver_reward
from engine.play.solve import answer_in
from engine.prompts import (
    Answer,
    Form,
    Malformed,
    Rendered,
    answer_reader,
    proposal_reader,
)
from engine.tasks.flight import AttemptRow, PromptRow, ProposalRow
from engine.tasks.store import TaskStore
from engine.wire.messages import Finish
from sandbox import Sandbox

_PASSED = frozenset({ADMITTED, DUPLICATE, RETIRED})
"""Fates of what is certified and passes the gates; which of them depends on the run so far."""
_OF_THE_MACHINE = frozenset({"timeout", "memory", "output", "lost", "crashed"})
VALID = "valid"


class Outcome(StrEnum):
    """Of judging one thing again."""

    AGREED = "agreed"
    DIFFERED = "differed"
    UNDECIDED = "undecided"
    """Time or memory ran out in one of the two."""
    UNRECORDED = "unrecorded"
    """Its prompt was not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One stored completion, judged again."""

    what: str
    """`proposal` or `attempt`."""
    round: int
    task_id: str
    outcome: Outcome
    recorded: str
    found: str


async def replay_round(
    sandbox: Sandbox, store: TaskStore, config: EngineConfig, number: int
) -> AsyncIterator[Replayed]:
    """Judge a round's proposals and attempts again, in their order."""
    proposals, attempts = store.proposals_of(number), store.attempts_of(number)
    async with asyncio.TaskGroup() as group:
        judging = [
            *(group.create_task(_proposal(sandbox, store, config, number, p)) for p in proposals),
            *(group.create_task(_attempt(sandbox, store, config, number, a)) for a in attempts),
        ]
    for done in judging:
        yield done.result()
    for row in proposals:
        if row.fate == ADMITTED and attempts:
            yield _reward(config, number, row, attempts)


async def _proposal(
    sandbox: Sandbox, store: TaskStore, config: EngineConfig, number: int, row: ProposalRow
) -> Replayed:
    prompt = store.prompt(row.written.prompt_id)
    recorded = VALID if row.fate in _PASSED else row.fate
    found = "" if prompt is None else await _fate(sandbox, config, prompt, row)
    return Replayed(
        what="proposal",
        round=number,
        task_id=row.task_id or "",
        outcome=_outcome(prompt, recorded, found),
        recorded=recorded,
        found=found,
    )


async def _fate(sandbox: Sandbox, config: EngineConfig, prompt: PromptRow, row: ProposalRow) -> str:
    """One word for what the proposal is, `valid` if it is a task, new or not."""
    reader = proposal_reader(_rendered(prompt), num_inputs=config.num_inputs)
    reader.feed(row.text.removeprefix(prompt.lead))
    proposal = proposal_in(reader, finish=Finish(row.written.finish))
    if isinstance(proposal, Malformed):
        return proposal.reason
    task = await admit(sandbox, prompt.kind, proposal, gates=gates_of(config))
    if isinstance(task, Rejected):
        return task.fate
    if not reader.well_formed:
        return UNFORMATTED
    is_same = row.fate != ADMITTED or task.id == row.task_id
    return VALID if is_same else f"another task, {task.id}"


async def _attempt(
    sandbox: Sandbox, store: TaskStore, config: EngineConfig, number: int, row: AttemptRow
) -> Replayed:
    prompt, task = store.prompt(row.written.prompt_id), store.task(row.task_id)
    recorded, found = f"{row.verdict} {row.reward:g}", ""
    if prompt is not None and task is not None:
        reader = answer_reader(_rendered(prompt))
        reader.feed(row.text)
        answer = answer_in(reader, finish=Finish(row.written.finish))
        judgement = Judgement.MALFORMED
        if isinstance(answer, Answer):
            ruling = Ruling(equality=config.equality, induction_check=config.induction_check)
            judgement = await judge(sandbox, task, answer.text, ruling)
        found = judgement.value
        if judgement not in (Judgement.LOST, Judgement.VOID):
            reward = solver_reward(judgement, well_formed=reader.well_formed)
            found = f"{judgement.value} {reward:g}"
    return Replayed(
        what="attempt",
        round=number,
        task_id=row.task_id,
        outcome=_outcome(prompt, recorded, found),
        recorded=recorded,
        found=found,
    )


def _reward(
    config: EngineConfig, number: int, row: ProposalRow, attempts: Sequence[AttemptRow]
) -> Replayed:
    """What an admitted proposal earned, from the verdicts on the attempts that measured it."""
    measured = [a.verdict for a in attempts if a.is_measure and a.task_id == row.task_id]
    right = measured.count(Judgement.RIGHT)
    found = reward_of(config, Belief(right, len(measured) - right))
    return Replayed(
        what="reward",
        round=number,
        task_id=row.task_id or "",
        outcome=Outcome.AGREED if found == row.reward else Outcome.DIFFERED,
        recorded=f"{row.reward:g}",
        found=f"{found:g}",
    )


def _outcome(prompt: PromptRow | None, recorded: str, found: str) -> Outcome:
    if prompt is None:
        return Outcome.UNRECORDED
    if recorded == found:
        return Outcome.AGREED
    words = {recorded.split(" ", maxsplit=1)[0], found.split(" ", maxsplit=1)[0]}
    return Outcome.UNDECIDED if words & _OF_THE_MACHINE else Outcome.DIFFERED


def _rendered(prompt: PromptRow) -> Rendered:
    """What a reader must know of a prompt."""
    return Rendered(
        text=prompt.text,
        lead=prompt.lead,
        stop=(),
        kind=prompt.kind,
        form=Form(prompt.form),
        given=prompt.given,
    )
