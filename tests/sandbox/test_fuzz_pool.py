"""A state machine over the pool: calls, cancellations, kills and closes in any order.

Every call ends in exactly one of three ways: with a verdict that fits what it is and what was done
to it, with CancelledError if we cancelled it, with SandboxError if the pool was closed under it.
At the end of every run the pool still serves, and after its close no descriptor, process or thread
is left. It uses the public interface only, so it holds for whatever is inside.

The machine owns a loop and lets it turn between its steps; both loops that users have are tried.
"""

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

import pytest
import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sandbox import Call, Certificate, Inspection, Limits, Outcome, Rejection, Sandbox

from sandbox import SandboxError, Verdict, certify  # isort: skip
from tests.hostile import hostile_programs
from tests.sandbox.faults import PROGRAMS, Faults, parent, pick, send
from tests.sandbox.host import Footprint, assert_sound, descendants, eventually

NUM_EXAMPLES = settings().max_examples
IS_LONG = NUM_EXAMPLES >= 200
LIMITS = Limits(wall_s=4.0, cpu_s=4.0, memory_mb=64)
"""Ten times what a loaded machine takes for a program that ends; a frozen one takes all of it."""
SHORT = replace(LIMITS, wall_s=0.4)
"""For those that need not end."""
QUIET_S = 60.0
"""Within this every call must have ended: a zygote that stays silent is given 10 s, twice."""
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass(slots=True, eq=False)
class Asked:
    """A call that was made and what may come of it."""

    task: "asyncio.Task[Any]"
    allowed: set[Verdict]
    is_cancelled: bool = False
    is_closed: bool = False


