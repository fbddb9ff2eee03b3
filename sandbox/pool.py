"""The sandbox: a pool of zygotes and a fair queue before them.

Calls queue first come, first served; a call may name a hash family or seeds to avoid, and is then
passed over only by calls that the free worker suits and it does not. A worker is started when it
is taken and found dead, so the pool has no task of its own: whoever waits does the work, and
cancelling a caller leaves nothing behind but a guest being killed.

A call whose zygote vanishes is run once more on another; if that is lost too, the verdict is LOST.
"""

import asyncio
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Literal, Self

from sandbox.call import Call, Cost, Outcome
from sandbox.desk import Desk
from sandbox.errors import SandboxUnavailable
from sandbox.guest.claim import TOKEN_BYTES, max_frame
from sandbox.inspection import Inspection, to_inspection
from sandbox.jail import syscalls
from sandbox.jail.launch import Boot
from sandbox.jobs import encode_job
from sandbox.judge import judge
from sandbox.limits import Limits
from sandbox.modules import GUEST_MODULES, TASK_MODULES
from sandbox.status import LAYERS, MANDATORY, Status, Tally
from sandbox.verdict import Verdict
from sandbox.worker import Worker, WorkerLostError

logger = logging.getLogger(__name__)

NUM_FAMILIES = 2
_FIRST_UID = 61_000
_MAX_LOST = 2
"""Guests that a call may lose before it is given up; never judged."""
_STOP_S = 5.0
_MAX_SEED = 2**32 - 1

Jail = Literal["auto", "namespaces", "filter-only"]


