"""Text of a model as a terminal shows it: it must not obey it."""

from rich.text import Text


def printable(text: str) -> str:
    """Characters that do not print, line ends apart, as Python would write them in a string."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def shown(text: str) -> Text:
    """The same for a page."""
    return Text(printable(text))
