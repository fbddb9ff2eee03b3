"""From tokens to text while the tokens arrive.

A token may hold half of a character, so text is given out only up to the last complete one; the
texts given out, joined, are the decoded tokens. Decoding restarts at a recent boundary rather than
at the beginning, and always with the piece before it, because some decoders treat a first token
differently from a later one.
"""

from collections.abc import Callable, Sequence

_INCOMPLETE = "\ufffd"


class TextStream:
    """The text of one completion, and whether one of its stop strings has appeared."""

    def __init__(self, decode: Callable[[Sequence[int]], str], *, stop: Sequence[str] = ()) -> None:
        self.stopped = False
        self._decode = decode
        self._stop = stop
        self._keep = max(map(len, stop), default=1) - 1
        self._tail = ""  # as much given text as the beginning of a stop string may take
        self._window: list[int] = []
        self._num_given = 0  # leading tokens of the window whose text has been given
        self._given = ""  # that text

    def push(self, token: int) -> str:
        """The text that `token` completes; empty while a character is incomplete."""
        self._window.append(token)
        text = self._decode(self._window)
        if text.endswith(_INCOMPLETE) or len(text) <= len(self._given):
            return ""
        piece = text[len(self._given) :]
        del self._window[: self._num_given]
        self._num_given = len(self._window)
        self._given = self._decode(self._window)
        return self._checked(piece)

    def flush(self) -> str:
        """What is left when no token follows: an incomplete character as U+FFFD."""
        text = self._decode(self._window)
        piece = text[len(self._given) :]
        self._given = text
        self._num_given = len(self._window)
        return self._checked(piece)

    def _checked(self, piece: str) -> str:
        recent = self._tail + piece
        self.stopped = self.stopped or any(s in recent for s in self._stop)
        self._tail = recent[-self._keep :] if self._keep else ""
        return piece
