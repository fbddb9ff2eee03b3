"""Self-play without its model, and with one: what everything but the network costs.

    python -m benchmarks.pipeline                        the scripted policy, 1 .. n workers
    python -m benchmarks.pipeline --model smollm2-135m   share of time that waits for the sandbox
    python -m benchmarks.pipeline --run runs/first       a finished run, from its own records

The scripted policy costs next to nothing, so its rounds measure engine, sandbox and store. Rows:
tasks and verified groups a second by number of workers; generations for each sample that the solver
trains on, with and without recycling of the attempts that measure a task; the scheduler's cost of a
job. With a model: how much of the wall time passed while nothing was written and a verdict was
waited for, streamed (judged while others are still being written) and after the fact.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from benchmarks.recorded import of_run
from benchmarks.tables import markdown
from engine.choices import Estimate, NoveltyGate
from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.play.loop import Player
from engine.play.occupancy import Occupancy
from engine.play.outbox import Outbox
from engine.play.round import RoundReport
from engine.play.scheduler import Job, Lanes
from engine.policy.protocol import Policy
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.seeds import SeedSet, seed_programs
from engine.tasks.store import TaskStore
from engine.wire import Producer, RingWriter, RunDir
from engine.wire.messages import Kind, Role
from sandbox import Limits, Sandbox

ROUNDS: Final = 30
JOBS: Final = 20_000
SCRIPTED: Final = EngineConfig(
    prompts=1, proposals=16, solver_rollouts=8, references=3, solver_shots=1, num_inputs=4,
    novelty=NoveltyGate.FORM, rounds_in_flight=4, induction=0, leak_gate=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Some rounds."""

    seconds: float
    tasks: int
    groups: int
    proposals: int
    attempts: int
    """Answers of the solver that were written."""
    trained: int
    """Answers of the solver that went to the trainer."""
    shares: dict[str, float]
    """Of the time: writing, sandbox, idle."""


