"""Whatever dies, every call gets one verdict and nothing is left over."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import uvloop

from sandbox import Call, Limits, Sandbox, SandboxError, Verdict, pool
from sandbox.judge import judge
from tests.sandbox.host import (
    children,
    descendants,
    eventually,
    guests_in_their_program,
    is_alive,
    wait_until,
)

QUICK = Call(program="def f(x): return x + 1", args=["1"])
LOOP = Call(program="def f(x):\n while True: pass", args=["1"])
LIMITS = Limits(wall_s=30.0, cpu_s=30.0)
SHORT = Limits(wall_s=1.0)


def num_fds(pid: int | str = "self") -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


async def test_a_killed_zygote_is_replaced_and_its_call_run_elsewhere():
    async with Sandbox(workers=1, limits=LIMITS) as sandbox:
        calls = [asyncio.create_task(sandbox.run(LOOP, limits=SHORT)) for _ in range(2)]
        await eventually(lambda: sandbox.status().num_running == 2)
        os.kill(sandbox.status().pids[0], signal.SIGKILL)
        outcomes = await asyncio.gather(*calls)
        assert [outcome.verdict for outcome in outcomes] == [Verdict.TIMEOUT] * 2
        outcomes = await asyncio.gather(*(sandbox.run(QUICK) for _ in range(20)))
        assert all(outcome.is_ok for outcome in outcomes)
        assert sandbox.status().num_starts == 3


async def test_an_idle_zygote_that_dies_is_replaced_when_needed():
    async with Sandbox(workers=1, limits=LIMITS) as sandbox:
        for pid in sandbox.status().pids:
            os.kill(pid, signal.SIGKILL)
        outcomes = await asyncio.gather(*(sandbox.run(QUICK) for _ in range(6)))
        assert all(outcome.is_ok for outcome in outcomes)


async def test_a_call_that_loses_two_zygotes_is_lost_and_not_judged():
    async with Sandbox(workers=1, limits=Limits(wall_s=60.0, cpu_s=60.0)) as sandbox:
        call = asyncio.create_task(sandbox.run(LOOP, family=0))
        for _ in range(2):
            await eventually(lambda: sandbox.status().num_idle == 1)
            pid = sandbox.status().pids[0]
            # Only a guest that has read its job is a loss.
            await eventually(lambda pid=pid: bool(guests_in_their_program(pid)))
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda pid=pid: pid not in sandbox.status().pids)
            await eventually(lambda: call.done() or len(sandbox.status().pids) == 2)
        assert (await call).verdict is Verdict.LOST
        assert (await sandbox.run(QUICK, family=0)).is_ok


async def test_a_cancelled_call_kills_its_guest_and_frees_its_worker():
    async with Sandbox(workers=1, slots=1, limits=Limits(wall_s=60.0, cpu_s=60.0)) as sandbox:
        calls = [asyncio.create_task(sandbox.run(LOOP)) for _ in range(5)]
        await eventually(lambda: sandbox.status().num_waiting == 3)
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        await eventually(lambda: sandbox.status().num_idle == 2)
        assert not any(list(descendants(pid)) for pid in sandbox.status().pids)
        assert (await sandbox.run(QUICK)).is_ok


async def test_calls_cancelled_at_any_moment_leave_a_healthy_pool():
    async with Sandbox(workers=1, limits=LIMITS) as sandbox:
        for turns in range(40):
            calls = [asyncio.create_task(sandbox.run(QUICK)) for _ in range(4)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        await eventually(lambda: sandbox.status().num_idle == 2)
        assert sandbox.status().num_starts == 2


async def test_a_timeout_does_not_hold_up_the_others():
    async with Sandbox(workers=1, limits=Limits(wall_s=30.0, cpu_s=30.0)) as sandbox:
        slow = asyncio.create_task(sandbox.run(LOOP))
        await eventually(lambda: sandbox.status().num_idle == 1)
        outcomes = [await sandbox.run(QUICK) for _ in range(20)]
        assert all(outcome.is_ok for outcome in outcomes)
        assert not slow.done()
        slow.cancel()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_host_that_was_busy_does_not_take_its_own_delay_for_a_timeout(new_loop):
    async def main() -> None:
        async with Sandbox(workers=1, limits=Limits(wall_s=0.5)) as sandbox:
            call = asyncio.create_task(sandbox.run(QUICK))
            await asyncio.sleep(0)
            assert sandbox.status().num_idle == 1
            until = time.monotonic() + 1.0
            while time.monotonic() < until or any(map(children, sandbox.status().pids)):
                time.sleep(0.01)  # noqa: ASYNC251 - the loop is blocked on purpose
            assert (await call).is_ok

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def test_calls_are_served_in_the_order_they_came():
    async with Sandbox(workers=1, limits=LIMITS) as sandbox:
        order: list[int] = []

        async def call(number: int) -> None:
            await sandbox.run(QUICK, family=0)
            order.append(number)

        await asyncio.gather(*(call(number) for number in range(30)))
        assert order == sorted(order)


async def test_nothing_leaks_over_500_calls(sandbox: Sandbox):
    await sandbox.run(QUICK)
    before, processes = num_fds(), len(list(descendants(os.getpid())))
    for start in range(0, 500, 50):
        await asyncio.gather(*(sandbox.run(QUICK) for _ in range(start, start + 50)))
    await eventually(lambda: num_fds() <= before)
    await eventually(lambda: len(list(descendants(os.getpid()))) <= processes)
    pids = sandbox.status().pids if os.geteuid() == 0 else ()  # others may not look
    assert all(num_fds(pid) <= 4 for pid in pids)  # 0, 1, 2 and the control socket


async def test_a_job_larger_than_a_socket_buffer_arrives():
    limits = Limits(wall_s=20.0, cpu_s=20.0, args_bytes=4 << 20, memory_mb=512)
    async with Sandbox(workers=1, limits=limits) as sandbox:
        call = Call(program="def f(x): return len(x)", args=[repr("a" * (3 << 20))])
        outcome = await sandbox.run(call)
        assert outcome.is_ok, outcome


async def test_after_close_nothing_is_left_and_nothing_runs():
    before = num_fds()
    async with Sandbox(workers=2, limits=LIMITS) as sandbox:
        call = asyncio.create_task(sandbox.run(LOOP))
        await eventually(lambda: sandbox.status().num_idle == 3)
        pids = [p for pid in sandbox.status().pids for p in (pid, *descendants(pid))]
        assert len(pids) == 5
    with pytest.raises(SandboxError):
        await call
    with pytest.raises(SandboxError):
        await sandbox.run(QUICK)
    assert not any(map(is_alive, pids))
    assert num_fds() == before


HOST = """
import asyncio, sys
from sandbox import *

