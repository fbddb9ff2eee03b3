"""Does a proposal give its answer away? Gates on what a proposer shows to the solver.

All of it is comparison of text, squeezed of blanks: nothing is parsed as code. It finds a program
that is copied, split over lines, commented or renamed, and a result that stands in a comment; not
one that is told in other words or encoded, which no gate of text can.
"""

import re

_CODE_WORD = re.compile(r"\b(?:return|lambda|def)\b")
_NAME = re.compile(r"[A-Za-z_]\w*")
_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
LINE_CHARS = 8
"""A squeezed line of code of at least so many characters is not in a message by chance."""
RESULT_CHARS = 3
"""The same of a result in a comment."""


def leaks(message: str, program: str) -> bool:
    """Whether an induction message gives the program away: words of code, or a line of it."""
    if _CODE_WORD.search(message):
        return True
    squeezed, renamed = _squeezed(message), _squeezed(_renamed(message))
    for line in program.splitlines()[1:]:
        plain = _squeezed(line)
        if len(plain) < LINE_CHARS:
            continue
        if plain in squeezed:
            return True
        # Renamed, a line of names alone would be found in any sentence: it must have some signs.
        shaped = _squeezed(_renamed(line))
        if sum(not char.isalnum() and char != "_" for char in shaped) >= 3 and shaped in renamed:
            return True
    return False


def gives_away(program: str, shown: str) -> bool:
    """Whether a comment or a text of several lines in a program contains the call's result."""
    if len(shown) < RESULT_CHARS:
        return False
    wanted = _squeezed(shown)
    return any(wanted in _squeezed(remark) for remark in _remarks(program))


def _remarks(program: str) -> list[str]:
    """Comments and docstrings of a program."""
    texts = re.findall(r'"""(.*?)"""', program, re.DOTALL)
    texts += re.findall(r"'''(.*?)'''", program, re.DOTALL)
    for line in program.splitlines():
        _, sign, comment = _STRING.sub("''", line).partition("#")
        if sign:
            texts.append(comment)
    return texts


def _squeezed(text: str) -> str:
    return "".join(text.replace("#", " ").split())


def _renamed(text: str) -> str:
    """The text with each name replaced by the number of its first appearance."""
    order: dict[str, str] = {}
    return _NAME.sub(lambda match: order.setdefault(match[0], f"v{len(order)}"), text)
