"""A full disk, a real one: nothing half-published, and the version before as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("weights_full_disk.py")
ROOT = Path(__file__).parents[2]
IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def can_mount(directory):
    command = [*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "none", str(directory)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_wherever_a_publish_meets_the_end_of_the_disk_it_leaves_everything_as_it_was(tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("this host lets nobody mount a tmpfs in a namespace of its own")
    done = subprocess.run(
        [*IN_A_NAMESPACE, sys.executable, str(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 12, (
        "each of 12 pages, and the manifest's, must have been missing once"
    )
