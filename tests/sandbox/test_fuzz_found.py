"""What fuzzing of the pool has found, shrunk: one test each, by the public interface only."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from sandbox import Call, Sandbox, SandboxError, Verdict
from tests.sandbox.faults import send
from tests.sandbox.host import descendants, eventually, is_alive, status_of

QUICK = Call(program="def f(x): return x", args=["1"])
PATIENCE_S = 30.0
"""Less than the 60 s that a start may take by itself: what takes longer hangs."""


def ours() -> set[int]:
    return set(descendants(os.getpid()))


@asynccontextmanager
async def reviving() -> AsyncIterator[tuple[Sandbox, "asyncio.Task[object]", set[int]]]:
    """A pool that has lost its zygotes, a call that waits for a new one, and that one's pids."""
    sandbox = Sandbox(workers=1)
    await sandbox.__aenter__()
    try:
        for pid in sandbox.status().pids:
            send(pid, signal.SIGKILL)
        await eventually(lambda: not sandbox.status().pids)
        before = ours()
        call: asyncio.Task[object] = asyncio.ensure_future(sandbox.run(QUICK))
        while not ours() - before:  # noqa: ASYNC110 - nothing announces the birth of a process
            await asyncio.sleep(0)
        yield sandbox, call, ours() - before
    finally:
        with contextlib.suppress(AssertionError, ValueError):
            await sandbox.aclose()


async def test_a_pool_closed_while_a_zygote_is_restarted_leaves_nothing():
    before = ours()
    async with reviving() as (sandbox, call, _):
        await sandbox.aclose()
        try:
            with pytest.raises(SandboxError):
                await call
            assert ours() <= before
        finally:
            for pid in ours() - before:
                send(pid, signal.SIGKILL)


async def test_a_zygote_killed_while_it_is_restarted_costs_its_call_nothing():
    async with reviving() as (_, call, born):
        for pid in born:
            send(pid, signal.SIGKILL)
        outcome = await call
        assert outcome.verdict is Verdict.OK


def children_of_first_thread(pid: int) -> list[int]:
    """Children of its first thread, which starts zygotes; nsjail is tried by another one."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]
    return []


def has_another_uid(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return status_of(pid)["Uid"].split()[1] != str(os.geteuid())
    return False


@contextlib.contextmanager
def killing_an_outer_process(when: Callable[[int], bool]) -> Iterator[list[int]]:
    """Kill one process that comes between us and a zygote, as soon as `when(zygote)`.

    Yields a list that holds the pids of the two from then on.
    """
    old, stop = set(children_of_first_thread(os.getpid())), threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not stop.is_set():
            for outer in set(children_of_first_thread(os.getpid())) - old:
                for zygote in filter(when, children_of_first_thread(outer)):
                    killed.extend((outer, zygote))
                    send(outer, signal.SIGKILL)
                    return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


async def starts(pool: Sandbox, killed: list[int]) -> bool:
    """Whether the pool opens; if so it serves, and what was killed is gone while it is open."""
    try:
        await pool.__aenter__()
    except SandboxError:
        return False
    try:
        for family in (0, 1):
            assert (await pool.run(QUICK, family=family)).is_ok
        await eventually(lambda: not any(map(is_alive, killed)))
    finally:
        await pool.aclose()
    return True


AS_SOON_AS = {
    "it has forked": lambda _: True,
    # A change of uid makes the kernel forget with whom the zygote is to die, until it asks anew.
    "the zygote has another uid": has_another_uid,
}


@pytest.mark.parametrize("moment", AS_SOON_AS)
async def test_a_start_whose_outer_process_is_killed_fails_or_serves_and_leaves_nothing(
    moment: str, sandbox: Sandbox
):
    jail, before, num_failed = sandbox.status().jail, ours(), 0
    for _ in range(20):
        with killing_an_outer_process(AS_SOON_AS[moment]) as killed:
            async with asyncio.timeout(PATIENCE_S):
                num_failed += not await starts(Sandbox(workers=1, jail=jail), killed)
        await eventually(lambda killed=killed: not any(map(is_alive, killed)))
        await eventually(lambda: ours() <= before)
    if not num_failed:
        pytest.skip("no outer process was killed before its zygote had reported, in 20 starts")
