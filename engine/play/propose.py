"""The proposer's side: one prompt, n proposals, each judged and attempted while others are written.

A proposal goes parse -> certificate -> novelty -> n attempts of the solver -> reward. What is no
valid new task earns -1 and says why in one word (its *fate*). One whose program fails to give its
gold again while it is attempted is retired: it has no reward, and is kept to be known. Two
proposals of equal normal form are one task: the first to be certified has it, the other is a
duplicate.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.play.completion import Completion, complete
from engine.play.judge import LOST, Gates, Rejected, admit
from engine.play.reward import learnability, proposer_reward
from engine.play.solve import Attempts, SolveRequest, attempt
from engine.policy.protocol import Policy, SamplingParams
from engine.prompts import Malformed, Proposal, Rendered, parse_proposal
from engine.tasks.store import TaskStore
from engine.tasks.task import Task
from engine.wire.messages import Finish, Kind, Rollout
from sandbox import Sandbox

ADMITTED = "admitted"
RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRequest:
    """One round: what is asked of the proposer and how its proposals are judged."""

    kind: Kind
    prompt: Rendered
    parents: Sequence[str]
    params: SamplingParams
    num_inputs: int
    gates: Gates
    solving: SolveRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One proposal at the end of its way."""

    completion: Completion
    fate: str
    detail: str = ""
    attempts: Attempts | None = None
    """Of an admitted task."""
    retired: Task | None = None
    """The task that was certified and then did not give its gold again."""

    @property
    def solve_rate(self) -> float | None:
        """Of the admitted task, None for what was not admitted."""
        return self.attempts.solve_rate if self.attempts else None

    @property
    def reward(self) -> float:
        """The proposer's reward; not for lost and retired ones."""
        rate = self.solve_rate
        return proposer_reward(valid=rate is not None, solve_rate=rate or 0.0)

    def rollout(self) -> Rollout:
        """The proposal as the trainer sees it."""
        rate = self.solve_rate
        return Rollout(
            rollout_id=secrets.token_bytes(16),
            tokens=self.completion.tokens,
            logprobs=self.completion.logprobs,
            versions=self.completion.versions,
            reward=self.reward,
            components={
                "valid": float(rate is not None),
                "learnability": 0.0 if rate is None else learnability(rate),
                "solve_rate": 0.0 if rate is None else rate,
            },
            finish=self.completion.finish,
            verdict=self.fate,
        )


@dataclass(slots=True)
class Novelty:
    """Normal forms that are taken: those of admitted tasks and of proposals still under way."""

    store: TaskStore
    by_shape: bool
    _claimed: set[tuple[Kind, str]] = field(default_factory=set, init=False)

    def form(self, task: Task) -> str:
        """What two equal tasks have in common; induction tasks differ by message and inputs."""
        return task.id if task.kind is Kind.INDUCTION else form_of(task, by_shape=self.by_shape)

    def claim(self, task: Task) -> bool:
        """Take a task's form; False if it is taken already."""
        key = (task.kind, self.form(task))
        if key in self._claimed or self._is_stored(task):
            return False
        self._claimed.add(key)
        return True

    def release(self, task: Task) -> None:
        """Give up a claim: the task is stored by now, or never will be."""
        self._claimed.discard((task.kind, self.form(task)))

    def _is_stored(self, task: Task) -> bool:
        if task.kind is Kind.INDUCTION:
            return self.store.task(task.id) is not None
        return self.store.is_known(task.kind, self.form(task), by_shape=self.by_shape)


def form_of(task: Task, *, by_shape: bool) -> str:
    """What two equal programs have in common: the normal form, or that with constants erased."""
    return task.shape if by_shape else task.normal_form


def read_proposal(
    kind: Kind, completion: Completion, *, lead: str, num_inputs: int
) -> Proposal | Malformed:
    """The proposal a completion amounts to; one that did not end by itself is none."""
    if completion.finish is not Finish.STOP:
        return Malformed("cut")
    return parse_proposal(kind, completion.text, lead=lead, num_inputs=num_inputs)


async def play_proposals(
    policy: Policy, sandbox: Sandbox, novelty: Novelty, request: ProposeRequest
) -> list[Judged]:
    """Sample the round's proposals and follow each to its end; in the order of sampling."""
    following: list[asyncio.Task[Judged]] = []
    async with asyncio.TaskGroup() as group:
        async for completion in complete(policy, request.prompt.text, request.params):
            coroutine = _follow(policy, sandbox, novelty, request, completion)
            following.append(group.create_task(coroutine))
    judged = [task.result() for task in following]
    return sorted(judged, key=lambda each: each.completion.index)


async def _follow(
    policy: Policy,
    sandbox: Sandbox,
    novelty: Novelty,
    request: ProposeRequest,
    completion: Completion,
) -> Judged:
    proposal = read_proposal(
        request.kind, completion, lead=request.prompt.lead, num_inputs=request.num_inputs
    )
    if isinstance(proposal, Malformed):
        return Judged(completion=completion, fate=proposal.reason)
    version = max((version for version, _ in completion.versions), default=policy.version)
    task = await admit(
        sandbox,
        request.kind,
        proposal,
        gates=request.gates,
        parents=request.parents,
        version=version,
    )
    if isinstance(task, Rejected):
        return Judged(completion=completion, fate=task.fate, detail=task.detail)
    if not novelty.claim(task):
        return Judged(completion=completion, fate="duplicate")
    try:
        attempts = await attempt(policy, sandbox, task, request.solving)
    except BaseException:
        novelty.release(task)
        raise
    if attempts.is_void:
        return Judged(completion=completion, fate=RETIRED, retired=task)
    if attempts.solve_rate is None:
        novelty.release(task)
        return Judged(completion=completion, fate=LOST)
    return Judged(completion=completion, fate=ADMITTED, attempts=attempts)