class Sandbox:
    """Runs programs in isolation. An async context manager, used from one event loop.

    `workers` zygotes for each of two hash families; every zygote has a hash seed of its own.
    `require` names layers (see LAYERS) without which it refuses to start. With `jail="auto"` it
    takes the best jail the host allows, says so in `status()` and logs a warning when that is
    `filter-only`; `jail="namespaces"` makes the weaker one an error.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        limits: Limits | None = None,
        require: Collection[str] = (),
        jail: Jail = "auto",
        modules: Sequence[str] = GUEST_MODULES,
        task_modules: Sequence[str] = TASK_MODULES,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        unknown = set(require) - set(LAYERS)
        if unknown:
            raise ValueError(f"require: no such layer {sorted(unknown)}; there are {LAYERS}")
        if jail not in ("auto", "namespaces", "filter-only"):
            raise ValueError(f"jail is auto, namespaces or filter-only, got {jail!r}")
        self.limits = limits or Limits()
        self._num_workers, self._jail = workers * NUM_FAMILIES, jail
        self._require = {*require, *MANDATORY}
        if jail == "namespaces":
            self._require |= {"namespaces", "root"}
        self._modules, self._task_modules = tuple(modules), tuple(task_modules)
        self._workers: list[Worker] = []
        self._desk = Desk()
        self._tally = Tally()

    async def __aenter__(self) -> Self:
        boot = self._boot()
        seeds = random.SystemRandom().sample(range(1, _MAX_SEED), self._num_workers)
        self._workers = [
            Worker(boot=boot, seed=seed, uid=_FIRST_UID + index, on_free=self._desk.free)
            for index, seed in enumerate(seeds)
        ]
        try:
            await self._start()
            self._check_layers()
        except BaseException:
            await self.aclose()
            raise
        self._desk.open(self._workers)
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
        self._desk.close()
        for worker in self._workers:
            worker.stop()
        await asyncio.to_thread(self._join)

    async def run(
        self, call: Call, *, family: int | None = None, other_than: Collection[int] = ()
    ) -> Outcome:
        """Run one call to its verdict; raises only for faults of ours.

        `family` (0 or 1) picks a hash family; `other_than` avoids zygotes with these hash seeds.
        """
        too_big = self._refuse(call)
        if too_big is not None:
            return self._tally.add(too_big)
        return await self._run(call, family=family, other_than=other_than, is_inspection=False)

    async def inspect(self, source: str) -> Inspection:
        """Static facts of a program; its text is parsed in a guest, never here."""
        call = Call(program=source, args=())
        outcome = self._refuse(call) or await self._run(call, is_inspection=True)
        return to_inspection(outcome)

    @property
    def num_zygotes(self) -> int:
        """How many zygotes, each with a hash seed of its own, a call can be sent to."""
        return self._num_workers

    def status(self) -> Status:
        """A snapshot: layers, queue and counters."""
        layers = {name: self._layer(name) for name in LAYERS}
        is_jailed = layers["namespaces"][0] and layers["root"][0]
        return Status(
            jail="namespaces" if is_jailed else "filter-only",
            layers=layers,
            num_workers=len(self._workers),
            num_idle=self._desk.num_idle,
            num_waiting=self._desk.num_waiting,
            num_starts=sum(worker.num_starts for worker in self._workers),
            num_calls=self._tally.verdicts.total(),
            verdicts=dict(self._tally.verdicts),
            busy_s=self._tally.busy_s,
            pids=tuple(worker.pid for worker in self._workers if worker.pid),
        )

    def _join(self) -> None:
        for worker in self._workers:
            worker.join(_STOP_S)

    # -- start -----------------------------------------------------------------------------------

    def _boot(self) -> Boot:
        return Boot(
            filter=syscalls.compile_filter(),
            modules=self._modules,
            task_modules=self._task_modules,
            namespaces=self._jail != "filter-only",
        )

    async def _start(self) -> None:
        """All zygotes at once; the first failure is raised when none is starting any more."""
        starts = (worker.start() for worker in self._workers)
        for result in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def _layer(self, name: str) -> tuple[bool, str]:
        states = [worker.layers.get(name, (False, "not started")) for worker in self._workers]
        off = [detail for is_on, detail in states if not is_on]
        if off or not states:
            return False, off[0] if off else "not started"
        return True, states[0][1]

    def _check_layers(self) -> None:
        missing = {n: self._layer(n)[1] for n in sorted(self._require) if not self._layer(n)[0]}
        if missing:
            causes = "; ".join(f"{name} ({cause})" for name, cause in missing.items())
            raise SandboxUnavailable(
                f"required but missing: {causes}. Run `sandbox doctor` to see what this host gives"
            )
        if self._jail == "auto" and self.status().jail == "filter-only":
            logger.warning("sandbox: no namespaces on this host, so the jail is filter-only")

    # -- one call --------------------------------------------------------------------------------

    def _refuse(self, call: Call) -> Outcome | None:
        """The verdict on a call that is too big to be sent at all."""
        limits = self.limits
        if call.program is not None and _num_bytes(call.program) > limits.source_bytes:
            return Outcome(verdict=Verdict.INVALID, error="source over limits.source_bytes")
        if sum(map(_num_bytes, call.args)) + len(call.args) > limits.args_bytes:
            return Outcome(verdict=Verdict.INVALID, error="arguments over limits.args_bytes")
        return None

    async def _run(
        self,
        call: Call,
        *,
        family: int | None = None,
        other_than: Collection[int] = (),
        is_inspection: bool,
    ) -> Outcome:
        avoid = set(other_than)
        num_lost = 0
        for _ in range(_MAX_LOST + self.num_zygotes):  # finding a zygote dead loses nothing
            try:
                outcome = await self._attempt(call, family, avoid, is_inspection)
            except WorkerLostError as error:
                num_lost += error.has_begun
                if num_lost == _MAX_LOST:
                    break
                continue
            return self._tally.add(outcome)
        return self._tally.add(Outcome(verdict=Verdict.LOST, error="the zygote vanished, twice"))

    async def _attempt(
        self, call: Call, family: int | None, avoid: set[int], is_inspection: bool
    ) -> Outcome:
        token = secrets.token_bytes(TOKEN_BYTES)
        job = encode_job(call, token=token, limits=self.limits, is_inspection=is_inspection)
        worker = await self._desk.take(self._matcher(family, avoid))
        if not worker.is_alive:
            await self._revive(worker)
        cpu_s = math.ceil(self.limits.cpu_s)
        num_values = 1 if is_inspection else len(call.args)
        started = time.perf_counter()
        end, max_rss_kb = await worker.execute(
            job,
            wall_s=self.limits.wall_s,
            max_frame=max_frame(num_values, self.limits.total_bytes),
        )
        wall_s = time.perf_counter() - started
        verdict = judge(end, token=token, num_values=num_values, cpu_limit_s=cpu_s)
        return Outcome(
            verdict=verdict.verdict,
            values=verdict.values,
            error=verdict.error,
            failed=verdict.failed,
            cost=Cost(wall_s=wall_s, cpu_s=end.cpu_s, max_rss_mb=max_rss_kb / 1024),
            seed=worker.seed,
        )

    # -- workers ---------------------------------------------------------------------------------

    def _matcher(self, family: int | None, avoid: set[int]) -> Callable[[Worker], bool]:
        if family is not None and not 0 <= family < NUM_FAMILIES:
            raise ValueError(f"family is 0 or 1, got {family}")
        seeds = {
            worker.seed
            for index, worker in enumerate(self._workers)
            if family in (None, index % NUM_FAMILIES) and worker.seed not in avoid
        }
        if self._workers and not seeds:
            raise ValueError("no zygote left: other_than names the seeds of all of them")
        return lambda worker: worker.seed in seeds

    async def _revive(self, worker: Worker) -> None:
        logger.warning("sandbox: a zygote was lost; starting another")
        try:
            await asyncio.to_thread(worker.join, _STOP_S)
            await worker.start()
        except BaseException:
            self._desk.free(worker)
            raise


def _num_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
