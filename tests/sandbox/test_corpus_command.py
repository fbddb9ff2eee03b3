"""`sandbox corpus`: a line per file, one JSON document, 0, 1 or 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEADER = "# class: fs_read / expect: {}\n# detect: the accepted value contains LEAK\n# verify: {}\n"


def corpus(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sandbox.cli import main; main()", "corpus"]
    env = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        [*command, *map(str, args)], capture_output=True, text=True, env=env, check=False
    )


def write(folder: Path, name: str, *, expect: str = "denied", verify: str = "x", body: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER.format(expect, verify) + body)
    return path


def test_contained_programs_are_counted(tmp_path: Path):
    write(tmp_path, "fs_read/a.py", body="def f(x): return open('/etc/passwd').read()\n")
    write(tmp_path, "fs_read/b.py", body="INPUT = 'open(1)'\ndef f(x): return x\n")
    write(tmp_path, "fs_read/_tool.py", body="raise SystemExit\n")
    done = corpus(tmp_path)
    assert done.stdout.splitlines() == [
        "contained     fs_read/a  forbidden forbidden",
        "contained     fs_read/b  invalid invalid",
        "2 programs, 2 contained",
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_one_that_gets_out_is_named(tmp_path: Path):
    write(tmp_path, "a.py", verify="contains:LEAK", body="def f(x): return 'LEAK'\n")
    write(tmp_path, "b.py", expect="timeout", body="def f(x): return 'fast'\n")
    write(tmp_path, "c.py", body="def f(x): return 1 / 0\n")
    write(tmp_path, "d.py", expect="ok-contained", body="GOLD_EQ = 3\ndef f(x): return x\n")
    done = corpus(tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0] == "NOT CONTAINED a  ok ok: the value holds LEAK: 'LEAK'"
    assert lines[1].startswith("NOT CONTAINED b  ok ok: expected timeout, got ok")
    assert lines[2].startswith("contained     c")
    assert lines[3] == "NOT CONTAINED d  ok ok: the value passes for the gold: 3"
    assert lines[-1] == "4 programs, 1 contained"


def test_a_program_that_is_certified_wrongly_is_named(tmp_path: Path):
    body = "import random\ndef f(x): return random.random()\n"
    path = write(tmp_path, "a.py", expect="nondeterministic", body=body)
    constant = write(tmp_path, "b.py", expect="nondeterministic", body="def f(x): return {'a', x}")
    done = corpus(tmp_path)
    assert done.stdout.splitlines() == [
        f"contained     {path.stem}  ok ok certify: screen",
        f"contained     {constant.stem}  ok ok certify: the same everywhere",
        "2 programs, 2 contained",
    ]


MALFORMED = {
    "no header": b"def f(x): return 1\n",
    "empty": b"",
    "no expect": b"# class: memory\n# detect: x\n",
    "an unknown word": b"# class: memory / expect: bliss\n# detect: x\ndef f(x): return 1\n",
    "no detection": b"# class: memory / expect: oom\ndef f(x): return 1\n",
    "an input that fails": b"# class: memory / expect: oom\n# detect: x\nINPUT = 1 / 0\n",
    "an input that exits": b"# class: m / expect: oom\n# detect: x\nINPUT = exit()\n",
    "an input that is no text": b"# class: memory / expect: oom\n# detect: x\nINPUT = 3\n",
    "no literal": b"# class: m / expect: oom\n# detect: x\nVICTIM = ''\nVICTIM_EXPECT = 'f(x)'\n",
    "bytes": bytes(range(256)),
}


def test_a_malformed_file_is_a_complaint_about_that_file(tmp_path: Path):
    for index, raw in enumerate(MALFORMED.values()):
        (tmp_path / f"m{index:02}.py").write_bytes(raw)
    write(tmp_path, "z.py", body="def f(x): return open('x')\n")
    done = corpus(tmp_path)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    for line, name in zip(lines, MALFORMED, strict=False):
        assert line.startswith("NOT CONTAINED m"), name
        assert ": malformed " in line, name
    assert lines[-2:] == [
        "contained     z  forbidden forbidden",
        f"{len(MALFORMED) + 1} programs, 1 contained",
    ]


HOSTILE = {
    "deep": b"x = " + b"(" * 5000 + b")" * 5000,
    "deaf": b"INPUT = [None for _ in iter(int, 1)]",
    "hungry": b"INPUT = 'a' * 10 ** 12",
    "dying": b"import os\nINPUT = __import__('os')._exit(0)",
    "huge": b"def f(x): return 1\n#" + b"y" * 3_000_000,
    "null": b"def f(x): return 1\0",
}


def test_a_file_that_breaks_its_reader_is_still_run(tmp_path: Path):
    for name, body in HOSTILE.items():
        head = b"# class: compile_bombs / expect: error\n# detect: x\n"
        (tmp_path / f"{name}.py").write_bytes(head + body)
    done = corpus(tmp_path)
    assert done.stderr == ""
    assert f"{len(HOSTILE)} programs" in done.stdout.splitlines()[-1]
    for name in ("deep", "huge", "null"):
        assert f"contained     {name}  invalid invalid" in done.stdout, name


def test_json_is_one_document(tmp_path: Path):
    write(tmp_path, "fs_read/a.py", verify="contains:LEAK", body="def f(x): return 'LEAK'\n")
    write(tmp_path, "fs_read/b.py", body="def f(x): return open('x')\n")
    done = corpus(tmp_path, "--json", "--jail", "filter-only")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert (found["num_programs"], found["num_contained"]) == (2, 1)
    assert found["host"]["jail"] == "filter-only"
    assert found["host"]["layers"]["seccomp"] is True
    leak, good = found["programs"]
    assert (leak["file"], leak["class"], leak["contained"]) == ("fs_read/a.py", "fs_read", False)
    assert leak["families"]["1"]["value"] == "'LEAK'"
    assert "LEAK" in leak["complaint"]
    assert (good["complaint"], good["families"]["0"]["verdict"]) == ("", "forbidden")


@pytest.mark.parametrize(
    "case", ["missing", "empty", "file", "dangling", "no argument", "bad jail"]
)
def test_what_is_no_corpus_is_one_clear_complaint(tmp_path: Path, case: str):
    (tmp_path / "notes.txt").write_text("x")
    if case == "dangling":
        (tmp_path / "a.py").symlink_to(tmp_path / "nowhere")
    args = {
        "missing": [tmp_path / "nowhere"],
        "file": [tmp_path / "notes.txt"],
        "no argument": [],
        "bad jail": [tmp_path, "--jail", "paper"],
    }.get(case, [tmp_path])
    done = corpus(*args)
    assert done.returncode == 2
    assert done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_package_is_not_loaded_without_the_command():
    found = "[name for name in sys.modules if name.startswith('sandbox.corpus')]"
    code = f"import sandbox, sandbox.cli, sys; print({found})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
