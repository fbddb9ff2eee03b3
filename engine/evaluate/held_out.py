"""The held-out exam: tasks that are never shown or trained on, answered greedily.

Beside every solve rate stands what the same rows give to a trivial answer: deduction - repeat the
first argument; abduction - give the wanted result as the argument; induction - a function that
returns its first argument; error deduction - say that there is none. A solver is worth something
above that line only.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from engine.config import EngineConfig
from engine.play.arena import Arena
from engine.play.judge import Gates, Rejected, admit, judge
from engine.play.reward import Judgement
from engine.play.solve import SolveRequest, attempt
from engine.policy.protocol import Policy
from engine.prompts import Proposal
from engine.tasks.seeds import SeedProgram
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin, Task
from engine.wire.messages import MAIN_KINDS, Kind
from sandbox import NO_ERROR, Call, Sandbox

FIRST_ARGUMENT = "def f(*a, **k):\n    return a[0]"
OPEN_GATES = Gates(reject_trivial=False, max_value_chars=10_000, max_program_chars=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamResult:
    """Right answers of one kind, and of the trivial answer on the same rows."""

    version: int
    kind: Kind
    rows: int
    """Answers that were judged; a lost verdict is none."""
    right: int
    baseline: int


class ExamError(Exception):
    """An exam or seed program of ours is not certified: a bug or a broken sandbox."""


async def certified_tasks(
    sandbox: Sandbox,
    programs: Sequence[SeedProgram],
    *,
    num_inputs: int,
    kinds: Sequence[Kind] = MAIN_KINDS,
) -> list[Task]:
    """One task of each of these kinds per program, certified like any proposal."""
    tasks = []
    for program in programs:
        for kind in kinds:
            num = num_inputs if kind is Kind.INDUCTION else 1
            proposal = Proposal(
                program=program.program,
                args=program.inputs[:num],
                message=program.message if kind is Kind.INDUCTION else "",
            )
            task = await admit(sandbox, kind, proposal, gates=OPEN_GATES, origin=Origin.SEED)
            if isinstance(task, Rejected):
                raise ExamError(
                    f"expected a certificate for our own program, got {task.fate} ({task.detail}):"
                    f"\n{program.program}\nrun `sandbox doctor`"
                )
            tasks.append(task)
    return tasks


async def take_exam(
    policy: Policy,
    sandbox: Sandbox,
    store: TaskStore,
    config: EngineConfig,
    tasks: Sequence[Task],
) -> list[ExamResult]:
    """Answer every task once, greedily, and score the trivial answers beside."""
    arena = Arena(config=config, policy=policy, sandbox=sandbox)
    rows = []
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            request = SolveRequest(
                shots=store.seeds(task.kind, config.solver_shots),
                temperature=0.0,
                seed=0,
                name=("exam", task.id),
                n=1,
            )
            answering = group.create_task(attempt(arena, task, request))
            guessing = group.create_task(_trivial_is_right(sandbox, task))
            rows.append((task.kind, answering, guessing))
    return [
        ExamResult(
            version=policy.version,
            kind=kind,
            rows=sum(len(answer.result().rollouts) for k, answer, _ in rows if k is kind),
            right=sum(answer.result().num_right for k, answer, _ in rows if k is kind),
            baseline=sum(guess.result() for k, _, guess in rows if k is kind),
        )
        for kind in config.kinds
    ]


async def _trivial_is_right(sandbox: Sandbox, task: Task) -> bool:
    if task.kind is Kind.ABDUCTION:
        return await judge(sandbox, task, task.examples[0].shown) is Judgement.RIGHT
    if task.kind is Kind.ERROR:
        return await judge(sandbox, task, NO_ERROR) is Judgement.RIGHT
    wanted = task.hidden if task.kind is Kind.INDUCTION else task.examples
    # A program that returns its first argument spares us splitting an argument list as text.
    call = Call(program=FIRST_ARGUMENT, args=[example.args for example in wanted])
    return (await sandbox.run(call)).values == tuple(example.gold for example in wanted)
