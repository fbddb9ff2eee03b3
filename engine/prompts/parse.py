"""Reading completions: text in, a proposal or an answer out, and never an evaluation of it.

Everything here is line arithmetic on text. Whether a program compiles, whether arguments are
literals, whether an answer is right: the sandbox says so, inside a guest. A completion that does
not have the shape its prompt began is `Malformed`, with one short reason that is counted in the
validity funnel.

`ProposalReader` reads a completion as it streams. It promises that how the text was cut into
pieces does not matter, and that `program` does not change once it is set: a program can be sent
to the sandbox while its call is still being written.
"""

import re
from dataclasses import dataclass, field

from engine.prompts.render import BLOCK_STOPS
from engine.wire.messages import Kind

CALL_OPEN, CALL_CLOSE = "print(f(", "))"
MAX_CHARS = 20_000
_CODE_WORD = re.compile(r"\b(?:return|lambda)\b")
_COMMENTED = re.compile(
    r"""((?: [^#'"] | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )*) [#]""", re.VERBOSE
)
"""What precedes a line's comment: a # inside a string begins none."""


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


@dataclass(slots=True)
class ProposalReader:
    """Reads `lead + completion` piece by piece (deduction and abduction proposals)."""

    lead: str
    text: str = field(init=False)
    program: str | None = field(default=None, init=False)
    """Set once the call's line has begun: all the code before it."""

    def __post_init__(self) -> None:
        self.text = self.lead

    def feed(self, piece: str) -> None:
        """Take the next piece of the completion."""
        self.text += piece
        if self.program is None:
            start = _call_start(self.text)
            if start is not None:
                self.program = _tidy(self.text[:start])

    def result(self) -> Proposal | Malformed:
        """What the text amounts to if nothing follows."""
        if len(self.text) > MAX_CHARS:
            return Malformed("too_long")
        block = _first_block(self.text)
        start = _call_start(block)
        if start is None or self.program is None:
            return Malformed("no_call")
        if self.program.count("\ndef "):
            return Malformed("several_functions")  # dead ones before f would pass for novelty
        call = block[start:].split("\n", 1)[0]
        args = _before_closing(call[len(CALL_OPEN) :], CALL_CLOSE)
        if args is None:
            return Malformed("open_call")
        return Proposal(program=self.program, args=(args,))


def parse_proposal(
    kind: Kind, completion: str, *, lead: str, num_inputs: int
) -> Proposal | Malformed:
    """Read a finished completion of a proposer's prompt."""
    if kind is Kind.INDUCTION:
        return _parse_description(completion, lead=lead, num_inputs=num_inputs)
    reader = ProposalReader(lead)
    reader.feed(completion)
    return reader.result()


def parse_answer(kind: Kind, completion: str, *, lead: str) -> Answer | Malformed:
    """Read a finished completion of a solver's prompt."""
    if len(completion) > MAX_CHARS:
        return Malformed("too_long")
    if kind is Kind.INDUCTION:
        program = _tidy(_first_block(lead + completion))
        return Answer(text=program) if ":" in program else Malformed("no_program")
    line = completion.split("\n", 1)[0].strip()
    if kind is Kind.DEDUCTION:
        return Answer(text=line) if line else Malformed("empty")
    args = _before_closing(line, ")")
    return Malformed("open_call") if args is None else Answer(text=args)


def leaks(message: str, program: str) -> bool:
    """Whether an induction message gives the program away: code words or a line of it."""
    squeezed = "".join(message.split())
    if "deff(" in squeezed or _CODE_WORD.search(message):
        return True
    lines = ("".join(line.split()) for line in program.splitlines()[1:])
    return any(len(line) >= 8 and line in squeezed for line in lines)


def _parse_description(completion: str, *, lead: str, num_inputs: int) -> Proposal | Malformed:
    program = lead.removesuffix("\n#")
    message, _, rest = _first_block(completion).partition("\n")
    message = message.strip()
    if not message:
        return Malformed("no_message")
    calls = [line.strip() for line in rest.splitlines() if line.strip()]
    args = [_before_closing(call[2:], ")") if call.startswith("f(") else None for call in calls]
    distinct = tuple(dict.fromkeys(each for each in args if each is not None))
    if None in args:
        return Malformed("open_call")
    if len(distinct) < num_inputs:
        return Malformed("few_inputs")
    if leaks(message, program):
        return Malformed("leak")
    return Proposal(program=program, args=distinct[:num_inputs], message=message)


def _before_closing(line: str, close: str) -> str | None:
    """The text before the last `close` of a line, if nothing but a comment follows it."""
    commented = _COMMENTED.match(line)
    text, found, rest = (commented[1] if commented else line).rpartition(close)
    return text.strip() if found and not rest.strip() else None


def _first_block(text: str) -> str:
    for stop in BLOCK_STOPS:
        text = text.split(stop, 1)[0]
    return text


def _call_start(text: str) -> int | None:
    """Where the first top-level `print(f(` line begins, inside the first block."""
    position = _first_block(text).find("\n" + CALL_OPEN)
    return None if position < 0 else position + 1


def _tidy(program: str) -> str:
    """No trailing blanks and no empty lines: a block must not contain its own end."""
    return "\n".join(line.rstrip() for line in program.splitlines() if line.strip())
