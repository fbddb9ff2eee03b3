"""The judge: what the sandbox says of proposals and answers.

The sandbox runs programs and hands back canonical bytes; here they are compared. No text of a
model is evaluated or parsed as code in this process: arguments and answers are read as literals
inside a guest, and a gold never leaves the host.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from engine.play.reward import Judgement
from engine.prompts import Proposal
from engine.tasks.task import Example, Origin, Task
from engine.wire.messages import Kind
from sandbox import Call, Rejection, Sandbox, Verdict, certify, render

LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Why a proposal is no task. `fate` is one word and is counted in the validity funnel."""

    fate: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What makes a certified program worth a task."""

    reject_trivial: bool
    max_value_chars: int
    max_program_chars: int


async def admit(
    sandbox: Sandbox,
    kind: Kind,
    proposal: Proposal,
    *,
    gates: Gates,
    parents: Sequence[str] = (),
    version: int = 0,
    origin: Origin = Origin.PROPOSAL,
) -> Task | Rejected:
    """Certify a proposal; a task if it passes every gate, else the reason."""
    longest = max(map(len, proposal.args), default=0)
    if len(proposal.program) > gates.max_program_chars or longest > gates.max_value_chars:
        return Rejected(fate="too_long")
    if any("\n" in args for args in proposal.args):
        return Rejected(fate="arguments", detail="an argument list spans several lines")
    certificate = await certify(sandbox, program=proposal.program, args=proposal.args)
    if isinstance(certificate, Rejection):
        return Rejected(fate=certificate.reason, detail=certificate.detail)
    if gates.reject_trivial and certificate.inspection.trivial:
        return Rejected(fate="trivial", detail="returns a constant or an argument unchanged")
    shown = [render(value) for value in certificate.values]
    if gates.reject_trivial and _is_dull(kind, proposal.args, shown):
        return Rejected(fate="trivial", detail="the result is None, the input or always the same")
    if max(map(len, shown)) > gates.max_value_chars:
        return Rejected(fate="too_long", detail="a result is longer than a prompt may show")
    examples = tuple(
        Example(args=args, gold=gold, shown=text)
        for args, gold, text in zip(proposal.args, certificate.values, shown, strict=True)
    )
    return Task(
        kind=kind,
        program=proposal.program,
        examples=examples,
        message=proposal.message,
        normal_form=certificate.normal_form,
        shape=certificate.shape,
        certificate=json.dumps(certificate.to_dict()),
        parents=tuple(parents),
        version=version,
        origin=origin,
    )


async def judge(sandbox: Sandbox, task: Task, answer: str) -> Judgement:
    """Whether an answer is right, by the canonical bytes of what a guest makes of it."""
    outcome = await sandbox.run(_call(task, answer))
    if outcome.verdict is Verdict.LOST:
        return Judgement.LOST
    if outcome.verdict is Verdict.INVALID and task.kind is not Kind.INDUCTION:
        return Judgement.MALFORMED  # the answer is no literal, so nothing could be compared
    if outcome.verdict is not Verdict.OK:
        return Judgement.WRONG
    wanted = task.hidden if task.kind is Kind.INDUCTION else task.examples[:1]
    right = outcome.values == tuple(example.gold for example in wanted)
    return Judgement.RIGHT if right else Judgement.WRONG


def _call(task: Task, answer: str) -> Call:
    if task.kind is Kind.DEDUCTION:
        return Call(program=None, args=[answer])
    if task.kind is Kind.ABDUCTION:
        return Call(program=task.program, args=[answer])
    return Call(program=answer, args=[example.args for example in task.hidden])


def _is_dull(kind: Kind, args: Sequence[str], shown: Sequence[str]) -> bool:
    if kind is Kind.INDUCTION:
        return len(set(shown)) == 1
    return shown[0] == "None" or shown[0] == args[0]
