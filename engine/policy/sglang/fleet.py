"""The servers of a policy: which of them can be asked now, and that all have the same weights.

A *seat* is one server, launched by us or given by address. It is open while it is known to answer
and to hold the target weights. Whoever finds it otherwise reports it; its keeper closes the seat,
restarts the server if it is ours and dead or deaf, gives it the target weights unless it names them
as its own, has it write one token, and opens the seat again. So nothing is asked of a server that
came back with other weights. A new seat is given the weights as well: what a server was launched
with is not known.

Waits: `take` for an open seat, `aim` for every seat to hold new weights; a keeper's work unblocks
both. A seat that stays closed for too long (`Patience`) fails the fleet, and every waiter with it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.policy.errors import PolicyError
from engine.policy.sglang.client import Patience, Refusal, ServerClient, ServerError
from engine.policy.sglang.launch import Launch
from engine.policy.sglang.replies import ProtocolError

_RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between two looks at a server that is down; the last one repeats."""
_DEAF_LOOKS: Final = 3
"""Unanswered looks after which a server of ours that was ready is taken to hang."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The weights that every server should hold."""

    directory: Path
    version: int

    @property
    def label(self) -> str:
        """The servers' name of them."""
        return str(self.version)


@dataclass(slots=True, kw_only=True, eq=False)
class Seat:
    """One server."""

    client: ServerClient
    launch: Launch | None = None
    """Of a server of ours."""
    load: int = 0
    """Completions that it writes now."""
    trouble: str = "it was not asked yet"
    """Why it is closed; empty while it is open."""
    held: str | None = None
    """The label of the weights it was given last; None if they are not known."""
    wakeup: asyncio.Event = field(default_factory=asyncio.Event)
    pushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_open(self) -> bool:
        """Whether it answers and holds what it should."""
        return not self.trouble


class Fleet:
    """Seats with a keeper each. Belongs to one event loop."""

    def __init__(self, seats: Sequence[Seat], target: Target, patience: Patience) -> None:
        self.seats = tuple(seats)
        self.target = target
        self.failure: PolicyError | None = None
        self.num_pushes = 0
        """Times that a server was given weights."""
        self._labels = {target.label}
        self._patience = patience
        self._changed = asyncio.Condition()
        self._keepers: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start the keepers and wait until every seat is open; PolicyError if one cannot be."""
        self._keepers = [asyncio.create_task(self._keep(seat)) for seat in self.seats]
        for seat in self.seats:
            seat.wakeup.set()
        await self._until(self._all_hold)

    async def close(self) -> None:
        """End the keepers and the servers of ours; every waiter gets a PolicyError."""
        await self._fail(PolicyError("the policy is closed"))
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(seat.launch.stop() for seat in self.seats if seat.launch))

    async def take(self) -> Seat:
        """The open seat with the least to do; waits for one."""
        await self._until(lambda: any(seat.is_open for seat in self.seats))
        return min((seat for seat in self.seats if seat.is_open), key=lambda seat: seat.load)

    def knows(self, label: str) -> bool:
        """Whether these weights are, or were, a target."""
        return label in self._labels

    def report(self, seat: Seat, trouble: str) -> None:
        """Close a seat: its keeper looks after it."""
        if seat.is_open:
            log.warning("%s: %s", seat.client.url, trouble)
            seat.trouble = trouble
            seat.wakeup.set()

    async def aim(self, target: Target) -> None:
        """Have every server hold other weights, each between two of its tokens.

        Raises the Refusal of a server that does not take them; the old target is aimed at again
        then. A server that is down takes them when it is back.
        """
        old, self.target = self.target, target
        self._labels.add(target.label)
        for seat in self.seats:
            seat.held = None
        try:
            await asyncio.gather(*(self._push(seat) for seat in self.seats))
        except Refusal:
            self.target = old
            for seat in self.seats:
                seat.held = None  # some may have the new ones, or half of them
            raise
        finally:
            for seat in self.seats:
                if seat.held is None:
                    self.report(seat, "it does not hold its weights for certain")
        await self._until(self._all_hold)

    # -- inside

    def _all_hold(self) -> bool:
        return all(seat.is_open and seat.held == self.target.label for seat in self.seats)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.failure is not None or is_so())
        if self.failure is not None:
            raise self.failure

    async def _fail(self, error: PolicyError) -> None:
        self.failure = self.failure or error
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _push(self, seat: Seat) -> None:
        """Give a server the target; one that fails is left to its keeper."""
        async with seat.pushing:
            target = self.target
            try:
                await seat.client.update(target.directory, target.label)
            except (ServerError, ProtocolError) as error:
                seat.held = None
                self.report(seat, str(error))
                return
            seat.held = target.label
            self.num_pushes += 1
        await self._tell()

    async def _keep(self, seat: Seat) -> None:
        while True:
            await seat.wakeup.wait()
            seat.wakeup.clear()
            try:
                await self._mend(seat)
            except PolicyError as error:
                await self._fail(error)
                return
            seat.trouble = ""
            await self._tell()

    async def _mend(self, seat: Seat) -> None:
        """Bring a server back; PolicyError once it has been down for too long."""
        limit = self._patience.ready_s if seat.launch else self._patience.down_s
        began, looks = time.monotonic(), 0
        while True:
            if seat.launch:
                await self._revive(seat, seat.launch, looks)
            try:
                await self._look(seat)
                return
            except (ServerError, ProtocolError) as error:
                seat.trouble = str(error)
            if time.monotonic() - began > limit:
                words = f"; its log ends: {seat.launch.last_words()}" if seat.launch else ""
                raise PolicyError(
                    f"{seat.client.url} was down for {limit:.0f} s: {seat.trouble}{words}"
                )
            await asyncio.sleep(_RETRY_S[min(looks, len(_RETRY_S) - 1)])
            looks += 1

    async def _look(self, seat: Seat) -> None:
        """See that it answers, holds the target, and writes a token."""
        label = str((await seat.client.info()).get("weight_version", ""))
        if seat.launch:
            seat.launch.was_ready = True
        if not label == seat.held == self.target.label:
            await self._push(seat)
            if seat.held != self.target.label:
                raise ServerError(seat.trouble)
        async with aclosing(seat.client.generate(_ONE_TOKEN)) as events:
            async for _ in events:
                pass

    async def _revive(self, seat: Seat, launch: Launch, looks: int) -> None:
        """Start a server of ours that is not there, or that is deaf though it was ready."""
        if launch.is_running():
            if not launch.was_ready or looks < _DEAF_LOOKS:
                return
        elif launch.num_starts and not launch.was_ready:
            raise PolicyError(
                f"the SGLang server ends before it is ready: {launch.last_words()} (its log is "
                f"{launch.log})"
            )
        if launch.num_starts:
            log.warning("%s is started again: %s", seat.client.url, seat.trouble)
            await launch.stop()
        seat.held = None
        await launch.start()


_ONE_TOKEN: Final = {"input_ids": [0], "sampling_params": {"max_new_tokens": 1}}
