"""What makes every guest's surroundings the same: no files, no environment, no clock, no output."""

import datetime as dt
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
_LATE = ("functools", "_strptime", "encodings.idna", "encodings.latin_1", "encodings.ascii")


def import_all(names: list[str]) -> None:
    """All that a guest may import, and what the library imports late, while there are files."""
    for name in (
        *names,
        "functools",
        "_strptime",
        "encodings.idna",
        "encodings.latin_1",
        "encodings.ascii",
    ):
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
    _warm_up()
    for name in _CLOCKS:
        setattr(time, name, _no_clock)
    _unlock_library()


class _NoLock:
    """A lock for a process that will never have a second thread."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_exception: object) -> None:
        """Nothing was taken."""


def _unlock_library() -> None:
    """CPython reads a clock to take a lock; these are the locks of the importable modules."""
    for module, name, substitute in (
        ("functools", "RLock", _NoLock),
        ("_strptime", "_cache_lock", _NoLock()),
    ):
        loaded = sys.modules[module]
        if hasattr(loaded, name):
            setattr(loaded, name, substitute)


def _warm_up() -> None:
    """CPython 3.11 takes a lock, so reads a clock, at the first use of a name inside C code."""
    day = dt.datetime.strptime("2020-01-02", "%Y-%m-%d").replace(tzinfo=dt.UTC)
    day.strftime("%d %z %Z %f")
    day.astimezone(dt.timezone(dt.timedelta(hours=1))).isoformat()
    day.timetuple()
    day.utctimetuple()
    day.ctime()
    day.date().strftime("%d")
    day.date().isoformat()
    day.timetz().isoformat()
    day.time().strftime("%H")
    hash(day), str(day), repr(day), day.isocalendar()


def _no_clock(*_args: object) -> NoReturn:
    raise PermissionError("there is no clock here")
