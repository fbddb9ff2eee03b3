"""`engine serve`: opens everything a session needs, and closes it in reverse order.

Beside the session run, as children of one task group: the display, the observer, with
`--with-trainer` the trainer's supervisor, with `--api` the HTTP interface; each polls or waits
with a bound. A signal cancels the session, lets the trainer write its checkpoint, ends the rest.
"""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from pathlib import Path

from engine.api.door import Door
from engine.child import TrainerChild
from engine.config import EngineConfig, RunConfig, SandboxConfig
from engine.observe import live
from engine.observe.board import Board
from engine.policy.protocol import Policy
from engine.session import Session
from engine.tasks.store import TaskStore
from engine.wire import RingState, RingWriter, RunDir
from sandbox import Limits, Sandbox

RING_CAPACITY = 1 << 26
"""Bytes; a batch is well below one of them, and checkpoints are several batches apart."""


async def serve(
    run: RunDir, config: RunConfig, *, model: Path, with_trainer: bool, door: Door | None = None
) -> int:
    """Run one invocation; returns the exit code (0 done, 130 or 143 stopped by a signal)."""
    board = Board(run=str(run.path))
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(run.lock("engine"))
        founded = run.write_run({**config.to_dict(), "model": {"directory": run.model.name}})
        _link(run.model, target=model)
        limits = Limits(wall_s=config.sandbox.wall_s, memory_mb=config.sandbox.memory_mb)
        sandbox = await stack.enter_async_context(
            Sandbox(workers=config.sandbox.workers, limits=limits, jail=config.sandbox.jail)
        )
        store = stack.enter_context(TaskStore(run.tasks_db))
        ring = stack.enter_context(_open_ring(run, store, founded.run_id))
        policy = await _open_policy(config.engine, model, log=run.sglang_log)
        stack.push_async_callback(policy.close)
        session = Session(
            run=run,
            config=config.engine,
            batch_samples=config.batch_samples,
            policy=policy,
            sandbox=sandbox,
            store=store,
            ring=ring,
            board=board,
            child=_child(run, board, ring) if with_trainer else None,
            run_id=founded.run_id,
        )
        api = None if door is None else _serve_api(door, session, config.sandbox)
        return await _until_signal(session, api)


async def _serve_api(door: Door, session: Session, limits: SandboxConfig) -> None:
    """The HTTP interface, until cancelled."""
    from engine.api.scene import Scene
    from engine.api.server import serve as serve_api

    scene = Scene(
        run=session.run,
        board=session.board,
        counters=session.counters,
        policy=session.policy,
        sandbox=session.sandbox,
        store=session.store,
        ring=session.ring,
        ring_capacity=RING_CAPACITY,
        limits=limits,
    )
    await serve_api(door, scene)


def _child(run: RunDir, board: Board, ring: RingWriter) -> TrainerChild:
    return TrainerChild(run, board.set_trainer, lambda: ring.state is RingState.CLOSED)


def _link(link: Path, *, target: Path) -> None:
    """Point the run at its initial weights; caches and installations move."""
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target, target_is_directory=True)
    fresh.replace(link)


async def _until_signal(session: Session, api: Coroutine[object, object, None] | None) -> int:
    """Play; on SIGINT or SIGTERM cancel the play, let the trainer write its checkpoint."""
    received: list[int] = []
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(session.observe()), group.create_task(live.show(session.board))]
        if session.child:
            beside.append(group.create_task(session.child.supervise()))
        if api is not None:
            beside.append(group.create_task(api))
        playing = group.create_task(session.play())

        def stop(number: int) -> None:
            received.append(number)
            session.board.phase = "stopping: the trainer writes its checkpoint"
            playing.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        try:
            await asyncio.wait([playing])
        finally:
            if session.child:
                await session.child.stop()
            for task in beside:
                task.cancel()
    return 128 + received[0] if received else 0


@contextlib.contextmanager
def _open_ring(run: RunDir, store: TaskStore, run_id: bytes) -> Iterator[RingWriter]:
    """The ring; left open for the next invocation unless this one has closed it."""
    ring = RingWriter.open(
        run.ring, capacity=RING_CAPACITY, run_id=run_id, first_seq=store.first_kept_seq()
    )
    try:
        yield ring
    finally:
        ring.close(ring.state, ring.reason)


async def _open_policy(config: EngineConfig, model: Path, *, log: Path) -> Policy:
    if config.policy == "sglang":
        from engine.policy.sglang import SGLangOptions, SGLangPolicy

        servers = SGLangOptions(
            python=config.sglang_python,
            urls=config.sglang_urls,
            router=config.sglang_router,
            args=config.sglang_args,
            tolerance=config.sglang_tolerance,
            device=config.device,
            log=log,
        )
        return await SGLangPolicy.open(model, options=servers)
    from engine.policy.local import LocalOptions, LocalPolicy

    options = LocalOptions(max_batch=config.max_batch, threads=config.threads, device=config.device)
    return await LocalPolicy.open(model, options=options)
