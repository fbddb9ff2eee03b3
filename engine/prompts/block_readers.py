"""Readers of the form `blocks`: a block of code that the prompt began, ended by a blank line.

A call or an answer of one line is complete at the end of its line; a description and a program at
the end of the block.
"""

from dataclasses import dataclass, field
from typing import TypeVar

from engine.prompts.forms import Answer, Malformed, Proposal
from engine.prompts.parse import (
    MAX_CHARS,
    has_whole_call,
    is_ended,
    parse_answer,
    parse_proposal,
    program_of,
)
from engine.prompts.reading import Reading
from engine.wire.messages import Kind

T = TypeVar("T")


@dataclass(slots=True)
class _Block(Reading[T]):
    """A block being written, up to MAX_CHARS with its lead."""

    _text: str = field(default="", init=False)

    @property
    def well_formed(self) -> bool:
        """A block has no outer structure that could be wrong."""
        return True

    def feed(self, piece: str) -> None:
        """Take the next piece of the completion."""
        if not self.is_open:
            return
        self._text += piece
        lead = self.prompt.lead
        window = (lead + self._text)[:MAX_CHARS]
        self._look(window)
        if self._is_closed(window):
            self._text = window[len(lead) :]
            self._settle(self._parse())
        elif len(lead) + len(self._text) > MAX_CHARS:
            self.hopeless = "too_long"

    def _look(self, window: str) -> None:
        """Note what is known before the block is closed."""

    def _is_closed(self, window: str) -> bool:
        raise NotImplementedError


@dataclass(slots=True)
class BlockProposalReader(_Block[Proposal]):
    """See `ProposalReader`."""

    num_inputs: int
    program: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.prompt.kind is Kind.INDUCTION:
            self.program = self.prompt.given

    @property
    def proposal(self) -> Proposal | None:
        """Set once the call's line, or the description, has ended."""
        return self.found

    def _look(self, window: str) -> None:
        if self.program is None:
            self.program = program_of(window)

    def _is_closed(self, window: str) -> bool:
        if self.prompt.kind is Kind.INDUCTION:
            return is_ended(window[len(self.prompt.lead) :])
        return is_ended(window) or has_whole_call(window)

    def _parse(self) -> Proposal | Malformed:
        prompt = self.prompt
        return parse_proposal(prompt.kind, self._text, lead=prompt.lead, num_inputs=self.num_inputs)


@dataclass(slots=True)
class BlockAnswerReader(_Block[Answer]):
    """See `AnswerReader`."""

    @property
    def answer(self) -> Answer | None:
        """Set once the line, or the program's block, has ended."""
        return self.found

    def _is_closed(self, window: str) -> bool:
        if self.prompt.kind is Kind.INDUCTION:
            return is_ended(window)
        return "\n" in window[len(self.prompt.lead) :]

    def _parse(self) -> Answer | Malformed:
        return parse_answer(self.prompt.kind, self._text, lead=self.prompt.lead)
