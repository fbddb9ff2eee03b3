"""Real processes killed at random instants: what can be seen is whole, what is leased stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = Path(__file__).with_name("weights_killer.py")
ROOT = Path(__file__).parents[2]


def rounds_survived(directory, *, rounds, seed):
    command = [sys.executable, str(KILLER), str(directory), str(rounds), str(seed)]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=here)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("seed", [1, 2])
def test_versions_survive_kills_of_publisher_and_engines(tmp_path, seed):
    survived = rounds_survived(tmp_path, rounds=120, seed=seed)
    assert min(survived["publisher"], survived["engine"]) > 30
    assert survived["leftovers"] > 0, "some kill must have come in the middle of a publish"
    assert survived["versions"] > 5, "the publisher must get some work done between the kills"


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
def test_versions_survive_thousands_of_kills(tmp_path, seed):
    survived = rounds_survived(tmp_path, rounds=2500, seed=seed)
    assert survived["versions"] > 100
