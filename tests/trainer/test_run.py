"""Real `trainer run` processes: killed, stopped, misled, and resumed to the same bits."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from engine.wire import (
    RingReader,
    RingState,
    RingWriter,
    RunDir,
    encode_group,
    latest_version,
    read_jsonl,
    versions,
    write_ack,
)
from trainer.cli import main

WAIT_S = 60.0
NUM_GROUPS = 30  # of 4 rollouts, 8 a batch: 15 steps


def finish(process):
    output, _ = process.communicate(timeout=WAIT_S)
    return process.returncode, output


def await_steps(run, *, number, process):
    deadline = time.monotonic() + WAIT_S
    while len(read_jsonl(run.steps_ledger)) < number:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)


def state_of(run):
    """All that a run ends with: checkpoint tensors and state, ledger, published checksum."""
    newest = max(run.checkpoints.iterdir())
    return (
        load_file(newest / "model.safetensors"),
        load_file(newest / "optimizer.safetensors"),
        json.loads((newest / "state.json").read_text()),
        read_jsonl(run.steps_ledger),
        latest_version(run.weights).checksum,
    )


def assert_same(left, right):
    for ours, theirs in zip(left, right, strict=True):
        assert ours.keys() == theirs.keys() if isinstance(ours, dict) else True
        if isinstance(ours, dict) and any(torch.is_tensor(v) for v in ours.values()):
            for name, tensor in ours.items():
                assert torch.equal(tensor, theirs[name]), name
        else:
            assert ours == theirs


@pytest.fixture
def run_here(capsys, caplog):
    """The same command in this process, where torch is imported already: (exit code, output)."""

    def run(run, *arguments):
        with caplog.at_level("INFO"):
            try:
                main(["run", "--run", str(run.path), *arguments])
                code = 0
            except SystemExit as exit_:
                code = exit_.code
        output = "\n".join(record.getMessage() for record in caplog.records)
        return code, output + "\n" + capsys.readouterr().err

    return run


@pytest.fixture
def groups(make_group):
    return [make_group(number) for number in range(NUM_GROUPS)]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.stress)])
def test_killed_in_mid_run_it_ends_with_the_same_bits(
    new_run, start_trainer, groups, dtype, run_here
):
    settings = {"checkpoint_every": 4, "publish_dtype": dtype, "warmup_steps": 3}
    whole = new_run("whole", groups=groups, trainer=settings)
    assert run_here(whole)[0] == 0

    killed = new_run("killed", groups=groups, trainer=settings)
    for number in (2, 7):
        process = start_trainer(killed)
        await_steps(killed, number=number, process=process)
        process.send_signal(signal.SIGKILL)
        finish(process)
    assert run_here(killed)[0] == 0
    assert_same(state_of(killed), state_of(whole))
    ledger = read_jsonl(killed.steps_ledger)
    assert [row["step"] for row in ledger] == list(range(1, 16))
    spans = [range(*row["records"]["ring-0"]) for row in ledger]
    assert [seq for span in spans for seq in span] == list(range(NUM_GROUPS))
    assert [row["step"] for row in read_jsonl(killed.trainer_metrics)] == list(range(1, 16))


def test_a_finished_run_has_learned_published_and_let_go_of_the_ring(
    new_run, groups, model_directory, run_here
):
    run = new_run(groups=groups)
    code, output = run_here(run)
    assert code == 0, output
    last = latest_version(run.weights)
    assert (last.version, last.step, last.final) == (15, 15, True)
    assert last.consumed == {"ring-0": NUM_GROUPS}
    assert last.checksum == read_jsonl(run.steps_ledger)[-1]["checksum"]
    assert list(versions(run.weights)) == [14, 15]
    reader = RingReader.open(run.ring, wait_s=0)
    assert reader.committed_seq == NUM_GROUPS
    reader.close()
    checkpoint = max(run.checkpoints.iterdir())
    assert checkpoint.name == "step-000015"
    loaded = AutoModelForCausalLM.from_pretrained(checkpoint)
    published = AutoModelForCausalLM.from_pretrained(last.path)
    initial = AutoModelForCausalLM.from_pretrained(model_directory)
    assert loaded.dtype == torch.float32
    for name, parameter in loaded.named_parameters():
        assert torch.equal(parameter, published.get_parameter(name))
    assert not torch.equal(loaded.lm_head.weight, initial.lm_head.weight)
    assert (checkpoint / "tokenizer.json").exists()


def test_every_step_leaves_a_row_whose_phases_make_up_its_time(new_run, groups, run_here):
    run = new_run(groups=groups)
    run_here(run)
    rows = read_jsonl(run.trainer_metrics)
    assert len(rows) == 15
    for row in rows:
        parts = [v for k, v in row.items() if k.startswith("time/") and k != "time/step_s"]
        assert sum(parts) == pytest.approx(row["time/step_s"])
        assert min(parts) >= 0
        assert row["policy/age_steps_max"] == row["step"] - 1  # all sampled from version 0
        assert row["pack/saved_tokens"] == row["pack/unpacked_tokens"] - row["pack/tokens"] > 0
        assert row["policy/mismatch_kl"] >= 0
        assert sum(cell["n"] for cell in row["cells"].values()) == row["batch/samples"] == 8


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.stress)]
)
def test_a_signal_checkpoints_and_the_next_invocation_goes_on(
    new_run, start_trainer, groups, number, run_here
):
    whole = new_run("whole", groups=groups)
    run_here(whole)
    run = new_run("stopped", groups=groups, trainer={"checkpoint_every": 1000})
    process = start_trainer(run, start_new_session=True)
    await_steps(run, number=2, process=process)
    os.killpg(process.pid, number)
    code, output = finish(process)
    assert code == 0, output
    done = len(read_jsonl(run.steps_ledger))
    assert [path.name for path in run.checkpoints.iterdir()] == [f"step-{done:06d}"]
    assert 2 <= done < 15
    assert run_here(run)[0] == 0
    assert_same(state_of(run), state_of(whole))


def test_a_signal_ends_the_wait_for_the_engine(tmp_path, start_trainer):
    run = RunDir(tmp_path / "nobody")
    process = start_trainer(run)
    for line in process.stdout:
        if "start `engine serve`" in line:
            break
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 0
    assert not run.run_json.exists()


def test_an_open_ring_is_waited_for(new_run, start_trainer, groups):
    run = new_run(groups=groups[:3], close=False)
    process = start_trainer(run)
    await_steps(run, number=1, process=process)
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 0
    assert latest_version(run.weights).version == 1
    assert not latest_version(run.weights).final


def test_the_initial_weights_are_published_as_version_zero(new_run, run_here):
    run = new_run(groups=())
    assert run_here(run)[0] == 0
    first = latest_version(run.weights)
    assert (first.version, first.consumed, first.final) == (0, {}, True)
    assert list(run.checkpoints.iterdir()) == []


def test_a_quarantined_record_is_named_and_passed_over(new_run, groups, run_here):
    run = new_run(groups=groups[:2], close=False)
    writer = RingWriter.open(run.ring, capacity=1 << 16, run_id=run.read_run().run_id)
    writer.try_push(b"garbage")
    for group in groups[2:4]:
        writer.try_push(encode_group(group))
    writer.close(RingState.CLOSED)
    code, output = run_here(run)
    assert code == 0
    assert "record 2 is quarantined" in output
    assert (run.quarantine / "ring-0-2.bin").read_bytes() == b"garbage"
    assert [row["records"]["ring-0"] for row in read_jsonl(run.steps_ledger)] == [[0, 2], [2, 5]]


def test_a_ring_of_many_batches_is_freed_before_it_is_full(new_run, groups, run_here):
    """With checkpoints far apart, the share of the ring that waits for one stays bounded."""
    run = new_run(groups=groups, trainer={"checkpoint_every": 1000})
    run_bytes = run.ring.stat().st_size
    code, output = run_here(run)
    assert code == 0
    total = sum(row["num_groups"] for row in read_jsonl(run.steps_ledger))
    assert total == NUM_GROUPS
    assert output.count("checkpoint") >= 1
    assert run_bytes == run.ring.stat().st_size


def one_sentence(code, output):
    """The last line of a run that must have been refused with exit code 2 and no traceback."""
    assert code == 2, output
    assert "Traceback" not in output
    return output.strip().splitlines()[-1]


def test_an_unknown_key_is_refused(new_run, run_here):
    said = one_sentence(*run_here(new_run(), "--trainer.lrr", "3"))
    assert said == "trainer: unknown key trainer.lrr; did you mean trainer.lr?"
    said = one_sentence(*run_here(new_run("other", trainer={"batchsamples": 3})))
    assert "did you mean trainer.batch_samples?" in said


def test_a_directory_without_a_model_is_refused(new_run, tmp_path, run_here):
    said = one_sentence(*run_here(new_run(model=tmp_path)))
    assert f"expected a model directory with config.json at {tmp_path}" in said
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    said = one_sentence(*run_here(new_run("pickled", model=tmp_path)))
    assert "*.safetensors" in said


def test_a_config_that_is_no_model_is_refused(new_run, tmp_path, run_here):
    (tmp_path / "config.json").write_text('{"model_type": "abacus"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    said = one_sentence(*run_here(new_run(model=tmp_path)))
    assert "expected a causal language model" in said


def test_an_unreadable_checkpoint_is_refused_and_the_older_ones_named(new_run, groups, run_here):
    run = new_run(groups=groups, trainer={"checkpoint_every": 4})
    run_here(run)
    newest = max(run.checkpoints.iterdir())
    with (newest / "model.safetensors").open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"\x00\x01\x02")
    said = one_sentence(*run_here(run))
    assert "step-000015 is unreadable: model.safetensors is not as it was written" in said
    assert "step-000012" in said


def test_a_second_trainer_is_refused(new_run, start_trainer, groups, run_here):
    run = new_run(groups=groups[:3], close=False)
    process = start_trainer(run)
    await_steps(run, number=1, process=process)
    said = one_sentence(*run_here(run))
    assert f"already has a running trainer, pid {process.pid}" in said


def test_a_run_path_that_is_a_file_is_refused(tmp_path, run_here):
    (tmp_path / "file").write_text("")
    said = one_sentence(*run_here(RunDir(tmp_path / "file")))
    assert str(tmp_path / "file") in said


def test_help_is_quick_and_imports_no_torch():
    code = "import sys, trainer.cli; trainer.cli._app(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_run_beside_an_engine_with_other_weights_ends_in_a_sentence(new_run, groups, run_here):
    run = new_run(groups=groups)
    write_ack(run.weights, 0, checksum="0" * 32, owner="engine-3")
    code, output = run_here(run)
    assert code == 2, output
    assert "engine engine-3" in output.strip().splitlines()[-1]
    assert f"kill {os.getpid()}" in output.strip().splitlines()[-1]


def test_a_runs_metrics_say_how_far_each_engine_is_behind(new_run, groups, run_here):
    first = new_run("first")
    assert run_here(first)[0] == 0
    run = new_run("second", groups=groups[:6])
    checksum = latest_version(first.weights).checksum
    write_ack(run.weights, 0, checksum=checksum, owner="engine-0")
    assert run_here(run)[0] == 0
    behind = [row["engines/behind_versions"] for row in read_jsonl(run.trainer_metrics)]
    assert behind == [{"engine-0": 1}, {"engine-0": 2}, {"engine-0": 3}]