class PoolMachine(RuleBasedStateMachine):
    """Does to a pool what can be done to it."""

    loop_name = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self.before = Footprint.take()
        self.children = set(descendants(os.getpid()))
        self.loop = LOOPS[self.loop_name]()
        self.pool: Sandbox | None = None
        self.asked: list[Asked] = []
        self.num_outcomes: int | None = 0
        self.faults = Faults()
        self.is_patient = True

    # -- steps that the loop takes -----------------------------------------------------------------

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(QUIET_S):
                return await work

        return self.loop.run_until_complete(bounded())

    @rule(turns=st.integers(1, 30))
    def turn(self, turns: int) -> None:
        async def main() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.wait_for(main())

    @rule(milliseconds=st.sampled_from([1, 5, 20, 100, 500]))
    def wait(self, milliseconds: int) -> None:
        self.wait_for(asyncio.sleep(milliseconds / 1000))

    @rule(milliseconds=st.sampled_from([5, 50, 500]))
    def be_busy_elsewhere(self, milliseconds: int) -> None:
        time.sleep(milliseconds / 1000)

    # -- open and close ----------------------------------------------------------------------------

    @precondition(lambda self: self.pool is None)
    @rule()
    def open_again(self) -> None:
        self.open(1)

    @initialize(workers=st.integers(1, 2))
    def open(self, workers: int) -> None:
        pool = Sandbox(workers=workers, limits=LIMITS)
        self.wait_for(pool.__aenter__())
        self.pool, self.num_outcomes, self.faults = pool, 0, Faults()

    @precondition(lambda self: self.pool is not None)
    @rule()
    def close(self) -> None:
        for one in self.asked:
            one.is_closed = one.is_closed or not one.task.done()
        pool, self.pool = self.pool, None
        self.wait_for(pool.aclose())
        self.settle()
        with pytest.raises(SandboxError):
            self.wait_for(pool.run(Call(program="", args=[])))
        self.wait_for(eventually(lambda: set(descendants(os.getpid())) <= self.children))
        self.wait_for(pool.aclose())

    # -- calls -------------------------------------------------------------------------------------

    def ask(self, work: Coroutine[Any, Any, Any], allowed: set[Verdict]) -> None:
        self.asked.append(Asked(self.loop.create_task(work), allowed))

    @precondition(lambda self: self.pool is not None)
    @rule(
        name=st.sampled_from([*PROGRAMS, "quick", "quick"]),
        count=st.sampled_from([1, 1, 1, 2, 9]),
        family=st.sampled_from([None, None, 0, 1]),
    )
    def call(self, name: str, count: int, family: int | None) -> None:
        program, allowed = PROGRAMS[name]
        for _ in range(count):
            limits = SHORT if name == "slow" else LIMITS
            work = self.pool.run(Call(program=program, args=["1"]), family=family, limits=limits)
            self.ask(work, allowed)

    @precondition(lambda self: self.pool is not None)
    @rule(program=hostile_programs())
    def call_hostile(self, program: str) -> None:
        every = set(Verdict) - {Verdict.LOST, Verdict.NONDETERMINISTIC}
        self.ask(self.pool.run(Call(program=program, args=["1"]), limits=SHORT), every)

    @precondition(lambda self: self.pool is not None)
    @rule(is_certificate=st.booleans())
    def examine(self, is_certificate: bool) -> None:
        program = PROGRAMS["quick"][0]
        if is_certificate:
            self.num_outcomes = None  # certify makes calls of its own
            self.ask(certify(self.pool, program=program, args=["1", "2"]), {Verdict.OK})
        else:
            self.ask(self.pool.inspect(program), {Verdict.OK})

    @rule(index=st.integers(0, 99))
    def cancel(self, index: int) -> None:
        running = [one for one in self.asked if not one.task.done()]
        if running:
            one = running[index % len(running)]
            one.is_cancelled = one.task.cancel() or one.is_cancelled

    # -- faults ------------------------------------------------------------------------------------

    def zygotes(self) -> list[int]:
        return list(self.pool.status().pids)

    def guests(self) -> list[int]:
        return [guest for pid in self.zygotes() for guest in descendants(pid)]

    @precondition(lambda self: self.pool is not None)
    @rule(index=st.integers(0, 9), is_outer=st.booleans())
    def kill_zygote(self, index: int, is_outer: bool) -> None:
        pid = pick(self.zygotes(), index)
        target = parent(pid) if pid and is_outer else pid
        if target and target not in (1, os.getpid()):
            self.faults.zygotes_killed += 1
            send(target, signal.SIGKILL)

    @precondition(lambda self: self.pool is not None)
    @rule(index=st.integers(0, 9), number=st.sampled_from([signal.SIGKILL, signal.SIGSTOP]))
    def hurt_guest(self, index: int, number: signal.Signals) -> None:
        guest = pick(self.guests(), index)
        if guest:
            self.faults.guests_killed = True
            self.faults.ever_frozen |= number == signal.SIGSTOP
            send(guest, number)

    @precondition(lambda self: self.pool is not None)
    @rule(index=st.integers(0, 9))
    def freeze_zygote(self, index: int) -> None:
        pid = pick(self.zygotes(), index)
        if pid:
            self.faults.frozen.add(pid)
            self.faults.ever_frozen = True
            send(pid, signal.SIGSTOP)

    @rule()
    def thaw(self) -> None:
        for pid in self.faults.frozen:
            send(pid, signal.SIGCONT)
        self.faults.frozen.clear()

    @precondition(lambda self: IS_LONG and bool(self.faults.frozen) and self.is_patient)
    @rule()
    def settle_with_frozen_zygotes(self) -> None:
        """Once a run: it takes as long as a silent zygote is given."""
        self.is_patient = False
        self.faults.zygotes_killed += len(self.faults.frozen)  # the pool gives each up in the end
        self.faults.frozen.clear()
        self.settle()

    # -- what must hold ----------------------------------------------------------------------------

    @rule()
    def settle(self) -> None:
        """Every call has ended, in one way that fits."""
        self.thaw()
        tasks = [one.task for one in self.asked]
        if tasks:
            self.wait_for(asyncio.wait(tasks))
        for one in self.asked:
            self.check(one)
        self.asked.clear()
        if self.pool is not None and self.num_outcomes is not None:
            status = self.pool.status()
            assert status.num_calls == sum(status.verdicts.values()) == self.num_outcomes

    def check(self, one: Asked) -> None:
        if one.task.cancelled():
            assert one.is_cancelled, "cancelled, but not by us"
            return
        error = one.task.exception()
        if error is not None:
            assert isinstance(error, SandboxError), repr(error)
            assert one.is_closed, f"not closed, but {error!r}"
            return
        if self.num_outcomes is not None:
            self.num_outcomes += 1
        self.check_result(one.task.result(), one.allowed | self.faults.allowed())

    def check_result(self, result: object, allowed: set[Verdict]) -> None:
        if isinstance(result, Outcome):
            assert result.verdict in allowed, (result, self.faults)
            if result.verdict is not Verdict.LOST:
                assert_sound(result, num_args=1)
        elif isinstance(result, Inspection):
            assert result.ok or result.problem.partition(":")[0] in allowed, (result, self.faults)
        elif isinstance(result, Rejection):
            assert {*result.reason.split(), *result.detail.split()} & allowed, (result, self.faults)
        else:
            assert isinstance(result, Certificate)

    def teardown(self) -> None:
        try:
            if self.pool is not None:
                self.settle()
                for family in (0, 1):
                    call = Call(program=PROGRAMS["quick"][0], args=["1"])
                    assert self.wait_for(self.pool.run(call, family=family)).is_ok
                self.num_outcomes = None
                self.close()
            self.settle()
        finally:
            if self.pool is not None:
                self.loop.run_until_complete(self.pool.aclose())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
        assert Footprint.take().changed_since(self.before) == {}
        assert set(descendants(os.getpid())) <= self.children


class UvloopMachine(PoolMachine):
    """The same on the other loop."""

    loop_name = "uvloop"


def warm_up(machine: type[PoolMachine]) -> None:
    """What a first pool and a first loop keep for the process: libraries, uvloop's signal pipe."""

    async def main() -> None:
        async with Sandbox(workers=1):
            pass

    with asyncio.Runner(loop_factory=LOOPS[machine.loop_name]) as runner:
        runner.run(main())


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(PoolMachine, id="asyncio", marks=pytest.mark.stress),
        pytest.param(UvloopMachine, id="uvloop"),
    ],
)
def test_every_call_ends_once_and_nothing_is_left(machine: type[PoolMachine]):
    warm_up(machine)
    few = settings(max_examples=max(6, NUM_EXAMPLES // 20), stateful_step_count=25)
    run_state_machine_as_test(machine, settings=few)
