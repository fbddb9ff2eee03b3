"""A store that cannot be written now holds a run up, says so, and costs nothing."""

import asyncio
import contextlib
import errno
import os
import sqlite3

import pytest

from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.observe.rows import Rows
from engine.play import patience
from engine.play.loop import Player
from engine.play.outbox import Outbox
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.seeds import IDENTITY
from engine.tasks.store import TaskStore
from engine.wire import Producer, RingWriter, RunDir, read_jsonl
from engine.wire.messages import Kind
from engine.wire.waits import Waits, read_wait, wait_file

CONFIG = EngineConfig(abduction=0, induction=0, proposals=2, solver_rollouts=2, rounds_in_flight=2)
DOUBLES = "x):\n    y = x * 2\n    return y\nprint(f(21))"


def recite(prompt):
    return [DOUBLES] if "each with one call" in prompt else [" 42\n", " 1\n"]


@contextlib.asynccontextmanager
async def playing(sandbox, run, *, num_rounds=4):
    """A player that plays so many rounds in the background, and its store."""
    with TaskStore(run.tasks_db) as store:
        store.add_seeds(await certified_tasks(sandbox, [IDENTITY], num_inputs=4))
        ring = RingWriter.open(run.ring, capacity=1 << 20, run_id=bytes(16))
        reports = []
        player = Player(
            config=CONFIG, policy=ScriptedPolicy(recite), sandbox=sandbox, store=store,
            outbox=Outbox(store, ring), batch_samples=10**6, consumed_seq=lambda: 0,
            producer=lambda _: Producer(engine="patient", epoch=1), on_round=reports.append,
            waits=Waits(wait_file(run.path, "engine")),
        )  # fmt: skip
        player._committer.plan_first()
        task = asyncio.create_task(player.play(lambda: len(reports) >= num_rounds))
        try:
            yield store, reports, task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            ring.close()


async def until_told(run, words):
    async with asyncio.timeout(60):
        while (wait := read_wait(wait_file(run.path, "engine"))) is None or wait.what != words:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return wait


async def test_a_locked_task_file_is_waited_for_and_no_round_is_lost(sandbox, tmp_path):
    run = RunDir(tmp_path).create()
    async with playing(sandbox, run) as (store, reports, task):
        other = sqlite3.connect(run.tasks_db, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        wait = await until_told(run, "the lock of the task file")
        assert wait.on == "you"
        assert store.next_round() == len(reports)
        other.execute("ROLLBACK")
        other.close()
        async with asyncio.timeout(60):
            await task
        assert [report.number for report in reports] == list(range(store.next_round()))
        assert len({row.reward for _, row in store.proposals()}) > 1
        assert store.num_tasks(Kind.DEDUCTION) == 2


async def test_a_full_disk_is_waited_for_and_no_round_is_lost(sandbox, tmp_path):
    run = RunDir(tmp_path).create()
    async with playing(sandbox, run) as (store, reports, task):
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own word for a full disk
        await until_told(run, "space on the disk")
        committed = store.next_round()
        assert committed == len(reports)
        store._db.execute("PRAGMA max_page_count = 1000000")
        async with asyncio.timeout(60):
            await task
        assert [report.number for report in reports] == list(range(store.next_round()))
        assert store.next_round() > committed


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "broken"), sqlite3.OperationalError("no such table"), ValueError("ours")],
    ids=repr,
)
async def test_what_would_fail_again_is_an_error_at_once(error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        await patience.patiently(fail, Waits())


@pytest.mark.parametrize("limit", [0, 10], ids=["nothing", "a part of a row"])
def test_metrics_that_a_disk_refuses_come_later_in_their_order(tmp_path, monkeypatch, limit):
    rows, write, has_room = Rows(tmp_path / "metrics.jsonl"), os.write, False

    def full(descriptor, data):
        if not has_room and not limit:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data if has_room else data[:limit])

    rows.add({"row": 0})
    monkeypatch.setattr(os, "write", full)
    rows.add({"row": 1})
    rows.add({"row": 2, "phase": "playing"})
    has_room = True
    rows.add({"row": 3})
    assert [row["row"] for row in read_jsonl(rows.path)] == [0, 1, 2, 3]


def test_metrics_that_can_never_be_written_are_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Rows(tmp_path / "nowhere" / "metrics.jsonl").add({"row": 0})


async def test_the_last_push_waits_for_a_locked_task_file_too(sandbox, tmp_path, monkeypatch):
    run, pump, calls = RunDir(tmp_path).create(), Outbox.pump, []

    def locked_once(outbox):
        calls.append(outbox)
        if len(calls) == 1:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return pump(outbox)

    monkeypatch.setattr(Outbox, "pump", locked_once)
    async with playing(sandbox, run, num_rounds=0) as (_, _, task), asyncio.timeout(60):
        await task
    assert len(calls) == 2
