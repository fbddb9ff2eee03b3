"""Small real models, synthetic groups, and runs whose ring is filled by the real writer."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from engine.wire import (
    Finish,
    Group,
    Kind,
    RingState,
    RingWriter,
    Role,
    Rollout,
    RunDir,
    encode_group,
)
from trainer.batch import Sample

VOCAB = 61
RING_BYTES = 1 << 16

_SHAPE = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "eos_token_id": None,
}


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Two-core machines, and the comparisons with child processes, want the same one thread."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", params=["llama", "qwen2"])
def any_model_directory(request, tmp_path_factory):
    """A tiny model with tied weights (Llama) or a head and biases of its own (Qwen2)."""
    return _save_model(tmp_path_factory.mktemp(request.param), architecture=request.param)


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory):
    return _save_model(tmp_path_factory.mktemp("llama"), architecture="llama")


def _save_model(directory, *, architecture):
    torch.manual_seed(7)
    if architecture == "llama":
        model = LlamaForCausalLM(LlamaConfig(**_SHAPE, tie_word_embeddings=True))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**_SHAPE, tie_word_embeddings=False))
    for parameter in model.parameters():  # larger than the default 0.02: distributions with a shape
        if parameter.ndim > 1:
            parameter.data.normal_(std=0.2)
    model.config.save_pretrained(directory)
    from safetensors.torch import save_file

    named = {name: p.detach() for name, p in model.named_parameters()}
    save_file(named, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "tokenizer.json").write_text("{}")
    return directory


@pytest.fixture(scope="session")
def make_sample():
    """A sample of given tokens; whatever is not given is unremarkable."""

    def make(prompt, tokens, **given):
        tokens = np.asarray(tokens, dtype=np.uint32)
        plain = {
            "cell": (Role.SOLVER, Kind.DEDUCTION),
            "group": b"g" * 16,
            "logprobs": np.full(len(tokens), -3.0, dtype=np.float32),
            "temperature": 1.0,
            "reward": 1.0,
            "version": 0,
            "finish": Finish.STOP,
        }
        return Sample(prompt=np.asarray(prompt, dtype=np.uint32), tokens=tokens, **plain | given)

    return make


@pytest.fixture(scope="session")
def make_group():
    """A random group, a function of its number alone."""

    def make(number, *, num_rollouts=4, rewards=None, prompt=None, **given):
        random = np.random.default_rng(number)
        if rewards is None:
            rewards = random.choice([-1.0, -0.5, 1.0], size=num_rollouts)
        rollouts = tuple(_rollout(random, reward=float(reward)) for reward in rewards)
        plain = {
            "group_id": random.bytes(16),
            "role": [Role.PROPOSER, Role.SOLVER][number % 2],
            "kind": list(Kind)[number % 3],
            "task_id": f"task-{number}",
            "prompt": random.integers(VOCAB, size=6, dtype=np.uint32) if prompt is None else prompt,
            "temperature": 1.0,
            "created_ns": 0,
        }
        return Group(rollouts=rollouts, **plain | given)

    return make


def _rollout(random, *, reward):
    n = int(random.integers(1, 7))
    return Rollout(
        rollout_id=random.bytes(16),
        tokens=random.integers(VOCAB, size=n, dtype=np.uint32),
        logprobs=random.uniform(-5, -3, size=n).astype(np.float32),
        versions=((0, n),),
        reward=reward,
        components={"accuracy": reward},
        finish=Finish.STOP,
        verdict="ok",
    )


@pytest.fixture
def new_run(tmp_path, model_directory):
    """Found a run as the engine does: run.json, and a ring with these groups."""

    def found(name="run", *, groups=(), trainer=None, model=model_directory, close=True):
        run = RunDir(tmp_path / name)
        table = {"batch_samples": 8, "min_batch_samples": 2, "lr": 1e-3, "threads": 1}
        config = {"trainer": table | (trainer or {}), "model": {"directory": str(model)}}
        founded = run.write_run(config)
        writer = RingWriter.open(run.ring, capacity=RING_BYTES, run_id=founded.run_id)
        for group in groups:
            assert writer.try_push(encode_group(group)) is not None
        writer.close(RingState.CLOSED if close else RingState.OPEN)
        return run

    return found


@pytest.fixture
def start_trainer():
    """Start real `trainer run` processes; whatever still runs at the end is killed."""
    started = []

    def start(run, *arguments, **popen):
        command = [sys.executable, "-m", "trainer.cli", "run", "--run", str(run.path), *arguments]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            **popen,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
