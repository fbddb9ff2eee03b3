"""`sandbox run` on scripts, and `sandbox certify`: text for people, JSON for programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Certificate

ADD = "a, b = map(int, input().split())\nprint(a + b)\n"
FIRST = "def f(x): return sorted(x)[:1]\n"
KEEPS = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n"


def sandbox(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sandbox.cli import main; main()", *args]
    env = os.environ | {"COLUMNS": "200", "PYTHONUTF8": "1"}
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=env, check=False
    )


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str, name: str = "p.py") -> str:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return str(path)

    return write


def test_a_script_reads_its_input_from_a_file_or_from_here(file):
    given = file("3 4\n", "input.txt")
    for done in (
        sandbox("run", file(ADD), "--stdin", given),
        sandbox("run", file(ADD), "--stdin", "-", stdin="3 4\n"),
        sandbox("run", "-", "--stdin", given, stdin=ADD),
    ):
        assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")


def test_a_script_needs_no_input(file):
    done = sandbox("run", file("import sys\nprint('\u2603', sys.stdin.read() == '')"), "--script")
    assert (done.returncode, done.stdout) == (0, "\u2603 True\n")


def test_a_script_that_fails_says_so_after_its_own_words(file):
    done = sandbox("run", file("print('so far')\n1 // 0\n"), "--script")
    assert (done.returncode, done.stdout) == (1, "so far\n")
    assert "ZeroDivisionError: integer division or modulo by zero" in done.stderr
    assert done.stderr.endswith("raised: ZeroDivisionError, exit code 1\n")
    late = sandbox("run", file("while True: pass"), "--script", "--wall-s", "0.5")
    assert (late.returncode, late.stderr) == (1, "timeout: wall clock\n")


@pytest.mark.parametrize(
    "args",
    [("run", "P", "--stdin", "/nowhere"), ("run", "-", "--stdin", "-"),
     ("run", "P", "--script", "--args", "1"), ("certify", "/nowhere.py"), ("certify",),
     ("certify", "P", "--workers", "0"), ("certify", "P", "--wall-s", "-1"),
     ("serve", "--port", "-1"), ("serve", "--max-memory-mb", "0"),
     ("serve", "--max-run-timeout-s", "nan"), ("serve", "--max-requests", "0"),
     ("serve", "--workers", "none"), ("serve", "--jail", "paper")],
)  # fmt: skip
def test_bad_input_is_one_clear_complaint(file, args):
    done = sandbox(*(file(FIRST) if arg == "P" else arg for arg in args))
    assert done.returncode == 2, done
    assert done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_certificate_is_text_to_read(file):
    done = sandbox("certify", file(FIRST), "--args", "[3, 1, 2]", "--args", "[]")
    assert done.returncode == 0, done.stderr
    head, first, second, forms = done.stdout.splitlines()
    assert head.startswith("certified: Python ")
    assert (first, second) == ("f([3, 1, 2]) == [1]", "f([]) == []")
    assert forms.startswith("normal form ")


def test_a_certificate_is_json_with_the_fields_it_has(file):
    done = sandbox("certify", file(FIRST), "--args", "[3, 1, 2]", "--json")
    found = json.loads(done.stdout)
    assert (found["certified"], found["texts"]) == (True, ["[1]"])
    assert set(Certificate.__slots__) <= set(found)


@pytest.mark.parametrize(
    ("program", "reason"),
    [("def f(x:\n", "syntax"), ("def g(x): return x\n", "no_f"), (KEEPS, "mutates"),
     ("import os\ndef f(x): return x\n", "screen"), ("def f(x): return x.y\n", "raised")],
)  # fmt: skip
def test_a_rejection_says_why(file, program, reason):
    done = sandbox("certify", file(program), "--args", "1")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"rejected: {reason}")
    found = json.loads(sandbox("certify", file(program), "--args", "1", "--json").stdout)
    assert (found["certified"], found["reason"]) == (False, reason)


@pytest.mark.parametrize("command", ["run", "certify", "serve", "doctor"])
def test_the_help_of_each_command_has_an_example(command):
    done = sandbox(command, "--help")
    assert done.returncode == 0
    assert f"sandbox {command}" in done.stdout.partition("Usage:")[2].partition("\n")[2]


def test_without_its_extra_serve_says_what_to_install():
    code = (
        "import sys\nsys.modules['starlette'] = None\nsys.modules['uvicorn'] = None\n"
        "from sandbox.cli import main\nsys.argv = ['sandbox', 'serve']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "kelvin-rl[serve]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_of_serve_imports_no_server():
    code = (
        "import sys, sandbox.cli, sandbox.commands.serve\n"
        "print(sorted({'starlette', 'uvicorn', 'sandbox.pool'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout in ("[]\n", "['sandbox.pool']\n")  # the package itself brings its pool


def test_what_the_server_accepts_answers_without_delay():
    import socket

    from sandbox.commands.serve import _listen

    with (
        _listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
