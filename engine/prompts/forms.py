"""The words that prompts and their readers share: forms, rendered prompts, what is read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from engine.wire.messages import Kind


class Form(StrEnum):
    """How a request is put to the model."""

    BLOCKS = "blocks"
    """A Python document that the model continues: for models of any size, small ones too."""
    TAGS = "tags"
    """A request in words, answered between think and answer tags: for base models."""
    CHAT = "chat"
    """The same request as a message of a user, through the model's own template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A prompt ready to be continued."""

    text: str
    """In the form `chat`: the user's message."""
    lead: str
    """The begun reply at the end of `text`, which the reader needs to read the completion."""
    stop: tuple[str, ...]
    kind: Kind
    form: Form = Form.BLOCKS
    given: str = ""
    """Induction: the program that a proposer describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a proposer wrote: a program and argument lists as text, all of it unchecked."""

    program: str
    args: tuple[str, ...]
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a solver wrote: a literal, an argument list or a program, as text."""

    text: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """The completion does not have the shape that was asked for."""

    reason: str
    """One word, counted in the validity funnel."""


class Reader(Protocol):
    """Reads a completion as it streams. How the text was cut into pieces does not matter."""

    @property
    def hopeless(self) -> str | None:
        """One word, once nothing that may follow makes the completion valid."""

    @property
    def well_formed(self) -> bool:
        """Whether what was read has the form's outer structure: thoughts, then an answer."""

    def feed(self, piece: str) -> None:
        """Take the next piece of the completion."""


class ProposalReader(Reader, Protocol):
    """Reads a proposer's completion."""

    @property
    def program(self) -> str | None:
        """Set the moment its block closes, unchanged from then on."""

    @property
    def proposal(self) -> Proposal | None:
        """Set the moment it is complete, unchanged from then on, whatever follows."""

    def result(self) -> Proposal | Malformed:
        """What the text amounts to if nothing follows."""


class AnswerReader(Reader, Protocol):
    """Reads a solver's completion."""

    @property
    def answer(self) -> Answer | None:
        """Set the moment it is complete, unchanged from then on, whatever follows."""

    def result(self) -> Answer | Malformed:
        """What the text amounts to if nothing follows."""
