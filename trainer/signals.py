"""A wish to stop, by signal: the first is granted at the next safe point, the second at once."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


class StopRequested(Exception):  # noqa: N818  # a request, not an error
    """A signal asked the run to end."""


@dataclass(slots=True)
class StopFlag:
    """Set by the first signal; the second one aborts."""

    is_set: bool = False

    def check(self) -> None:
        """Raise StopRequested if the run should end."""
        if self.is_set:
            raise StopRequested

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """The signal handler."""
        if self.is_set:
            raise KeyboardInterrupt
        self.is_set = True


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Turn SIGINT and SIGTERM into a flag while the block runs."""
    flag = StopFlag()
    old = {number: signal.signal(number, flag) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def stop_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when `parent`, a pid, dies; exits if it has died already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died while this process was starting
        sys.exit(0)
