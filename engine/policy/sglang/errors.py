"""What can be wrong with a server, by what is to be done about it."""

from typing import Final

from engine.policy.errors import PolicyError

_AGAIN: Final = frozenset({408, 425, 429})
"""Answers of HTTP that say "not now" among those that say "no"."""


class ServerError(PolicyError):
    """A server is gone, hangs, or answers with an error of its own: ask again, or another."""


class ProtocolError(PolicyError):
    """A server said what the client cannot read; the message has what was expected and seen."""


class Refusal(PolicyError):  # noqa: N818  # what the server gives
    """A server understood a request and will not do it: no other will."""

    def __init__(self, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP."""


def answered(status: int, sentence: str) -> PolicyError:
    """The error that an answer of this status is."""
    if 400 <= status < 500 and status not in _AGAIN:
        return Refusal(sentence, status=status)
    return ServerError(sentence)
