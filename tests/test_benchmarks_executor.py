"""The executor's benchmark: who is missing is named, and a wrong result ends the run."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import callers, chart, costs, executor, rivals, soak, workloads
from sandbox import bench

TINY = ["--seconds", "0.1", "--rounds", "1", "--parts", "rivals"]


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])


def run(tmp_path: Path, *arguments: str) -> dict[str, object]:
    file = tmp_path / "report.json"
    executor.main([*TINY, *arguments, "--json", str(file)])
    return json.loads(file.read_text())


def test_a_run_reports_its_command_its_host_and_a_row_for_each_contender(tmp_path, capsys):
    keys = ["kelvin", "exec", "fork", "python"]
    report = run(tmp_path, "--workloads", "sort", "--contenders", *keys)
    assert report["command"].startswith("python -m benchmarks.executor --seconds 0.1")
    assert {"date", "machine", "kernel", "python", "cpus", "load_1m"} == set(report["host"])
    rows = report["rivals"]["rows"]
    assert [(row["key"], row["lanes"]) for row in rows] == [(k, n) for k in keys for n in (1, 2)]
    for row in rows:
        summary = row["summary"]
        assert set(summary) == {
            "num_calls", "calls_per_s", "p50_ms", "p90_ms", "p99_ms", "cpu_ms", "host_cpu_ms",
            "faults",
        }  # fmt: skip
        assert summary["num_calls"] > 0
        assert 0 < summary["p50_ms"] <= summary["p90_ms"] <= summary["p99_ms"]
    by_key = {(row["key"], row["lanes"]): row for row in rows}
    assert by_key["kelvin", 1]["p50_per_ours"] == 1.0
    assert by_key["fork", 2]["p50_per_fork"] == 1.0
    assert "kelvin sandbox" in capsys.readouterr().out


def test_who_cannot_take_part_is_named_with_the_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(rivals.importlib.util, "find_spec", lambda _name: None)
    report = run(
        tmp_path, "--workloads", "mixed", "--contenders", "fork", "pebble", "bwrap", "nsjail"
    )
    reasons = {item["name"]: item["reason"] for item in report["rivals"]["absent"]}
    assert reasons["bare fork + run"] == "does not come back from an attacker"
    assert "no package pebble" in reasons["pebble, a task a call (AZR)"]
    assert "no program bwrap" in reasons["bubblewrap + python"]
    assert "no program nsjail" in reasons["nsjail + python"]
    assert report["rivals"]["rows"] == []
    said = capsys.readouterr().out
    assert all(reason in said for reason in reasons.values())


def test_a_wrong_result_ends_the_run_and_names_who_returned_it(tmp_path, monkeypatch):
    wrong = bench.Case(program="def f(x): return x", args=("1",), expected=("2",))
    workload = workloads.Workload(name="sort", says="wrong", cases=(wrong,))
    monkeypatch.setattr(executor, "WORKLOADS", (workload,))
    with pytest.raises(SystemExit, match=r"kelvin sandbox: wrong result: expected \['2'\]"):
        run(tmp_path, "--workloads", "sort", "--contenders", "kelvin")


@pytest.mark.parametrize("workload", workloads.WORKLOADS, ids=lambda workload: workload.name)
def test_every_written_value_is_what_the_program_returns(workload):
    for case in workload.cases:
        if case.expected is not None:
            assert callers.exec_and_repr(case.program, list(case.args)) == list(case.expected)


def test_one_call_in_twenty_of_the_mixed_workload_is_an_attacker_and_each_attacker_comes():
    cases = workloads.WORKLOADS[-1].cases
    attackers = [case for case in cases if case.expected is None]
    assert len(attackers) * 20 == len(cases)
    assert len(set(attackers)) == len(attackers)


@pytest.mark.parametrize("source_bytes", costs.SOURCE_BYTES)
def test_a_sized_program_has_its_size_and_its_value(source_bytes):
    case = workloads.sized(source_bytes)
    assert abs(len(case.program) - source_bytes) < 100
    assert callers.exec_and_repr(case.program, list(case.args)) == list(case.expected or ())


@pytest.mark.parametrize("rival", rivals.RIVALS, ids=lambda rival: rival.key)
def test_every_rival_that_is_here_computes_and_endures_what_it_says(rival):
    if rival.missing():
        pytest.skip(rival.missing())
    spin = bench.Case(program="def f(x):\n while True: pass", args=("0",), expected=None)
    five = list(workloads.FIVE)
    cases = [*five[:2], spin, *five[2:]] if rival.endures else five
    entry = executor.Entry(rival, 1, rival.callers(lanes=1, wall_s=1.0), [])
    try:
        turn = entry.play({"cases": [case.to_json() for case in cases], "calls": len(cases)})
    finally:
        for caller in entry.callers:
            caller.close()
    assert len(turn.latencies_s) == len(cases)
    assert not rival.endures or max(turn.latencies_s) >= 0.9


def test_arrivals_come_at_their_rate_in_order_and_the_same_each_time():
    arrivals_s = costs.poisson(100.0, 20.0)
    assert arrivals_s == sorted(arrivals_s) == costs.poisson(100.0, 20.0)
    assert len(arrivals_s) == pytest.approx(2000, rel=0.1)
    assert costs.poisson(0.001, 0.1)


def sample(**changed: int) -> soak.Sample:
    flat = dict.fromkeys(soak.Sample.__slots__, 10)
    return soak.Sample(**(flat | {"host_rss_kb": 30_000, "zygotes_rss_kb": 60_000} | changed))


def test_a_soak_that_stays_as_it_was_is_flat():
    assert soak.judge([sample()] * 20) == []
    warm_up = [sample(host_fds=3, host_rss_kb=10_000)] * 4
    assert soak.judge(warm_up + [sample()] * 16) == []


@pytest.mark.parametrize("name", ["host_fds", "zygote_fds", "threads", "processes", "zombies"])
def test_one_more_of_what_is_counted_is_growth(name):
    assert soak.judge([sample()] * 19 + [sample(**{name: 11})]) == [name]


@pytest.mark.parametrize("name", ["host_rss_kb", "zygotes_rss_kb"])
def test_memory_that_creeps_is_growth_and_a_single_bump_is_not(name):
    creeping = [sample(**{name: 30_000 + 200 * n}) for n in range(20)]
    assert soak.judge(creeping) == [name]
    bump = [sample()] * 10 + [sample(**{name: 90_000})] + [sample()] * 9
    assert soak.judge(bump) == []


async def test_a_short_soak_is_sampled_and_judged():
    report = await soak.run(60)
    assert len(report["samples"]) == soak.NUM_SAMPLES
    assert report["samples"][-1]["num_calls"] == 60
    assert sum(report["verdicts"].values()) == 60
    assert report["verdict"] in ("flat", "growing")
    assert report["growing"] == [] or report["verdict"] == "growing"


def test_the_split_names_host_zygote_and_guest(capsys):
    options = executor.parse(["--seconds", "0.2"])
    rows = {row["who"]: row for row in costs.run("split", options)}
    ours = rows["kelvin"]
    assert ours["host_cpu_ms"] > 0
    assert ours["guest_faults"] > rows["bare fork + exit"]["guest_faults"] > 0


def test_the_chart_says_what_it_did_with_and_without_matplotlib(tmp_path, monkeypatch):
    report = run(tmp_path, "--workloads", "sort", "--contenders", "kelvin", "fork")
    file = tmp_path / "chart.svg"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "not installed" in chart.draw(report, file)
    assert not file.exists()
    monkeypatch.delitem(sys.modules, "matplotlib")
    pytest.importorskip("matplotlib")
    assert chart.draw(report, file) == f"chart: {file}"
    assert "kelvin sandbox" in file.read_text()
    assert "no rows" in chart.draw({"host": {}}, file)
