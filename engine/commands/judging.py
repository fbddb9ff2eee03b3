"""What commands on tasks ask of the sandbox, with the limits and gates of the run."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from engine.config import EngineConfig, SandboxConfig
from engine.play.readmission import import_tasks, rejudge
from engine.recipe import founded
from engine.tasks.store import TaskStore
from engine.tasks.task import Task
from engine.wire import RunDir
from sandbox import Limits, Sandbox


def rejudge_run(run: RunDir) -> tuple[int, list[str]]:
    """Certify every task that can be drawn again: how many, and what is wrong with which."""

    async def judge() -> list[str | None]:
        _, limits = configuration(run)
        async with sandbox_of(limits) as sandbox:
            return [problem async for problem in rejudge(sandbox, store.tasks())]

    with TaskStore(run.tasks_db, read_only=True) as store:
        told = asyncio.run(judge())
    return len(told), [problem for problem in told if problem]


def import_into(run: RunDir, tasks: Iterable[Task | None]) -> Counter[str]:
    """Certify tasks and insert them; how many had which fate. WireError beside an engine."""

    async def judge() -> Counter[str]:
        config, limits = configuration(run)
        async with sandbox_of(limits) as sandbox:
            return await import_tasks(sandbox, store, config, tasks)

    run.create()
    with run.lock("engine"), TaskStore(run.tasks_db) as store:
        return asyncio.run(judge())


def configuration(run: RunDir) -> tuple[EngineConfig, SandboxConfig]:
    """What the run was founded with; that of a new run if it was not founded yet."""
    if not run.run_json.exists():
        return EngineConfig(), SandboxConfig()
    return founded(run.read_run().config)


def sandbox_of(config: SandboxConfig) -> Sandbox:
    """A sandbox with the limits of a run."""
    limits = Limits(wall_s=config.wall_s, memory_mb=config.memory_mb)
    return Sandbox(workers=config.workers, limits=limits, jail=config.jail)
