"""Documents: a prompt exactly as the product renders it, and the completion it hopes for.

All six pairs of role and kind, with zero to three worked blocks; the answers are right, because
the programs were run. Programs that solving is examined on do not occur.
"""

import random
from dataclasses import dataclass
from functools import cache

from engine.prompts import propose, solve
from engine.tasks.seeds import IDENTITY, held_out_programs
from engine.tasks.task import Example, Task
from engine.tiny.programs import Sketch, sketch
from engine.wire.messages import Kind, Role

NUM_INPUTS = 4
"""Calls of an induction proposal."""

_SHARES = {
    (Role.PROPOSER, Kind.DEDUCTION): 14,
    (Role.PROPOSER, Kind.ABDUCTION): 14,
    (Role.PROPOSER, Kind.INDUCTION): 20,
    (Role.SOLVER, Kind.DEDUCTION): 24,
    (Role.SOLVER, Kind.ABDUCTION): 16,
    (Role.SOLVER, Kind.INDUCTION): 12,
}

_SEED_SHARE = 0.1  # of worked blocks: what a run without data starts from


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One training text, cut where sampling begins."""

    prompt: str
    completion: str
    learn_prompt: bool
    """Whether the prompt is worth imitating, too; not if it shows the seed program."""


def document(rng: random.Random) -> Document:
    """A random document of a random role and kind."""
    role, kind = rng.choices(list(_SHARES), weights=list(_SHARES.values()))[0]
    return document_of(role, kind, rng)


def document_of(role: Role, kind: Kind, rng: random.Random) -> Document:
    """A random document of one role and kind."""
    blocks = [_block(kind, rng) for _ in range(rng.randint(0, 3))]
    subject = _task(kind, _sketch(rng))
    if role is Role.SOLVER:
        rendered = solve(subject, blocks)
        completion = _answer(subject)
    else:
        rendered = propose(kind, blocks, num_inputs=NUM_INPUTS, program=subject.program)
        completion = _proposal(subject, lead=rendered.lead)
    seeds = any(block.program == IDENTITY.program for block in blocks)
    return Document(prompt=rendered.text, completion=completion, learn_prompt=not seeds)


def _sketch(rng: random.Random) -> Sketch:
    return sketch(rng, num_inputs=NUM_INPUTS, without=_held_out())


@cache
def _held_out() -> frozenset[str]:
    return frozenset(entry.program for entry in held_out_programs())


def _block(kind: Kind, rng: random.Random) -> Task:
    if rng.random() >= _SEED_SHARE:
        return _task(kind, _sketch(rng))
    args = rng.sample(IDENTITY.inputs, NUM_INPUTS)
    seed = Sketch(
        program=IDENTITY.program, message=IDENTITY.message, args=tuple(args), values=tuple(args)
    )
    return _task(kind, seed)


def _task(kind: Kind, made: Sketch) -> Task:
    pairs = zip(made.args, made.values, strict=True)
    examples = tuple(Example(args=args, gold=b"", shown=value) for args, value in pairs)
    if kind is not Kind.INDUCTION:
        return Task(kind=kind, program=made.program, examples=examples[:1])
    return Task(kind=kind, program=made.program, examples=examples, message=made.message)


def _answer(task: Task) -> str:
    example = task.examples[0]
    if task.kind is Kind.DEDUCTION:
        return f" {example.shown}\n\n"
    if task.kind is Kind.ABDUCTION:
        return f"{example.args})\n\n"
    return task.program.removeprefix("def f(") + "\n\n"


def _proposal(task: Task, *, lead: str) -> str:
    if task.kind is Kind.INDUCTION:
        calls = "".join(f"f({example.args})\n" for example in task.examples)
        return f" {task.message}\n{calls}\n"
    call = f"print(f({task.examples[0].args}))"
    return f"{task.program}\n{call}\n\n".removeprefix(lead)
