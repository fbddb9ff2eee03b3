"""The frozen probe: how many proposals are valid and new, before and after, at each temperature.

The same prompts (references drawn once, with a fixed seed, from the run's seed tasks) are given to
any version. A proposal counts as `new` when it is certified, not trivial, not a seed and not a
repetition inside the probe; the run's own rule says what a repetition is (`novelty` may erase
constants, so that one template with other numbers is one proposal).

Since training lowers entropy and so does a lower temperature, versions are compared at each one's
*own best* temperature: a gain that survives is more than sharpening. Best-of-several flatters both
sides alike.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from engine.config import EngineConfig
from engine.play.arena import Arena
from engine.play.completion import write
from engine.play.judge import LOST, Rejected, admit
from engine.play.novelty import family_of
from engine.play.propose import gates_of, read_proposal
from engine.policy.protocol import Policy, SamplingParams
from engine.prompts import Malformed, Rendered, proposal_reader, propose
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire.messages import Kind
from sandbox import Sandbox

PROMPTS_PER_KIND = 2
KINDS = (Kind.DEDUCTION, Kind.ABDUCTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Counts at one temperature."""

    version: int
    temperature: float
    samples: int
    valid: int
    """Certified, repetitions and seeds included."""
    new: int
    fates: dict[str, int]
    seconds: float


async def probe(
    policy: Policy,
    sandbox: Sandbox,
    store: TaskStore,
    config: EngineConfig,
    on_progress: Callable[[str], None],
) -> list[ProbeResult]:
    """Sample the frozen prompts at every temperature; all of them are decoded together."""
    arena = Arena(config=config, policy=policy, sandbox=sandbox)
    results = []
    for temperature in config.probe_temperatures:
        on_progress(f"probe at temperature {temperature:g}")
        started = time.monotonic()
        fates = await _probe_at(arena, store, temperature)
        results.append(
            ProbeResult(
                version=policy.version,
                temperature=temperature,
                samples=fates.total() - fates[LOST],
                valid=fates["new"] + fates["repeated"],
                new=fates["new"],
                fates=dict(fates),
                seconds=time.monotonic() - started,
            )
        )
    return results


def best(results: list[ProbeResult]) -> ProbeResult:
    """The result at the temperature with the most new proposals."""
    return max(results, key=lambda result: result.new / max(1, result.samples))


async def _probe_at(arena: Arena, store: TaskStore, temperature: float) -> Counter[str]:
    config = arena.config
    prompts = _prompts(store, config)
    each = max(1, config.probe_samples // len(prompts))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_sample(arena, temperature, index, *prompt, each))
            for index, prompt in enumerate(prompts)
        ]
    seen = {
        family_of(task, config.novelty) for kind in KINDS for task in store.tasks(kind, Origin.SEED)
    }
    fates: Counter[str] = Counter()
    for form, fate in (pair for task in tasks for pair in task.result()):
        fates["repeated" if form in seen else fate] += 1
        if form:
            seen.add(form)
    return fates


def _prompts(store: TaskStore, config: EngineConfig) -> list[tuple[Kind, Rendered]]:
    dice = random.Random("the frozen probe")
    prompts = []
    for kind in KINDS:
        seeds = list(store.tasks(kind, Origin.SEED))
        for _ in range(PROMPTS_PER_KIND):
            references = dice.sample(seeds, min(config.references, len(seeds)))
            prompt = propose(
                kind,
                references,
                form=config.form,
                num_inputs=config.num_inputs,
                show_outputs=config.show_outputs,
            )
            prompts.append((kind, prompt))
    return prompts


async def _sample(
    arena: Arena, temperature: float, index: int, kind: Kind, prompt: Rendered, n: int
) -> list[tuple[str, str]]:
    """(family or "", fate) of n proposals."""
    config = arena.config
    params = SamplingParams(
        n=n,
        temperature=temperature,
        max_tokens=config.proposal_tokens,
        stop=prompt.stop,
        seed=7919 * (index + 1),
    )
    readers = [proposal_reader(prompt, num_inputs=config.num_inputs) for _ in range(n)]
    found = []
    async with aclosing(
        write(arena.policy, arena.text_of(prompt), params, readers=readers)
    ) as drafts:
        async for draft in drafts:
            proposal = read_proposal(draft, readers[draft.index])
            if isinstance(proposal, Malformed):
                found.append(("", proposal.reason))
                continue
            task = await admit(arena.sandbox, kind, proposal, gates=gates_of(config))
            if isinstance(task, Rejected):
                found.append(("", task.fate))
            else:
                found.append((family_of(task, config.novelty), "new"))
    return found
