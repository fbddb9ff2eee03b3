"""Rows of metrics for a file that may not take them now: they wait, the run does not.

What a full disk refuses is kept here and written in its order once there is room.
"""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.play.patience import what_is_missing
from engine.wire import WireError, append_jsonl

MOST_WAITING: Final = 100_000
"""Rows that are held; beyond it the oldest are given up."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rows:
    """The writer of one JSON-lines file. One owner."""

    path: Path
    _waiting: deque[Mapping[str, object]] = field(
        default_factory=lambda: deque(maxlen=MOST_WAITING), init=False
    )

    def add(self, row: Mapping[str, object]) -> None:
        """Write a row after those that wait; raises only what would be raised again."""
        had_to_wait = bool(self._waiting)
        self._waiting.append(row)
        try:
            while self._waiting:
                append_jsonl(self.path, self._waiting[0])
                self._waiting.popleft()
        except WireError as error:  # written in part, which the next row takes back
            reason: str | None = str(error)
        except OSError as error:
            reason = what_is_missing(error)
            if reason is None:
                raise
        else:
            return
        if not had_to_wait:
            log.warning("rows for %s wait: %s", self.path.name, reason)
