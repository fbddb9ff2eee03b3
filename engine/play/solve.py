"""The solver's side: attempts at a task, judged as they are written.

The attempts measure the task's learnability for its proposer *and* are the solver's training
group ("rollout recycling"): no generation is thrown away. They are sampled in stages: all at once,
or two, then as many again, until the posterior of the solve rate says enough (`learnability`).

An attempt whose verdict is lost, which is our failure, is left out of both. If one attempt finds
that the program does not give its gold again, all are void: nobody is paid, either way, for a task
that is none.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from engine.choices import Estimate
from engine.config import EngineConfig
from engine.play.arena import Arena
from engine.play.completion import Completion, Draft, write
from engine.play.judge import judge
from engine.play.learnability import Belief, attempts_wanted
from engine.play.reward import Judgement, solver_reward
from engine.policy.protocol import SamplingParams
from engine.prompts import Answer, AnswerReader, Malformed, Rendered, answer_reader, solve
from engine.tasks.task import Task
from engine.wire.messages import Finish, Kind, Role, Rollout


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """One answer and what it is worth."""

    completion: Completion
    judgement: Judgement
    is_well_formed: bool
    reward: float
    verdict_us: int
    """Microseconds from the request to the verdict."""
    seed: int | None = None
    """Of the request that wrote it."""

    def components(self) -> dict[str, float]:
        """What the reward was made of."""
        return {
            "right": float(self.judgement is Judgement.RIGHT),
            "well_formed": float(self.is_well_formed),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The solver's group for one task."""

    task: Task
    prompt: Rendered
    text: str
    """The prompt as the policy continued it."""
    params: SamplingParams
    """Of the first stage; stage s has s added to its seed."""
    scored: tuple[Attempt, ...]
    """Attempts that have a verdict, in the order of sampling."""
    rollouts: tuple[Rollout, ...]
    """The same as the trainer sees them."""
    is_void: bool = False
    """The task's program did not give its gold again; nothing is scored then."""

    @property
    def num_right(self) -> int:
        """Right answers."""
        return sum(attempt.judgement is Judgement.RIGHT for attempt in self.scored)

    @property
    def solve_rate(self) -> float | None:
        """Share of right answers, or None when no attempt could be judged."""
        return self.num_right / len(self.scored) if self.scored else None

    @property
    def belief(self) -> Belief:
        """What the attempts say of the solve rate."""
        return Belief(self.num_right, len(self.scored) - self.num_right)


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveRequest:
    """How often and how hot a task is attempted."""

    shots: Sequence[Task]
    temperature: float
    seed: int
    name: tuple[object, ...]
    """What the rollouts' names begin with."""
    n: int
    """Attempts, all at once; 0: in stages, as many as the configuration wants."""


def request_of(
    config: EngineConfig, shots: Sequence[Task], *, seed: int, name: tuple[object, ...]
) -> SolveRequest:
    """The request that measures a new task under this configuration."""
    fixed = config.estimate is Estimate.FIXED
    return SolveRequest(
        shots=shots,
        temperature=config.temperature,
        seed=seed,
        name=name,
        n=config.solver_rollouts if fixed else 0,
    )


async def attempt(arena: Arena, task: Task, request: SolveRequest) -> Attempts:
    """Sample and judge answers to a task."""
    prompt = solve(task, request.shots, form=arena.config.form)
    sitting = _Sitting(
        arena=arena, task=task, request=request, prompt=prompt, text=arena.text_of(prompt)
    )
    async with asyncio.TaskGroup() as judging:
        sitting.judging = judging
        while wanted := sitting.num_wanted():
            await sitting.write_stage(wanted)
    return sitting.result()


@dataclass(slots=True, kw_only=True, eq=False)
class _Paper:
    """One answer being written and judged."""

    draft: Draft
    reader: AnswerReader
    seed: int | None
    verdict: asyncio.Task[Judgement] | None = None
    verdict_at: float = 0.0

    def judgement(self) -> Judgement:
        return Judgement.MALFORMED if self.verdict is None else self.verdict.result()


