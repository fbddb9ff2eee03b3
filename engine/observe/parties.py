"""The two processes of a run, from files and from /proc alone: who runs, who hangs, who is gone.

Who holds a role is asked of the kernel's list of locks, so that looking never stands in the way of
a process that is just starting; only where that list does not show the lock is it tried.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from engine.wire import Liveness, RunDir
from engine.wire.process import ProcessIdentity, lock_holders
from engine.wire.ring.claim import HUNG_AFTER_S
from engine.wire.ring.header import EndStat
from engine.wire.waits import Wait, read_wait, wait_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One of the two processes of a run."""

    role: str
    """engine or trainer."""
    pid: int
    """0 if it has never been there, or has ended in good order."""
    liveness: Liveness
    is_suspended: bool
    """Stopped by SIGSTOP or a debugger."""
    heartbeat_age_s: float | None
    """Since it last showed at its end of the ring that it runs; None if it has not."""
    wait: Wait | None
    """What it waits for now; None if it works, or does not run."""
    last_wait: Wait | None
    """What it waited for last, over or not."""

    @property
    def is_running(self) -> bool:
        """Whether the process is there, hung or not."""
        return self.liveness in (Liveness.ALIVE, Liveness.HUNG)


def look_at(run: RunDir, role: str, *, end: EndStat | None) -> Party:
    """The process with that role; `end` is its end of the ring, if there is a ring."""
    pid = lock_holder(run, role)
    if pid is None and end is not None and end.liveness in (Liveness.ALIVE, Liveness.HUNG):
        pid = end.pid
    last_wait = read_wait(wait_file(run.path, role))
    beat_s = end.heartbeat_age_s if end is not None and end.pid == (pid or end.pid) else None
    if pid is None:
        return Party(
            role=role,
            pid=_pid_of_dead(run, role, end=end),
            liveness=_fate(run, role, end=end),
            is_suspended=False,
            heartbeat_age_s=beat_s,
            wait=None,
            last_wait=last_wait,
        )
    who = ProcessIdentity.of(pid)
    is_suspended = who.is_suspended()
    # A long step has no heartbeat, but its threads compute.
    is_stuck = beat_s is not None and beat_s > HUNG_AFTER_S and not who.is_computing()
    is_hung = is_suspended or is_stuck
    return Party(
        role=role,
        pid=pid,
        liveness=Liveness.HUNG if is_hung else Liveness.ALIVE,
        is_suspended=is_suspended,
        heartbeat_age_s=beat_s,
        wait=_wait_of_now(last_wait, pid=pid, beat_s=beat_s, is_hung=is_hung),
        last_wait=last_wait,
    )


def lock_holder(run: RunDir, role: str) -> int | None:
    """Pid of the process that holds a role's lock, or None."""
    file = run.path / "locks" / role
    pid = _pid_in(file)
    if not pid or not ProcessIdentity.of(pid).is_alive():
        return None  # a lock dies with its process
    return pid if pid in lock_holders(file) else run.holder(role)


def _wait_of_now(
    wait: Wait | None, *, pid: int, beat_s: float | None, is_hung: bool
) -> Wait | None:
    """What a running process waits for; one that hangs cannot renew what it waited for."""
    if wait is None or wait.pid != pid:
        return None
    if is_hung:
        # Told shortly before the last heartbeat: then that is where it hangs.
        silent_s = (time.time_ns() - wait.told_ns) / 1e9
        return wait if beat_s is None or silent_s < beat_s + HUNG_AFTER_S / 6 else None
    return None if wait.is_over(time.time_ns()) else wait


def _fate(run: RunDir, role: str, *, end: EndStat | None) -> Liveness:
    if end is not None and end.liveness is not Liveness.NEVER:
        return Liveness.DEAD
    return Liveness.DEAD if _pid_in(run.path / "locks" / role) else Liveness.NEVER


def _pid_of_dead(run: RunDir, role: str, *, end: EndStat | None) -> int:
    """Whom a kill has ended; 0 if the last one has let go of its end of the ring."""
    if end is not None and end.liveness is not Liveness.NEVER:
        return end.pid
    return _pid_in(run.path / "locks" / role)


def _pid_in(file: Path) -> int:
    try:
        text = file.read_text("ascii", errors="replace").strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0
