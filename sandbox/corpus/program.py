"""An attack file: what its header says, and the texts and constants found in it.

    # class: NAME / expect: WORD      WORD says how the attack should end at best
    # detect: ...                     how one outside knows that it succeeded
    # verify: KIND[:TEXT]             the same for a program
    # mode: ...                       read by other harnesses, not by this one

The header is the `#` lines at the top, a byte-order mark and a coding cookie before it allowed.
Only these lines are read here, as Latin-1, line by line: the rest of a file is hostile text.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

EXPECTED = (
    "denied", "error", "timeout", "oom", "crash-contained", "nondeterministic", "ok-contained",
)  # fmt: skip
MAX_BYTES = 1 << 20
"""Of one file; the sandbox itself refuses far smaller ones, which is fine: they are refused."""
_MAX_HEADER = 4096
_BOM = b"\xef\xbb\xbf"
_FIRST = re.compile(r"^#\s*class:\s*(\w+)\s*/\s*expect:\s*([a-z-]+)")
_FIELD = re.compile(r"^#\s*(detect|verify):\s*(.*\S)")
_NAMED = re.compile(r"""(?:contains|(?<!f )returns|value)\s+["']?([A-Z][A-Z0-9'-]+(?: \d+)?)""")
_PATH = re.compile(r"the path (/[\w./-]+)")


class CorpusError(SandboxError):
    """The directory is no corpus: nothing there, or something that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says of itself."""

    kind: str
    """The class of attack."""
    expect: str
    detect: str = ""
    verify: str = ""

    @property
    def markers(self) -> tuple[str, ...]:
        """Texts that a value must not hold.

        A program may say of itself what it likes. So nothing is forbidden where values are the
        topic; of a source that is hard to compile, and of a program that is expected to end well,
        only what `detect` names; else also what `verify` has.
        """
        if self.kind == "output_abuse":
            return ()
        named = tuple(_NAMED.findall(self.detect))
        what, _, text = self.verify.partition(":")
        is_text = what in ("contains", "value", "twophase") and text
        is_own_business = self.expect == "ok-contained" or self.kind == "compile_bombs"
        return named if is_own_business or not is_text else (*named, text)

    @property
    def is_harmless_done(self) -> bool:
        """Whether an OK does no harm: the source compiled within the limits, any value will do."""
        return self.kind == "compile_bombs" or self.verify in ("anyvalue", "anything")

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths whose appearance is a success of the attack."""
        what, _, text = self.verify.partition(":")
        return (*_PATH.findall(self.detect), *([text] if what == "path" else []))

    @property
    def is_twice(self) -> bool:
        """Whether the attack shows in its second run only."""
        return self.verify.startswith("twophase")

    @property
    def is_nondeterminism(self) -> bool:
        """Whether the attack is one on the belief that a program is a function."""
        return "nondeterminis" in self.kind or self.expect == "nondeterministic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One attack, ready to run; with a `problem` it is none."""

    name: str
    """Where it is, from the corpus's directory."""
    problem: str = ""
    header: Header = Header(kind="?", expect="?")
    texts: tuple[str, ...] = ()
    """The source as the bytes say; and as its coding cookie says, where that is another."""
    input: str | None = None
    """The attack is this argument list, not the program."""
    victim: str | None = None
    """What the worker runs before and after."""
    victim_expect: bytes | None = None
    """Canonical bytes of what the victim must return."""
    gold: bytes | None = None
    """Canonical bytes of the value that the attack would be taken for."""


def find(directory: Path) -> list[Path]:
    """All programs of a corpus, in order; names that begin with `_` are someone's tools."""
    if not directory.is_dir():
        raise CorpusError(f"{directory} is no directory; give one that holds attack programs")
    found = [p for p in sorted(directory.rglob("*.py")) if not p.is_dir() and p.name[0] not in "._"]
    if not found:
        raise CorpusError(f"no programs in {directory}: expected files named *.py")
    return found


def load(path: Path) -> bytes:
    """The bytes of a file, and no more of them than a program can have."""
    try:
        if path.exists() and not path.is_file():
            raise CorpusError(f"cannot read {path}: not a regular file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error


def read_header(raw: bytes) -> Header | str:
    """The header, or what is wrong with it."""
    lines = raw.removeprefix(_BOM)[:_MAX_HEADER].decode("latin-1").splitlines()
    comments = [line.strip() for line in lines if line.strip().startswith("#")]
    first = next((m for line in comments if (m := _FIRST.match(line))), None)
    if first is None:
        return "malformed header: no line `# class: NAME / expect: WORD`"
    if first[2] not in EXPECTED:
        return f"malformed header: expect is one of {', '.join(EXPECTED)}, got {first[2][:40]}"
    fields = {m[1]: m[2] for line in reversed(comments) if (m := _FIELD.match(line))}
    if not fields:
        return "malformed header: neither `# detect: ...` nor `# verify: ...`"
    return Header(kind=first[1], expect=first[2], **fields)
