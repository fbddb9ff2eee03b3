"""What a round will ask for: drawn once, stored, and the same after a kill.

The plan of round n is drawn in the transaction that commits round n - F, where F rounds may be
open at once, and written with it. What a round shows and audits is therefore a function of the
seed and of the rounds up to n - F alone, however rounds overtake each other and whenever the
engine is killed. Every random choice has a stream of its own, named by what it is for and by the
round: one that is drawn more often moves no other.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from engine.choices import SolverMix
from engine.config import EngineConfig
from engine.play.scheduler import KindScheduler
from engine.tasks.pools import Weighting
from engine.tasks.store import TaskStore
from engine.tasks.task import Task
from engine.wire.messages import Kind

PROGRAM_KINDS = (Kind.DEDUCTION, Kind.ABDUCTION)
"""Whose programs an induction proposer invents inputs for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPlan:
    """One prompt of the proposer."""

    references: tuple[str, ...]
    """Ids of the tasks shown."""
    program_of: str = ""
    """Induction: id of the task whose program is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round before it is played."""

    number: int
    kind: Kind
    prompts: tuple[PromptPlan, ...]
    practice: tuple[str, ...] = ()
    """Ids of stored tasks that fill up the solver's own batch."""
    newest: tuple[str, ...] = ()
    """Ids of the tasks of the kind's last round, where the solver lags behind by one."""
    audited: str = ""
    """Id of the stored task that is run again."""

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """A plan as `to_json` wrote it."""
        row: Mapping[str, object] = json.loads(text)
        prompts = [
            PromptPlan(references=tuple(each["references"]), program_of=each["program_of"])
            for each in row["prompts"]  # type: ignore[attr-defined]  # our own format
        ]
        return cls(
            number=int(str(row["number"])),
            kind=Kind(str(row["kind"])),
            prompts=tuple(prompts),
            practice=tuple(row["practice"]),  # type: ignore[arg-type]
            newest=tuple(row["newest"]),  # type: ignore[arg-type]
            audited=str(row["audited"]),
        )


def stream(seed: int, name: str, number: int) -> random.Random:
    """The random stream of one purpose in one round."""
    return random.Random(f"{seed}/{name}/{number}")


def kinds_of(config: EngineConfig) -> KindScheduler:
    """The order of the kinds under this configuration."""
    return KindScheduler({kind: getattr(config, kind.value) for kind in Kind})


def draw_plan(store: TaskStore, config: EngineConfig, number: int) -> Plan:
    """Draw what round `number` asks for, from the tasks that are stored now."""
    kind = kinds_of(config).at(number)
    dice = stream(config.seed, "references", number)
    audited = store.draw(stream(config.seed, "audit", number), tuple(Kind), n=1)
    return Plan(
        number=number,
        kind=kind,
        prompts=tuple(_draw_prompt(store, config, kind, dice) for _ in range(config.prompts)),
        practice=_draw_practice(store, config, kind, number),
        newest=_draw_newest(store, config, kind, number),
        audited=audited[0].id if audited else "",
    )


def _draw_prompt(
    store: TaskStore, config: EngineConfig, kind: Kind, dice: random.Random
) -> PromptPlan:
    """References: anchors among the seeds, the rest from all tasks; never one twice."""
    seeds = store.seeds(kind)
    anchors = dice.sample(seeds, min(config.anchors, config.references, len(seeds)))
    known = {task.id for task in anchors}
    drawn = store.draw(dice, [kind], n=config.references, weighting=config.reference_weighting)
    others = [task for task in drawn if task.id not in known]
    references = [*others[: config.references - len(anchors)], *anchors]
    program_of = ""
    if kind is Kind.INDUCTION:
        program_of = "".join(task.id for task in store.draw(dice, PROGRAM_KINDS, n=1))
    return PromptPlan(references=tuple(task.id for task in references), program_of=program_of)


def _draw_practice(
    store: TaskStore, config: EngineConfig, kind: Kind, number: int
) -> tuple[str, ...]:
    if not config.solver_tasks:
        return ()
    weighting = Weighting.RECENT if config.solver_mix is SolverMix.STEP else Weighting.UNIFORM
    dice = stream(config.seed, "practice", number)
    tasks = store.draw(dice, [kind], n=config.solver_tasks, weighting=weighting)
    return tuple(task.id for task in tasks)


def _draw_newest(
    store: TaskStore, config: EngineConfig, kind: Kind, number: int
) -> tuple[str, ...]:
    if not (config.solver_tasks and config.solver_lag):
        return ()
    cycle = sum(kinds_of(config).weights.values())
    since = number - cycle * config.solver_lag
    dice = stream(config.seed, "newest", number)
    tasks = store.draw(dice, [kind], n=config.solver_tasks, since_round=since)
    return tuple(task.id for task in tasks)


def practice_tasks(
    mix: SolverMix, fresh: Sequence[Task], stored: Sequence[Task], *, n: int
) -> list[Task]:
    """Which tasks the solver trains on when its batch is its own, at most n, none twice.

    `fresh` are the newest tasks, `stored` a draw from the whole memory. Source of the mixes: AZR's
    `pred_data_mix_strategy`; `max_new` is the paper's.
    """
    num_fresh = {
        SolverMix.MAX_NEW: n,
        SolverMix.HALF_NEW: n // 2,
        SolverMix.UNIFORM: 0,
        SolverMix.STEP: 0,
    }[mix]
    chosen = list(fresh[:num_fresh])
    known = {task.id for task in chosen}
    chosen += [task for task in stored if task.id not in known]
    return chosen[:n]
