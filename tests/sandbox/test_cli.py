"""The command line: values on stdout, one sentence on stderr, 0, 1 or 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "def f(x, k=1): return sorted(x)[:k]\n"


def sandbox(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sandbox.cli import main; main()", *args]
    env = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "p.py"
    path.write_text(PROGRAM)
    return str(path)


def test_run_prints_one_value_a_line(program: str):
    done = sandbox("run", program, "--args", "[3, 1, 2]", "--args", "[3, 1, 2], k=2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1]\n[1, 2]\n", "")


def test_a_failed_call_says_its_verdict(program: str):
    done = sandbox("run", program, "--args", "3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "raised: TypeError, argument list 0\n"


@pytest.mark.parametrize(
    "args",
    [("run", "/nowhere.py"), ("run",), ("run", "P", "--bogus"), ("run", "P", "--wall-s", "0"),
     ("run", "P", "--memory-mb", "many"), ("frobnicate",), ("run", "/")],
)  # fmt: skip
def test_bad_input_is_one_clear_complaint(program: str, args: tuple[str, ...]):
    done = sandbox(*(program if arg == "P" else arg for arg in args))
    assert done.returncode == 2
    assert done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_doctor_names_every_layer_and_exits_0_on_a_sound_host():
    from sandbox.status import LAYERS

    done = sandbox("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(layer in done.stdout for layer in LAYERS)
    assert "now: sandbox run" in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys, sandbox.cli\n"
        "heavy = {'numpy', 'torch', 'rich.table', 'pyseccomp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
