"""The zygotes of a pool: which jail they get, how they start, who takes which.

A zygote is started when it is taken and found dead, so the fleet has no task of its own: whoever
waits does the work.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Mapping

from sandbox.desk import Desk
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.jail import syscalls, with_nsjail
from sandbox.jail.launch import Boot
from sandbox.jail.uids import first_uid
from sandbox.jails import JAILS
from sandbox.status import LAYERS
from sandbox.worker import Worker

logger = logging.getLogger(__name__)

NUM_FAMILIES = 2
MAX_SLOTS = 64
_STOP_S = 5.0
_MAX_SEED = 2**32 - 1

_WALLS = ("namespaces", "root")


class Fleet:
    """All zygotes of a pool; every one has a hash seed of its own, every second is one family's."""

    def __init__(
        self,
        *,
        num_workers: int,
        slots: int,
        require: Collection[str],
        modules: tuple[str, ...],
        task_modules: tuple[str, ...],
        cgroup: bool,
    ) -> None:
        self.num_workers = num_workers
        self.workers: list[Worker] = []
        self.desk = Desk()
        self.jail = "none"
        self._is_closed = False
        self._restarts: set[asyncio.Future[None]] = set()
        """Restarts under way, each done when its zygote runs or has been given up."""
        self._slots, self._require, self._cgroup = slots, frozenset(require), cgroup
        self._first_uid = first_uid()
        self._modules, self._task_modules = modules, task_modules

    # -- life ------------------------------------------------------------------------------------

    async def open(self, jail: str) -> None:
        """Start all zygotes in the first jail of JAILS[jail] that holds, or SandboxUnavailable."""
        filters = syscalls.compile_filters()
        refusals = []
        for name in JAILS[jail]:
            self._is_closed = False
            try:
                await self._open(name, filters)
            except SandboxUnavailable as error:
                refusals.append(str(error))
                await self.close()
            except BaseException:
                await self.close()
                raise
            else:
                self.desk.open(self.workers)
                return
        advice = ""
        if "filter-only" not in JAILS[jail]:
            advice = (
                "; `sandbox doctor` says what this host gives. Without namespaces there is "
                "jail='filter-only', the filter and the limits alone: ask for it by name"
            )
        raise SandboxUnavailable("; then ".join(refusals) + advice)

    async def _open(self, name: str, filters: Mapping[str, bytes]) -> None:
        if name == "nsjail":
            await asyncio.to_thread(with_nsjail.check, uid=self._first_uid)
        boot = Boot(
            filters=filters,
            modules=self._modules,
            task_modules=self._task_modules,
            namespaces=name == "native",
            nsjail=name == "nsjail",
            slots=self._slots,
            cgroup=self._cgroup,
        )
        seeds = random.SystemRandom().sample(range(1, _MAX_SEED), self.num_workers)
        self.workers = [
            Worker(boot=boot, seed=seed, uid=self._uid(index), owner=self.desk)
            for index, seed in enumerate(seeds)
        ]
        starts = (worker.start() for worker in self.workers)
        for result in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self.jail = name
        walls = () if name == "filter-only" else _WALLS
        self._check_layers({*self._require, *walls})

    async def close(self) -> None:
        """Kill every guest and zygote; calls that still wait fail with SandboxError.

        Waits for restarts under way, which see that they came too late, and for processes to end.
        """
        self._is_closed = True
        self.desk.close()
        for worker in self.workers:
            worker.stop()
        await asyncio.to_thread(self._join)
        if self._restarts:
            await asyncio.wait(list(self._restarts))

    def _join(self) -> None:
        for worker in self.workers:
            worker.join(_STOP_S)

    def _uid(self, index: int) -> int:
        """Of a zygote; the next ones are its slots'."""
        return self._first_uid + index * (1 + self._slots)

    # -- layers ----------------------------------------------------------------------------------

    def layer(self, name: str) -> tuple[bool, str]:
        """Whether a layer is on in every zygote, and its detail or why not."""
        states = [worker.layers.get(name, (False, "not started")) for worker in self.workers]
        off = [detail for is_on, detail in states if not is_on]
        if off or not states:
            return False, off[0] if off else "not started"
        return True, states[0][1]

    def _check_layers(self, required: set[str]) -> None:
        missing = {
            name: self.layer(name)[1]
            for name in LAYERS
            if name in required and not self.layer(name)[0]
        }
        if missing:
            causes = "; ".join(f"{name} ({cause})" for name, cause in missing.items())
            raise SandboxUnavailable(f"jail {self.jail}: required but missing: {causes}")

    # -- calls -----------------------------------------------------------------------------------

    async def take(self, *, family: int | None, avoid: Collection[int]) -> Worker:
        """A living zygote with room, of this family and with none of these hash seeds."""
        worker = await self.desk.take(self._matcher(family, avoid))
        if not worker.is_alive:
            await self._revive(worker)
        return worker

    def _matcher(self, family: int | None, avoid: Collection[int]) -> Callable[[Worker], bool]:
        if family is not None and not 0 <= family < NUM_FAMILIES:
            raise ValueError(f"family is 0 or 1, got {family}")
        seeds = {
            worker.seed
            for index, worker in enumerate(self.workers)
            if family in (None, index % NUM_FAMILIES) and worker.seed not in avoid
        }
        if self.workers and not seeds:
            raise ValueError("no zygote left: other_than names the seeds of all of them")
        return lambda worker: worker.seed in seeds

    async def _revive(self, worker: Worker) -> None:
        if not worker.is_recycled:
            logger.warning("sandbox: a zygote was lost; starting another")
        done = asyncio.get_running_loop().create_future()
        self._restarts.add(done)
        try:
            await asyncio.to_thread(worker.join, _STOP_S)
            await worker.start()
            if self._is_closed:
                worker.stop()
                await asyncio.to_thread(worker.join, _STOP_S)
                raise SandboxError("the sandbox was closed")
        except BaseException:
            self.desk.put_back(worker)
            raise
        finally:
            self._restarts.discard(done)
            done.set_result(None)
