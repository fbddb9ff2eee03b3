"""Where the time of self-play goes: writing, or waiting for the sandbox with nothing being written.

What the sandbox does while a model writes costs nothing; what it does while no completion is under
way is what streaming is there to avoid. Time is counted by state, at each change of state.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Occupancy:
    """Seconds by state. Belongs to one event loop."""

    clock: Callable[[], float] = time.perf_counter
    _writing: int = field(default=0, init=False)
    _judging: int = field(default=0, init=False)
    _since: float | None = field(default=None, init=False)
    _writing_s: float = field(default=0.0, init=False)
    _judging_s: float = field(default=0.0, init=False)
    _idle_s: float = field(default=0.0, init=False)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A job's completions are under way in this block."""
        self._settle()
        self._writing += 1
        try:
            yield
        finally:
            self._settle()
            self._writing -= 1

    @contextmanager
    def judging(self) -> Iterator[None]:
        """A verdict of the sandbox is waited for in this block."""
        self._settle()
        self._judging += 1
        try:
            yield
        finally:
            self._settle()
            self._judging -= 1

    def seconds(self) -> dict[str, float]:
        """Since the first block: `writing`, `sandbox` (and nothing was written), `idle`."""
        self._settle()
        return {"writing": self._writing_s, "sandbox": self._judging_s, "idle": self._idle_s}

    def _settle(self) -> None:
        now = self.clock()
        spent = 0.0 if self._since is None else now - self._since
        self._since = now
        if self._writing:
            self._writing_s += spent
        elif self._judging:
            self._judging_s += spent
        else:
            self._idle_s += spent
