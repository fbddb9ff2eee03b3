"""The solver's side: n attempts at a task, judged as they end.

The attempts measure the task's learnability for its proposer *and* are the solver's training
group ("rollout recycling"): no generation is thrown away. An attempt whose verdict is lost, which
is our failure, is left out of both. If one attempt finds that the program does not give its gold
again, all are void: nobody is paid, either way, for a task that is none.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from engine.play.completion import Completion, complete
from engine.play.judge import judge
from engine.play.reward import Judgement, solver_reward
from engine.policy.protocol import Policy, SamplingParams
from engine.prompts import Answer, Malformed, parse_answer, solve
from engine.tasks.task import Task
from engine.wire.messages import Finish, Kind, Rollout
from sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The solver's group for one task."""

    task: Task
    prompt: str
    params: SamplingParams
    rollouts: tuple[Rollout, ...]
    num_right: int
    is_void: bool = False
    """The task's program did not give its gold again; there are no rollouts then."""

    @property
    def solve_rate(self) -> float | None:
        """Share of right answers, or None when no attempt could be judged."""
        return self.num_right / len(self.rollouts) if self.rollouts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Tokens a solver may write."""

    answer_tokens: int
    program_tokens: int

    def of(self, kind: Kind) -> int:
        """The token budget of an answer of this kind."""
        return self.program_tokens if kind is Kind.INDUCTION else self.answer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveRequest:
    """How often and how hot a task is attempted."""

    shots: Sequence[Task]
    n: int
    temperature: float
    budget: Budget
    seed: int


async def attempt(policy: Policy, sandbox: Sandbox, task: Task, request: SolveRequest) -> Attempts:
    """Sample and judge n answers to a task."""
    prompt = solve(task, request.shots)
    params = SamplingParams(
        n=request.n,
        temperature=request.temperature,
        max_tokens=request.budget.of(task.kind),
        stop=prompt.stop,
        seed=request.seed,
    )
    verdicts: dict[str, asyncio.Task[Judgement]] = {}
    attempts: list[tuple[Completion, asyncio.Task[Judgement] | None]] = []
    async with asyncio.TaskGroup() as judging:
        async for completion in complete(policy, prompt.text, params):
            answer = _read(task.kind, completion, lead=prompt.lead)
            if isinstance(answer, Malformed):
                attempts.append((completion, None))
                continue
            if answer.text not in verdicts:  # equal answers are judged once
                verdicts[answer.text] = judging.create_task(judge(sandbox, task, answer.text))
            attempts.append((completion, verdicts[answer.text]))
    judged = [(c, v.result() if v else Judgement.MALFORMED) for c, v in attempts]
    if any(judgement is Judgement.VOID for _, judgement in judged):
        return Attempts(
            task=task, prompt=prompt.text, params=params, rollouts=(), num_right=0, is_void=True
        )
    scored = [(c, judgement) for c, judgement in judged if judgement is not Judgement.LOST]
    return Attempts(
        task=task,
        prompt=prompt.text,
        params=params,
        rollouts=tuple(_rollout(completion, judgement) for completion, judgement in scored),
        num_right=sum(judgement is Judgement.RIGHT for _, judgement in scored),
    )


def _read(kind: Kind, completion: Completion, *, lead: str) -> Answer | Malformed:
    if completion.finish is not Finish.STOP:
        return Malformed("cut")  # what is there may be the beginning of something else
    return parse_answer(kind, completion.text, lead=lead)


def _rollout(completion: Completion, judgement: Judgement) -> Rollout:
    return Rollout(
        rollout_id=secrets.token_bytes(16),
        tokens=completion.tokens,
        logprobs=completion.logprobs,
        versions=completion.versions,
        reward=solver_reward(judgement),
        components={
            "right": float(judgement is Judgement.RIGHT),
            "well_formed": float(judgement is not Judgement.MALFORMED),
        },
        finish=completion.finish,
        verdict=judgement.value,
    )
