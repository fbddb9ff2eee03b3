"""Readers of the form `blocks`: a block of code that the prompt began, ended by a blank line.

A call or an answer of one line is complete at the end of its line; a description and a program at
the end of the block. Text is looked at again only when a line ends.
"""

from dataclasses import dataclass, field

from engine.prompts.forms import Answer, Malformed, Proposal, Rendered
from engine.prompts.parse import (
    MAX_CHARS,
    has_whole_call,
    is_ended,
    parse_answer,
    parse_proposal,
    program_of,
)
from engine.wire.messages import Kind


@dataclass(slots=True)
class BlockProposalReader:
    """See `ProposalReader`."""

    prompt: Rendered
    num_inputs: int
    proposal: Proposal | None = field(default=None, init=False)
    hopeless: str | None = field(default=None, init=False)
    program: str | None = field(default=None, init=False)
    _text: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if self.prompt.kind is Kind.INDUCTION:
            self.program = self.prompt.given

    @property
    def well_formed(self) -> bool:
        """A block has no outer structure that could be wrong."""
        return True

    def feed(self, piece: str) -> None:
        """Take the next piece of the completion."""
        if self.proposal or self.hopeless:
            return
        self._text += piece
        window = (self.prompt.lead + self._text)[:MAX_CHARS]
        if self.program is None:
            self.program = program_of(window)
        if ("\n" in piece or "`" in piece) and self._is_closed(window):
            self._text = window[len(self.prompt.lead) :]
            self._close()
        elif len(self.prompt.lead) + len(self._text) > MAX_CHARS:
            self.hopeless = "too_long"

    def result(self) -> Proposal | Malformed:
        """What the text amounts to if nothing follows."""
        if self.hopeless:
            return Malformed(self.hopeless)
        return self.proposal or self._parse()

    def _parse(self) -> Proposal | Malformed:
        prompt = self.prompt
        return parse_proposal(prompt.kind, self._text, lead=prompt.lead, num_inputs=self.num_inputs)

    def _is_closed(self, window: str) -> bool:
        if self.prompt.kind is Kind.INDUCTION:
            return is_ended(window[len(self.prompt.lead) :])
        return is_ended(window) or has_whole_call(window)

    def _close(self) -> None:
        found = self._parse()
        if isinstance(found, Proposal):
            self.proposal = found
        else:
            self.hopeless = found.reason


@dataclass(slots=True)
class BlockAnswerReader:
    """See `AnswerReader`."""

    prompt: Rendered
    answer: Answer | None = field(default=None, init=False)
    hopeless: str | None = field(default=None, init=False)
    _text: str = field(default="", init=False)

    @property
    def well_formed(self) -> bool:
        """A block has no outer structure that could be wrong."""
        return True

    def feed(self, piece: str) -> None:
        """Take the next piece of the completion."""
        if self.answer or self.hopeless:
            return
        self._text += piece
        lead = self.prompt.lead
        window = (lead + self._text)[:MAX_CHARS]
        if self._is_closed(window):
            self._text = window[len(lead) :]
            found = self._parse()
            if isinstance(found, Answer):
                self.answer = found
            else:
                self.hopeless = found.reason
        elif len(lead) + len(self._text) > MAX_CHARS:
            self.hopeless = "too_long"

    def result(self) -> Answer | Malformed:
        """What the text amounts to if nothing follows."""
        if self.hopeless:
            return Malformed(self.hopeless)
        return self.answer or self._parse()

    def _parse(self) -> Answer | Malformed:
        return parse_answer(self.prompt.kind, self._text, lead=self.prompt.lead)

    def _is_closed(self, window: str) -> bool:
        if self.prompt.kind is Kind.INDUCTION:
            return is_ended(window)
        return "\n" in window[len(self.prompt.lead) :]
