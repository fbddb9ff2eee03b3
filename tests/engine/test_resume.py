"""A killed engine goes on with what it would have played: the same tasks, prompts, samples, ids.

Rounds overtake each other, the memory evicts, proposals repeat each other: whatever is drawn from
the store must not depend on any of it.
"""

import random
import signal
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import pytest

from engine.tasks.store import TaskStore
from engine.wire import RunDir, decode_group

PLAYER = Path(__file__).with_name("round_player.py")
FEW, MANY = (24, 6), (60, 20)
"""Rounds and kills: of every run of the tests, and under `make stress`."""


def start(run: Path, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PLAYER), str(run), str(rounds)], stdout=subprocess.PIPE, text=True
    )


def played(run: Path, first_rounds: int) -> list[object]:
    """All that the first rounds gave, clocks and epochs left out."""
    with TaskStore(RunDir(run).tasks_db, read_only=True) as store:
        rounds = {number: [] for number in range(first_rounds)}
        for number, row in store.proposals():
            rounds.get(number, []).append(astuple(row))
        groups = [decode_group(row.payload) for row in store.outbox(0)]
        num_groups = sum(row.round < first_rounds for row in store.group_rows())
        told = [
            (
                group.group_id,
                group.role,
                group.kind,
                group.task_id,
                group.parents,
                group.prompt.tolist(),
                group.sampling,
                [
                    (r.rollout_id, r.tokens.tolist(), r.reward, r.verdict, dict(r.components))
                    for r in group.rollouts
                ],
            )
            for group in groups
        ]
        return [rounds, told[:num_groups]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rounds", "kills"), [FEW, pytest.param(*MANY, marks=pytest.mark.stress)], ids=str
)
def test_t14_a_run_killed_anywhere_plays_what_an_uninterrupted_one_plays(tmp_path, rounds, kills):
    with start(tmp_path / "whole", rounds) as process:
        process.communicate(timeout=120)
    dice = random.Random(14)
    num_killed = 0
    for _ in range(4 * kills):
        with start(tmp_path / "killed", rounds) as process:
            assert process.stdout is not None
            if num_killed == kills:
                process.stdout.read()
                break
            for _ in range(dice.randrange(1, 4)):
                process.stdout.readline()  # a committed round; the next is anywhere
            try:
                process.wait(timeout=dice.uniform(0.0, 0.05))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                num_killed += 1
    assert num_killed == kills
    done = rounds - 10
    whole = played(tmp_path / "whole", done)
    assert played(tmp_path / "killed", done) == whole
    fates = {row[2] for rows in whole[0].values() for row in rows}
    assert {"admitted", "duplicate", "raised", "syntax", "few_inputs"} <= fates
