"""Reading completed blocks: text in, a proposal or an answer out, and never an evaluation of it.

Everything here is line arithmetic on text. Whether a program compiles, whether arguments are
literals, whether an answer is right: the sandbox says so, inside a guest. A completion that does
not have the shape its prompt began is `Malformed`, with one short reason that is counted in the
validity funnel.
"""

import re

from engine.prompts.forms import Answer, Malformed, Proposal
from engine.prompts.render import BLOCK_STOPS
from engine.wire.messages import Kind

CALL_OPEN, CALL_CLOSE = "print(f(", "))"
MAX_CHARS = 20_000
_COMMENTED = re.compile(
    r"""((?: [^#'"] | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )*) [#]""", re.VERBOSE
)
"""What precedes a line's comment: a # inside a string begins none."""


def parse_proposal(
    kind: Kind, completion: str, *, lead: str, num_inputs: int
) -> Proposal | Malformed:
    """Read a finished completion of a proposer's prompt."""
    if kind is Kind.INDUCTION:
        return _parse_description(completion, lead=lead, num_inputs=num_inputs)
    return _parse_called(lead + completion)


def parse_answer(kind: Kind, completion: str, *, lead: str) -> Answer | Malformed:
    """Read a finished completion of a solver's prompt."""
    if len(completion) > MAX_CHARS:
        return Malformed("too_long")
    if kind is Kind.INDUCTION:
        program = _tidy(_first_block(lead + completion))
        return Answer(text=program) if ":" in program else Malformed("no_program")
    line = completion.split("\n", 1)[0].strip()
    if kind in (Kind.DEDUCTION, Kind.ERROR):
        return Answer(text=line) if line else Malformed("empty")
    args = _before_closing(line, ")")
    return Malformed("open_call") if args is None else Answer(text=args)


def program_of(text: str) -> str | None:
    """The code before the call's line, once that line has begun."""
    start = _call_start(text)
    return None if start is None else _tidy(text[:start])


def has_whole_call(text: str) -> bool:
    """Whether the call's line has ended."""
    start = _call_start(text)
    return start is not None and "\n" in text[start:]


def is_ended(text: str) -> bool:
    """Whether the block has ended: nothing after that is read."""
    return any(stop in text for stop in BLOCK_STOPS)


def _parse_called(text: str) -> Proposal | Malformed:
    if len(text) > MAX_CHARS:
        return Malformed("too_long")
    block = _first_block(text)
    start = _call_start(block)
    if start is None:
        return Malformed("no_call")
    program = _tidy(block[:start])
    if program.count("\ndef "):
        return Malformed("several_functions")  # dead ones before f would pass for novelty
    call = block[start:].split("\n", 1)[0]
    args = _before_closing(call[len(CALL_OPEN) :], CALL_CLOSE)
    return Malformed("open_call") if args is None else Proposal(program=program, args=(args,))


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
