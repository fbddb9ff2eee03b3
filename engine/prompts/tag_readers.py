"""Readers of the forms `tags` and `chat`: thoughts, then an answer with fenced blocks.

    <think> ... </think> <answer> ... ```python ... ``` ... ```input ... ``` ... </answer>

The answer begins at the first answer tag after the last closing think tag, and ends at its closing
tag. In it, blocks are told apart by the word on their fence. A fence ends a block only on a line of
its own, not inside of an open triple-quoted string. Of several programs the first that defines `f`
counts, so an example of other code may precede it; arguments may come before or after it.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.prompts.forms import Answer, Malformed, Proposal, Rendered
from engine.prompts.parse import MAX_CHARS
from engine.wire.messages import Kind

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
class _Reply:
    """What both readers share: the reply so far, and when it is worth another look."""

    prompt: Rendered
    hopeless: str | None = field(default=None, init=False)
    _text: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._text = self.prompt.lead

    @property
    def well_formed(self) -> bool:
        """Whether the reply is a think element and right after it an answer element."""
        return _FORMED.match(self._text) is not None

    def feed(self, piece: str) -> None:
        """Take the next piece of the completion."""
        if len(self._text) >= MAX_REPLY_CHARS:
            return
        for line in re.split(r"(?<=[\n>])", piece):  # so that cutting does not matter
            self._text = (self._text + line)[:MAX_REPLY_CHARS]
            if line.endswith(("\n", ">")) and self.hopeless is None:
                self._look()
        if len(self._text) >= MAX_REPLY_CHARS:
            self.hopeless = self.hopeless or self._too_long()

    def _look(self) -> None:
        found = answer_of(self._text)
        if found is not None:
            answer, is_ended = found
            if is_ended:
                answer += "\n"
            self._read(answer, is_ended=is_ended)

    def _read(self, answer: str, *, is_ended: bool) -> None:
        raise NotImplementedError

    def _too_long(self) -> str | None:
        raise NotImplementedError


@dataclass(slots=True)
class TagProposalReader(_Reply):
    """See `ProposalReader`."""

    num_inputs: int = 1
    proposal: Proposal | None = field(default=None, init=False)
    program: str | None = field(default=None, init=False)

    def result(self) -> Proposal | Malformed:
        """What the text amounts to if nothing follows."""
        if self.proposal or self.hopeless:
            return self.proposal or Malformed(self.hopeless or "")
        found = answer_of(self._text)
        if found is None:
            return Malformed("no_answer")
        return self._proposed(blocks_of(found[0] + "\n"), is_ended=True) or Malformed("no_input")

    def _read(self, answer: str, *, is_ended: bool) -> None:
        if self.proposal is not None:
            return
        found = self._proposed(blocks_of(answer), is_ended=is_ended)
        if isinstance(found, Proposal):
            self.proposal = found
        elif found is not None:
            self.hopeless = found.reason

    def _proposed(self, blocks: list[Fenced], *, is_ended: bool) -> Proposal | Malformed | None:
        """A proposal or why there will be none; None while it may still come."""
        if self.prompt.kind is Kind.INDUCTION:
            return self._described(blocks) if is_ended else None
        if self.program is None:
            self.program = _program(blocks)
        inputs = [block.text.strip() for block in blocks if block.word == "input"]
        if self.program is not None and inputs:
            return Proposal(program=self.program, args=(inputs[0],))
        if not is_ended:
            return None
        return Malformed("no_input" if self.program else "no_program")

    def _described(self, blocks: list[Fenced]) -> Proposal | Malformed:
        inputs = [block.text.strip() for block in blocks if block.word == "input"]
        messages = [block.text.strip() for block in blocks if block.word == "message"]
        message = " ".join(messages[-1].split()) if messages else ""
        if not message:
            return Malformed("no_message")
        if len(set(inputs)) < self.num_inputs:
            return Malformed("few_inputs")
        distinct = tuple(dict.fromkeys(inputs))[-self.num_inputs :]
        return Proposal(program=self.prompt.given, args=distinct, message=message)

    def _too_long(self) -> str | None:
        return None if self.proposal else "too_long"


@dataclass(slots=True)
class TagAnswerReader(_Reply):
    """See `AnswerReader`."""

    answer: Answer | None = field(default=None, init=False)

    def result(self) -> Answer | Malformed:
        """What the text amounts to if nothing follows."""
        if self.answer or self.hopeless:
            return self.answer or Malformed(self.hopeless or "")
        found = answer_of(self._text)
        if found is None:
            return Malformed("no_answer")
        return self._answered(found[0] + "\n")

    def _read(self, answer: str, *, is_ended: bool) -> None:
        if self.answer is not None or not is_ended:
            return
        found = self._answered(answer)
        if isinstance(found, Answer):
            self.answer = found
        else:
            self.hopeless = found.reason

    def _answered(self, answer: str) -> Answer | Malformed:
        """The last block of the right word; a bare answer if there is no block at all."""
        blocks = blocks_of(answer)
        if self.prompt.kind is Kind.INDUCTION:
            program = _program(blocks)
            return Malformed("no_program") if program is None else Answer(text=program)
        word = "input" if self.prompt.kind is Kind.ABDUCTION else "output"
        wanted = [block.text for block in blocks if block.word in (word, "")]
        if not wanted and not blocks and "```" not in answer:
            wanted = [answer]
        text = wanted[-1].strip() if wanted else ""
        return Answer(text=text) if text else Malformed("empty")

    def _too_long(self) -> str | None:
        return None if self.answer else "too_long"


def _program(blocks: list[Fenced]) -> str | None:
    """The first block of code that defines f."""
    for block in blocks:
        if (block.word in _CODE or not block.word) and _DEFINES_F.search(block.text):
            return block.text.strip("\n")
    return None
