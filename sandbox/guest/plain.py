"""A short cut for argument lists that mean the same in JSON and in the grammar of `literal`.

Most arguments are numbers, plain strings and lists of them. The scanner of the standard library's
JSON reads those in C; building and walking a syntax tree instead costs a guest a third of its
time. What is not surely the same in both languages is left to `literal`.
"""

from json.decoder import JSONDecoder
from json.scanner import make_scanner
from typing import NoReturn

_MAX_CHARS = 4096
"""Room for no int that is over a limit of the grammar."""
_MAX_OPENERS = 64
"""Nested less deep than any limit of the grammar."""
_JSON_ONLY = ("true", "false", "null", "\\")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_scan = make_scanner(
    JSONDecoder(parse_constant=_refuse)  # type: ignore[arg-type]  # its settings are all that is read
)


def parse_plain(text: str) -> list[object] | None:
    """The positional arguments of a list that is plain, else None."""
    if len(text) > _MAX_CHARS or not text.isascii() or any(word in text for word in _JSON_ONLY):
        return None
    if text.count("[") + text.count("{") > _MAX_OPENERS:
        return None
    if "'" in text:
        if '"' in text:
            return None
        text = text.replace("'", '"')
    listed = f"[{text}]"
    try:
        values, end = _scan(listed, 0)
    except (ValueError, StopIteration):
        return None
    return values if end == len(listed) else None
