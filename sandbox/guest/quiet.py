"""What makes every guest's surroundings the same: no files, no environment, no clock, no output."""

import importlib
import os
import sys
import time
from typing import NoReturn

_CLOCKS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
    "process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime",
    "clock_gettime_ns", "sleep", "localtime", "gmtime", "ctime", "asctime",
)  # fmt: skip


def import_all(names: list[str]) -> None:
    """All that a guest may import, and what the library imports late, while there are files."""
    for name in (*names, "_strptime", "encodings.idna", "encodings.latin_1", "encodings.ascii"):
        importlib.import_module(name)
    if sys.version_info >= (3, 12):
        importlib.import_module("_pylong")


class _Sink:
    """Standard output of a guest: takes text and keeps nothing."""

    encoding = "utf-8"
    errors = "strict"
    closed = False

    def write(self, text: str) -> int:
        return len(text)

    def writelines(self, lines: object) -> None:
        """Drop them."""

    def flush(self) -> None:
        """Nothing is held."""

    def isatty(self) -> bool:
        return False


class _NoModules:
    """The end of every import that was not made before: no file is looked for."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        raise ModuleNotFoundError(f"no module named {name!r} here", name=name)


def silence() -> None:
    """No environment, no arguments, no files, no clock: the same for every guest."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    os.environ.clear()
    sys.argv = sys.orig_argv = [""]
    sys.path.clear()
    sys.path_importer_cache.clear()
    sys.path_hooks.clear()
    sys.meta_path[:] = [_NoModules]
    sink = _Sink()
    sys.stdout = sys.__stdout__ = sink  # type: ignore[assignment,misc]  # duck-typed on purpose
    sys.stderr = sys.__stderr__ = sink  # type: ignore[assignment,misc]  # duck-typed on purpose
    sys.stdin = None  # input() raises
    for name in _CLOCKS:
        setattr(time, name, _no_clock)


def _no_clock(*_args: object) -> NoReturn:
    raise PermissionError("there is no clock here")
