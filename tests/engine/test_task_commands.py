"""`engine tasks`: what its commands print and write, and what an import lets in."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.evaluate.held_out import certified_tasks
from engine.tasks.parquet import write_tasks
from engine.tasks.rows import Solved
from engine.tasks.seeds import SeedProgram
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire import RunDir
from engine.wire.messages import Kind
from sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PROGRAMS = [
    SeedProgram(program="def f(x):\n    return [x, x]", inputs=("1", "2"), message="twice"),
    SeedProgram(program="def f(s):\n    return s[::-1]", inputs=("'ab'", "'c'"), message="back"),
]


def engine(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", "tasks", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )


@pytest.fixture(scope="module")
def tasks():
    async def certify():
        async with Sandbox(workers=1) as sandbox:
            return await certified_tasks(sandbox, PROGRAMS, num_inputs=2)

    return asyncio.run(certify())


@pytest.fixture
def run(tmp_path, tasks):
    run = RunDir(tmp_path / "run").create()
    with TaskStore(run.tasks_db) as store:
        store.add_seeds(tasks)
        solved = [Solved(task_id=tasks[0].id, attempts=8, solved=3)]
        store.commit_round(0, tasks=[], proposals=[], groups=[], solved=solved)
    return run


@pytest.fixture
def exported(run, tmp_path):
    path = tmp_path / "tasks.parquet"
    done = engine("export", path, "--run", run.path)
    assert done.returncode == 0, done.stderr
    return path


def change(run, statement, *values):
    with closing(sqlite3.connect(run.tasks_db)) as db:
        assert db.execute(statement, values).rowcount == 1, "the fault was not planted"
        db.commit()


def rewrite(path, altered):
    """The file again, with its rows as `altered` makes them."""
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(altered(table.to_pylist()), schema=table.schema), path)


def imported(run):
    with TaskStore(run.tasks_db, read_only=True) as store:
        return list(store.tasks(origin=Origin.IMPORTED))


def test_an_export_has_every_task_with_its_certificate_and_statistics(exported, tasks):
    rows = pq.read_table(exported).to_pylist()
    assert [row["id"] for row in rows] == [task.id for task in tasks]
    assert [row["certificate"] for row in rows] == [task.certificate for task in tasks]
    assert [row["examples"][0]["gold"] for row in rows] == [t.examples[0].gold for t in tasks]
    assert (rows[0]["attempts"], rows[0]["solved"], rows[1]["attempts"]) == (8, 3, 0)


def test_what_was_exported_comes_in_elsewhere_certified_again_and_once(exported, tasks, tmp_path):
    other = RunDir(tmp_path / "other")
    done = engine("import", exported, "--run", other.path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "6 imported")
    assert list(map(plain, imported(other))) == list(map(plain, tasks))
    assert all('"num_runs"' in task.certificate for task in imported(other))
    again = engine("import", exported, "--run", other.path)
    assert again.stdout.splitlines()[0] == "6 duplicate"
    assert len(imported(other)) == 6


def plain(task):
    """Without what a second certificate may say otherwise: costs, seeds."""
    return replace(task, certificate="", origin=Origin.IMPORTED)


def test_a_gold_that_the_sandbox_does_not_give_stays_out(exported, tmp_path):
    def altered(rows):
        rows[0]["examples"][0]["gold"] = rows[1]["examples"][0]["gold"][:-1] + b"\x09"
        rows[3]["program"] = "import os\ndef f(s):\n    return os.getcwd()"
        rows[4]["kind"] = "seduction"
        rows[5]["examples"] = []
        return rows

    rewrite(exported, altered)
    other = RunDir(tmp_path / "other")
    done = engine("import", exported, "--run", other.path)
    assert done.returncode == 0, done.stderr
    told = dict(part.split(" ")[::-1] for part in done.stdout.splitlines()[0].split(", "))
    assert told == {"imported": "2", "malformed": "2", "another_value": "1", "screen": "1"}
    assert len(imported(other)) == 2


def test_an_import_beside_an_engine_is_refused(exported, tmp_path):
    other = RunDir(tmp_path / "other").create()
    with other.lock("engine"):
        done = engine("import", exported, "--run", other.path)
    assert done.returncode == 2
    assert "engine" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_without_the_columns_is_named_and_founds_nothing(tmp_path):
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"kind": ["deduction"], "program": [""]}), path)
    done = engine("import", path, "--run", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "missing: examples, message" in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_export_that_fails_leaves_no_file(tmp_path, run):
    def broken():
        with TaskStore(run.tasks_db, read_only=True) as store:
            yield from store.stored_tasks()
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        write_tasks(tmp_path / "t.parquet", broken())
    assert {each.name for each in tmp_path.iterdir()} == {"run"}


def test_a_task_is_shown_by_the_beginning_of_its_id(run, tasks):
    task = tasks[2]
    assert task.kind is Kind.INDUCTION
    done = engine("show", task.id[:10], "--run", run.path)
    assert done.returncode == 0, done.stderr
    for part in (task.id, "twice", "return [x, x]", "hidden", "kept", "num_runs"):
        assert part in done.stdout
    assert "3 of 8" in engine("show", tasks[0].id, "--run", run.path).stdout


@pytest.mark.parametrize(("task_id", "seen"), [("", "several"), ("zz", "none"), ("%", "none")])
def test_a_name_that_is_not_one_task_is_refused(run, task_id, seen):
    done = engine("show", task_id, "--run", run.path)
    assert done.returncode == 2
    assert f"found {seen}" in " ".join(done.stderr.split())


def test_a_sound_run_agrees_when_it_is_judged_again(run):
    done = engine("check", "--run", run.path, "--rejudge")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 tasks certified again: 6 agree" in done.stdout


def test_what_no_longer_holds_is_named_when_it_is_judged_again(run, tasks):
    coin = "import random\ndef f(x):\n    return random.random()"
    change(run, "UPDATE tasks SET program = ? WHERE id = ?", coin, tasks[0].id)
    other = "def f(x):\n    return [x, x, x]"
    change(run, "UPDATE tasks SET program = ? WHERE id = ?", other, tasks[1].id)
    done = engine("check", "--run", run.path, "--rejudge")
    assert done.returncode == 1
    assert "6 tasks certified again: 4 agree" in done.stdout
    with TaskStore(run.tasks_db, read_only=True) as store:
        first, second = (task.id for task in list(store.tasks())[:2])
    assert f"task {first} is no longer certified, screen" in done.stdout
    assert f"task {second} gives another value than its gold" in done.stdout
    assert engine("check", "--run", run.path).returncode == 0  # files alone do not tell


def test_diversity_is_told_with_the_complexity_of_the_programs(run):
    done = engine("diversity", "--run", run.path)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert (told["num_tasks"], told["programs_per_100"], told["families_per_100"]) == (
        "6",
        "33.33",
        "100.00",  # a kind apart is a family apart, and here are three of two programs
    )
    assert told["nearest_tree"] == "0.00"
    assert float(told["tree_distance"]) > 0
    assert {"cognitive", "volume", "effort", "trained_age"} <= set(told)
