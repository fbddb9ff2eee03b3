"""One round from its plan to its result: prompts, proposals, attempts, practice, one audit.

Gold is never taken for granted. An abduction answer runs beside its task's own arguments; beyond
that every round runs one stored task of any kind again. A task that does not give its gold is
retired: never shown or drawn again, and no rollout of the round that found it is published for it.
What was published before stays, for the ring takes nothing back.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine.play.arena import Arena
from engine.play.claims import Claims
from engine.play.judge import LOST
from engine.play.plan import Plan, PromptPlan, practice_tasks, stream
from engine.play.propose import RETIRED, Judged, ProposeRequest, play_proposals
from engine.play.solve import Attempts, SolveRequest, attempt
from engine.policy.protocol import SamplingParams
from engine.prompts import propose
from engine.tasks.rows import Retirement
from engine.tasks.store import TaskStore
from engine.tasks.task import Task
from engine.wire.messages import Kind
from sandbox import Mismatch, audit

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """What happened in a round."""

    number: int
    kind: Kind
    version: int
    seconds: float
    requests: Sequence[ProposeRequest]
    judged: Sequence[Judged]
    practice: Sequence[Attempts] = ()
    """The solver's own batch, where learnability is measured apart from training."""
    retired: Sequence[Retirement] = ()
    """Tasks that did not give their gold again."""
    num_trained: int = 0
    """Rollouts of the solver that went to the trainer; known once the round is committed."""

    @property
    def scored(self) -> list[Judged]:
        """Those that have a reward: lost verdicts and retired tasks count in no mean."""
        return [each for each in self.judged if each.fate not in (LOST, RETIRED)]

    @property
    def admitted(self) -> list[Attempts]:
        """The attempts at each task that was admitted."""
        return [each.attempts for each in self.judged if each.attempts is not None]


async def play_round(arena: Arena, store: TaskStore, claims: Claims, plan: Plan) -> RoundReport:
    """Play a planned round; commits nothing."""
    started = time.monotonic()
    requests = _requests(arena, store, plan)
    async with asyncio.TaskGroup() as group:
        auditing = group.create_task(_audit(arena, store, plan))
        playing = [
            group.create_task(play_proposals(arena, store, claims, request)) for request in requests
        ]
    judged = [each for prompt in playing for each in prompt.result()]
    retired = [
        Retirement(task=each.retired, reason="attempt: another value")
        for each in judged
        if each.retired is not None
    ]
    fresh = [each.attempts.task for each in judged if each.attempts is not None]
    practice = await _practise(arena, store, plan, fresh)
    retired += [
        Retirement(task=attempts.task, reason="attempt: another value")
        for attempts in practice
        if attempts.is_void
    ]
    return RoundReport(
        number=plan.number,
        kind=plan.kind,
        version=arena.policy.version,
        seconds=time.monotonic() - started,
        requests=requests,
        judged=judged,
        practice=[attempts for attempts in practice if not attempts.is_void],
        retired=retired + auditing.result(),
    )


def _requests(arena: Arena, store: TaskStore, plan: Plan) -> list[ProposeRequest]:
    config = arena.config
    dice = stream(config.seed, "sampling", plan.number)
    shots = store.seeds(plan.kind, config.solver_shots)
    return [
        _request(arena, store, plan, index, each, shots, seeds=_two_seeds(dice))
        for index, each in enumerate(plan.prompts)
    ]


def _request(
    arena: Arena,
    store: TaskStore,
    plan: Plan,
    index: int,
    wanted: PromptPlan,
    shots: Sequence[Task],
    *,
    seeds: tuple[int, int],
) -> ProposeRequest:
    config = arena.config
    references = _tasks(store, wanted.references)
    program = _tasks(store, [wanted.program_of])
    prompt = propose(
        plan.kind,
        references,
        form=config.form,
        num_inputs=config.num_inputs,
        program=program[0].program if program else "",
        show_outputs=config.show_outputs,
    )
    return ProposeRequest(
        round=plan.number,
        index=index,
        kind=plan.kind,
        prompt=prompt,
        text=arena.text_of(prompt),
        parents=[task.id for task in references],
        params=SamplingParams(
            n=config.proposals,
            temperature=config.temperature,
            max_tokens=config.proposal_tokens,
            stop=prompt.stop,
            seed=seeds[0],
        ),
        shots=shots,
        solver_seed=seeds[1],
    )


def _two_seeds(dice: random.Random) -> tuple[int, int]:
    return dice.getrandbits(62), dice.getrandbits(62)


def _tasks(store: TaskStore, ids: Sequence[str]) -> list[Task]:
    found = (store.task(task_id) for task_id in ids if task_id)
    return [task for task in found if task is not None]


async def _audit(arena: Arena, store: TaskStore, plan: Plan) -> list[Retirement]:
    """Run one stored task again, in a random hash family."""
    tasks = _tasks(store, [plan.audited])
    if not tasks:
        return []
    [task] = tasks
    finding = await audit(
        arena.sandbox,
        program=task.program,
        names_errors=task.names_errors,
        args=[example.args for example in task.examples],
        gold=[example.gold for example in task.examples],
        family=stream(arena.config.seed, "family", plan.number).randrange(2),
    )
    if not isinstance(finding, Mismatch):
        return []
    logger.warning("task %s is retired: an audit found %s", task.id, finding.reason)
    return [Retirement(task=task, reason=f"audit: {finding.reason}")]


async def _practise(
    arena: Arena, store: TaskStore, plan: Plan, fresh: Sequence[Task]
) -> list[Attempts]:
    """The solver's own batch: one attempt a task, tasks as the mix says."""
    config = arena.config
    if not config.solver_tasks:
        return []
    stored = _tasks(store, plan.practice)
    newest = fresh if config.solver_lag == 0 else _tasks(store, plan.newest)
    tasks = practice_tasks(config.solver_mix, newest, stored, n=config.solver_tasks)
    shots = store.seeds(plan.kind, config.solver_shots)
    dice = stream(config.seed, "practice sampling", plan.number)
    async with asyncio.TaskGroup() as group:
        attempting = [
            group.create_task(
                attempt(
                    arena,
                    task,
                    SolveRequest(
                        shots=shots,
                        temperature=config.temperature,
                        seed=dice.getrandbits(62),
                        name=("practice", plan.number, index),
                        n=1,
                    ),
                )
            )
            for index, task in enumerate(tasks)
        ]
    return [task.result() for task in attempting]
