"""Reads attack files by a guest: their text as Python would decode it, and their constants.

The constants (`INPUT = ...`, `VICTIM = ...`) may be any expression, and the parser, the codec that
a coding cookie names and the expression itself are all targets of the very files at hand. A line
scanner here would be safe but misses what spans lines, is computed or is written in UTF-7. So one
of our own programs reads them in a guest, with `ast` and `tokenize` open to it; what comes back is
plain values in canonical bytes. A file that breaks its reader is run as the program it is, its
constants unread.
"""

from dataclasses import dataclass, replace

from sandbox.call import Call
from sandbox.corpus.program import MAX_BYTES, Program, read_header
from sandbox.guest import canon
from sandbox.limits import Limits
from sandbox.pool import Sandbox
from sandbox.value import ValueFormatError, decode

MODULES = (
    "ast", "builtins", "codecs", "encodings.utf_7", "encodings.utf_8_sig", "encodings.latin_1",
    "encodings.cp1252", "encodings.utf_16", "io", "tokenize",
)  # fmt: skip
LIMITS = Limits(
    wall_s=4.0, cpu_s=4.0, memory_mb=256, output_bytes=2 * MAX_BYTES, args_bytes=6 * MAX_BYTES
)
_TEXTS = ("INPUT", "VICTIM", "VICTIM_EXPECT")
_READER = '''
import ast, io, tokenize

def f(raw, names):
    """[text, {name: value}, [name that has no value]] of a source."""
    try:
        text = raw.decode(tokenize.detect_encoding(io.BytesIO(raw).readline)[0])
    except (SyntaxError, ValueError, LookupError, ImportError):
        text = raw.decode("utf-8", "surrogateescape")
    try:
        body = ast.parse(raw).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [text, {}, []]
    found, unread = {}, []
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in names:
                try:
                    found[name] = eval(compile(ast.Expression(node.value), "<constant>", "eval"))
                except BaseException:
                    unread.append(name)
    return [text, found, unread]
'''


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a guest read."""

    text: str
    constants: dict[str, object]
    unread: tuple[str, ...]


async def read(sandbox: Sandbox, *, name: str, raw: bytes) -> Program:
    """The program in these bytes; `sandbox` has MODULES and LIMITS."""
    header = read_header(raw)
    if isinstance(header, str):
        return Program(name=name, problem=header)
    plain = raw.decode("utf-8", "surrogateescape")
    bare = Program(name=name, header=header, texts=(plain,))
    answer = await _ask(sandbox, raw, _TEXTS)
    if answer is None:
        return bare
    values = {key: text for key, text in answer.constants.items() if isinstance(text, str)}
    expected = await _literal(sandbox, values.get("VICTIM_EXPECT"))
    problem = _problem(answer, is_expected_read=expected is not None)
    return replace(
        bare,
        problem=problem,
        texts=(plain,) if answer.text == plain else (plain, answer.text),
        input=values.get("INPUT"),
        victim=values.get("VICTIM"),
        victim_expect=expected,
        gold=await _gold(sandbox, raw),
    )


def _problem(answer: _Answer, *, is_expected_read: bool) -> str:
    for key in _TEXTS:
        if key in answer.unread:
            return f"malformed constant: {key} cannot be evaluated"
        if not isinstance(answer.constants.get(key, ""), str):
            return f"malformed constant: {key} is no text"
    if "VICTIM_EXPECT" in answer.constants and not is_expected_read:
        return "malformed constant: VICTIM_EXPECT is not the text of a literal"
    return ""


async def _ask(sandbox: Sandbox, raw: bytes, names: tuple[str, ...]) -> _Answer | None:
    call = Call(program=_READER, args=[f"{raw!r}, {list(names)!r}"])
    outcome = await sandbox.run(call)
    if not outcome.is_ok:
        return None
    try:
        answer = decode(outcome.values[0])
    except ValueFormatError:
        return None
    # The file's own expressions ran beside our reader, so its answer is as hostile as they are.
    if not isinstance(answer, list) or list(map(type, answer)) != [str, dict, list]:
        return None
    text, constants, unread = answer
    return _Answer(text, constants, tuple(unread))


async def _gold(sandbox: Sandbox, raw: bytes) -> bytes | None:
    """By itself: a gold without a canonical form must not cost the other constants."""
    if b"GOLD_EQ" not in raw:
        return None
    answer = await _ask(sandbox, raw, ("GOLD_EQ",))
    if answer is None or "GOLD_EQ" not in answer.constants:
        return None
    return canon.encode(answer.constants["GOLD_EQ"], max_bytes=LIMITS.output_bytes)


async def _literal(sandbox: Sandbox, text: str | None) -> bytes | None:
    if text is None:
        return None
    outcome = await sandbox.run(Call(program=None, args=[text]))
    return outcome.values[0] if outcome.is_ok else None
