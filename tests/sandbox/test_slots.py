"""Several guests of one zygote: they hold up nobody and know nothing of each other."""

import asyncio
import os

import pytest

from sandbox import Call, Limits, Sandbox, Verdict, render, worker
from sandbox.modules import GUEST_MODULES
from tests.sandbox.host import eventually, guests_in_their_program, status_of

QUICK = Call(program="def f(x): return x + 1", args=["1"])
LOOP = Call(program="def f(x):\n while True: pass", args=["1"])
LONG = Limits(wall_s=60.0, cpu_s=60.0)


async def test_endless_programs_fill_all_slots_but_one_and_the_others_still_run():
    async with Sandbox(workers=1, slots=3, limits=LONG) as sandbox:
        loops = [asyncio.create_task(sandbox.run(LOOP, family=0)) for _ in range(2)]
        await eventually(lambda: sandbox.status().num_running == 2)
        outcomes = await asyncio.gather(*(sandbox.run(QUICK, family=0) for _ in range(10)))
        assert all(outcome.is_ok for outcome in outcomes)
        assert not any(loop.done() for loop in loops)
        for loop in loops:
            loop.cancel()
        await eventually(lambda: sandbox.status().num_running == 0)
        assert sandbox.status().num_starts == 2


async def test_a_zygote_whose_slots_are_full_takes_nothing_until_one_is_free():
    async with Sandbox(workers=1, slots=2, limits=LONG) as sandbox:
        loops = [asyncio.create_task(sandbox.run(LOOP, family=0)) for _ in range(2)]
        await eventually(lambda: sandbox.status().num_running == 2)
        waiting = asyncio.create_task(sandbox.run(QUICK, family=0))
        await asyncio.sleep(0.3)
        assert (sandbox.status().num_waiting, waiting.done()) == (1, False)
        loops[1].cancel()
        assert (await waiting).is_ok
        loops[0].cancel()


async def test_each_of_several_guests_gets_its_own_answer_and_deadline():
    async with Sandbox(workers=1, slots=4, limits=Limits(wall_s=4.0, cpu_s=60.0)) as sandbox:
        slow = "def f(n):\n s = 0\n for i in range(n): s += i\n return s"
        calls = [Call(program=slow, args=[str(n)]) for n in (10, 400_000, 10**9, 300_000, 10**9)]
        outcomes = await asyncio.gather(*(sandbox.run(call, family=0) for call in calls))
        texts = [[render(value) for value in outcome.values] for outcome in outcomes]
        assert texts[0] == ["45"]
        assert texts[1] == [str(400_000 * 399_999 // 2)]
        assert texts[3] == [str(300_000 * 299_999 // 2)]
        assert [outcomes[i].verdict for i in (2, 4)] == [Verdict.TIMEOUT] * 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has uids to give")
async def test_guests_side_by_side_have_a_uid_each_and_no_capability():
    async with Sandbox(workers=1, slots=3, limits=LONG, require=("uid",)) as sandbox:
        zygote = sandbox.status().pids[0]
        loops = [asyncio.create_task(sandbox.run(LOOP, family=0)) for _ in range(3)]
        await eventually(lambda: sandbox.status().num_running == 3)
        await eventually(lambda: len(guests_in_their_program(zygote)) == 3)
        guests = guests_in_their_program(zygote)
        seen = [set(status_of(pid)["Uid"].split()) for pid in (zygote, *guests)]
        assert all(len(own) == 1 for own in seen)
        assert len(set.union(*seen)) == 4
        for status in map(status_of, guests):
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        for loop in loops:
            loop.cancel()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has uids to give")
async def test_without_the_filter_a_guest_cannot_signal_its_zygote_or_take_its_uid():
    from sandbox.doctor import examine_layer

    found = await examine_layer("uid")
    assert (found.is_on, found.stops, found.needed) == (True, True, True)


async def test_a_zygote_is_replaced_after_its_share_of_guests(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "_MAX_GUESTS", 5)
    async with Sandbox(workers=1, limits=LONG) as sandbox:
        outcomes = [await sandbox.run(QUICK, family=0) for _ in range(12)]
        assert all(outcome.is_ok for outcome in outcomes)
        assert sandbox.status().num_recycled == 2
        assert len({outcome.seed for outcome in outcomes}) == 1


async def test_a_worn_zygote_lets_its_guests_finish(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "_MAX_GUESTS", 1)
    async with Sandbox(workers=1, limits=LONG) as sandbox:
        long = Call(program="def f(x): return sum(range(10_000_000))", args=["1"])
        first = asyncio.create_task(sandbox.run(long, family=0))
        await eventually(lambda: sandbox.status().num_running == 1)
        await asyncio.sleep(0.1)
        outcomes = await asyncio.gather(*(sandbox.run(QUICK, family=0) for _ in range(4)))
        assert (await first).is_ok
        assert all(outcome.is_ok for outcome in outcomes)


async def test_a_zygote_that_grew_is_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "_MAX_GROWTH_KB", -1)
    async with Sandbox(workers=1, limits=LONG) as sandbox:
        outcomes = [await sandbox.run(QUICK) for _ in range(6)]
        assert all(outcome.is_ok for outcome in outcomes)
        assert sandbox.status().num_recycled >= 5


THREADS = """
import threading
def f(n):
    seen = []
    lock = threading.Lock()
    def work(i):
        with lock:
            seen.append(i)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for t in threads: t.start()
    for t in threads: t.join()
    return sorted(seen)
"""
POOL = """
from concurrent.futures import ThreadPoolExecutor
def f(n):
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(lambda x: x * x, range(n)))
"""
THREAD_MODULES = (*GUEST_MODULES, "threading", "concurrent.futures", "concurrent.futures.thread")


@pytest.mark.parametrize(("program", "text"), [(THREADS, "[0, 1, 2, 3]"), (POOL, "[0, 1, 4, 9]")])
async def test_threads_run_when_they_are_asked_for(program: str, text: str):
    limits = Limits(wall_s=60.0, cpu_s=60.0, threads=4)
    async with Sandbox(workers=1, limits=limits, modules=THREAD_MODULES) as sandbox:
        outcome = await sandbox.run(Call(program=program, args=["4"]))
        assert [render(value) for value in outcome.values] == [text], outcome


async def test_threads_are_refused_when_they_are_not_asked_for():
    async with Sandbox(workers=1, modules=THREAD_MODULES) as sandbox:
        outcome = await sandbox.run(Call(program=THREADS, args=["1"]))
        assert outcome.verdict in (Verdict.RAISED, Verdict.FORBIDDEN, Verdict.CRASHED), outcome


async def test_more_threads_than_asked_for_are_refused_and_no_process_is_had():
    hold = (
        "import threading, os\n"
        "def f(n):\n"
        " gate = threading.Event()\n"
        " started = 0\n"
        " try:\n"
        "  for _ in range(n):\n"
        "   threading.Thread(target=gate.wait, daemon=True).start()\n"
        "   started += 1\n"
        " except RuntimeError: pass\n"
        " try: os.fork()\n"
        " except OSError: return started\n"
        " return -1\n"
    )
    limits = Limits(wall_s=60.0, cpu_s=60.0, threads=4)
    async with Sandbox(workers=1, limits=limits, modules=(*THREAD_MODULES, "os")) as sandbox:
        outcome = await sandbox.run(Call(program=hold, args=["20"]))
        (started,) = [int(render(value)) for value in outcome.values]
        has_own_uid = sandbox.status().layers["uid"][0]
        assert started == 4 if has_own_uid else 4 <= started < 20
