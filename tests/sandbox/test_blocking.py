"""The blocking sandbox: from any thread, in order, and nothing left over however it ends."""

import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import (
    BlockingSandbox,
    Call,
    Certificate,
    Limits,
    Rejection,
    Sandbox,
    SandboxError,
    SandboxUnavailable,
    Script,
    Verdict,
    decode,
)
from tests.sandbox.host import guests_in_their_program, is_alive, wait_until

LIMITS = Limits(wall_s=30.0, cpu_s=30.0)
PATIENCE_S = 30.0
LOOP = Call(program="def f(x):\n while True: pass", args=["1"])


def echo(number: int) -> Call:
    return Call(program="def f(x): return x", args=[str(number)])


def num_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(scope="module")
def pool() -> Iterator[BlockingSandbox]:
    with BlockingSandbox(workers=1, limits=LIMITS) as sandbox:
        yield sandbox


def test_it_takes_what_the_sandbox_takes():
    assert inspect.signature(BlockingSandbox) == inspect.signature(Sandbox)


@pytest.mark.parametrize("method", ["run", "run_script", "inspect"])
def test_its_methods_take_what_the_sandboxs_take(method):
    ours, theirs = getattr(BlockingSandbox, method), getattr(Sandbox, method)
    assert inspect.signature(ours) == inspect.signature(theirs)


def test_it_runs_calls_scripts_and_certificates(pool: BlockingSandbox):
    assert decode(pool.run(echo(7)).values[0]) == 7
    assert pool.run_script(Script(source="print(input()[::-1])", stdin="abc")).stdout == "cba\n"
    assert pool.inspect("def f(x): return x + 1").num_params == (1, 1)
    assert isinstance(pool.certify(program="def f(x): return x + 1", args=["1"]), Certificate)
    rejection = pool.certify(program="def f(x): return id(x)", args=["1"])
    assert isinstance(rejection, Rejection)
    assert pool.status().verdicts[Verdict.OK] >= 2


def test_limits_can_be_a_calls_own(pool: BlockingSandbox):
    call = Call(program="def f(): return len(bytearray(300 << 20))", args=[""])
    assert pool.run(call).verdict is Verdict.MEMORY
    assert pool.run(call, limits=Limits(wall_s=30.0, cpu_s=30.0, memory_mb=512)).is_ok


def test_a_map_keeps_the_order_and_reads_no_further_than_it_must(pool: BlockingSandbox):
    taken = []

    def endless() -> Iterator[Call]:
        number = 0
        while True:
            taken.append(number)
            yield echo(number)
            number += 1

    outcomes = pool.map(endless())
    values = [decode(next(outcomes).values[0]) for _ in range(50)]
    outcomes.close()  # type: ignore[attr-defined]  # it is a generator
    assert values == list(range(50))
    assert len(taken) <= 50 + 4 * pool.num_zygotes
    assert pool.run(echo(1)).is_ok


def test_a_map_takes_scripts_too(pool: BlockingSandbox):
    scripts = [Script(source="print(input())", stdin=str(n)) for n in range(20)]
    assert [outcome.stdout for outcome in pool.map(scripts)] == [f"{n}\n" for n in range(20)]
    assert list(pool.map([])) == []


def test_a_reader_that_stops_takes_its_guests_along(pool: BlockingSandbox):
    long = Limits(wall_s=3600.0, cpu_s=3600.0)
    with BlockingSandbox(workers=1, limits=long) as sandbox:
        outcomes = sandbox.map([echo(1)] + [LOOP] * 20)
        assert next(outcomes).is_ok
        outcomes.close()  # type: ignore[attr-defined]  # it is a generator
        assert all(sandbox.run(echo(n)).is_ok for n in range(8))


def test_many_threads_may_use_one(pool: BlockingSandbox):
    with ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(pool.run, map(echo, range(200))))
    assert [decode(outcome.values[0]) for outcome in outcomes] == list(range(200))


def test_an_error_of_ours_reaches_the_thread_that_asked(pool: BlockingSandbox):
    with pytest.raises(ValueError, match="family"):
        pool.run(echo(1), family=7)
    with pytest.raises(ValueError, match="at least one"):
        pool.certify(program="", args=[])


