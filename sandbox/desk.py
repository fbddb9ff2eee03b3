"""Who gets which worker: first come, first served, as far as the free worker suits.

A call is passed over only by later calls that suit a worker which it does not. Nothing here
starts or stops a worker; a dead one is handed out like an idle one, for its taker to restart.
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
    """Idle workers on one side, waiting calls on the other; at most one side has a match."""

    def __init__(self) -> None:
        self._idle: deque[Worker] = deque()
        self._waiting: deque[_Waiter] = deque()
        self._is_open = False

    @property
    def num_idle(self) -> int:
        """Workers that nobody wants now."""
        return len(self._idle)

    @property
    def num_waiting(self) -> int:
        """Calls without a worker yet."""
        return len(self._waiting)

    def open(self, workers: Iterable[Worker]) -> None:
        """Start handing out these workers."""
        self._is_open = True
        self._idle.extend(workers)

    def close(self) -> None:
        """Hand out nothing more; calls that wait fail with SandboxError."""
        self._is_open = False
        self._idle.clear()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.granted.done():
                waiter.granted.set_exception(SandboxError("the sandbox was closed"))

    async def take(self, suits: Callable[[Worker], bool]) -> Worker:
        """A worker of one's own. Waits for a free one; unblocked by `free` and by `close`."""
        if not self._is_open:
            raise SandboxError("the sandbox is not open: use it as `async with Sandbox() as s`")
        for worker in self._idle:
            if suits(worker):
                self._idle.remove(worker)
                return worker
        waiter = _Waiter(suits, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise

    def free(self, worker: Worker) -> None:
        """Give the worker to the first call it suits, or let it rest."""
        if not self._is_open:
            return
        for waiter in self._waiting:
            if waiter.suits(worker) and not waiter.granted.done():
                self._waiting.remove(waiter)
                waiter.granted.set_result(worker)
                return
        self._idle.append(worker)

    def _withdraw(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            return
        granted = waiter.granted
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            self.free(granted.result())  # granted and cancelled in the same turn
