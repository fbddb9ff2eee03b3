"""`engine status` tells the truth about real processes: alive, suspended, stuck, killed, absent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.observe import parties
from engine.observe.explain import advice, lines, reasons, row
from engine.observe.status import read_status
from engine.play.loop import Player
from engine.play.outbox import Outbox
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.rows import OutboxRow
from engine.tasks.store import TaskStore
from engine.wire import (
    Liveness,
    Producer,
    RingReader,
    RingState,
    RingWriter,
    RunDir,
    WireError,
    append_jsonl,
    publish_weights,
    tensor_checksum,
    write_ack,
)
from engine.wire.messages import Kind, Role
from engine.wire.ring import layout
from engine.wire.waits import Waits, read_wait, wait_file

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

STAND_IN = """
    import sys, time
    from pathlib import Path
    from engine.wire import RingReader, RingWriter, RunDir
    from engine.wire.waits import Waits, wait_file
    role, what, mood = sys.argv[2:5]
    run = RunDir(Path(sys.argv[1]))
    waits = Waits(wait_file(run.path, role))
    with run.lock(role):
        if role == "engine":
            founded = run.write_run({})
            end = RingWriter.open(run.ring, capacity=4096, run_id=founded.run_id)
            while end.try_push(bytes(400)) is not None:
                pass
        elif run.ring.exists():
            end = RingReader.open(run.ring, wait_s=60)
        else:
            end = None
        while mood == "pops" and end.pop(timeout_s=0):
            pass
        print("there", flush=True)
        while True:
            if mood == "computes":
                sum(range(10**5))
                continue
            if what:
                waits.tell(what, on="the other")
            if mood == "beats" and end:
                end.heartbeat()
            time.sleep(0.05)
