"""The servers of a policy: which of them can be asked now, and that all have the same weights.

A *seat* is one server, launched by us or given by address. It is open while it is known to answer
and to hold the target weights. Whoever finds it otherwise reports it; its keeper closes the seat,
restarts the server if it is ours and dead or deaf, gives it the target weights unless it names them
as its own, has it write one token, and opens the seat again. So nothing is asked of a server that
came back with other weights. A new seat is given the weights as well: what a server was launched
with is not known. While it is given weights a seat is closed.

Behind a router any server may get a completion: all seats have to be open then, and trouble with
one completion closes all of them.

Waits: `take` for an open seat, `aim` for every seat to hold new weights; a keeper's work unblocks
both. A seat that stays closed for too long (`Patience`) fails the fleet, and every waiter with it;
so does a keeper that ends, whatever ends it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Final

from engine.policy.errors import PolicyError
from engine.policy.sglang.client import Patience, ServerClient
from engine.policy.sglang.errors import ProtocolError, Refusal, ServerError
from engine.policy.sglang.launch import Launch

_RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between two looks at a server that is down; the last one repeats."""
_GIVEN: Final = "it is given new weights"
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
    room: int | None = None
    """Tokens that a prompt and its completion may have; None if it does not say."""
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
        self._accepted = target
        """The last target that every seat has held: who refuses another is aimed at this one."""
        self._refusal: Refusal | None = None
        """Of the target that is aimed at."""
        self._labels = {target.label}
        self._is_routed = any(seat.client.is_routed for seat in self.seats)
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
        enough = all if self._is_routed else any
        await self._until(lambda: enough(seat.is_open for seat in self.seats))
        return min((seat for seat in self.seats if seat.is_open), key=lambda seat: seat.load)

    def knows(self, label: str) -> bool:
        """Whether these weights are, or were, a target."""
        return label in self._labels

    @property
    def room(self) -> int | None:
        """Tokens that a prompt and its completion may have, whichever server gets them."""
        return min((seat.room for seat in self.seats if seat.room is not None), default=None)

    def report(self, seat: Seat, trouble: str) -> None:
        """Close a seat: its keeper looks after it."""
        for found in self.seats if self._is_routed else [seat]:
            if found.is_open:
                log.warning("%s: %s", seat.client.url, trouble)
            found.trouble = trouble
            found.wakeup.set()

    async def aim(self, target: Target) -> None:
        """Have every server hold other weights, each between two of its tokens.

        Raises the Refusal of a server that does not take them; the old target is aimed at again
        then. A server that is down takes them when it is back.
        """
        if self.failure:
            raise self.failure
        self._turn(target)
        self._labels.add(target.label)
        try:
            await asyncio.gather(*(self._push(seat) for seat in self.seats))
            await self._until(lambda: self._refusal is not None or self._all_hold())
            if self._refusal:
                raise self._refusal
        except BaseException:
            self._turn(self._accepted)  # some may have the new ones, or half of them
            for seat in self.seats:
                self.report(seat, "it does not hold its weights for certain")
            if target.label != self._accepted.label:
                self._labels.discard(target.label)
            raise
        self._accepted = target

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

    def _turn(self, target: Target) -> None:
        self.target, self._refusal = target, None
        for seat in self.seats:
            seat.held = None

    async def _push(self, seat: Seat) -> None:
        """Give a server the target; one that fails is left to its keeper."""
        async with seat.pushing:
            target = self.target
            if seat.held == target.label:
                return
            seat.trouble = seat.trouble or _GIVEN
            try:
                await seat.client.update(target.directory, target.label)
            except (ServerError, ProtocolError) as error:
                self.report(seat, str(error))
            except Refusal as error:
                self.report(seat, str(error))
                if target is self._accepted:
                    raise
                if target is self.target:
                    self._refusal = error
            else:
                self._note_held(seat, target)
        await self._tell()

    def _note_held(self, seat: Seat, target: Target) -> None:
        if target is not self.target:
            self.report(seat, "it was given weights that are no longer wanted")
            return
        seat.held = target.label
        if seat.trouble == _GIVEN:
            seat.trouble = ""

    async def _keep(self, seat: Seat) -> None:
        while True:
            await seat.wakeup.wait()
            seat.wakeup.clear()
            try:
                await self._mend(seat)
            except PolicyError as error:
                await self._fail(error)
                return
            except Exception as error:  # noqa: BLE001  # or whoever waits would wait for ever
                await self._fail(PolicyError(f"{seat.client.url} has no keeper: {error}"))
                return
            if seat.held == self.target.label:
                seat.trouble = ""
                await self._tell()
            else:  # aimed elsewhere meanwhile
                seat.wakeup.set()

    async def _mend(self, seat: Seat) -> None:
        """Bring a server back; PolicyError once it has been down for too long."""
        limit = self._patience.ready_s if seat.launch else self._patience.down_s
        began, deaf = time.monotonic(), 0
        for pause_s in chain(_RETRY_S, repeat(_RETRY_S[-1])):
            if seat.launch and await self._revive(seat, seat.launch, is_deaf=deaf >= _DEAF_LOOKS):
                deaf = 0
            try:
                await self._look(seat)
                return
            except (ServerError, ProtocolError) as error:
                seat.trouble = str(error)
            deaf += seat.launch is not None and seat.launch.is_ready
            if time.monotonic() - began > limit:
                words = f"; its log ends: {seat.launch.last_words()}" if seat.launch else ""
                raise PolicyError(
                    f"{seat.client.url} was down for {limit:.0f} s: {seat.trouble}{words}"
                )
            await asyncio.sleep(pause_s)

    async def _look(self, seat: Seat) -> None:
        """See that it answers, holds the target, and writes a token.

        The token only if it has nothing to write for us: else it would wait in the queue.
        """
        async with seat.pushing:  # while it reads weights it may well be deaf
            label = str((await seat.client.info()).get("weight_version", ""))
            if seat.launch:
                seat.launch.found_ready()
            seat.room = await seat.client.room()
            if label != seat.held:
                seat.held = None
        if seat.held != self.target.label:
            await self._push(seat)
            if seat.held != self.target.label:
                raise ServerError(seat.trouble)
        if not seat.load:
            async with aclosing(seat.client.generate(_ONE_TOKEN, directly=True)) as events:
                async for _ in events:
                    pass

    async def _revive(self, seat: Seat, launch: Launch, *, is_deaf: bool) -> bool:
        """Start a server of ours that is not there, or that is deaf; whether it was started."""
        if launch.is_running() and not is_deaf:
            return False
        if launch.num_starts and not launch.was_ever_ready:
            raise PolicyError(
                f"the SGLang server ends before it is ready: {launch.last_words()} (its log is "
                f"{launch.log})"
            )
        if launch.num_starts:
            log.warning("%s is started again: %s", seat.client.url, seat.trouble)
            await launch.stop()
        seat.held = None
        await launch.start()
        return True


_ONE_TOKEN: Final = {"input_ids": [0], "sampling_params": {"max_new_tokens": 1}}
