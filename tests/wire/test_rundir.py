"""One engine and one trainer a run, one configuration a run, and files that survive a kill."""

import json
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import RunDir, WireError, append_jsonl, atomic_write, last_jsonl, read_jsonl


def test_a_second_engine_on_the_run_is_refused_by_pid(tmp_path):
    source = """if True:
        import sys
        from pathlib import Path
        from engine.wire import RunDir
        with RunDir(Path(sys.argv[1])).lock("engine"):
            print("locked", flush=True)
            sys.stdin.read()
    """
    run = RunDir(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        first.stdout.readline()
        refusal = rf"running engine, pid {first.pid}; stop it"
        with pytest.raises(WireError, match=refusal), run.lock("engine"):
            pass
        with run.lock("trainer"):
            pass
        first.kill()
        first.wait()
        with run.lock("engine"), pytest.raises(WireError), run.lock("engine"):
            pass
    with run.lock("engine"):
        pass


CONFIG = {"engine": {"workers": 2, "names": ["a"]}, "trainer": {"lr": 1e-6}}


def test_a_run_keeps_its_identity_when_it_is_rejoined(tmp_path):
    founded = RunDir(tmp_path / "new").write_run(CONFIG)
    assert len(founded.run_id) == 16
    assert founded.config == CONFIG
    assert founded.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert RunDir(tmp_path / "new").write_run(CONFIG) == founded
    assert RunDir(tmp_path / "new").read_run() == founded
    assert RunDir(tmp_path / "other").write_run(CONFIG).run_id != founded.run_id


def test_a_changed_configuration_is_refused_key_by_key(tmp_path):
    run = RunDir(tmp_path)
    run.write_run(CONFIG)
    changed = {"engine": {"workers": 3, "names": ["a"]}, "trainer": {"lr": 1e-6, "steps": 5}}
    expected = r"engine.workers was 2, is 3; trainer.steps was None, is 5; undo the change"
    with pytest.raises(WireError, match=expected):
        run.write_run(changed)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2, "run_id": ""}', '{"schema": 1}'])
def test_a_run_of_another_schema_or_damaged_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(WireError, match=r"run\.json must"):
        RunDir(tmp_path).wait_for_run(timeout_s=0)


def test_the_trainer_waits_for_the_engine_to_found_the_run(tmp_path):
    run = RunDir(tmp_path / "later")
    with pytest.raises(WireError, match=r"did not appear within 0 s; is the engine started"):
        run.wait_for_run(timeout_s=0)
    engine = threading.Timer(0.2, lambda: run.write_run(CONFIG))
    engine.start()
    assert run.wait_for_run(timeout_s=60).config == CONFIG
    engine.join()


def test_every_named_path_is_inside_and_its_directory_exists(tmp_path):
    run = RunDir(tmp_path / "run").create().create()
    names = [name for name, value in vars(RunDir).items() if isinstance(value, property)]
    assert len(names) >= 10
    paths = [getattr(run, name) for name in names]
    assert len(set(paths)) == len(paths)
    for path in paths:
        assert path.is_relative_to(run.path)
        assert path.parent.is_dir()


rows = st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=3))


@given(before=rows, after=rows, data=st.data())
def test_rows_survive_a_torn_last_line(tmp_path_factory, before, after, data):
    path = tmp_path_factory.mktemp("rows") / "steps.jsonl"
    for row in before:
        append_jsonl(path, row)
    torn = json.dumps({"torn": "x" * data.draw(st.sampled_from([1, 100, 70_000]))}).encode()
    cut = data.draw(st.integers(0, len(torn)))
    with path.open("ab") as file:
        file.write(torn[:cut])
    assert read_jsonl(path) == before
    for row in after:
        append_jsonl(path, row, fsync=True)
    assert read_jsonl(path) == before + after


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "steps.jsonl"
    assert read_jsonl(path) == []
    path.write_text('{"a": 1}\n{"a"\n{"a": 3}\n')
    with pytest.raises(WireError, match=r"steps\.jsonl line 2 must be JSON"):
        read_jsonl(path)
    path.write_text('{"a": 1}\n[2]\n')
    with pytest.raises(WireError, match="line 2 must be a JSON object"):
        read_jsonl(path)


def test_an_atomic_write_replaces_all_or_nothing(tmp_path):
    path = tmp_path / "state.json"
    atomic_write(path, b"old")
    with pytest.raises(TypeError):
        atomic_write(path, "not bytes")
    assert path.read_bytes() == b"old"
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_importing_the_wire_is_light():
    source = "import sys, engine.wire; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "transformers", "sandbox", "trainer", "uvloop", "pyseccomp"}
    assert not [name for name in done.stdout.split() if name.startswith("engine.play")]


def test_the_holder_of_a_role_is_known_while_it_holds_it(tmp_path):
    run = RunDir(tmp_path).create()
    assert run.holder("trainer") is None
    with run.lock("trainer"):
        assert run.holder("trainer") == os.getpid()
        assert run.holder("engine") is None
    assert run.holder("trainer") is None


def test_the_last_row_is_that_of_the_whole_file_torn_or_not(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert last_jsonl(path) is None
    for number in range(5000):
        append_jsonl(path, {"number": number, "padding": "x" * 40})
    assert last_jsonl(path) == read_jsonl(path)[-1]
    with path.open("ab") as file:
        file.write(b'{"number": 5000, "pad')
    assert last_jsonl(path) == read_jsonl(path)[-1]
