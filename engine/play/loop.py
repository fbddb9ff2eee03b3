"""Self-play: rounds run while there is credit, are committed whole, and flow into the ring.

    admit a round (scheduler, credit) -> propose -> certify -> solve -> score
                                                                  |
    ring <- push in order <- outbox <- one transaction (tasks, proposals, groups)

`play` waits for credit (unblocked by a published version), for a running round, or for space in
the ring (unblocked by the trainer's commit); each wait is a bounded sleep. Rounds that are cut by
a cancellation leave nothing behind: they were never committed.

Gold is never taken for granted. An abduction answer runs beside its task's own arguments; beyond
that every round runs one stored task of any kind again. A task that does not give its gold is
retired: never shown or drawn again, and no rollout of the round that found it is published for it.
What was published before stays, for the ring takes nothing back.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from engine.config import EngineConfig
from engine.play.judge import LOST, Gates
from engine.play.outbox import Outbox, pack
from engine.play.propose import ADMITTED, RETIRED, Judged, Novelty, ProposeRequest, play_proposals
from engine.play.scheduler import KindScheduler, has_credit
from engine.play.solve import Budget, SolveRequest
from engine.policy.protocol import Policy, SamplingParams
from engine.prompts import propose
from engine.tasks.rows import ProposalRow, Retirement, Solved
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin, Task
from engine.wire.messages import Kind, Producer, Role
from engine.wire.waits import ROOM, Waits
from sandbox import Mismatch, Sandbox, audit

logger = logging.getLogger(__name__)

POLL_S = 0.05
PROGRAM_KINDS = (Kind.DEDUCTION, Kind.ABDUCTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """What happened in a committed round."""

    number: int
    kind: Kind
    version: int
    seconds: float
    judged: Sequence[Judged]

    @property
    def scored(self) -> list[Judged]:
        """Those that have a reward: lost verdicts and retired tasks count in no mean."""
        return [each for each in self.judged if each.fate not in (LOST, RETIRED)]


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
    waits: Waits = field(default_factory=Waits)
    _running: int = field(default=0, init=False)
    _round_size: int = field(init=False)
    """Rollouts of a round, as the last one was: what a running round is taken to add."""
    _next_round: int = field(init=False)
    _novelty: Novelty = field(init=False)
    _kinds: KindScheduler = field(init=False)

    def __post_init__(self) -> None:
        config = self.config
        self._next_round = self.store.next_round()
        self._round_size = config.proposals
        self._novelty = Novelty(self.store, config.novelty_by_shape)
        self._kinds = KindScheduler(
            {
                Kind.DEDUCTION: config.deduction,
                Kind.ABDUCTION: config.abduction,
                Kind.INDUCTION: config.induction,
            }
        )
        for _ in range(self._next_round):  # a round's kind follows from its number
            self._kinds.next()

    async def play(self, should_stop: Callable[[], bool]) -> None:
        """Play until told to stop; rounds under way are then finished and committed."""
        async with asyncio.TaskGroup() as rounds:
            while not should_stop():
                has_room = self.outbox.pump()
                if self._may_start():
                    number, self._next_round = self._next_round, self._next_round + 1
                    self._running += 1
                    rounds.create_task(self._round(number, self._kinds.next()))
                self._tell_wait(has_room=has_room)
                await self.outbox.pause(POLL_S)
        self.outbox.pump()

    def _may_start(self) -> bool:
        return self._running < self.config.rounds_in_flight and has_credit(
            unconsumed=self.store.num_rollouts_from(self.consumed_seq()),
            running=self._running * self._round_size,
            batch_samples=self.batch_samples,
            staleness=self.config.staleness,
        )

    def _tell_wait(self, *, has_room: bool) -> None:
        if not has_room:
            self.waits.tell(ROOM, on="trainer")
        elif not self._running:
            version = self.policy.version + 1
            self.waits.tell(f"version {version} of the weights (no credit left)", on="trainer")

    async def _round(self, number: int, kind: Kind) -> None:
        started = time.monotonic()
        try:
            request = self._request(number, kind)
            judged = await play_proposals(self.policy, self.sandbox, self._novelty, request)
            await self._audit(number)
        finally:
            self._running -= 1
        report = RoundReport(
            number=number,
            kind=kind,
            version=self.policy.version,
            seconds=time.monotonic() - started,
            judged=judged,
        )
        retired = [each.retired for each in judged if each.retired is not None]
        self._commit(number, request, report.scored, retired)
        self.outbox.pump()
        self.on_round(report)

    async def _audit(self, number: int) -> None:
        """Run one stored task again, drawn at random, in a random hash family."""
        dice = random.Random(f"{self.config.seed} audit {number}")
        total = self.store.num_tasks()
        if not total:
            return
        task = self.store.task_at(tuple(Kind), dice.randrange(total))
        finding = await audit(
            self.sandbox,
            program=task.program,
            args=[example.args for example in task.examples],
            gold=[example.gold for example in task.examples],
            family=dice.randrange(2),
        )
        if isinstance(finding, Mismatch):
            logger.warning("task %s is retired: an audit found %s", task.id, finding.reason)
            self.store.retire(Retirement(task=task, reason=f"audit: {finding.reason}"))

    def _request(self, number: int, kind: Kind) -> ProposeRequest:
        config = self.config
        dice = random.Random(f"{config.seed} round {number}")
        references, program = self._references(kind, dice)
        prompt = propose(kind, references, num_inputs=config.num_inputs, program=program)
        solving = SolveRequest(
            shots=solver_shots(self.store, kind, config.solver_shots),
            n=config.solver_rollouts,
            temperature=config.temperature,
            budget=Budget(
                answer_tokens=config.answer_tokens, program_tokens=config.proposal_tokens
            ),
            seed=dice.getrandbits(62),
        )
        return ProposeRequest(
            kind=kind,
            prompt=prompt,
            parents=[task.id for task in references],
            params=SamplingParams(
                n=config.proposals,
                temperature=config.temperature,
                max_tokens=config.proposal_tokens,
                stop=prompt.stop,
                seed=dice.getrandbits(62),
            ),
            num_inputs=config.num_inputs,
            gates=gates_of(config),
            solving=solving,
        )

    def _references(self, kind: Kind, dice: random.Random) -> tuple[list[Task], str]:
        """References: anchors among the seeds, the rest uniform over all tasks; never one twice.

        For induction also the program that inputs are invented for.
        """
        seeds, total = self.store.num_tasks(kind, Origin.SEED), self.store.num_tasks(kind)
        num_anchors = min(self.config.anchors, self.config.references, seeds)
        anchors = dice.sample(range(seeds), num_anchors)  # seeds are the oldest tasks
        others = [index for index in range(total) if index not in anchors]
        num_others = min(self.config.references - num_anchors, len(others))
        picks = [*dice.sample(others, num_others), *anchors]
        references = [self.store.task_at([kind], index) for index in picks]
        if kind is not Kind.INDUCTION:
            return references, ""
        programs = sum(self.store.num_tasks(each) for each in PROGRAM_KINDS)
        return references, self.store.task_at(PROGRAM_KINDS, dice.randrange(programs)).program

    def _commit(
        self,
        number: int,
        request: ProposeRequest,
        judged: Sequence[Judged],
        retired: Sequence[Task],
    ) -> None:
        kind = request.kind
        admitted = [each.attempts for each in judged if each.attempts is not None]
        pack_rows = partial(
            pack,
            self.policy,
            kind=kind,
            producer=self.producer,
            limit=self.outbox.ring.max_payload,
        )
        groups = pack_rows(
            role=Role.PROPOSER,
            task_id="+".join(request.parents),
            parents=request.parents,
            prompt=request.prompt.text,
            params=request.params,
            rollouts=[each.rollout() for each in judged],
        )
        for attempts in admitted:
            groups += pack_rows(
                role=Role.SOLVER,
                task_id=attempts.task.id,
                parents=attempts.task.parents,
                prompt=attempts.prompt,
                params=attempts.params,
                rollouts=attempts.rollouts,
            )
        self._round_size = sum(group.num_rollouts for group in groups)
        self.store.commit_round(
            number,
            tasks=[attempts.task for attempts in admitted],
            proposals=[_row(kind, each, request.prompt.lead) for each in judged],
            groups=[group for group in groups if group.num_rollouts],
            solved=[
                Solved(
                    task_id=attempts.task.id,
                    attempts=len(attempts.rollouts),
                    solved=attempts.num_right,
                )
                for attempts in admitted
            ],
            retired=[Retirement(task=task, reason="attempt: another value") for task in retired],
        )
        for task in (*(attempts.task for attempts in admitted), *retired):
            self._novelty.release(task)


def gates_of(config: EngineConfig) -> Gates:
    """The gates that a proposal must pass under this configuration."""
    return Gates(
        reject_trivial=config.reject_trivial,
        max_value_chars=config.max_value_chars,
        max_program_chars=config.max_program_chars,
    )


def solver_shots(store: TaskStore, kind: Kind, num: int) -> list[Task]:
    """The first seeds of a kind: the same head on every prompt, so that it is computed once."""
    seeds = min(num, store.num_tasks(kind, Origin.SEED))
    return [store.task_at([kind], index) for index in range(seeds)]


def _row(kind: Kind, judged: Judged, lead: str) -> ProposalRow:
    completion = judged.completion
    return ProposalRow(
        kind=kind,
        version=max((version for version, _ in completion.versions), default=0),
        fate=judged.fate,
        detail=judged.detail,
        text=lead + completion.text,
        reward=judged.reward,
        solve_rate=judged.solve_rate,
        task_id=judged.attempts.task.id if judged.fate == ADMITTED and judged.attempts else None,
    )
