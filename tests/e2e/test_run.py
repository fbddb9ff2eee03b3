"""Whole runs with the committed tiny model: real processes, real jail, real ring, real kills."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.observe.audit import audit
from engine.wire import RunDir, read_jsonl
from engine.wire.messages import MAIN_KINDS, Role

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SMALL = [
    "--recipe",
    "smoke",
    "--engine.probe-samples",
    "0",
    "--engine.proposals",
    "8",
    "--engine.solver-rollouts",
    "2",
    "--trainer.batch_samples",
    "24",
    "--trainer.checkpoint_every",
    "3",
]


def engine_command(run: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "engine.cli", "serve", "--run", str(run), *SMALL, *more]


def trainer_command(run: Path) -> list[str]:
    return [sys.executable, "-m", "trainer.cli", "run", "--run", str(run)]


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


def wait_for_step(run: RunDir, step: int, *, within_s: float = 240) -> None:
    deadline = time.monotonic() + within_s
    while len(read_jsonl(run.steps_ledger)) < step:
        assert time.monotonic() < deadline, f"step {step} was not reached"
        time.sleep(0.1)


def test_recipe_smoke_trains_every_role_and_kind_reports_and_is_resumed(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    log = tmp_path / "log"
    recipe = [sys.executable, "-m", "engine.cli", "serve", "--run", str(run.path)]
    recipe += ["--recipe", "smoke", "--with-trainer"]
    assert start(recipe, log).wait() == 0, log.read_text()
    cells = [
        (name, cell["n"], cell["advantage_abs_max"])
        for row in read_jsonl(run.trainer_metrics)
        for name, cell in dict(row["cells"]).items()
    ]
    every = {f"{role}/{kind}" for role in Role for kind in MAIN_KINDS}
    assert {name for name, n, _ in cells if n} == every
    # So small a model solves an induction task once in a hundred: a cell of equal rewards, which
    # moves nothing, is likely for that one.
    assert {name for name, _, advantage in cells if advantage} >= every - {"solver/induction"}
    first = read_jsonl(run.steps_ledger)
    assert audit(run).problems == ()
    assert "trivial answer" in run.report.read_text()
    assert loads_in_transformers(max(run.checkpoints.glob("step-*")))

    assert start([*recipe, "--engine.steps", "2"], log).wait() == 0, log.read_text()
    second = read_jsonl(run.steps_ledger)
    assert second[: len(first)] == first
    assert len(second) >= len(first) + 2
    assert audit(run).problems == ()


def test_kill_9_of_either_process_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    run = RunDir(tmp_path / "run")
    dice = random.Random(os.environ.get("PYTEST_XDIST_WORKER", "kill"))
    log = tmp_path / "log"
    goal = ("--engine.steps", "12")
    engine, trainer = start(engine_command(run.path, *goal), log), None
    try:
        trainer = start(trainer_command(run.path), log)
        wait_for_step(run, 1)
        for round_number in range(3):
            time.sleep(dice.uniform(0.2, 2.0))
            trainer.kill()
            trainer.wait()
            trainer = start(trainer_command(run.path), log)
            time.sleep(dice.uniform(0.2, 2.0))
            engine.kill()
            engine.wait()
            engine = start(engine_command(run.path, *goal), log)
            wait_for_step(run, round_number + 2)
        engine.send_signal(signal.SIGTERM)
        engine.wait(60)
        engine = start(engine_command(run.path, "--engine.steps", "2"), log)
        assert engine.wait(240) == 0
        assert trainer.wait(60) == 0
    finally:
        for process in (engine, trainer):
            if process is not None and process.poll() is None:
                process.kill()
    found = audit(run)
    assert found.problems == (), found
    steps = read_jsonl(run.steps_ledger)
    assert [row["step"] for row in steps] == list(range(1, len(steps) + 1))


def test_ctrl_c_ends_both_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    log = tmp_path / "log"
    engine = start(engine_command(run.path, "--with-trainer"), log)
    wait_for_step(run, 2)
    engine.send_signal(signal.SIGINT)
    assert engine.wait(120) == 130
    assert not children_of_run(run), "a process of the run is left"
    before = len(read_jsonl(run.steps_ledger))
    goal = ("--with-trainer", "--engine.steps", "1")
    assert start(engine_command(run.path, *goal), log).wait(240) == 0
    assert len(read_jsonl(run.steps_ledger)) > before
    assert audit(run).problems == ()


@pytest.mark.stress
def test_the_same_command_goes_on_after_the_engine_was_killed_beside_its_trainer(
    tmp_path: Path,
) -> None:
    run = RunDir(tmp_path / "run")
    log = tmp_path / "log"
    engine = start(engine_command(run.path, "--with-trainer"), log)
    wait_for_step(run, 2)
    engine.kill()
    engine.wait()
    goal = ("--with-trainer", "--engine.steps", "1")
    assert start(engine_command(run.path, *goal), log).wait(240) == 0, log.read_text()
    assert audit(run).problems == ()


def loads_in_transformers(directory: Path) -> bool:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return len(tokenizer) <= model.config.vocab_size


def children_of_run(run: RunDir) -> list[str]:
    """Command lines of live processes that name the run directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(run.path).encode() in words:
            found.append(b" ".join(words).decode())
    return found
