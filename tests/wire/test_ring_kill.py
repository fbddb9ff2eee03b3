"""Real processes, real SIGKILL and SIGSTOP: nothing lost, doubled, reordered or altered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = Path(__file__).with_name("ring_killer.py")
ROLES = ("write", "read")


def rounds_survived(directory, *, rounds, seed):
    command = [sys.executable, str(KILLER), str(directory), str(rounds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_records_survive_kills_and_stops_of_either_side(tmp_path):
    survived = rounds_survived(tmp_path, rounds=200, seed=1)
    assert all(survived["killed"][role] > 50 for role in ROLES), survived
    assert all(survived["stopped"][role] > 0 for role in ROLES), survived
    assert survived["records"] > 200, "the processes must get some work done between the kills"


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_records_survive_ten_thousand_rounds_of_kills_and_stops(tmp_path, capsys):
    survived = rounds_survived(tmp_path, rounds=10_000, seed=2)
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(survived, indent=1)}\n")
    assert all(survived["killed"][role] > 2500 for role in ROLES)
    for role in ROLES:
        assert len(survived["died"][role]) > 4, "kills must have hit most phases"
    assert survived["records"] > 10_000
