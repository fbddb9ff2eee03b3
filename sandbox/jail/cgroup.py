"""Layer, optional: a control group around each zygote, where the host lets us make one.

It counts the processes of a zygote and its guests together (pids.max), and at the end it is swept:
one write kills whatever is left, were it to have slipped out of every other grip. Nothing of it is
on the path of a call. Version 2 gives the sweep; the count comes from either version.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "kelvin-"
_ATTEMPTS, _PAUSE_S = 100, 0.01


class ControlGroup:
    """The groups of one zygote, one in each hierarchy that allows it."""

    def __init__(self, name: str, *, max_processes: int) -> None:
        """OSError if no hierarchy allows it."""
        self._folders: list[Path] = []
        refusals = ["no hierarchy is mounted"]
        for parent in _parents():
            _forget_dead(parent)
            folder = parent / f"{_PREFIX}{os.getpid()}-{name}"
            try:
                folder.mkdir()
            except OSError as error:
                refusals.append(f"{parent}: {error.strerror}")
                continue
            self._folders.append(folder)
            with contextlib.suppress(
                OSError
            ):  # version 2 without the controller: the sweep is left
                (folder / "pids.max").write_text(str(max_processes))
        if not self._folders:
            raise OSError(refusals[-1])

    @property
    def detail(self) -> str:
        """What it can do."""
        names = {"cgroup.kill": "sweep", "pids.max": "count of processes"}
        files = {file for folder in self._folders for file in names if (folder / file).exists()}
        return ", ".join(what for file, what in names.items() if file in files)

    def add(self, pid: int) -> None:
        """Put a process, and all it will ever fork, into the group."""
        for folder in self._folders:
            with contextlib.suppress(ProcessLookupError):
                (folder / "cgroup.procs").write_text(str(pid))

    def sweep(self) -> None:
        """Kill everything in it."""
        for folder in self._folders:
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")

    def close(self) -> None:
        """Remove the groups. Blocks for a moment: a dead process leaves its group a little later.

        One that cannot be removed now is removed by the next host to make a group here.
        """
        for _ in range(_ATTEMPTS):
            self._folders = [folder for folder in self._folders if not _is_removed(folder)]
            if not self._folders:
                return
            time.sleep(_PAUSE_S)


def _is_removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _parents() -> Iterator[Path]:
    """Our own group in the hierarchy of version 2 and in that of the pids controller."""
    own = dict(_own_groups())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        root, point = fields.split()[3:5]
        name, _, options = kind.split(" ", 2)
        key = "" if name == "cgroup2" else "pids" if "pids" in options.split(",") else None
        if key in own and root == "/":
            yield Path(point + own[key])


def _own_groups() -> Iterator[tuple[str, str]]:
    """Controller and path; the controller of version 2 is written as none."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path.rstrip("/")


def _forget_dead(parent: Path) -> None:
    """Remove the empty groups of hosts that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
