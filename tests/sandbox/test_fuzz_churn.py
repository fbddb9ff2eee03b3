"""A pool whose calls are cancelled and whose zygotes are killed loses none and keeps its size."""

import asyncio
import gc
import signal

from sandbox import Call, Limits, Outcome, Sandbox, Verdict
from tests.sandbox.faults import send
from tests.sandbox.host import Footprint, eventually, resident_mb

LIMITS = Limits(wall_s=30.0, cpu_s=10.0, memory_mb=64)
PROGRAMS = (
    "def f(x): return x + 1",
    "def f(x): return 1 // 0",
    "def f(x):\n while True: pass",
    "def f(x): return 'x' * 999_999",
)


async def test_cancelling_and_killing_lose_no_call_and_no_memory():
    async def churn(pool: Sandbox) -> None:
        for turns in range(80):
            calls = [asyncio.ensure_future(pool.run(Call(program=p, args=["1"]))) for p in PROGRAMS]
            for _ in range(turns % 30):
                await asyncio.sleep(0)
            if turns % 10 == 0:
                send(pool.status().pids[0], signal.SIGKILL)
            calls[2].cancel()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(ends.pop(2), asyncio.CancelledError | Outcome)
            # No call meets more than one kill, so each is run again where that was needed.
            assert [end.verdict for end in ends] == [Verdict.OK, Verdict.RAISED, Verdict.OUTPUT]
        gc.collect()

    async with Sandbox(workers=1, limits=LIMITS) as pool:
        await churn(pool)
        before, footprint = resident_mb(), Footprint.take()
        await churn(pool)
        assert resident_mb() < before + 8
        await eventually(lambda: len(Footprint.take().descriptors) <= len(footprint.descriptors))