def test_a_sandbox_that_cannot_open_says_why_and_leaves_no_thread(monkeypatch):
    before = threading.active_count()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxUnavailable, match="nowhere"):
        BlockingSandbox(workers=1, jail="native").__enter__()
    assert threading.active_count() == before


def test_before_and_after_it_says_that_it_is_not_open():
    sandbox = BlockingSandbox(workers=1, limits=LIMITS)
    with pytest.raises(SandboxError, match="not open"):
        sandbox.run(echo(1))
    with sandbox:
        assert sandbox.run(echo(1)).is_ok
        with pytest.raises(SandboxError, match="opened once"):
            sandbox.__enter__()
    sandbox.close()
    for attempt in (lambda: sandbox.run(echo(1)), lambda: sandbox.map([echo(1)])):
        with pytest.raises(SandboxError, match="closed"):
            attempt()
    with pytest.raises(SandboxError, match="opened once"):
        sandbox.__enter__()


def test_closing_ends_who_waits_and_leaves_nothing():
    num_threads, num_fds = threading.active_count(), num_descriptors()
    limits = Limits(wall_s=3600.0, cpu_s=3600.0)
    with BlockingSandbox(workers=1, limits=limits) as sandbox, ThreadPoolExecutor(6) as threads:
        futures = [threads.submit(sandbox.run, LOOP) for _ in range(6)]
        wait_until(lambda: not sandbox.status().num_idle)
        pids = list(sandbox.status().pids)
        sandbox.close()
        for future in futures:
            with pytest.raises(SandboxError, match="closed"):
                future.result(PATIENCE_S)
    assert not any(map(is_alive, pids))
    assert threading.active_count() == num_threads
    assert num_descriptors() == num_fds


def test_a_fork_is_told_to_make_its_own(pool: BlockingSandbox):
    ours, theirs = os.pipe()
    begun = pool.map([echo(1), echo(2)])
    assert next(begun).is_ok
    child = os.fork()
    if child == 0:
        said = ""
        for attempt in (lambda: pool.run(echo(1)), lambda: next(begun)):
            try:
                attempt()
                said = "it answered"
            except SandboxError as error:
                said = said or str(error)
        pool.close()
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    assert b"after the fork" in os.read(ours, 1000)
    os.close(ours)
    os.waitpid(child, 0)
    assert next(begun).is_ok
    assert pool.run(echo(1)).is_ok


def test_requests_that_cannot_be_made_take_the_others_along(pool: BlockingSandbox):
    def broken() -> Iterator[Call]:
        yield LOOP
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(pool.map(broken()))
    assert all(pool.run(echo(n)).is_ok for n in range(8))


BEGIN = """
import os, sys, threading
from sandbox import *
LOOP = Call(program="def f(x):\\n while True: pass", args=["1"])
sandbox = BlockingSandbox(workers=1, limits=Limits(wall_s=3600, cpu_s=3600)).__enter__()
print(*sandbox.status().pids, flush=True)
"""
ENDINGS = {
    "at the end of the program": "pass",
    "while a thread waits": (
        "threading.Thread(target=sandbox.run, args=[LOOP], daemon=True).start()"
    ),
    "by an exception": "raise RuntimeError('mine')",
    "by sys.exit": "sys.exit(0)",
    "by os._exit": "os._exit(0)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_whoever_forgets_to_close_leaves_no_process(ending):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + ENDINGS[ending]],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_alive, pids)))
    assert done.returncode == (1 if "exception" in ending else 0)
    assert done.stderr.count("Traceback") == (1 if "exception" in ending else 0), done.stderr


def test_ctrl_c_ends_the_call_and_the_sandbox():
    program = BEGIN + (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n    sandbox.run(LOOP)\nexcept KeyboardInterrupt:\n"
        "    print(sandbox.run(Call(program='def f(): return 1', args=[''])).verdict, flush=True)\n"
        "    sandbox.close()\n    print('closed', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        pids = [int(pid) for pid in host.stdout.readline().split()]
        try:
            wait_until(lambda: any(map(guests_in_their_program, pids)))
            host.send_signal(signal.SIGINT)
            said, errors = host.communicate(timeout=PATIENCE_S)
        finally:
            host.kill()
    assert said.split() == ["ok", "closed"], errors
    assert host.returncode == 0
    wait_until(lambda: not any(map(is_alive, pids)))
