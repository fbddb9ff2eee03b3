"""A script runs as under `python FILE < input`: same output, same exit code, or one verdict."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Limits, Sandbox, Script, Verdict
from sandbox.guest.claim import Kind
from sandbox.judge import Judgement
from sandbox.script import settle

CASES = {
    "print and input": ("print('hello', input('name? '), sep=', ')", "bob\n"),
    "two integers": ("a, b = map(int, input().split())\nprint(a + b)", "3 4\n"),
    "from sys import": ("from sys import stdin, stdout\nstdout.write(stdin.read()[::-1])", "ab"),
    "iteration": ("import sys\nfor x in sys.stdin:\n print(len(x), repr(x))", "a\nbc\r\nd"),
    "readlines": ("import sys\nprint(sys.stdin.readlines(), sys.stdin.read())", "1\n2"),
    "binary": ("import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])", "\u00e9x"),
    "binary lines": ("import sys\ninput = sys.stdin.buffer.readline\nprint(int(input()))", "41\n"),
    "open(0)": ("n, *xs = map(int, open(0).read().split())\nprint(n, sum(xs))", "2\n3 4\n"),
    "stderr": ("import sys\nprint('a', file=sys.stderr)\nprint('b')", ""),
    "main guard": ("def main():\n print(__name__)\nif __name__ == '__main__':\n main()", ""),
    "exit 3": ("import sys\nprint('before')\nsys.exit(3)\nprint('after')", ""),
    "exit -1": ("import sys\nsys.exit(-1)", ""),
    "exit True": ("raise SystemExit(True)", ""),
    "exit text": ("import sys\nsys.exit('no good')", ""),
    "exit none": ("raise SystemExit", ""),
    "builtin exit": ("print(1)\nexit()", ""),
    "unicode": ("print(input().upper(), '\\N{SNOWMAN}')", "stra\u00dfe\n"),
    "surrogate": ("print('\\ud800')", ""),
    "surrogate on stderr": ("import sys\nprint('\\ud800', file=sys.stderr)", ""),
    "end of input": ("try:\n input()\nexcept EOFError as error:\n print(error)", ""),
    "not flushed": ("import sys\nsys.stdout.write('kept')", ""),
    "own stdout": ("import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint()", ""),
    "redirected": (
        ("import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as f:\n"
        " print('x')\nprint(repr(f.getvalue()))"), "",
    ),
    "order of the two": (
        "import sys\nprint('text')\nsys.stdout.flush()\nsys.stdout.buffer.write(b'bytes')", "",
    ),
    "deep recursion": (
        ("import sys\nsys.setrecursionlimit(10**6)\n"
        "def f(n): return n and 1 + f(n - 1)\nprint(f(50_000))"), "",
    ),
    "recursion as deep as ever": (
        "def f(n):\n try: return f(n + 1)\n except RecursionError: return n\nprint(f(0))", "",
    ),
    "dataclass": (
        ("from dataclasses import dataclass\n@dataclass(order=True)\nclass P:\n x: int\n"
        "print(P(1) < P(2), P(3))"), "",
    ),
    "queue": ("import queue\nq = queue.Queue()\nq.put(1)\nprint(q.get(), q.empty())", ""),
    "priority queue": (
        ("from queue import PriorityQueue\nq = PriorityQueue()\n"
        "for n in (3, 1, 2): q.put(n)\nprint([q.get() for _ in range(3)])"), "",
    ),
}  # fmt: skip
"""Name -> source and stdin; CPython is asked what comes out."""


def by_cpython(source: str, stdin: str, directory) -> subprocess.CompletedProcess[bytes]:
    path = directory / "program.py"
    path.write_text(source, "utf-8")
    return subprocess.run(
        [sys.executable, "-X", "utf8=0", str(path)],
        input=stdin.encode(), capture_output=True, check=False, env={"LC_ALL": "C.UTF-8",
        "PYTHONIOENCODING": "utf-8:strict"}, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_it_does_what_python_does(sandbox: Sandbox, tmp_path, name):
    source, stdin = CASES[name]
    outcome = await sandbox.run_script(Script(source=source, stdin=stdin))
    python = by_cpython(source, stdin, tmp_path)
    assert outcome.stdout == python.stdout.decode("utf-8", "replace"), outcome
    assert outcome.exit_code == python.returncode
    assert outcome.is_ok == (python.returncode == 0)
    if "Traceback" not in outcome.stderr:
        assert outcome.stderr.encode() == python.stderr


FAILURES = {
    "a raise in a function": "def f(n):\n    return 1 // n\n\n\nprint('so far')\nf(0)\n",
    "a chain": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e\n",
    "a context": "try:\n    [][1]\nexcept IndexError:\n    int('x')\n",
    "an assertion": "assert 1 == 2, 'no'\n",
    "endless recursion": "def f(n): return f(n + 1) + 1\nf(0)\n",
    "a group": "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])\n",
    "a broken exception": "class E(Exception):\n    def __str__(self): 1 // 0\nraise E\n",
    "no syntax": "int a = 1\n",
    "no indent": "def f():\nreturn 1\n",
    "an interrupt": "raise KeyboardInterrupt\n",
    "missing parenthesis": "print('a'\n",
}


@pytest.mark.parametrize("name", FAILURES)
async def test_an_uncaught_exception_is_told_as_python_tells_it(sandbox: Sandbox, tmp_path, name):
    outcome = await sandbox.run_script(Script(source=FAILURES[name]))
    python = by_cpython(FAILURES[name], "", tmp_path)
    assert outcome.stdout.encode() == python.stdout
    assert outcome.exit_code == 1
    expected = python.stderr.decode().replace(str(tmp_path / "program.py"), "<program>")
    assert lines(outcome.stderr) == lines(expected)


def lines(text: str) -> list[str]:
    """Without the lines that only point, and without how often a line was repeated."""
    kept = [line for line in text.splitlines() if line.strip("| ~^")]
    return [line.partition("repeated")[0] for line in kept]


async def test_a_traceback_shows_no_path_of_the_host(sandbox: Sandbox):
    sources = ["import json\njson.loads('{')", "import re\nre.compile('(')", "import os",
               "print(1, file=1)", "import statistics\nstatistics.mean([])"]  # fmt: skip
    for source in sources:
        outcome = await sandbox.run_script(Script(source=source))
        assert outcome.exit_code == 1
        assert '"<program>", line' in outcome.stderr
        assert '"/' not in outcome.stderr
        assert "guest" not in outcome.stderr


VERDICTS = {
    "import os": Verdict.FORBIDDEN,
    "import threading": Verdict.FORBIDDEN,
    "import numpy as np": Verdict.FORBIDDEN,
    "open('/etc/passwd')": Verdict.FORBIDDEN,
    "import time\ntime.time()": Verdict.FORBIDDEN,
    "while True: pass": Verdict.TIMEOUT,
    "x = [0] * 10**10": Verdict.MEMORY,
    "x = [0]\nwhile True: x += x": Verdict.MEMORY,
    "int a = 1": Verdict.INVALID,
    "a = '\0'": Verdict.INVALID,
    "while True: print('x' * 1000)": Verdict.OUTPUT,
    "import sys\nwhile True: sys.stderr.write('x' * 1000)": Verdict.OUTPUT,
    "try:\n while True: print('x' * 1000)\nexcept BaseException: print('caught')": Verdict.OUTPUT,
    "import sys\nsys.modules['os']._exit(0)": Verdict.CRASHED,
    "import sys\nsys.modules['os'].kill(sys.modules['os'].getpid(), 9)": Verdict.FORBIDDEN,
    "import queue\nqueue.Queue().get()": Verdict.RAISED,
}


@pytest.mark.parametrize("source", VERDICTS)
async def test_it_gets_one_verdict(sandbox: Sandbox, source):
    outcome = await sandbox.run_script(Script(source=source))
    assert outcome.verdict is VERDICTS[source], outcome
    assert outcome.error
    if outcome.verdict in (Verdict.OUTPUT, Verdict.TIMEOUT, Verdict.CRASHED):
        assert (outcome.stdout, outcome.stderr, outcome.exit_code) == ("", "", None)


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return 1 + f(n + 1)\nf(0)",
        ("import sys\nfrom functools import lru_cache\nsys.setrecursionlimit(10**6)\n"
        "@lru_cache(None)\ndef f(n): return n and 1 + f(n - 1)\nf(10**6)"),
        ("import sys\nsys.setrecursionlimit(10**9)\nclass A:\n def __repr__(s): return repr(s)\n"
        "repr(A())"),
    ],
)  # fmt: skip
async def test_recursion_without_end_is_a_verdict(sandbox: Sandbox, source):
    limits = Limits(wall_s=20.0, cpu_s=20.0)
    outcome = await sandbox.run_script(Script(source=source), limits=limits)
    ends = (Verdict.RAISED, Verdict.MEMORY, Verdict.CRASHED)
    assert outcome.verdict in ends, outcome


async def test_what_was_written_before_an_exception_is_there(sandbox: Sandbox):
    outcome = await sandbox.run_script(Script(source="print('a' * 20_000)\nx = [0] * 10**10"))
    assert outcome.verdict is Verdict.MEMORY
    assert outcome.stdout == "a" * 20_000 + "\n"
    assert outcome.stderr.endswith("MemoryError\n")


async def test_what_is_no_utf8_is_replaced(sandbox: Sandbox):
    source = "import sys\nsys.stdout.buffer.write(b'a\\xffb')"
    assert (await sandbox.run_script(Script(source=source))).stdout == "a\ufffdb"


async def test_both_outputs_share_the_budget_to_the_byte(sandbox: Sandbox):
    limits = Limits(output_bytes=1000)
    source = "import sys\nsys.stdout.write('x' * 600)\nsys.stderr.write('y' * int(input()))"
    fits = await sandbox.run_script(Script(source=source, stdin="400"), limits=limits)
    assert (len(fits.stdout), len(fits.stderr)) == (600, 400)
    over = await sandbox.run_script(Script(source=source, stdin="401"), limits=limits)
    assert (over.verdict, over.stdout) == (Verdict.OUTPUT, "")


async def test_limits_can_be_the_scripts_own(sandbox: Sandbox):
    large = Script(source="x = bytearray(300 << 20)\nprint(len(x))")
    assert (await sandbox.run_script(large)).verdict is Verdict.MEMORY
    assert (await sandbox.run_script(large, limits=Limits(memory_mb=512))).is_ok
    source_over = await sandbox.run_script(large, limits=Limits(source_bytes=10))
    assert source_over.verdict is Verdict.INVALID
    stdin_over = await sandbox.run_script(
        Script(source="", stdin="x" * 100), limits=Limits(args_bytes=50)
    )
    assert stdin_over.verdict is Verdict.INVALID


async def test_megabytes_of_input_arrive(sandbox: Sandbox):
    numbers = [n * 7919 % 1_000_003 for n in range(500_000)]
    script = Script(
        source="import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
        stdin="\n".join(map(str, numbers)),
    )
    limits = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=512, args_bytes=64 << 20)
    outcome = await sandbox.run_script(script, limits=limits)
    assert outcome.stdout == f"{sum(numbers)}\n", outcome


async def test_common_imports_are_there(sandbox: Sandbox):
    source = (
        "import sys, math, collections, heapq, bisect, itertools, functools, re, string, random\n"
        "import datetime, json, typing, io, queue, cmath, operator, copy, decimal, fractions\n"
        "import statistics, traceback, time, array, builtins\n"
        "from string import *\nfrom re import *\nfrom datetime import *\n"
        "from collections import *\nfrom heapq import *\nfrom bisect import *\n"
        "from copy import *\nfrom math import *\n"
        "from random import *\nfrom statistics import *\nfrom itertools import *\n"
        "from functools import *\nfrom operator import *\nfrom io import *\nfrom sys import *\n"
        "from json import *\nfrom builtins import *\nfrom typing import *\nprint('all')"
    )
    outcome = await sandbox.run_script(Script(source=source))
    assert outcome.stdout == "all\n", outcome.stderr


async def test_a_script_leaves_nothing_to_the_next_one():
    async with Sandbox(workers=1, limits=Limits(wall_s=30.0)) as pool:
        dirty = "import sys, builtins\nbuiltins.print = None\nsys.stdout = None\nsys.argv = [1]"
        for _ in range(4):
            await pool.run_script(Script(source=dirty, stdin="left"))
            clean = await pool.run_script(
                Script(source="import sys\nprint(sys.argv, open(0).read())")
            )
            assert clean.stdout == "['<program>'] \n"


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
async def test_text_comes_back_as_it_went_in(sandbox: Sandbox, text):
    source = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())"
    outcome = await sandbox.run_script(Script(source=source, stdin=text))
    assert outcome.stdout == text


@given(st.binary(max_size=60))
def test_no_claim_of_a_guest_is_believed_unless_it_is_whole(junk):
    claimed = Judgement(verdict=Verdict.OK, values=(junk,))
    assert settle(claimed).verdict is Verdict.CRASHED


def test_a_claim_that_contradicts_itself_is_no_claim():
    from sandbox.guest import canon

    def settled(*pages: object) -> Verdict:
        value = canon.encode(pages, max_bytes=1000)
        return settle(Judgement(verdict=Verdict.OK, values=(value,))).verdict

    assert settled(b"out", b"", 0, int(Kind.OK), "") is Verdict.OK
    assert settled(b"out", b"", 1, int(Kind.RAISED), "E") is Verdict.RAISED
    for pages in (
        (b"", b"", 1, int(Kind.OK), ""), (b"", b"", 0, int(Kind.RAISED), "E"),
        (b"", b"", 1, int(Kind.OUTPUT), ""), (b"", b"", 1, int(Kind.UNENCODABLE), ""),
        (b"", b"", 256, int(Kind.RAISED), ""), (b"", b"", -1, int(Kind.RAISED), ""),
        (b"", b"", 1, 99, ""), ("", b"", 0, 0, ""), (b"", b"", False, 0, ""), (b"", b"", 0, 0),
    ):  # fmt: skip
        assert settled(*pages) is Verdict.CRASHED, pages
