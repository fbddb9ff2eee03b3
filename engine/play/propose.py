"""The proposer's side: prompts, proposals, and each judged and attempted while others are written.

A proposal goes parse -> certificate -> format -> novelty -> attempts of the solver -> reward. It is
certified the moment it is complete, though more is being written, and one that can no longer become
a task is cut. What is no valid new task earns the penalty and says why in one word (its *fate*).
One whose program fails to give its gold again while it is attempted is retired: it has no reward,
and is kept to be known.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from engine.choices import Estimate
from engine.config import EngineConfig
from engine.play.arena import Arena
from engine.play.claims import Claims, Place
from engine.play.completion import Completion, Draft, write
from engine.play.judge import LOST, Gates, Rejected, admit
from engine.play.learnability import Belief
from engine.play.novelty import fingerprinted, is_stored, marks_of
from engine.play.reward import proposer_reward
from engine.play.shapes import SHAPES
from engine.play.solve import Attempts, attempt, request_of
from engine.policy.protocol import SamplingParams
from engine.prompts import Malformed, Proposal, ProposalReader, Rendered, proposal_reader
from engine.tasks.store import TaskStore
from engine.tasks.task import Task
from engine.wire.messages import Finish, Kind, Role, Rollout

ADMITTED = "admitted"
DUPLICATE = "duplicate"
RETIRED = "retired"
UNFORMATTED = "unformatted"
SEED_STRIDE = 1_000_003


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRequest:
    """One prompt of a round: what is asked of the proposer and how its proposals are judged."""

    round: int
    index: int
    """Which of the round's prompts."""
    kind: Kind
    prompt: Rendered
    text: str
    """The prompt as the policy continues it."""
    parents: Sequence[str]
    params: SamplingParams
    shots: Sequence[Task]
    """Solved tasks at the head of the solver's prompt."""
    solver_seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One proposal at the end of its way."""

    place: Place
    completion: Completion
    fate: str
    detail: str = ""
    reward: float
    """Meaningless for lost and retired ones."""
    name: bytes
    """The rollout's id."""
    attempts: Attempts | None = None
    """Of an admitted task."""
    retired: Task | None = None
    """The task that was certified and then did not give its gold again."""

    @property
    def solve_rate(self) -> float | None:
        """Of the admitted task, None for what was not admitted."""
        return self.attempts.solve_rate if self.attempts else None

    def components(self) -> dict[str, float]:
        """What the reward was made of."""
        rate = self.solve_rate
        return {
            "valid": float(rate is not None),
            "learnability": max(0.0, self.reward) if rate is not None else 0.0,
            "solve_rate": rate or 0.0,
        }

    def rollout(self) -> Rollout:
        """The proposal as the trainer sees it."""
        return self.completion.rollout(
            self.name, reward=self.reward, components=self.components(), verdict=self.fate
        )


def read_proposal(draft: Draft, reader: ProposalReader) -> Proposal | Malformed:
    """The proposal a draft amounts to; one that was cut before it was complete is none."""
    return proposal_in(reader, finish=draft.completion.finish if draft.completion else None)


def proposal_in(reader: ProposalReader, *, finish: Finish | None) -> Proposal | Malformed:
    """The proposal in what a reader was fed, given how that ended; None: it has not."""
    if reader.proposal is not None:
        return reader.proposal
    if finish is not Finish.STOP:
        return Malformed(reader.hopeless or "cut")
    return reader.result()


async def play_proposals(
    arena: Arena, store: TaskStore, claims: Claims, request: ProposeRequest
) -> list[Judged]:
    """Sample a prompt's proposals and follow each to its end; in the order of sampling."""
    config = arena.config
    n = request.params.n
    readers = [proposal_reader(request.prompt, num_inputs=config.num_inputs) for _ in range(n)]
    following: dict[int, asyncio.Task[Judged]] = {}
    async with asyncio.TaskGroup() as group, arena.gate.enter((Role.PROPOSER, request.kind), n):
        stream = write(
            arena.policy,
            request.text,
            request.params,
            readers=readers,
            is_closed=lambda draft: config.stream and readers[draft.index].proposal is not None,
            cut=config.early_abort,
        )
        async with aclosing(stream) as drafts:
            async for draft in drafts:
                if draft.index not in following:
                    journey = _Journey(arena, store, claims, request, draft, readers[draft.index])
                    following[draft.index] = group.create_task(journey.follow())
    return [following[index].result() for index in range(n)]


