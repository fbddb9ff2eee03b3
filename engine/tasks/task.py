"""A task: a program of which one part is hidden, and the gold that the sandbox itself produced.

Arguments are kept as literal text in one normalised spelling (the sandbox rendered them from
values), gold as canonical bytes. An id is a hash of the content, so the same task proposed twice
is the same task.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from engine.wire.messages import Kind


class Origin(StrEnum):
    """Who made a task."""

    SEED = "seed"
    """We: what a run starts from."""
    IMPORTED = "imported"
    """Another run; read from a file and certified again."""
    PROPOSAL = "proposal"
    """A proposer of this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One argument list of a program and the value it gives."""

    args: str
    """Argument list as literal text, without the parentheses of the call."""
    gold: bytes
    """Canonical bytes of the value."""
    shown: str
    """The value as literal text, for prompts."""


def error_of(example: Example) -> str:
    """The name of the error that is an example's value, without quotes."""
    return example.shown.strip("'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One admitted task. Deduction and abduction have one example, induction several."""

    kind: Kind
    program: str
    examples: tuple[Example, ...]
    message: str = ""
    """Induction: what the proposer tells the solver."""
    normal_form: str = ""
    """Digest of the program with names made canonical."""
    shape: str = ""
    """The same with constants erased."""
    behaviour: str = ""
    """Digest of what the program does with probe inputs; empty where that was not asked."""
    certificate: str = "{}"
    """JSON of the sandbox's certificate."""
    parents: tuple[str, ...] = ()
    """Ids of the tasks shown to the proposer."""
    version: int = 0
    """Policy version that proposed it."""
    origin: Origin = Origin.PROPOSAL

    def __post_init__(self) -> None:
        if not self.examples:
            raise ValueError("a task needs at least one example, got none")

    @property
    def names_errors(self) -> bool:
        """Whether its gold is the name of an error."""
        return self.kind is Kind.ERROR

    @property
    def id(self) -> str:
        """Content hash: 16 hexadecimal digits."""
        content = [self.kind, self.program, [e.args for e in self.examples], self.message]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def shown(self) -> tuple[Example, ...]:
        """Induction: the half of the examples that the solver sees (rounded up)."""
        return self.examples[: (len(self.examples) + 1) // 2]

    @property
    def hidden(self) -> tuple[Example, ...]:
        """Induction: the examples an answer is judged by."""
        return self.examples[(len(self.examples) + 1) // 2 :]
