"""What a user gets for a slip: one sentence on stderr, exit code 2, and never a traceback."""

import json
import os
import subprocess
import sys

import pytest

from engine.config import ConfigError, EngineConfig, RunConfig, SandboxConfig
from engine.recipe import founded, read_recipe, recipe_names

SLIPS = {
    # name: (arguments, what the sentence must name)
    "an unknown key": (["serve", "--engine.temprature", "1"], "--engine.temprature"),
    "an unknown option": (["serve", "--recipes", "smoke"], "--recipes"),
    "an unknown command": (["play"], "play"),
    "an unknown recipe": (["serve", "--recipe", "desktop"], "desktop"),
    "a missing configuration file": (["serve", "--recipe", "gone.toml"], "gone.toml"),
    "an unknown key in a file": (["serve", "--recipe", "slip.toml"], "modle"),
    "an unknown table in a file": (["serve", "--recipe", "table.toml"], "engin"),
    "a file that is no TOML": (["serve", "--recipe", "junk.toml"], "junk.toml"),
    "a value out of range": (["serve", "--engine.proposals", "0"], "engine.proposals"),
    "a value of another type": (["serve", "--sandbox.workers", "many"], "--sandbox.workers"),
    "a missing model": (["serve", "--engine.model", "./no-model"], "./no-model"),
    "a directory that is no model": (["serve", "--engine.model", "empty"], "empty"),
    "an absent key of the trainer": (["serve", "--recipe", "bare.toml"], "trainer.batch_samples"),
    "a run of another schema": (["report", "--run", "other"], "schema 99"),
    "a report on no run": (["report", "--run", "nowhere"], "nowhere"),
    "tasks of no run": (["tasks", "list", "--run", "nowhere"], "nowhere"),
    "a check of no run": (["tasks", "check", "--run", "nowhere"], "nowhere"),
    "a task of no run": (["tasks", "show", "0f", "--run", "nowhere"], "nowhere"),
    "an export of no run": (["tasks", "export", "t.parquet", "--run", "nowhere"], "nowhere"),
    "an import of no file": (["tasks", "import", "gone.parquet"], "gone.parquet"),
    "an import of no Parquet": (["tasks", "import", "slip.toml"], "slip.toml"),
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    place = tmp_path_factory.mktemp("slips")
    (place / "slip.toml").write_text('[engine]\nmodle = "tiny"\n')
    (place / "table.toml").write_text('[engin]\nmodel = "tiny"\n')
    (place / "junk.toml").write_text("[engine\n")
    (place / "bare.toml").write_text('[engine]\nmodel = "tiny"\n')
    (place / "empty").mkdir()
    (place / "other").mkdir()
    (place / "other" / "run.json").write_text(json.dumps({"schema": 99}))
    return place


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_named_in_one_sentence_with_exit_code_2(workplace, name):
    arguments, culprit = SLIPS[name]
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=workplace,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert culprit in done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if any(c.isalpha() for c in line)]
    assert len([line for line in said if "\u2500" not in line]) == 1, done.stderr
    assert done.stdout == ""


# -- configuration, in this process


def test_every_recipe_is_a_whole_configuration():
    assert {"laptop", "smoke"} <= set(recipe_names())
    for name in recipe_names():
        tables = read_recipe(name)
        config = RunConfig(
            engine=EngineConfig(**tables["engine"]),
            sandbox=SandboxConfig(**tables["sandbox"]),
            trainer=tables["trainer"],
        )
        assert config.batch_samples >= 1
        assert json.loads(json.dumps(config.to_dict()))["trainer"] == tables["trainer"]


def test_what_belongs_to_one_invocation_is_not_of_the_run():
    def founded(**keys):
        engine = EngineConfig(**keys)
        trainer = {"batch_samples": 8}
        return RunConfig(engine=engine, sandbox=SandboxConfig(), trainer=trainer).to_dict()

    assert founded(minutes=1.0, steps=3) == founded(minutes=9.0, steps=0)
    assert founded(seed=1) != founded(seed=2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("proposals", 0), ("solver_rollouts", 0), ("max_batch", 0), ("threads", 0),
        ("num_inputs", 1), ("temperature", 0.0), ("temperature", -1.0), ("deduction", -1),
        ("references", -1), ("solver_shots", -1), ("staleness", -1), ("probe_samples", -1),
        ("minutes", -1.0), ("steps", -1),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=rf"engine\.{key}"):
        EngineConfig(**{key: value})


def test_a_run_without_any_kind_is_refused():
    with pytest.raises(ConfigError, match="one of engine"):
        EngineConfig(deduction=0, abduction=0, induction=0)


@pytest.mark.parametrize(
    ("key", "value"),
    [("workers", 0), ("memory_mb", 0), ("wall_s", 0.0), ("wall_s", float("inf"))],
)
def test_limits_out_of_range_are_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=rf"sandbox\.{key}"):
        SandboxConfig(**{key: value})


@pytest.mark.parametrize("value", [None, 0, "64", 1.5, True])
def test_the_size_of_a_batch_must_be_a_whole_number(value):
    with pytest.raises(ConfigError, match=r"trainer\.batch_samples"):
        RunConfig(engine=EngineConfig(), sandbox=SandboxConfig(), trainer={"batch_samples": value})


@pytest.mark.parametrize(
    "tables",
    [
        {"engine": {"gone": 1}, "sandbox": {}},
        {"engine": {}, "sandbox": {"gone": 1}},
        {"engine": {"seeds": "gone"}, "sandbox": {}},
    ],
    ids=str,
)
def test_a_run_of_another_version_is_refused_with_what_is_missing(tables):
    with pytest.raises(ConfigError, match="gone"):
        founded(tables)
