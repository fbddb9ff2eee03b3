"""Waiting for one's turn at the policy: the coroutines' side of `Lanes`.

`enter` waits until the lanes give the job its turn, which the end of other jobs unblocks. A
coroutine that is cancelled, waiting or inside, gives its place back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from engine.play.occupancy import Occupancy
from engine.play.scheduler import Job, Lane, Lanes


@dataclass(slots=True)
class Gate:
    """Bounds the completions under way. Belongs to one event loop."""

    lanes: Lanes
    occupancy: Occupancy = field(default_factory=Occupancy)
    _turns: dict[Job, asyncio.Future[None]] = field(default_factory=dict, init=False)

    @asynccontextmanager
    async def enter(self, lane: Lane, cost: int) -> AsyncIterator[None]:
        """Hold the place of `cost` completions for the length of the block."""
        job = Job(lane, cost)
        turn = asyncio.get_running_loop().create_future()
        self._turns[job] = turn
        self.lanes.submit(job)
        try:
            self._admit()
            await turn
            with self.occupancy.writing():
                yield
        finally:
            self._turns.pop(job, None)
            self.lanes.end(job)
            self._admit()

    def _admit(self) -> None:
        while (job := self.lanes.start()) is not None:
            turn = self._turns.pop(job)
            if not turn.done():  # else its coroutine is being cancelled, and will end the job
                turn.set_result(None)
