"""What a process is doing, in a byte that outlives it: where it died, if it is killed.

A second byte is its fate: the phase on entering which it kills itself.
"""

import mmap
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

NAMES = (
    "starting",
    "engine: starting the sandbox",
    "engine: planting seeds",
    "engine: playing or waiting for credit",
    "engine: loading weights",
    "engine: committing a round",
    "engine: pushing",
    "engine: waiting for space",
    "engine: closing",
    "trainer: restoring",
    "trainer: waiting for records",
    "trainer: learning",
    "trainer: writing the ledger",
    "trainer: publishing",
    "trainer: writing a checkpoint",
    "trainer: committing",
    "trainer: writing metrics",
)


NO_FATE = 255


class Phases:
    """One process's two bytes in a file."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(descriptor, mmap.PAGESIZE)
        self._byte = mmap.mmap(descriptor, mmap.PAGESIZE)
        os.close(descriptor)

    @property
    def name(self) -> str:
        return NAMES[self._byte[0]]

    def enter(self, name: str) -> None:
        """Be in a phase, or die of SIGKILL if it is the fate."""
        self._byte[0] = NAMES.index(name)
        if self._byte[1] == self._byte[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def restart(self, fate: str | None = None) -> None:
        """For the next process."""
        self._byte[0] = 0
        self.doom(fate)

    def doom(self, fate: str | None) -> None:
        """Kill itself on entering that phase, or not."""
        self._byte[1] = NO_FATE if fate is None else NAMES.index(fate)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Back to what it was afterwards."""
        before = self._byte[0]
        self.enter(name)
        try:
            yield
        finally:
            self._byte[0] = before

    def marked(self, name: str, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """The function, in that phase."""

        @wraps(function)
        def mark(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self.phase(name):
                return function(*args, **kwargs)

        return mark
