"""The seeding phase: what the model itself adds to the seeds before anything is trained.

From the packaged seeds on, batches of proposals become seeds: first programs with an argument list,
each a deduction and an abduction task, then inputs and messages for those programs. References are
drawn from what there is by then, so one zero triplet is enough to begin with. Nobody attempts these
tasks, nothing is rewarded, and no group is made of them. Programs lose their comments, docstrings
and loose statements on the way, for what the first tasks look like is what later ones imitate.
Source: AZR (arXiv 2505.03335), section 3.3.1.

A batch is committed whole, and is a function of the seed and of the batches before it: a killed
engine goes on with the next one. A phase that has ended, one that was given up as well, is never
begun again: a run that is resumed has trained on what there was.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from engine.choices import NoveltyGate
from engine.play.arena import Arena
from engine.play.claims import Mark
from engine.play.completion import Draft, write
from engine.play.judge import Rejected, admit
from engine.play.novelty import fingerprinted, is_stored, marks_of
from engine.play.plan import PROGRAM_KINDS, stream
from engine.play.propose import DUPLICATE, gates_of, read_proposal
from engine.policy.protocol import SamplingParams
from engine.prompts import Malformed, ProposalReader, Rendered, proposal_reader, propose
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin, Task
from engine.wire.messages import Kind, Role

PATIENCE = 8
"""Batches in a row without a new seed after which a phase ends with what there is."""
NEW = "new"
_BATCH = "seeding_batch"
_BARREN = "seeding_barren"
"""Batches in a row, the last one included, that brought no seed."""
_ENDED = "seeding_ended_{}"
"""By the kind that a phase asks for first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedBatch:
    """What became of one batch of proposals."""

    number: int
    kind: Kind
    """What was asked for."""
    fates: dict[str, int]
    """How many proposals ended how; `new` ones are seeds now."""
    num_seeds: int
    """Seeds of this kind after it."""
    wanted: int


