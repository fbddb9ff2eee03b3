"""What the commands share: reading a file, ending with one sentence."""

import sys
from pathlib import Path
from typing import NoReturn


def read(file: Path) -> str:
    """The text of a file, or of standard input for `-`."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"cannot read {file}: {error}; give a file of UTF-8 text")


def fail(sentence: str) -> NoReturn:
    """Bad input, or a host that cannot do it: one sentence, exit status 2."""
    print(f"sandbox: {sentence}", file=sys.stderr)
    raise SystemExit(2)
