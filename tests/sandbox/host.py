"""What a guest must leave as it was: the state of this process, and its zygotes' descriptors."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import Outcome, Sandbox, ValueFormatError, Verdict, decode, render
from sandbox.value import check

PATIENCE_S = 20.0
"""More than any limit of any test: what takes longer hangs."""
_OURS = ("hypothesis", "_hypothesis", "_pytest", "pytest", "tests", "encodings")
MAX_ERROR = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What can be seen of a process from inside it and from /proc."""

    descriptors: frozenset[str]
    threads: int
    cwd: Path
    umask: int
    handlers: tuple[object, ...]
    modules: frozenset[str]
    path: tuple[str, ...]

    @classmethod
    def take(cls) -> "Footprint":
        """Of this process, now. `umask` can only be read by setting it."""
        umask = os.umask(0o022)
        os.umask(umask)
        return cls(
            descriptors=frozenset(descriptors(os.getpid())),
            # Less the one in which a pool checks long claims, there from the first of them on.
            threads=sum("sandbox-claims" not in t.name for t in threading.enumerate()),
            cwd=Path.cwd(),
            umask=umask,
            handlers=tuple(signal.getsignal(number) for number in signal.valid_signals()),
            modules=frozenset(name for name in sys.modules if name.partition(".")[0] not in _OURS),
            path=tuple(sys.path),
        )

    def changed_since(self, before: "Footprint") -> dict[str, object]:
        """What differs, by name; empty if nothing does."""
        return {
            name: (getattr(before, name), getattr(self, name))
            for name in self.__slots__
            if getattr(before, name) != getattr(self, name)
        }


def descriptors(pid: int) -> Iterator[str]:
    """Open descriptors with what they are, one text each."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield f"{entry.name} {entry.readlink()}"
        except FileNotFoundError:  # the descriptor of this very listing
            continue


def status_of(pid: int | str) -> dict[str, str]:
    """/proc/PID/status by field."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return status_of(pid)["State"][0] not in "ZX"
    except OSError:
        return False


def descendants(pid: int) -> Iterator[int]:
    """All processes below a process, zombies included."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def children(pid: int) -> list[int]:
    """Those of all its threads; a thread that ends meanwhile has none."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += (task / "children").read_text().split()
    return [int(child) for child in found]


def guests_in_their_program(zygote: int) -> list[int]:
    """Those that have become who they are, read their job and put on the filter."""
    guests = []
    for guest in children(zygote):
        with contextlib.suppress(OSError, KeyError):  # it has ended
            if status_of(guest)["Seccomp"] != "0":
                guests.append(guest)
    return guests


def resident_mb(key: str = "VmRSS") -> float:
    """Resident memory of this process, or with `VmHWM` its peak since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {key} in /proc/self/status")


def forget_peak() -> None:
    """Make the peak of resident memory what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for a state of processes, with patience."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nothing announces the state of a process
            await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], bool]) -> None:
    """The same without an event loop; AssertionError when it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_sound(outcome: Outcome, *, num_args: int) -> None:
    """What holds of every outcome, whatever the guest did."""
    assert type(outcome.verdict) is Verdict
    assert outcome.verdict not in (Verdict.LOST, Verdict.NONDETERMINISTIC), outcome
    assert outcome.error.isascii()
    assert outcome.error.isprintable()
    assert len(outcome.error) <= MAX_ERROR
    assert outcome.failed is None or 0 <= outcome.failed < num_args
    assert len(outcome.values) == (num_args if outcome.is_ok else 0)
    for value in outcome.values:
        check(value)
        text = render(value)
        assert text.isascii()
        assert text.isprintable()
        try:
            decode(value)
        except ValueFormatError as error:
            assert "hash" in str(error)  # noqa: PT017 - the one thing that is shown, not built


def zygote_descriptors(sandbox: Sandbox) -> dict[int, int]:
    """How many descriptors each zygote has open."""
    return {pid: len(list(descriptors(pid))) for pid in sandbox.status().pids}