@dataclass(slots=True, kw_only=True)
class Seeding:
    """Plants seeds until there are as many as are wanted. One owner: the session."""

    arena: Arena
    store: TaskStore
    on_batch: Callable[[SeedBatch], None]
    gate: NoveltyGate = field(init=False)
    """Seeds are never one another's repetition, even where later tasks may be."""

    def __post_init__(self) -> None:
        gate = self.arena.config.novelty
        self.gate = NoveltyGate.FORM if gate is NoveltyGate.NONE else gate

    @property
    def wanted(self) -> int:
        """Seeds of each kind."""
        config = self.arena.config
        return config.seed_factor * config.prompts * config.proposals

    async def run(self) -> None:
        """Plant what is missing; returns at once if nothing is."""
        await self._plant(PROGRAM_KINDS)
        if self.arena.config.induction:
            await self._plant([Kind.INDUCTION])
        if self.arena.config.error:
            await self._plant([Kind.ERROR])

    async def _plant(self, kinds: Sequence[Kind]) -> None:
        """Batches of these kinds in turn until there are enough of the first."""
        wanted_kind, ended = kinds[0], _ENDED.format(kinds[0])
        if not self.wanted or self.store.fact(ended):
            return
        while (found := self._num_seeds(wanted_kind)) < self.wanted:
            if self._count(_BARREN) >= PATIENCE:
                log.warning(
                    "seeding ends with %d %s tasks of %d: %d batches in a row brought none",
                    found, wanted_kind, self.wanted, PATIENCE,
                )  # fmt: skip
                break
            number = self._count(_BATCH)
            self.on_batch(await self._batch(number, kinds[number % len(kinds)]))
        with self.store.transaction():
            self.store.set_fact(ended, "1")
            self.store.set_fact(_BARREN, "0")

    def _count(self, fact: str) -> int:
        return int(self.store.fact(fact) or 0)

    async def _batch(self, number: int, kind: Kind) -> SeedBatch:
        dice = stream(self.arena.config.seed, "seeding", number)
        async with asyncio.TaskGroup() as group:
            asking = [
                group.create_task(self._ask(kind, program, dice.getrandbits(62)))
                for program in self._programs(kind, dice)
            ]
        found = [each for prompt in asking for each in prompt.result()]
        return self._commit(number, kind, found)

    def _programs(self, kind: Kind, dice: random.Random) -> list[str]:
        """What each prompt asks inputs for: programs that lack an induction task come first."""
        num = self.arena.config.prompts
        if kind is not Kind.INDUCTION:
            return [""] * num
        described = {task.program for task in self.store.seeds(Kind.INDUCTION)}
        programs = [task.program for task in self.store.seeds(Kind.DEDUCTION)]
        missing = [program for program in programs if program not in described] or programs
        order = dice.sample(missing, len(missing))
        return [order[index % len(order)] for index in range(num)]

    async def _ask(self, kind: Kind, program: str, seed: int) -> list[Task | Rejected]:
        """One prompt's proposals, judged, in the order of sampling."""
        config = self.arena.config
        dice = random.Random(seed)
        references = self.store.draw(dice, [kind], n=config.references, origin=Origin.SEED)
        prompt = propose(
            kind,
            references,
            form=config.form,
            num_inputs=config.num_inputs,
            program=program,
            show_outputs=config.show_outputs,
        )
        params = SamplingParams(
            n=config.proposals,
            temperature=config.temperature,
            max_tokens=config.proposal_tokens,
            stop=prompt.stop,
            seed=dice.getrandbits(62),
        )
        return await self._write(prompt, params, [task.id for task in references])

    async def _write(
        self, prompt: Rendered, params: SamplingParams, parents: Sequence[str]
    ) -> list[Task | Rejected]:
        config = self.arena.config
        num_inputs = config.num_inputs
        readers = [proposal_reader(prompt, num_inputs=num_inputs) for _ in range(params.n)]
        text = self.arena.text_of(prompt)
        lane = (Role.PROPOSER, prompt.kind)
        judging: dict[int, asyncio.Task[Task | Rejected]] = {}
        async with asyncio.TaskGroup() as group, self.arena.gate.enter(lane, params.n):
            writing = write(
                self.arena.policy, text, params, readers=readers, cut=config.early_abort
            )
            async with aclosing(writing) as drafts:
                async for draft in drafts:
                    judge = self._judge(prompt.kind, draft, readers[draft.index], parents)
                    judging[draft.index] = group.create_task(judge)
        return [judging[index].result() for index in range(params.n)]

    async def _judge(
        self, kind: Kind, draft: Draft, reader: ProposalReader, parents: Sequence[str]
    ) -> Task | Rejected:
        proposal = read_proposal(draft, reader)
        if isinstance(proposal, Malformed):
            return Rejected(fate=proposal.reason)
        sandbox, config = self.arena.sandbox, self.arena.config
        if kind is not Kind.INDUCTION:  # whose program is a seed's already
            bare = await sandbox.strip(proposal.program)
            proposal = replace(proposal, program=bare or proposal.program)
        task = await admit(
            sandbox,
            kind,
            proposal,
            gates=gates_of(config),
            parents=parents,
            version=draft.version or self.arena.policy.version,
            origin=Origin.SEED,
        )
        return task if isinstance(task, Rejected) else await fingerprinted(sandbox, config, task)

    def _commit(self, number: int, kind: Kind, found: Sequence[Task | Rejected]) -> SeedBatch:
        fates: Counter[str] = Counter()
        known: set[Mark] = set()
        planted: list[Task] = []
        for each in found:
            if isinstance(each, Rejected):
                fates[each.fate] += 1
                continue
            marks = marks_of(each, self.gate)
            is_known = not known.isdisjoint(marks) or is_stored(self.store, each, self.gate)
            fates[DUPLICATE if is_known else NEW] += 1
            if not is_known:
                known.update(marks)
                planted.append(each)
        with self.store.transaction():
            self.store.add_seeds(self._in_all_kinds(kind, planted))
            self.store.set_fact(_BATCH, str(number + 1))
            self.store.set_fact(_BARREN, str(0 if planted else self._count(_BARREN) + 1))
        return SeedBatch(
            number=number,
            kind=kind,
            fates=dict(fates),
            num_seeds=self._num_seeds(kind),
            wanted=self.wanted,
        )

    def _in_all_kinds(self, kind: Kind, tasks: Sequence[Task]) -> list[Task]:
        """A program with an argument list is a task of both kinds that have one."""
        if kind not in PROGRAM_KINDS:
            return list(tasks)
        return [replace(task, kind=each) for task in tasks for each in PROGRAM_KINDS]

    def _num_seeds(self, kind: Kind) -> int:
        return self.store.num_tasks(kind, Origin.SEED)
