"""The judge: what the sandbox says of proposals and answers.

The sandbox runs programs and hands back canonical bytes; here they are compared. No text of a
model is evaluated or parsed as code in this process: arguments and answers are read as literals
inside a guest, and a gold never leaves the host.

Where a task's program runs, its gold is checked again: an abduction guest gets the answer and then
the task's own arguments. In this order, for the answer must be judged as if it were alone; what a
program remembers can only spoil its own gold, and then it is no function and its task is void.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.play.reward import Judgement
from engine.prompts import Proposal
from engine.prompts.leak import gives_away, leaks
from engine.tasks.task import Example, Origin, Task
from engine.wire.messages import Kind
from sandbox import (
    Call,
    Mismatch,
    Outcome,
    Rejection,
    Sandbox,
    Verdict,
    certify,
    compare,
    equal,
    render,
    spell,
)

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
    leak_gate: bool = False
    """Whether what gives its answer away is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What counts as right."""

    equality: Literal["strict", "python"] = "strict"
    """Equal canonical bytes, or values that Python's == holds equal."""
    induction_check: Literal["hidden", "all"] = "hidden"
    """Which of the examples an induction answer must match."""


STRICT = Ruling()


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
    if objection := _to_text(proposal, gates):
        return objection
    args = await spell(sandbox, proposal.args)
    if isinstance(args, Outcome):
        fate = "arguments" if args.verdict is Verdict.INVALID else args.verdict.value
        return Rejected(fate=fate, detail=args.error)
    # In their one spelling, for the gold must be that of the arguments a task shows.
    certificate = await certify(
        sandbox, program=proposal.program, args=args, names_errors=kind is Kind.ERROR
    )
    if isinstance(certificate, Rejection):
        return Rejected(fate=certificate.reason, detail=certificate.detail)
    shown = [render(value) for value in certificate.values]
    is_trivial = certificate.inspection.trivial or _is_dull(kind, args, shown)
    if objection := _to_values(args, shown, is_trivial=is_trivial, gates=gates):
        return objection
    if gates.leak_gate and kind is not Kind.INDUCTION and gives_away(proposal.program, shown[0]):
        return Rejected(fate="leak", detail="a comment has the result")
    examples = tuple(
        Example(args=text, gold=gold, shown=result)
        for text, gold, result in zip(args, certificate.values, shown, strict=True)
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


async def judge(sandbox: Sandbox, task: Task, answer: str, ruling: Ruling = STRICT) -> Judgement:
    """Whether an answer is right, by the canonical bytes of what a guest makes of it."""
    judgement, seed = await _ask(sandbox, task, answer, ruling)
    if judgement is not Judgement.RIGHT or task.kind in (Kind.DEDUCTION, Kind.ERROR):
        return judgement
    # A program that was certified on one input may toss a coin on another: right must be right
    # again in another zygote, with another hash seed and address layout.
    judgement, _ = await _ask(sandbox, task, answer, ruling, other_than=[seed])
    return judgement


async def _ask(
    sandbox: Sandbox, task: Task, answer: str, ruling: Ruling, *, other_than: Sequence[int] = ()
) -> tuple[Judgement, int]:
    """One run's judgement and the seed of its zygote."""
    outcome = await sandbox.run(_call(task, answer, ruling), other_than=other_than)
    if task.kind is Kind.ABDUCTION:
        if _tells_of_gold(outcome) and isinstance(compare(outcome, _gold(task, STRICT)), Mismatch):
            return Judgement.VOID, outcome.seed
        if outcome.failed == 1:  # nothing against the gold, but the answer's value went with it
            call = Call(program=task.program, args=[answer])
            outcome = await sandbox.run(call, other_than=other_than)
    return _compare(task, outcome, ruling), outcome.seed


def _call(task: Task, answer: str, ruling: Ruling) -> Call:
    if task.kind is Kind.DEDUCTION:
        return Call(program=None, args=[answer])
    if task.kind is Kind.ERROR:
        return Call(program=None, args=[_error_name(answer)])
    if task.kind is Kind.ABDUCTION:
        return Call(program=task.program, args=[answer, task.examples[0].args])
    return Call(program=answer, args=[example.args for example in _wanted(task, ruling)])


def _error_name(answer: str) -> str:
    """The literal of an exception's name, of which a traceback's last line is one wording.

    That line may name the module and has words after a colon. What is no name stays as it is, and
    is no literal.
    """
    path = answer.strip().strip("'\"`").split(":", 1)[0].strip().split(".")
    is_name = all(part.isidentifier() and part.isascii() for part in path)
    return repr(path[-1]) if is_name else answer


def _tells_of_gold(outcome: Outcome) -> bool:
    """Whether an end is that of the task's own arguments, or of its program before any."""
    if outcome.failed is None:  # otherwise unknown: what stopped it may be the answer
        return outcome.verdict in (Verdict.OK, Verdict.RAISED, Verdict.INVALID)
    return outcome.failed == 1


def _wanted(task: Task, ruling: Ruling) -> Sequence[Example]:
    if task.kind is not Kind.INDUCTION:
        return task.examples[:1]
    return task.examples if ruling.induction_check == "all" else task.hidden


def _gold(task: Task, ruling: Ruling) -> list[bytes]:
    return [example.gold for example in _wanted(task, ruling)]


def _compare(task: Task, outcome: Outcome, ruling: Ruling) -> Judgement:
    if outcome.verdict is Verdict.LOST:
        return Judgement.LOST
    if outcome.verdict is Verdict.INVALID and task.kind is not Kind.INDUCTION:
        return Judgement.MALFORMED  # the answer is no literal, so nothing could be compared
    if outcome.verdict is not Verdict.OK:
        return Judgement.WRONG
    gold = _gold(task, ruling)
    values = outcome.values[: len(gold)]
    right = len(values) == len(gold) and all(
        equal(value, wanted, mode=ruling.equality)
        for value, wanted in zip(values, gold, strict=True)
    )
    return Judgement.RIGHT if right else Judgement.WRONG


def _to_text(proposal: Proposal, gates: Gates) -> Rejected | None:
    """What there is to object to before anything has run."""
    longest = max(map(len, (*proposal.args, proposal.message)))
    if len(proposal.program) > gates.max_program_chars or longest > gates.max_value_chars:
        return Rejected(fate="too_long")
    if gates.leak_gate and proposal.message and leaks(proposal.message, proposal.program):
        return Rejected(fate="leak", detail="the message has the program, or a line of it")
    return None


def _to_values(
    args: Sequence[str], shown: Sequence[str], *, is_trivial: bool, gates: Gates
) -> Rejected | None:
    """What there is to object to once arguments and results are known."""
    if len(set(args)) < len(args):
        return Rejected(fate="few_inputs", detail="two inputs are one in other words")
    if gates.reject_trivial and is_trivial:
        return Rejected(fate="trivial", detail="a constant, None or an argument unchanged")
    if max(map(len, (*args, *shown))) > gates.max_value_chars:
        return Rejected(fate="too_long", detail="longer than a prompt may show")
    return None


def _is_dull(kind: Kind, args: Sequence[str], shown: Sequence[str]) -> bool:
    """Whether the results say that there is nothing to find out."""
    if kind is Kind.INDUCTION:
        return len(set(shown)) == 1
    return shown[0] in ("None", args[0])
