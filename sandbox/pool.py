"""The sandbox: calls in, outcomes out, over a fleet of zygotes and a fair queue before them.

Calls queue first come, first served; a call may name a hash family or seeds to avoid, and is then
passed over only by calls that the free worker suits and it does not. Cancelling a caller leaves
nothing behind but a guest being killed.

A call whose zygote vanishes is run once more on another; if that is lost too, the verdict is LOST.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self

from sandbox.call import Call, Cost, Outcome
from sandbox.errors import SandboxUnavailable
from sandbox.fleet import MAX_SLOTS, NUM_FAMILIES, Fleet
from sandbox.guest.claim import TOKEN_BYTES, max_frame
from sandbox.guest.job import JobKind
from sandbox.inspection import Inspection, to_inspection
from sandbox.jails import JAILS, Jail
from sandbox.jobs import encode_job
from sandbox.judge import judge
from sandbox.limits import Limits
from sandbox.modules import GUEST_MODULES, TASK_MODULES
from sandbox.script import Script, ScriptOutcome, settle, to_script_outcome
from sandbox.status import LAYERS, MANDATORY, Status, Tally
from sandbox.value import decode
from sandbox.verdict import Verdict
from sandbox.worker import WorkerLostError

_MAX_LOST = 2
"""Guests that a call may lose before it is given up; never judged."""

_LONG_FRAME = 16_384
"""Bytes of a claim that take tens of milliseconds to check: too long for the loop to wait."""


class Sandbox:
    """Runs programs in isolation. An async context manager, used from one event loop.

    `workers` zygotes for each of two hash families; every zygote has a hash seed of its own and
    `slots` places for guests. A zygote takes a new guest when its last one has ended or has run
    for longer than most do.

    `jail` is `native` (namespaces of our own making), `nsjail` (the same by nsjail, Python 3.12),
    `auto` (the first of these that works) or, weaker and only when named, `filter-only`. `require`
    names layers (see LAYERS) without which it refuses to start; `cgroup` asks for a control group
    around each zygote, for which the host must allow us to make one.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        slots: int = 4,
        limits: Limits | None = None,
        require: Collection[str] = (),
        jail: Jail = "auto",
        cgroup: bool = False,
        modules: Sequence[str] = GUEST_MODULES,
        task_modules: Sequence[str] = TASK_MODULES,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        if not 1 <= slots <= MAX_SLOTS:
            raise ValueError(f"slots must be 1 to {MAX_SLOTS}, got {slots}")
        unknown = set(require) - set(LAYERS)
        if unknown:
            raise ValueError(f"require: no such layer {sorted(unknown)}; there are {LAYERS}")
        if jail not in JAILS:
            raise ValueError(f"jail is one of {', '.join(JAILS)}, got {jail!r}")
        self.limits = limits or Limits()
        self._jail = jail
        self._fleet = Fleet(
            num_workers=workers * NUM_FAMILIES,
            slots=slots,
            require={*require, *MANDATORY},
            modules=tuple(modules),
            task_modules=tuple(task_modules),
            cgroup=cgroup,
        )
        self._tally = Tally()
        # One thread: several would each keep a heap of their own. It ends with this object.
        self._checker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-claims")

    async def __aenter__(self) -> Self:
        await self._fleet.open(self._jail)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Kill every guest and zygote; calls that still wait fail with SandboxError."""
        await self._fleet.close()

    async def run(
        self,
        call: Call,
        *,
        family: int | None = None,
        other_than: Collection[int] = (),
        limits: Limits | None = None,
    ) -> Outcome:
        """Run one call to its verdict; raises only for faults of ours.

        `family` (0 or 1) picks a hash family; `other_than` avoids zygotes with these hash seeds;
        `limits` are this call's own, the pool's otherwise.
        """
        too_big = self._refuse(call, limits)
        if too_big is not None:
            return self._tally.add(too_big)
        return await self._run(call, family=family, other_than=other_than, limits=limits)

    async def run_script(self, script: Script, *, limits: Limits | None = None) -> ScriptOutcome:
        """Run a whole program from its stdin to its stdout; raises only for faults of ours."""
        too_big = self._refuse(Call(program=script.source, args=[script.stdin]), limits)
        if too_big is not None:
            return to_script_outcome(self._tally.add(too_big))
        return to_script_outcome(await self._run(script, limits=limits))

    async def inspect(self, source: str) -> Inspection:
        """Static facts of a program; its text is parsed in a guest, never here."""
        call = Call(program=source, args=())
        outcome = self._refuse(call) or await self._run(call, kind=JobKind.INSPECT)
        return to_inspection(outcome)

    async def strip(self, source: str) -> str:
        """The program's imports and definitions alone, without comments and docstrings.

        In the one spelling of the guest's Python; empty for what is no program.
        """
        call = Call(program=source, args=())
        outcome = self._refuse(call) or await self._run(call, kind=JobKind.STRIP)
        text = decode(outcome.values[0]) if outcome.is_ok else ""
        return text if isinstance(text, str) else ""

    @property
    def num_zygotes(self) -> int:
        """How many zygotes, each with a hash seed of its own, a call can be sent to."""
        return self._fleet.num_workers

    def status(self) -> Status:
        """A snapshot: layers, queue and counters."""
        workers = self._fleet.workers
        return Status(
            jail=self._fleet.jail,
            layers={name: self._fleet.layer(name) for name in LAYERS},
            num_workers=len(workers),
            num_idle=sum(not worker.num_guests for worker in workers),
            num_running=sum(worker.num_guests for worker in workers),
            num_waiting=self._fleet.desk.num_waiting,
            num_starts=sum(worker.num_starts for worker in workers),
            num_recycled=sum(worker.num_recycled for worker in workers),
            num_calls=self._tally.verdicts.total(),
            verdicts=dict(self._tally.verdicts),
            busy_s=self._tally.busy_s,
            latency=tuple(self._tally.latency),
            pids=tuple(worker.pid for worker in workers if worker.pid),
        )

    # -- one call --------------------------------------------------------------------------------

    def _refuse(self, call: Call, limits: Limits | None = None) -> Outcome | None:
        """The verdict on a call that is too big to be sent at all."""
        limits = limits or self.limits
        if call.program is not None and _num_bytes(call.program) > limits.source_bytes:
            return Outcome(verdict=Verdict.INVALID, error="source over limits.source_bytes")
        if sum(map(_num_bytes, call.args)) + len(call.args) > limits.args_bytes:
            return Outcome(verdict=Verdict.INVALID, error="arguments over limits.args_bytes")
        return None

    async def _run(
        self,
        call: Call | Script,
        *,
        family: int | None = None,
        other_than: Collection[int] = (),
        kind: JobKind | None = None,
        limits: Limits | None = None,
    ) -> Outcome:
        avoid = set(other_than)
        num_lost = 0
        unavailable: SandboxUnavailable | None = None
        for _ in range(_MAX_LOST + self.num_zygotes):  # finding a zygote dead loses nothing
            try:
                outcome = await self._attempt(call, family, avoid, kind, limits)
            except WorkerLostError as error:
                num_lost += error.has_begun
                if num_lost == _MAX_LOST:
                    break
            except SandboxUnavailable as error:  # a zygote that died at its start; others may not
                unavailable = error
            else:
                return self._tally.add(outcome)
        if unavailable is not None and num_lost < _MAX_LOST:
            raise unavailable
        return self._tally.add(Outcome(verdict=Verdict.LOST, error="the zygote vanished, twice"))

    async def _attempt(
        self,
        call: Call | Script,
        family: int | None,
        avoid: set[int],
        kind: JobKind | None,
        limits: Limits | None,
    ) -> Outcome:
        limits = limits or self.limits
        token = secrets.token_bytes(TOKEN_BYTES)
        job = encode_job(call, token=token, limits=limits, kind=kind)
        worker = await self._fleet.take(family=family, avoid=avoid)
        cpu_s = math.ceil(limits.cpu_s)
        num_values = len(call.args) if isinstance(call, Call) and kind is None else 1
        started = time.perf_counter()
        end, max_rss_kb = await worker.execute(
            job,
            wall_s=limits.wall_s,
            max_frame=max_frame(num_values, limits.total_bytes),
        )
        wall_s = time.perf_counter() - started
        decide = partial(judge, end, token=token, num_values=num_values, cpu_limit_s=cpu_s)
        is_long = len(end.frame) > _LONG_FRAME
        loop = asyncio.get_running_loop()
        verdict = await loop.run_in_executor(self._checker, decide) if is_long else decide()
        if isinstance(call, Script):
            verdict = settle(verdict)
        return Outcome(
            verdict=verdict.verdict,
            values=verdict.values,
            error=verdict.error,
            failed=verdict.failed,
            cost=Cost(wall_s=wall_s, cpu_s=end.cpu_s, max_rss_mb=max_rss_kb / 1024),
            seed=worker.seed,
        )


def _num_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