async def main():
    async with Sandbox(workers=1, limits=Limits(wall_s=60, cpu_s=60)) as sandbox:
        loop = Call(program="while True: pass", args=["1"])
        calls = [asyncio.create_task(sandbox.run(loop)) for _ in range(2)]
        while sandbox.status().num_idle:
            await asyncio.sleep(0.01)
        print(*sandbox.status().pids, flush=True)
        await asyncio.gather(*calls)

asyncio.run(main())
"""


def test_a_killed_host_leaves_no_process():
    with subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        zygotes = [int(pid) for pid in host.stdout.readline().split()]
        try:
            wait_until(lambda: len(list(descendants(host.pid))) == 6)  # outer, zygote, guest, twice
            ours = list(descendants(host.pid))
            assert set(zygotes) < set(ours)
        finally:
            host.kill()
    wait_until(lambda: not any(map(is_alive, ours)))


def test_it_works_under_uvloop():
    async def main() -> None:
        async with Sandbox(workers=1, limits=LIMITS) as sandbox:
            outcomes = await asyncio.gather(*(sandbox.run(QUICK) for _ in range(20)))
            assert all(outcome.is_ok for outcome in outcomes)
            assert (await sandbox.run(LOOP, limits=SHORT)).verdict is Verdict.TIMEOUT
            os.kill(sandbox.status().pids[0], signal.SIGKILL)
            assert (await sandbox.run(QUICK)).is_ok
            assert (await sandbox.run(QUICK)).is_ok

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_the_host_may_have_threads_and_big_memory():
    program = textwrap.dedent("""
        import asyncio, threading
        from sandbox import *
        ballast = bytearray(b"x") * (256 << 20)
        for _ in range(4):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        async def main():
            async with Sandbox(workers=1) as sandbox:
                outcome = await sandbox.run(Call(program="def f(x): return x", args=["7"]))
                assert outcome.cost.max_rss_mb < 100, outcome
                print(render(outcome.values[0]))
        asyncio.run(main())
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "7\n", done.stderr


async def test_a_huge_claim_is_checked_beside_the_loop(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    threads: list[int] = []

    def judge_where(*args, **kwargs):
        threads.append(threading.get_ident())
        return judge(*args, **kwargs)

    monkeypatch.setattr(pool, "judge", judge_where)
    huge = Call(program="def f(x): return [None] * 19_000", args=["1"] * 20)
    assert (await sandbox.run(huge)).is_ok
    assert (await sandbox.run(QUICK)).is_ok
    assert threads[0] != threading.get_ident() == threads[1]
