"""What a process waits for, for whoever looks: one small file a process, renewed while it waits.

Telling costs a clock reading, and a write at most once a second; it never raises and never waits
for a disk: a full disk must not end a run because nobody could be told of a wait. The file is
replaced whole. A wait that is not renewed any more is over, unless its process cannot renew it;
so nothing has to be told when work goes on.
"""

import contextlib
import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from engine.wire.errors import WireError
from engine.wire.files import load_object

RENEW_S: Final = 1.0
"""At least this long between two writes."""
OVER_AFTER_S: Final = 5.0
"""A wait that has not been renewed for so long is over. Whoever waits looks up twice a second."""

ROOM: Final = "room in the ring"
"""What an engine waits for when it cannot push."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What one process waits for, or waited for when it last said so."""

    what: str
    """Ends the sentence `it waits for ...`."""
    since_ns: int
    """CLOCK_REALTIME when it began."""
    on: str
    """Who can end it."""
    told_ns: int
    """CLOCK_REALTIME when it was last renewed."""
    pid: int
    """Who waits."""

    def is_over(self, now_ns: int) -> bool:
        """Whether a process that runs would have renewed it by now."""
        return now_ns - self.told_ns > OVER_AFTER_S * 1e9


class Waits:
    """One process's waits. One thread."""

    __slots__ = ("_begun_ns", "_called_ns", "_has_failed", "_told", "_told_at", "path")

    def __init__(self, path: Path | None = None) -> None:
        """Tell in the file `path`, see `wait_file`; without one, nobody."""
        self.path = path
        self._told: tuple[str, str] | None = None
        self._begun_ns = self._called_ns = 0
        self._told_at = float("-inf")
        self._has_failed = False

    def tell(self, what: str, *, on: str) -> None:
        """Say that this process waits for `what`. Call it again and again while it does."""
        if self.path is None:
            return
        now_ns = time.time_ns()
        has_gone_on = now_ns - self._called_ns > OVER_AFTER_S * 1e9
        if self._told != (what, on) or has_gone_on:
            self._told, self._begun_ns = (what, on), now_ns
        self._called_ns = now_ns
        if time.monotonic() - self._told_at < RENEW_S:
            return
        self._told_at = time.monotonic()
        wait = Wait(what=what, since_ns=self._begun_ns, on=on, told_ns=now_ns, pid=os.getpid())
        try:
            _replace(self.path, json.dumps(asdict(wait)).encode())
        except OSError as error:
            if not self._has_failed:
                log.warning("waits cannot be told, `engine status` will know less: %s", error)
            self._has_failed = True


def wait_file(run: Path, role: str) -> Path:
    """Where the process with that role tells its waits."""
    return run / "status" / f"{role}.json"


def read_wait(path: Path) -> Wait | None:
    """The last wait that was told there, if any can be read."""
    try:
        fields = load_object(path)
    except (OSError, WireError):
        return None
    match fields:
        case {
            "what": str(what),
            "since_ns": int(since_ns),
            "on": str(on),
            "told_ns": int(told_ns),
            "pid": int(pid),
        }:
            return Wait(what=what, since_ns=since_ns, on=on, told_ns=told_ns, pid=pid)
    return None


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all for a reader; not for a power failure, after which it means nothing."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir()
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
