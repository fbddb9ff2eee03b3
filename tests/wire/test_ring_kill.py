"""Real processes, real SIGKILL, random instants: nothing lost, doubled, reordered or altered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = Path(__file__).with_name("ring_killer.py")


def rounds_survived(directory, *, rounds, seed):
    command = [sys.executable, str(KILLER), str(directory), str(rounds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", [1, 2])
def test_records_survive_kills_of_either_side(tmp_path, seed):
    survived = rounds_survived(tmp_path, rounds=120, seed=seed)
    assert min(survived["write"], survived["read"]) > 40
    assert survived["records"] > 100, "the processes must get some work done between the kills"


@pytest.mark.stress
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4))
def test_records_survive_thousands_of_kills(tmp_path, seed):
    survived = rounds_survived(tmp_path, rounds=2500, seed=seed)
    assert survived["records"] > 2500
