"""Self-play through a real SGLang server: it starts, streams, takes weights, dies and is back."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from engine.tasks.store import TaskStore
from engine.wire import RunDir, read_jsonl

pytestmark = [pytest.mark.sglang, pytest.mark.timeout(900)]

STEPS = 4


@pytest.fixture
def engine(tmp_path):
    python = os.environ.get("SGLANG_PYTHON")
    if not python:
        pytest.skip("SGLANG_PYTHON names no interpreter; see `make test-sglang`")
    command = [
        sys.executable, "-m", "engine.cli", "serve", "--run", str(tmp_path / "run"),
        "--recipe", "smoke",
        "--engine.policy", "sglang", "--engine.sglang-python", python,
        "--engine.steps", str(STEPS), "--engine.probe-samples", "8", "--with-trainer",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    yield RunDir(tmp_path / "run"), process
    if process.poll() is None:
        process.terminate()
        process.wait(60)


def test_a_run_learns_from_what_sglang_writes_though_the_server_is_killed(engine):
    run, process = engine
    wait_for(process, lambda: versions_played(run) >= {1}, "a version of the trainer was played")
    servers = [
        child
        for child in psutil.Process(process.pid).children()
        if "sglang.launch_server" in " ".join(child.cmdline())
    ]
    assert len(servers) == 1
    servers[0].send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    steps = [row for row in read_jsonl(run.trainer_metrics) if "time/step_s" in row]
    assert len(steps) >= STEPS
    assert "is started again" in run.engine_log.read_text()
    assert max(versions_played(run)) >= 2, "the server that came back was given the newest weights"
    with TaskStore(run.tasks_db, read_only=True) as store:
        fates = [row.fate for _, row in store.proposals()]
    assert "admitted" in fates
    # The first step's samples are of the weights that the trainer has: two engines, one policy.
    assert float(steps[0]["policy/log_ratio_abs_mean"]) < 1e-2


def versions_played(run):
    rows = read_jsonl(run.engine_metrics) if run.engine_metrics.exists() else []
    return {int(row["version"]) for row in rows if row.get("event") == "round"}


def wait_for(process, is_so, what):
    until = time.monotonic() + 600
    while not is_so():
        assert process.poll() is None, f"the engine ended before {what}: {process.stderr.read()}"
        assert time.monotonic() < until, f"not in ten minutes: {what}"
        time.sleep(0.5)