"""


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path / "run").create()


@pytest.fixture
def start(run):
    """Starts a stand-in for engine or trainer, which waits for something; kills all at the end."""
    started = []

    def start(role, *, waits_for="", mood="beats"):
        source = textwrap.dedent(STAND_IN)
        process = subprocess.Popen(
            [sys.executable, "-c", source, str(run.path), role, waits_for, mood],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        started.append(process)
        assert process.stdout.readline() == b"there\n"
        if waits_for:
            eventually(lambda: read_wait(wait_file(run.path, role)) is not None)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def eventually(is_so):
    stop = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < stop, "it never came to be"
        time.sleep(0.02)


def screen(run):
    return "\n".join(f"{name}: {text}" for name, text in lines(read_status(run)))


def suspend(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)


def age_heartbeat(run, word, *, by_s):
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with run.ring.open("r+b") as file:
        file.seek(8 * word)
        file.write(int(now - by_s * 1e9).to_bytes(8, "little"))


# -- who is there


def test_an_engine_before_a_full_ring_waits_for_a_suspended_trainer_and_then_for_a_dead_one(
    run, start
):
    engine = start("engine", waits_for="room in the ring")
    trainer = start("trainer")
    append_jsonl(run.steps_ledger, {"step": 7})
    suspend(trainer)
    status = read_status(run)
    assert (status.engine.liveness, status.trainer.liveness) == (Liveness.ALIVE, Liveness.HUNG)
    (why,) = reasons(status)
    assert why.startswith("the engine has waited ")
    assert f"for room in the ring, on the trainer: pid {trainer.pid} hung: suspended" in why
    assert "heartbeat " in why
    assert "step 7 " in why
    assert advice(status) == f"the trainer is suspended; wake it: kill -CONT {trainer.pid}"
    assert f"engine: pid {engine.pid} alive" in screen(run)
    trainer.kill()
    trainer.wait()
    status = read_status(run)
    assert status.trainer.liveness is Liveness.DEAD
    (why,) = reasons(status)
    assert f"on the trainer: dead, pid {trainer.pid} was killed" in why
    assert advice(status) == f"nobody trains; start the trainer: trainer run --run {run.path}"


def test_a_suspended_engine_is_no_dead_one_and_keeps_what_it_waited_for(run, start):
    engine = start("engine", waits_for="room in the ring")
    suspend(engine)
    status = read_status(run)
    assert (status.engine.liveness, status.engine.is_suspended) == (Liveness.HUNG, True)
    assert f"engine: pid {engine.pid} hung: suspended" in screen(run)
    assert "it has waited" in screen(run)
    assert advice(status).endswith(f"kill -CONT {engine.pid}")


def test_with_no_trainer_at_all_it_gives_the_command_that_starts_one(run, start):
    start("engine", waits_for="room in the ring")
    status = read_status(run)
    assert status.trainer.liveness is Liveness.NEVER
    assert "on the trainer: never started" in next(reasons(status))
    assert advice(status) == f"nobody trains; start the trainer: trainer run --run {run.path}"


def test_a_trainer_before_the_engine_waits_for_it(run, start):
    trainer = start("trainer")
    status = read_status(run)
    assert (status.trainer.pid, status.engine.liveness) == (trainer.pid, Liveness.NEVER)
    assert list(reasons(status)) == ["the trainer waits for the engine to make a ring"]
    assert advice(status) == f"nobody plays; start the engine: engine serve --run {run.path}"


def test_a_trainer_that_waits_for_records_says_how_many_and_how_the_engine_is(run, start):
    engine = start("engine")
    start("trainer", waits_for="rollouts (24 of 64 for the next step)")
    append_jsonl(run.engine_metrics, {"event": "totals", "time": time.time(), "phase": "an exam"})
    status = read_status(run)
    (why,) = reasons(status)
    assert why.startswith("the trainer has waited ")
    assert "for rollouts (24 of 64 for the next step), on the engine: " in why
    assert f"pid {engine.pid} alive, heartbeat " in why
    assert ", an exam " in why
    assert advice(status) == "nothing to do: both run"
    engine.kill()
    engine.wait()
    assert f"on the engine: dead, pid {engine.pid} was killed" in next(reasons(read_status(run)))


def test_a_process_without_heartbeat_hangs_unless_it_computes(run, start):
    start("engine")
    idle = start("trainer", mood="sleeps")
    age_heartbeat(run, layout.READER_HEARTBEAT, by_s=300)
    status = read_status(run)
    assert (status.trainer.liveness, status.trainer.is_suspended) == (Liveness.HUNG, False)
    assert f"pid {idle.pid} hung, heartbeat 5 min ago" in screen(run)
    assert f"kill -9 {idle.pid}" in advice(status)
    idle.kill()
    idle.wait()
    busy = start("trainer", mood="computes")
    age_heartbeat(run, layout.READER_HEARTBEAT, by_s=300)
    assert f"trainer: pid {busy.pid} alive, heartbeat 5 min ago" in screen(run)


def test_a_lock_file_with_the_pid_of_another_process_is_no_holder(run):
    run.write_run({})
    (run.path / "locks" / "trainer").write_text(f"{os.getpid()}\n")
    status = read_status(run)
    assert (status.trainer.liveness, status.trainer.pid) == (Liveness.DEAD, os.getpid())


def test_a_lock_that_the_kernel_lists_is_never_touched(run, start, monkeypatch):
    engine = start("engine")
    if str(engine.pid) not in Path("/proc/locks").read_text():
        pytest.skip("this kernel's /proc/locks does not list the lock")
    monkeypatch.setattr(RunDir, "holder", None)
    assert parties.lock_holder(run, "engine") == engine.pid
    assert parties.lock_holder(run, "trainer") is None


def test_a_wait_that_is_not_renewed_is_not_told_of_a_process_that_runs(run, start):
    start("engine", waits_for="room in the ring")
    path = wait_file(run.path, "engine")
    assert read_status(run).engine.wait is not None
    old = replace(read_wait(path), told_ns=0)
    now_ns = time.time_ns()
    for is_hung, is_told in ((False, False), (True, False)):
        told = parties._wait_of_now(old, pid=old.pid, beat_s=0.0, is_hung=is_hung)
        assert (told is not None) == is_told
    renewed = replace(old, told_ns=now_ns)
    assert parties._wait_of_now(renewed, pid=old.pid, beat_s=0.0, is_hung=False) == renewed
    assert parties._wait_of_now(renewed, pid=old.pid + 1, beat_s=0.0, is_hung=False) is None


def test_a_ring_too_small_for_a_checkpoint_interval_is_recognised(run, start):
    start("engine", waits_for="room in the ring")
    start("trainer", waits_for="rollouts (8 of 64 for the next step)", mood="pops")
    assert any(why.startswith("each waits for the other") for why in reasons(read_status(run)))


def test_a_run_that_is_done_is_said_to_be(run):
    founded = run.write_run({})
    writer = RingWriter.open(run.ring, capacity=4096, run_id=founded.run_id)
    RingReader.open(run.ring, wait_s=0).close()
    writer.close(RingState.CLOSED, "the budget is spent")
    options = {"version": 3, "step": 3, "consumed": {"ring-0": 9}, "write": write_weights}
    publish_weights(run.weights, **options)
    status = read_status(run)
    assert advice(status) == f"nobody plays; start the engine: engine serve --run {run.path}"
    publish_weights(run.weights, **options, final=True)
    status = read_status(run)
    assert advice(status) == f"the run is done; see it: engine report --run {run.path}"
    write_ack(run.weights, 3, checksum="", owner="engine")
    assert "version 3, published 0 s ago, the last of the run; engine samples from 3" in screen(run)
    assert "ring-0: closed (the budget is spent)" in screen(run)
    assert "engine: not running, it ended in order" in screen(run)


def write_weights(directory):
    (directory / "model").write_bytes(b"weights")
    return {"all": tensor_checksum(b"weights")}


def test_files_that_cannot_be_read_are_named_and_hide_nothing(run):
    run.write_run({})
    run.ring.write_bytes(b"short")
    run.steps_ledger.write_text("{\n")
    (run.weights / "acks").mkdir()
    (run.weights / "acks" / "engine.json").write_text("{}")
    status = read_status(run)
    assert len(status.notes) == 3
    assert screen(run).count("unread: ") == 3


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(WireError, match=r"found no run\.json; begin one"):
        read_status(RunDir(tmp_path))


def test_it_is_one_json_object_and_watches_until_ctrl_c(run, start):
    engine = start("engine", waits_for="room in the ring")
    command = [sys.executable, "-m", "engine.cli", "status", "--run", str(run.path)]
    done = subprocess.run([*command, "--json"], capture_output=True, cwd=ROOT, check=True)
    told = json.loads(done.stdout)
    assert told["engine"]["pid"] == engine.pid
    assert told["engine"]["waits_for"] == "room in the ring"
    assert set(told) == set(row(read_status(run)))
    with subprocess.Popen(
        [*command, "--json", "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as watching:
        for _ in range(2):
            assert json.loads(watching.stdout.readline())["engine"]["pid"] == engine.pid
        watching.send_signal(signal.SIGINT)
        assert watching.communicate()[1] == b""
    assert watching.returncode == 0


# -- what the engine tells


def player_of(run, store, ring):
    return Player(
        config=EngineConfig(staleness=0),
        policy=ScriptedPolicy(lambda _: [], version=4),
        sandbox=None,
        store=store,
        outbox=Outbox(store, ring),
        batch_samples=1,
        consumed_seq=lambda: 0,
        producer=lambda _: Producer(engine="engine", epoch=1),
        on_round=lambda _: None,
        waits=Waits(wait_file(run.path, "engine")),
    )


@pytest.mark.parametrize(
    ("num_groups", "what"),
    [(1, "version 5 of the weights (no credit left)"), (20, "room in the ring")],
)
async def test_an_engine_that_may_not_go_on_tells_why(run, num_groups, what):
    with TaskStore(run.tasks_db) as store:
        groups = [
            OutboxRow(
                group_id=number.to_bytes(16, "big"),
                role=Role.SOLVER,
                kind=Kind.DEDUCTION,
                task_id="t",
                num_rollouts=8,
                payload=bytes(400),
            )
            for number in range(num_groups)
        ]
        store.commit_round(0, tasks=[], proposals=[], groups=groups, solved=[], retired=[])
        ring = RingWriter.open(run.ring, capacity=4096, run_id=bytes(16))
        told = wait_file(run.path, "engine")
        async with asyncio.timeout(PATIENCE_S):
            await player_of(run, store, ring).play(lambda: read_wait(told) is not None)
        ring.close()
    assert (read_wait(told).what, read_wait(told).on) == (what, "trainer")
