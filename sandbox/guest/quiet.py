"""What makes every guest's surroundings the same: no files, no environment, no clock, no output."""

import copy
import datetime as dt
import fractions
import importlib
import json
import math
import os
import sys
import time
from typing import NoReturn

from sandbox.guest import script

_CLOCKS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
    "process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime",
    "clock_gettime_ns", "sleep", "localtime", "gmtime", "ctime", "asctime",
)  # fmt: skip
_LATE = ("functools", "_strptime", "encodings.idna", "encodings.latin_1", "encodings.ascii")


def import_all(names: list[str], *, random_seed: str) -> None:
    """All that a guest may import, and what the library imports late, while there are files."""
    for name in (*names, *_LATE):
        importlib.import_module(name)
    if sys.version_info >= (3, 12):
        importlib.import_module("_pylong")
    importlib.import_module("random").seed(random_seed)


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


class _NoCondition(_NoLock):
    """A condition that nobody else can ever bring about."""

    def __init__(self, _lock: object = None) -> None:
        """Whatever the lock is, it is free."""

    def notify(self, _n: int = 1) -> None:
        """Nobody waits."""

    notify_all = notify

    def wait(self, _timeout: float | None = None) -> NoReturn:
        raise RuntimeError("there is no other thread here: this would wait for ever")


class _OneThread:
    """What `queue` asks of `threading`, where there is one thread."""

    Lock = _NoLock
    Condition = _NoCondition


def _unlock_library() -> None:
    """CPython reads a clock to take a lock; these are the locks of the importable modules."""
    for module, name, substitute in (
        ("functools", "RLock", _NoLock),
        ("_strptime", "_cache_lock", _NoLock()),
        ("queue", "threading", _OneThread),
    ):
        loaded = sys.modules.get(module)
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
    zone = dt.timezone(dt.timedelta(hours=1))
    dt.datetime.fromtimestamp(0, zone).tzname()
    dt.date.fromtimestamp(0)  # noqa: DTZ012 - which day it is does not matter
    day.replace(year=2021)
    zone.fromutc(day.replace(tzinfo=zone)), copy.deepcopy(day), copy.deepcopy(zone)
    dt.timedelta(1) * 1.5, dt.timedelta(1) / 1.5, day.date().timetuple()
    _warm_up_json()
    for rounding in (math.ceil, math.floor, math.trunc):
        rounding(1), rounding(fractions.Fraction(1, 2))
    script.rehearse()


def _warm_up_json() -> None:
    for text in (
        '[1, {"a": [true, false, null, 1.5, -1e3, "b"]}, {}, []]',
        "1 2",
        "[1",
        '{"a"',
        "x",
    ):
        try:
            json.dumps(json.loads(text), indent=1), json.dumps(json.loads(text), sort_keys=True)
            json.dumps(json.loads(text))
        except ValueError:
            pass


def _no_clock(*_args: object) -> NoReturn:
    raise PermissionError("there is no clock here")