@dataclass(slots=True, kw_only=True)
class _Sitting:
    """One task being attempted."""

    arena: Arena
    task: Task
    request: SolveRequest
    prompt: Rendered
    text: str
    judging: asyncio.TaskGroup = field(init=False)
    _papers: list[_Paper] = field(default_factory=list)
    _verdicts: dict[str, asyncio.Task[Judgement]] = field(default_factory=dict)
    """By answer: equal ones are judged once."""
    _num_stages: int = 0

    def num_wanted(self) -> int:
        """Attempts of the next stage; 0: enough."""
        if self.request.n:
            return 0 if self._num_stages else self.request.n
        seen = [paper.judgement() for paper in self._papers]
        if Judgement.VOID in seen or self._num_stages >= len(self.arena.config.stages):
            return 0  # lost attempts count for no stage, and must not be repeated without end
        num_right = seen.count(Judgement.RIGHT)
        num_lost = seen.count(Judgement.LOST)
        belief = Belief(num_right, len(seen) - num_right - num_lost)
        config = self.arena.config
        return attempts_wanted(
            belief, stages=config.stages, band=config.band, confidence=config.confidence
        )

    async def write_stage(self, n: int) -> None:
        """Write and judge n more answers."""
        papers: dict[int, _Paper] = {}
        params = self._params(n, stage=self._num_stages)
        readers = [answer_reader(self.prompt) for _ in range(n)]
        async with self.arena.gate.enter((Role.SOLVER, self.task.kind), n):
            stream = write(
                self.arena.policy,
                self.text,
                params,
                readers=readers,
                is_closed=lambda draft: readers[draft.index].answer is not None,
                cut=self.arena.config.early_abort,
            )
            async with aclosing(stream) as drafts:
                async for draft in drafts:
                    if draft.index not in papers:
                        papers[draft.index] = self._read(draft, readers[draft.index], params)
        self._papers += [papers[index] for index in range(n)]
        self._num_stages += 1
        await asyncio.gather(*(p.verdict for p in papers.values() if p.verdict))

    def _params(self, n: int, *, stage: int) -> SamplingParams:
        """How a stage is sampled."""
        config, request = self.arena.config, self.request
        is_program = self.task.kind is Kind.INDUCTION
        return SamplingParams(
            n=n,
            temperature=request.temperature,
            max_tokens=config.proposal_tokens if is_program else config.answer_tokens,
            stop=self.prompt.stop,
            seed=request.seed + stage,
        )

    def _read(self, draft: Draft, reader: AnswerReader, params: SamplingParams) -> _Paper:
        """Have an answer judged that has closed, or has ended."""
        paper = _Paper(draft=draft, reader=reader, seed=params.seed)
        answer = read_answer(draft, reader)
        if isinstance(answer, Answer):
            paper.verdict = self._verdict(answer.text)
            paper.verdict.add_done_callback(lambda _: _stamp(paper))
        return paper

    def _verdict(self, text: str) -> asyncio.Task[Judgement]:
        if text not in self._verdicts:
            self._verdicts[text] = self.judging.create_task(self._judge(text))
        return self._verdicts[text]

    async def _judge(self, text: str) -> Judgement:
        with self.arena.occupancy.judging():
            return await judge(self.arena.sandbox, self.task, text, self.arena.ruling)

    def result(self) -> Attempts:
        """The group, in the order of sampling."""
        is_void = any(paper.judgement() is Judgement.VOID for paper in self._papers)
        scored = [] if is_void else [_score(paper) for paper in self._papers]
        scored = [each for each in scored if each.judgement is not Judgement.LOST]
        return Attempts(
            task=self.task,
            prompt=self.prompt,
            text=self.text,
            params=self._params(max(1, len(scored)), stage=0),
            scored=tuple(scored),
            rollouts=tuple(
                _rollout(each, self.arena.name(*self.request.name, index))
                for index, each in enumerate(scored)
            ),
            is_void=is_void,
        )


def read_answer(draft: Draft, reader: AnswerReader) -> Answer | Malformed:
    """What a draft amounts to; one that was cut before it closed is no answer."""
    return answer_in(reader, finish=draft.completion.finish if draft.completion else None)


def answer_in(reader: AnswerReader, *, finish: Finish | None) -> Answer | Malformed:
    """The answer in what a reader was fed, given how that ended; None: it has not."""
    if reader.answer is not None:
        return reader.answer
    if finish is not Finish.STOP:
        return Malformed(reader.hopeless or "cut")  # it may be the beginning of something else
    return reader.result()


def _stamp(paper: _Paper) -> None:
    paper.verdict_at = time.monotonic()


def _score(paper: _Paper) -> Attempt:
    completion = paper.draft.completion
    assert completion is not None  # the stage was written to its end
    judgement = paper.judgement()
    is_lost = judgement is Judgement.LOST
    well_formed = paper.reader.well_formed
    verdict_us = round(1e6 * max(0.0, paper.verdict_at - paper.draft.started))
    return Attempt(
        completion=completion,
        judgement=judgement,
        is_well_formed=well_formed and judgement is not Judgement.MALFORMED,
        reward=0.0 if is_lost else solver_reward(judgement, well_formed=well_formed),
        verdict_us=max(completion.last_us, verdict_us),
        seed=paper.seed,
    )


def _rollout(attempt: Attempt, name: bytes) -> Rollout:
    return attempt.completion.rollout(
        name,
        reward=attempt.reward,
        components=attempt.components(),
        verdict=attempt.judgement.value,
        verdict_us=attempt.verdict_us,
    )
