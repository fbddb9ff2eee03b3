"""The measure itself: CPU is found wherever it was spent; a wrong result stops the run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import Sandbox, SandboxError, bench, floor, turn
from sandbox.bench import SORT, Case, Summary, Turn
from tests.sandbox.host import wait_until

BURN_S = 0.4
BURN = f"import time\nwhile time.process_time() < {BURN_S}: pass"
# Burns in a process two below the one that is measured, which the one between has waited for.
BURN_DEEP = (
    "import subprocess, sys, time\n"
    f"subprocess.run([sys.executable, '-I', '-S', '-c', {BURN!r}])\n"
    "print('burnt', flush=True)\n"
    "sys.stdin.read()"
)


def is_counted_once(seconds: float) -> bool:
    """With room for the start of interpreters, which takes long on a slow machine."""
    return 0.9 * BURN_S < seconds < 1.9 * BURN_S


def test_cpu_of_this_process_is_counted_as_host_cpu():
    before = turn.used()
    until = time.process_time() + BURN_S
    while time.process_time() < until:
        pass
    after = turn.used()
    assert is_counted_once(after.cpu_s - before.cpu_s)
    assert is_counted_once(after.host_cpu_s - before.host_cpu_s)


def test_cpu_of_a_reaped_child_is_counted_and_not_as_host_cpu():
    before = turn.used()
    subprocess.run([sys.executable, "-I", "-S", "-c", BURN], check=True)
    after = turn.used()
    assert is_counted_once(after.cpu_s - before.cpu_s)
    assert after.host_cpu_s - before.host_cpu_s < BURN_S / 2


def test_cpu_of_a_grandchild_is_counted_once_while_its_parent_lives_and_once_after():
    before = turn.used()
    command = [sys.executable, "-I", "-S", "-c", BURN_DEEP]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"burnt\n"
        during = turn.used()
    after = turn.used()
    assert is_counted_once(during.cpu_s - before.cpu_s)
    assert is_counted_once(after.cpu_s - before.cpu_s)


async def test_cpu_of_a_guest_is_counted(sandbox: Sandbox):
    source = "def f(n):\n x = 0\n for i in range(n): x += i\n return x"
    case = Case(program=source, args=("2_000_000",), expected=("1999999000000",))
    request: dict[str, object] = {"cases": [case.to_json()], "calls": 3}
    before = time.process_time()
    exec(f"{source}\nfor _ in range(3): f(2_000_000)", {})
    here_s = time.process_time() - before
    spent = sandbox.status().busy_s
    ours = await bench.take_ours(sandbox, request)
    spent = sandbox.status().busy_s - spent
    assert len(ours.latencies_s) == 3
    assert ours.host_cpu_s < ours.cpu_s / 2
    assert 0.4 * here_s < ours.cpu_s < 1.5 * spent


@pytest.mark.parametrize("kind", ["exec", "fork", "fork-exit", "python"])
def test_each_floor_makes_as_many_calls_as_it_is_asked_for(kind: str):
    caller = floor.start(kind)
    try:
        taken = floor.take_turn([caller], {"cases": [SORT.to_json()], "calls": 3})
    finally:
        caller.close()
    assert len(taken.latencies_s) == 3
    assert taken.elapsed_s >= sum(taken.latencies_s) * 0.99
    assert taken.cpu_s > 0


WRONG = Case(program="def f(x): return x", args=("1",), expected=("2",))


@pytest.mark.parametrize("kind", ["exec", "fork", "python"])
def test_a_wrong_result_of_a_floor_stops_the_run(kind: str):
    caller = floor.start(kind)
    try:
        with pytest.raises(turn.WrongResultError, match=r"expected \['2'\], got \['1'\]"):
            floor.take_turn([caller], {"cases": [WRONG.to_json()], "calls": 3})
    finally:
        caller.close()


async def test_a_wrong_result_of_the_sandbox_stops_the_run(sandbox: Sandbox):
    with pytest.raises(turn.WrongResultError, match=r"expected \['2'\], got \['1'\]"):
        await bench.take_ours(sandbox, {"cases": [WRONG.to_json()], "calls": 3})


async def test_open_load_makes_a_call_at_each_arrival_and_counts_the_wait(sandbox: Sandbox):
    arrivals_s = [0.0] * 4 + [0.2]
    taken = await bench.take_ours(sandbox, {"cases": [SORT.to_json()], "arrivals_s": arrivals_s})
    assert len(taken.latencies_s) == 5
    assert taken.elapsed_s >= 0.2


def test_a_contender_that_dies_is_an_error_and_not_a_result():
    caller = floor.Caller([sys.executable, "-c", "raise SystemExit(3)"])
    try:
        with pytest.raises(SandboxError, match="exit status 3"):
            floor.take_turn([caller], {"cases": [SORT.to_json()], "calls": 1})
    finally:
        caller.close()


def test_quantiles_are_values_that_were_seen():
    ordered = [float(n) for n in range(1, 101)]
    assert [bench.quantile(ordered, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50, 90, 99, 100]
    assert bench.quantile([7.0], 0.01) == 7.0


def test_lanes_share_their_time_and_rounds_add_theirs():
    one, other = Turn([0.1], 1.0, 0.5), Turn([0.2], 2.0, 0.5)
    one.beside(other)
    assert (one.elapsed_s, one.cpu_s) == (2.0, 1.0)
    one.add(Turn([0.3], 1.0, 1.0))
    assert (one.elapsed_s, one.cpu_s, Summary.of(one).num_calls) == (3.0, 2.0, 3)


def test_descendants_are_found_at_any_depth():
    sleeper = "import sys; sys.stdin.read()"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {sleeper!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE) as process:
        wait_until(lambda: bool(turn.descendants(process.pid)))
        (child,) = turn.descendants(process.pid)
        assert child.parent == process.pid
        assert {process.pid, child.pid} <= {stat.pid for stat in turn.descendants()}


def test_the_command_measures_and_writes_its_figures(tmp_path: Path):
    file = tmp_path / "bench.json"
    command = [sys.executable, "-c", "from sandbox.cli import main; main()"]
    done = subprocess.run(
        [*command, "bench", "--seconds", "1", "--json", str(file)],
        capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "times the CPU of a bare fork" in " ".join(done.stdout.split())
    report = json.loads(file.read_text())
    assert set(report) == {"host", "seconds", "case", "rows"}
    assert set(report["rows"]) == {
        "kelvin", "kelvin, two at once", "in-process exec", "fork + exit", "fork + run",
        "python -I -S",
    }  # fmt: skip
    for row in report["rows"].values():
        assert row["num_calls"] > 0
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]


@pytest.mark.parametrize("seconds", ["0", "-1", "many"])
def test_a_measure_of_no_time_is_refused(seconds: str):
    command = [sys.executable, "-c", "from sandbox.cli import main; main()"]
    done = subprocess.run(
        [*command, "bench", "--seconds", seconds], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
