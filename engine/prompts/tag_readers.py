"""Readers of the forms `tags` and `chat`: thoughts, then an answer with fenced blocks.

    <think> ... </think> <answer> ... ```python ... ``` ... ```input ... ``` ... </answer>

The answer begins at the first answer tag after the last closing think tag, and ends at its closing
tag. In it, blocks are told apart by the word on their fence. A fence ends a block only on a line of
its own, not inside of an open triple-quoted string. Of several programs the first that defines `f`
counts, so an example of other code may precede it; arguments may come before or after it.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from engine.prompts.forms import Answer, Malformed, Proposal
from engine.prompts.parse import MAX_CHARS
from engine.prompts.reading import Reading
from engine.wire.messages import Kind

T = TypeVar("T")

THINK, THOUGHT, ANSWER, ANSWERED = "<think>", "</think>", "<answer>", "</answer>"
MAX_REPLY_CHARS = 5 * MAX_CHARS
"""Longest reply, thoughts included."""
_FENCE = re.compile(r"^[ \t]*(`{3,})[ \t]*(\w*)[^\n`]*$")
_DEFINES_F = re.compile(r"^(?:async )?def f\b", re.MULTILINE)
_FORMED = re.compile(r"\s*<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)
_CODE = frozenset({"python", "py", "python3"})


class Fenced(NamedTuple):
    """One fenced block."""

    word: str
    """What it is, in lower case; empty if its fence does not say."""
    text: str


def answer_of(text: str) -> tuple[str, bool] | None:
    """The answer so far and whether it has ended; None before it has begun."""
    after = text.rfind(THOUGHT)
    start = text.find(ANSWER, max(0, after))
    if start < 0:
        return None
    body, closing, _ = text[start + len(ANSWER) :].partition(ANSWERED)
    return body, bool(closing)


def blocks_of(answer: str) -> list[Fenced]:
    """The closed blocks of an answer, in order."""
    blocks: list[Fenced] = []
    fence, word, lines = "", "", list[str]()
    for line in answer.split("\n")[:-1]:  # the last line may go on
        mark = _FENCE.match(line)
        if not fence:
            if mark:
                fence, word, lines = mark[1], mark[2].lower(), []
        elif mark and mark[1].startswith(fence) and not mark[2] and not _is_quoting(lines):
            blocks.append(Fenced(word, "\n".join(lines)))
            fence = ""
        else:
            lines.append(line)
    return blocks


def _is_quoting(lines: list[str]) -> bool:
    """Whether a triple-quoted string is open at the end of these lines."""
    text = "\n".join(lines)
    return any(text.count(quotes) % 2 for quotes in ('"""', "'''"))


@dataclass(slots=True)
class _Reply(Reading[T]):
    """A reply being written. It is looked at when a line or a tag may have ended."""

    _text: str = field(default="", init=False)
    """Up to the last end of a line or tag."""
    _rest: str = field(default="", init=False)
    """What follows: joined to the text only then, for a reply comes in thousands of pieces."""

    def __post_init__(self) -> None:
        self._text = self.prompt.lead

    @property
    def well_formed(self) -> bool:
        """Whether the reply is a think element and right after it an answer element."""
        return _FORMED.match(self._text + self._rest) is not None

    def feed(self, piece: str) -> None:
        """Take the next piece of the completion."""
        room = MAX_REPLY_CHARS - len(self._text) - len(self._rest)
        for part in re.split(r"(?<=[\n>])", piece[:room]):  # so that cutting does not matter
            self._rest += part
            if part.endswith(("\n", ">")):
                self._text += self._rest
                self._rest = ""
                if self.is_open:
                    self._look()
        if len(piece) >= room and self.is_open:
            self.hopeless = "too_long"

    def _look(self) -> None:
        found = answer_of(self._text)
        if found is not None:
            answer, is_ended = found
            self._read(answer + "\n" * is_ended, is_ended=is_ended)

    def _read(self, answer: str, *, is_ended: bool) -> None:
        """Settle if the answer so far allows it."""
        raise NotImplementedError

    def _parse(self) -> T | Malformed:
        found = answer_of(self._text + self._rest)
        return Malformed("no_answer") if found is None else self._parse_answer(found[0] + "\n")

    def _parse_answer(self, answer: str) -> T | Malformed:
        """Read an answer that has ended."""
        raise NotImplementedError


@dataclass(slots=True)
class TagProposalReader(_Reply[Proposal]):
    """See `ProposalReader`."""

    num_inputs: int = 1
    program: str | None = field(default=None, init=False)

    @property
    def proposal(self) -> Proposal | None:
        """Set once there is a program and an input, or all of a description."""
        return self.found

    def _read(self, answer: str, *, is_ended: bool) -> None:
        found = self._parse_answer(answer)
        is_described = self.prompt.kind is Kind.INDUCTION  # its last inputs count
        if is_ended or (isinstance(found, Proposal) and not is_described):
            self._settle(found)

    def _parse_answer(self, answer: str) -> Proposal | Malformed:
        blocks = blocks_of(answer)
        inputs = [block.text.strip() for block in blocks if block.word == "input"]
        if self.prompt.kind is Kind.INDUCTION:
            return self._described(blocks, inputs)
        self.program = self.program or _program(blocks)
        if self.program is None:
            return Malformed("no_program")
        return (
            Proposal(program=self.program, args=(inputs[0],)) if inputs else Malformed("no_input")
        )

    def _described(self, blocks: list[Fenced], inputs: list[str]) -> Proposal | Malformed:
        messages = [block.text.strip() for block in blocks if block.word == "message"]
        message = " ".join(messages[-1].split()) if messages else ""
        if not message:
            return Malformed("no_message")
        distinct = tuple(dict.fromkeys(inputs))
        if len(distinct) < self.num_inputs:
            return Malformed("few_inputs")
        return Proposal(
            program=self.prompt.given, args=distinct[-self.num_inputs :], message=message
        )


@dataclass(slots=True)
class TagAnswerReader(_Reply[Answer]):
    """See `AnswerReader`."""

    @property
    def answer(self) -> Answer | None:
        """Set once the answer has ended."""
        return self.found

    def _read(self, answer: str, *, is_ended: bool) -> None:
        if is_ended:
            self._settle(self._parse_answer(answer))

    def _parse_answer(self, answer: str) -> Answer | Malformed:
        """The last block of the right word; a bare answer if there is no block at all."""
        blocks = blocks_of(answer)
        if self.prompt.kind is Kind.INDUCTION:
            program = _program(blocks)
            return Malformed("no_program") if program is None else Answer(text=program)
        word = "input" if self.prompt.kind is Kind.ABDUCTION else "output"
        wanted = [block.text for block in blocks if block.word in (word, "")]
        if not blocks and "```" not in answer:
            wanted = [answer]
        text = wanted[-1].strip() if wanted else ""
        return Answer(text=text) if text else Malformed("empty")


def _program(blocks: list[Fenced]) -> str | None:
    """The first block of code that defines f."""
    for block in blocks:
        if (block.word in _CODE or not block.word) and _DEFINES_F.search(block.text):
            return block.text.strip("\n")
    return None
