"""Who gets which worker: first come, first served, as far as the free worker suits.

A call is passed over only by later calls that suit a worker which it does not. A worker that was
handed out comes back with `put_back` when it can take another call, which may be while its guest
still runs; `offer` says of a worker that was full that it has room again. Nothing here starts or
stops a worker; a dead one is handed out like an idle one, for its taker to restart.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sandbox.errors import SandboxError
from sandbox.worker import Worker


@dataclass(slots=True, eq=False)
class _Waiter:
    """A call that waits for a worker."""

    suits: Callable[[Worker], bool]
    granted: asyncio.Future[Worker]


class Desk:
    """Free workers on one side, waiting calls on the other; at most one side has a match."""

    def __init__(self) -> None:
        self._free: deque[Worker] = deque()
        self._taken: set[Worker] = set()
        self._waiting: deque[_Waiter] = deque()
        self._is_open = False

    @property
    def num_waiting(self) -> int:
        """Calls without a worker yet."""
        return len(self._waiting)

    def open(self, workers: Iterable[Worker]) -> None:
        """Start handing out these workers."""
        self._is_open = True
        self._free.extend(workers)

    def close(self) -> None:
        """Hand out nothing more; calls that wait fail with SandboxError."""
        self._is_open = False
        self._free.clear()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.granted.done():
                waiter.granted.set_exception(SandboxError("the sandbox was closed"))

    async def take(self, suits: Callable[[Worker], bool]) -> Worker:
        """A worker to start a guest on. Waits for a free one; `put_back` and `close` unblock."""
        if not self._is_open:
            raise SandboxError("the sandbox is not open: use it as `async with Sandbox() as s`")
        for worker in self._free:
            if suits(worker):
                self._free.remove(worker)
                self._taken.add(worker)
                return worker
        waiter = _Waiter(suits, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise

    def put_back(self, worker: Worker) -> None:
        """Its taker has no more claim to it: offer it to the others, if it has room."""
        self._taken.discard(worker)
        self.offer(worker)

    def offer(self, worker: Worker) -> None:
        """Give a worker with room to the first call it suits, or let it rest."""
        if not self._is_open or worker in self._taken or not worker.has_room:
            return
        if worker in self._free:
            return
        for waiter in self._waiting:
            if waiter.suits(worker) and not waiter.granted.done():
                self._waiting.remove(waiter)
                self._taken.add(worker)
                waiter.granted.set_result(worker)
                return
        self._free.append(worker)

    def _withdraw(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            return
        granted = waiter.granted
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            self.put_back(granted.result())  # granted and cancelled in the same turn