@dataclass(slots=True, eq=False)
class _Journey:
    """One proposal from its last line to its reward."""

    arena: Arena
    store: TaskStore
    claims: Claims
    request: ProposeRequest
    draft: Draft
    reader: ProposalReader
    _sitting: asyncio.Task[Attempts] | None = None

    @property
    def place(self) -> Place:
        return self.request.round, self.request.index, self.draft.index

    async def follow(self) -> Judged:
        proposal = read_proposal(self.draft, self.reader)
        if isinstance(proposal, Malformed):
            return await self._rejected(proposal.reason)
        with self.arena.occupancy.judging():
            task = await admit(
                self.arena.sandbox,
                self.request.kind,
                proposal,
                gates=gates_of(self.arena.config),
                parents=self.request.parents,
                version=self.draft.version or self.arena.policy.version,
            )
        if isinstance(task, Rejected):
            return await self._rejected(task.fate, task.detail)
        await self.draft.ended.wait()
        if not self.reader.well_formed:
            return await self._rejected(UNFORMATTED)
        return await self._attempted(task)

    async def _attempted(self, task: Task) -> Judged:
        """Claim the task and attempt it; an equal proposal of an earlier place may take it away."""
        config = self.arena.config
        with self.arena.occupancy.judging():
            task = await fingerprinted(self.arena.sandbox, config, task)
        marks = marks_of(task, config.novelty)
        is_known = is_stored(self.store, task, config.novelty)
        if is_known or not self.claims.claim(marks, self.place, self._lose):
            return await self._rejected(DUPLICATE)
        name = ("solver", *self.place)
        request = request_of(config, self.request.shots, seed=self._solver_seed(), name=name)
        self._sitting = asyncio.create_task(attempt(self.arena, task, request))
        try:
            attempts = await self._sitting
        except asyncio.CancelledError:
            if self.claims.holds(self.place):
                raise
            return await self._rejected(DUPLICATE)
        if attempts.is_void:
            return self._judged(RETIRED, retired=task)
        if attempts.solve_rate is None:
            self.claims.release(self.place)
            return self._judged(LOST)
        return self._judged(ADMITTED, attempts=attempts)

    def _lose(self) -> None:
        if self._sitting is not None:
            self._sitting.cancel()

    def _solver_seed(self) -> int:
        """Attempts at different tasks draw from different streams."""
        return (self.request.solver_seed + self.draft.index * SEED_STRIDE) % 2**62

    async def _rejected(self, fate: str, detail: str = "") -> Judged:
        """Nothing more that is written could change this."""
        if self.arena.config.early_abort:
            self.draft.abort()
        await self.draft.ended.wait()
        return self._judged(fate, detail)

    def _judged(
        self,
        fate: str,
        detail: str = "",
        *,
        attempts: Attempts | None = None,
        retired: Task | None = None,
    ) -> Judged:
        completion = self.draft.completion
        assert completion is not None  # every way here waits for its end
        return Judged(
            place=self.place,
            completion=completion,
            fate=fate,
            detail=detail,
            reward=reward_of(
                self.arena.config,
                attempts.belief if attempts else None,
                well_formed=fate != UNFORMATTED,
            ),
            name=self.arena.name("proposer", *self.place),
            attempts=attempts,
            retired=retired,
        )


def reward_of(config: EngineConfig, found: Belief | None, *, well_formed: bool = True) -> float:
    """What a proposal earns by what was found of its task; None if it is no valid new task."""
    if found is None or not found.num_attempts:
        return proposer_reward(None, well_formed=well_formed, invalid=config.invalid_reward)
    shape = SHAPES[config.reward_shape]
    if config.estimate is Estimate.FIXED:
        return proposer_reward(shape(found.successes / found.num_attempts))
    return proposer_reward(found.expectation(shape))


def demoted(config: EngineConfig, judged: Judged) -> Judged:
    """The same proposal once an earlier one has turned out to be the same task."""
    reward = reward_of(config, None)
    return replace(judged, fate=DUPLICATE, reward=reward, attempts=None)


def gates_of(config: EngineConfig) -> Gates:
    """The gates that a proposal must pass under this configuration."""
    return Gates(
        reject_trivial=config.reject_trivial,
        max_value_chars=config.max_value_chars,
        max_program_chars=config.max_program_chars,
        leak_gate=config.leak_gate,
    )
