"""Self-play: rounds run while there is credit, are committed whole, and flow into the ring.

    start a round (credit, plan) -> propose -> certify -> solve -> score -> wait for its turn
                                                                                |
    ring <- push in order <- outbox <- one transaction (tasks, proposals, groups, next plan)

Rounds run side by side and are committed in the order of their numbers. `play` waits for credit
(unblocked by a published version), for a running round, for space in the ring (unblocked by the
trainer's commit), or for a store that can be written again (`patience`); each wait is a bounded
sleep. Rounds that are cut by a cancellation or a kill leave nothing behind but their plan: they are
played again from it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from engine.config import EngineConfig
from engine.play.arena import Arena
from engine.play.claims import Claims
from engine.play.commit import Committer
from engine.play.occupancy import Occupancy
from engine.play.outbox import Outbox
from engine.play.patience import patiently
from engine.play.plan import Plan
from engine.play.round import RoundReport, play_round
from engine.play.scheduler import RoundOrder, has_credit
from engine.policy.protocol import Policy
from engine.tasks.store import TaskStore
from engine.wire.messages import Producer
from engine.wire.waits import ROOM, Waits
from sandbox import Sandbox

POLL_S = 0.05


@dataclass(slots=True, kw_only=True)
class Player:
    """Plays rounds and commits them. One owner: the engine's service."""

    config: EngineConfig
    policy: Policy
    sandbox: Sandbox
    store: TaskStore
    outbox: Outbox
    batch_samples: int
    """Rollouts of one optimizer step, the unit of staleness."""
    consumed_seq: Callable[[], int]
    """Groups before this number are in the newest published version."""
    producer: Callable[[int], Producer]
    """Who we are, and the checksum of these weights (a policy version)."""
    on_round: Callable[[RoundReport], None]
    run_id: bytes = bytes(16)
    occupancy: Occupancy = field(default_factory=Occupancy)
    waits: Waits = field(default_factory=Waits)
    arena: Arena = field(init=False)
    _claims: Claims = field(default_factory=Claims, init=False)
    _order: RoundOrder = field(init=False)
    _ended: dict[int, RoundReport] = field(default_factory=dict, init=False)
    _committer: Committer = field(init=False)
    _committing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        config = self.config
        self.arena = Arena(
            config=config,
            policy=self.policy,
            sandbox=self.sandbox,
            run_id=self.run_id,
            occupancy=self.occupancy,
        )
        self._order = RoundOrder(config.rounds_in_flight, first=self.store.next_round())
        self._committer = Committer(
            arena=self.arena,
            store=self.store,
            claims=self._claims,
            limit=self.outbox.ring.max_payload,
            producer=self.producer,
        )

    async def play(self, should_stop: Callable[[], bool]) -> None:
        """Play until told to stop; rounds under way are then finished and committed."""
        self._committer.plan_first()
        async with asyncio.TaskGroup() as rounds:
            while not should_stop():
                has_room = await patiently(self.outbox.pump, self.waits)
                if self._may_start():
                    plan = self._committer.plan(self._order.start())
                    rounds.create_task(self._round(plan))
                self._tell_wait(has_room=has_room)
                await self.outbox.pause(POLL_S)
        await patiently(self.outbox.pump, self.waits)

    async def _round(self, plan: Plan) -> None:
        report = await play_round(self.arena, self.store, self._claims, plan)
        self._ended[plan.number] = report
        self._order.end(plan.number)
        async with self._committing:  # a pause must not let another round overtake
            while self._order.is_due(self._order.first):
                report = self._ended.pop(self._order.first)
                commit = partial(self._committer.commit, report)
                self.on_round(await patiently(commit, self.waits))
                self._order.commit()
                await patiently(self.outbox.pump, self.waits)

    def _may_start(self) -> bool:
        return self._order.can_start() and has_credit(
            unconsumed=self.store.num_rollouts_from(self.consumed_seq()),
            running=self._order.num_open * self._committer.round_size,
            batch_samples=self.batch_samples,
            staleness=self.config.staleness,
        )

    def _tell_wait(self, *, has_room: bool) -> None:
        if not has_room:
            self.waits.tell(ROOM, on="trainer")
        elif not self._order.num_open:
            version = self.policy.version + 1
            self.waits.tell(f"version {version} of the weights (no credit left)", on="trainer")
