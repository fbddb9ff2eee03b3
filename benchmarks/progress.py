"""One line on standard error for a person who waits; nothing where nobody looks."""

import sys


def say(what: str) -> None:
    """Overwrite the line; an empty one when it is over."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what}")
        sys.stderr.flush()