def main() -> None:
    """Print the tables; with --json also write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, help="a finished run")
    parser.add_argument("--model", help="a name or directory as in engine.model")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--workers", type=int, nargs="+", default=_some_workers())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.run:
        found: dict[str, object] = {**of_run(arguments.run)}
        for name, value in found.items():
            print(f"{name:40} {value:.3g}" if isinstance(value, float) else f"{name:40} {value}")
    elif arguments.model:
        found = asyncio.run(_with_model(arguments.model, arguments.rounds))
    else:
        found = asyncio.run(_scripted(arguments.workers, arguments.rounds))
    print(f"\n{_host()}")
    if arguments.json:
        arguments.json.write_text(json.dumps({**found, "host": _host()}, indent=1))


def _some_workers() -> list[int]:
    count = os.cpu_count() or 1
    return sorted({1, 2, *(n for n in (4, 8, 16) if n <= count)})


def _host() -> str:
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, {today}"


# -- without a model


def recite(prompt: str) -> list[str]:
    """Sixteen replies that are a function of the prompt.

    One proposal in ten is no program; each task is solved at a rate of its own, any from 0 to 1.
    """
    dice = random.Random(sha256(prompt.encode()).digest())
    if "each with one call" in prompt:
        return [_program(dice) for _ in range(16)]
    right, rate = _right_answer(prompt), dice.random()
    end = ")\n" if prompt.endswith("f(") else "\n"
    return [f" {right if dice.random() < rate else dice.randrange(9)}{end}" for _ in range(16)]


def _right_answer(prompt: str) -> int:
    """Of a task that `_program` wrote; abduction: an argument that gives the result, if small."""
    task = prompt.rsplit("\n\n", 1)[-1]
    found = re.search(r"x \* (\d+) \+ (\d+)\n    y %= (\d+)", task)
    if found is None:  # the seed, which returns its argument
        return 7
    a, b, c = map(int, found.groups())
    number = int(re.findall(r"\d+", task.rsplit("\n", 1)[-1])[0])
    if not task.endswith("f("):
        return (number * a + b) % c
    return next((x for x in range(1000) if (x * a + b) % c == number), 0)


def _program(dice: random.Random) -> str:
    numbers = [dice.randrange(2, 999) for _ in range(4)]
    lines = [f"    y = x * {numbers[0]} + {numbers[1]}", f"    y %= {numbers[2]}", "    return y"]
    broken = " +" if dice.random() < 0.1 else ""
    return "\n".join(["x):", *lines]) + f"{broken}\nprint(f({numbers[3]}))\n\n"


async def _scripted(workers: Sequence[int], rounds: int) -> dict[str, object]:
    policy = ScriptedPolicy(recite)
    rates = {n: await play(SCRIPTED, policy, rounds=rounds, workers=n) for n in workers}
    rows = [
        [
            str(n),
            f"{played.tasks / played.seconds:,.0f}",
            f"{played.groups / played.seconds:,.0f}",
            f"{(played.proposals + played.attempts) / played.seconds:,.0f}",
        ]
        for n, played in rates.items()
    ]
    print(markdown(["workers", "tasks/s", "groups/s", "completions/s"], rows), end="\n\n")
    paper = replace(SCRIPTED, recycle=False, solver_tasks=16)
    kinds = {
        "recycled": SCRIPTED,
        "recycled, adaptive, mixed groups only": replace(
            SCRIPTED, estimate=Estimate.ADAPTIVE, reward_shape="variance", mixed_only=True
        ),
        "thrown away (the paper's)": paper,
    }
    samples = {}
    for name, config in kinds.items():
        samples[name] = await play(config, policy, rounds=rounds, workers=workers[-1])
    print(
        markdown(
            [" attempts that measure", "proposals", "answers", "trained on", "per generation"],
            [
                [
                    name,
                    f"{p.proposals:,}",
                    f"{p.attempts:,}",
                    f"{p.trained:,}",
                    f"{p.trained / (p.proposals + p.attempts):.2f}",
                ]
                for name, p in samples.items()
            ],
        ),
        end="\n\n",
    )
    per_job_us = [scheduler_us() for _ in range(5)]
    print(f"the scheduler: {statistics.median(per_job_us):.1f} us a job, median of 5")
    return {
        "rates": {n: _as_dict(played) for n, played in rates.items()},
        "samples": {name: _as_dict(played) for name, played in samples.items()},
        "scheduler_us": per_job_us,
    }


def scheduler_us(num_jobs: int = JOBS) -> float:
    """Microseconds to submit, start and end a job, six lanes and a full house."""
    lanes = Lanes(256)
    cells = [(role, kind) for role in Role for kind in Kind]
    running: list[Job] = []
    began = time.perf_counter()
    for index in range(num_jobs):
        lanes.submit(Job(cells[index % len(cells)], 16))
        while (job := lanes.start()) is not None:
            running.append(job)
        if len(running) >= 16:
            lanes.end(running.pop(0))
    return 1e6 * (time.perf_counter() - began) / num_jobs


# -- with one


async def _with_model(name: str, rounds: int) -> dict[str, object]:
    from engine.policy.local import LocalOptions, LocalPolicy
    from engine.policy.pretrained import DEFAULT_CACHE, resolve_model

    config = replace(
        SCRIPTED, proposals=8, solver_rollouts=4, seeds=SeedSet.STARTER, temperature=0.8,
        proposal_tokens=72, answer_tokens=20, rounds_in_flight=3, max_value_chars=80,
    )  # fmt: skip
    policy = await LocalPolicy.open(
        resolve_model(name, cache=DEFAULT_CACHE).resolve(),
        options=LocalOptions(max_batch=48, threads=1),
    )
    settings = {
        "streamed": config,
        "after the fact": replace(config, stream=False),
        "after the fact, one round at a time": replace(config, stream=False, rounds_in_flight=1),
    }
    found = {}
    for how, one in settings.items():
        found[how] = await play(one, policy, rounds=rounds, workers=2)
    await policy.close()
    rows = [
        [how, f"{p.seconds:.1f}", *(f"{share:.2%}" for share in p.shares.values())]
        for how, p in found.items()
    ]
    print(markdown([" judged", "seconds", "writing", "sandbox alone", "idle"], rows))
    return {how: _as_dict(played) for how, played in found.items()}


async def play(config: EngineConfig, policy: Policy, *, rounds: int, workers: int) -> Played:
    """Play rounds with credit without end and nobody who reads the ring."""
    reports: list[RoundReport] = []
    occupancy = Occupancy()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder)).create()
        async with Sandbox(workers=workers, limits=Limits(wall_s=10.0)) as sandbox:
            with TaskStore(run.tasks_db) as store:
                programs = seed_programs(config.seeds)
                store.add_seeds(
                    await certified_tasks(sandbox, programs, num_inputs=config.num_inputs)
                )
                ring = RingWriter.open(run.ring, capacity=1 << 28, run_id=bytes(16))
                player = Player(
                    config=config, policy=policy, sandbox=sandbox, store=store,
                    outbox=Outbox(store, ring), batch_samples=10**9, consumed_seq=lambda: 0,
                    producer=lambda _: Producer(engine="benchmark", epoch=1),
                    on_round=reports.append, occupancy=occupancy,
                )  # fmt: skip
                began = time.perf_counter()
                await player.play(lambda: len(reports) >= rounds)
                seconds = time.perf_counter() - began
                groups = len(store.group_rows())
                ring.close()
    measured = [
        *(a for r in reports for a in r.admitted),
        *(a for r in reports for a in r.practice),
    ]
    spent = occupancy.seconds()
    return Played(
        seconds=seconds,
        tasks=sum(len(report.admitted) for report in reports),
        groups=groups,
        proposals=sum(len(report.judged) for report in reports),
        attempts=sum(len(attempts.rollouts) for attempts in measured),
        trained=sum(report.num_trained for report in reports),
        shares={name: value / sum(spent.values()) for name, value in spent.items()},
    )


def _as_dict(played: Played) -> dict[str, object]:
    return {name: getattr(played, name) for name in Played.__dataclass_fields__}


if __name__ == "__main__":
    main()
