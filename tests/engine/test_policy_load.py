"""Loading in two phases: what is bad is refused unused, and sampling goes on meanwhile."""

import asyncio
import contextlib
import json
import shutil
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from engine.policy.errors import PolicyError, RefusedWeights
from engine.policy.protocol import SamplingParams
from engine.policy.scripted import ScriptedPolicy
from engine.policy.tensor_files import read_tensors, verify
from engine.wire.manifest import tensor_checksum

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.arange(3, dtype=np.float16),
    "c": np.zeros((0, 4), dtype=np.int64),
    "d": np.array(7, dtype=np.uint8),
}
CONTENTS = {name: tensor.tobytes() for name, tensor in TENSORS.items()}
SUMS = {name: tensor_checksum(content) for name, content in CONTENTS.items()}


def bytes_of(tensors):
    return {name: bytes(tensor.data) for name, tensor in tensors.items()}


# -- files


def test_tensors_are_read_as_they_were_written_from_any_number_of_files(tmp_path):
    save_file({name: TENSORS[name] for name in "ac"}, tmp_path / "1.safetensors", {"format": "pt"})
    save_file({name: TENSORS[name] for name in "bd"}, tmp_path / "2.safetensors")
    read = read_tensors(tmp_path)
    assert list(read) == list("abcd")
    assert bytes_of(read) == CONTENTS
    assert {name: t.shape for name, t in read.items()} == {
        name: tensor.shape for name, tensor in TENSORS.items()
    }
    assert [t.dtype for t in read.values()] == ["F32", "F16", "I64", "U8"]
    verify(read, SUMS, directory=tmp_path)


@given(st.data())
def test_a_file_cut_short_or_changed_anywhere_is_refused(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("weights")
    path = directory / "model.safetensors"
    save_file(TENSORS, path)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        path.write_bytes(
            whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
        )
    read = None
    with contextlib.suppress(RefusedWeights):
        read = read_tensors(directory)
        verify(read, SUMS, directory=directory)
    if read is not None and bytes_of(read) != CONTENTS:
        with pytest.raises(RefusedWeights, match=str(directory)):
            verify(read, SUMS, directory=directory)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({**SUMS, "e": "0" * 32}, "tensor e .*is not in the files"),
        ({name: SUMS[name] for name in "abc"}, "tensor d .*was not published"),
        ({**SUMS, "b": SUMS["a"]}, f"tensor b .*has checksum {SUMS['b']}, was published with"),
    ],
)
def test_tensors_that_are_not_those_that_were_published_are_named(tmp_path, expected, words):
    save_file(TENSORS, tmp_path / "model.safetensors")
    with pytest.raises(RefusedWeights, match=words):
        verify(read_tensors(tmp_path), expected, directory=tmp_path)


async def test_the_scripted_policy_refuses_what_was_not_published_and_keeps_its_version(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    policy = ScriptedPolicy({"p": ["x"]}, version=3)
    with pytest.raises(RefusedWeights, match="tensor b"):
        await policy.load(tmp_path, 4, expected={**SUMS, "b": "0" * 32})
    assert policy.version == 3
    await policy.load(tmp_path, 4, expected=SUMS)
    assert policy.version == 4


# -- a model

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from transformers import LlamaForCausalLM  # noqa: E402

from benchmarks.threaded import open_in_thread  # noqa: E402
from engine.policy.local import LocalOptions  # noqa: E402
from engine.policy.local import server as local_server  # noqa: E402
from engine.policy.pretrained import resolve_model  # noqa: E402

PROMPT = "def f("


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return resolve_model("tiny", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def other(tiny, tmp_path_factory):
    """The same model with other weights."""
    directory = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(tiny, directory)
    torch.manual_seed(1)
    model = LlamaForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    model.save_pretrained(directory)
    return directory


@pytest.fixture
async def served(tiny):
    """A policy, and its server in a thread of this process."""
    policy, server = await open_in_thread(tiny, options=LocalOptions(max_batch=4, threads=1))
    yield policy, server
    await policy.close()


@pytest.fixture
def policy(served):
    return served[0]


@pytest.fixture
def model(served):
    """The policy's own."""
    return served[1].worker.decoder.model


def sums_of(directory):
    return {name: tensor_checksum(t.data) for name, t in read_tensors(directory).items()}


async def greedy(policy, num_tokens):
    params = SamplingParams(temperature=0, max_tokens=num_tokens)
    chunks = [chunk async for chunk in policy.sample(PROMPT, params)]
    return [token for chunk in chunks for token in chunk.tokens]


def flip(directory, name):
    """Change one bit of one tensor in the file."""
    path = directory / "model.safetensors"
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start + json.loads(data[8:start])[name]["data_offsets"][0]] ^= 1
    path.write_bytes(data)


async def test_a_bad_tensor_is_named_and_no_weight_has_moved(policy, model, other, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(other, bad)
    name = max(sums_of(other))
    flip(bad, name)
    before = {key: t.clone() for key, t in model.state_dict().items()}
    with pytest.raises(RefusedWeights, match=rf"tensor {name} of .*the old weights stay"):
        await policy.load(bad, 9, expected=sums_of(other))
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert policy.version == 0
    assert await policy.load(other, 1, expected=sums_of(other))
    assert policy.version == 1


async def test_the_checksum_is_of_the_models_own_tensors(policy, other, monkeypatch, caplog):
    """A swap that goes wrong in one tensor is in the checksum, although the files were right."""
    right = await policy.load(other, 1, expected=sums_of(other))
    swap = local_server.Swap

    def corrupt(staged, version, reply):
        next(iter(staged.tensors.values())).view(torch.uint8).reshape(-1)[0] ^= 1
        return swap(staged, version, reply)

    monkeypatch.setattr(local_server, "Swap", corrupt)
    assert await policy.load(other, 2, expected=sums_of(other)) != right
    assert f"the model's own {sorted(sums_of(other))[:1]} is not what was published" in caplog.text


async def test_sampling_goes_on_while_files_are_read_and_each_token_says_its_version(
    policy, tiny, other, monkeypatch
):
    old = await greedy(policy, 120)
    let_go, stage = threading.Event(), local_server.stage_weights

    def stage_slowly(*arguments, **options):
        staged = stage(*arguments, **options)
        assert let_go.wait(60)
        return staged

    monkeypatch.setattr(local_server, "stage_weights", stage_slowly)
    loading = asyncio.create_task(policy.load(other, 5, expected=sums_of(other)))
    tokens, versions = [], []
    params = SamplingParams(temperature=0, max_tokens=120)
    async with contextlib.aclosing(policy.sample(PROMPT, params)) as chunks:
        async for chunk in chunks:
            tokens += chunk.tokens
            versions += [chunk.version] * len(chunk.tokens)
            if len(tokens) == 20:
                let_go.set()
    await loading
    assert versions == sorted(versions)
    num_old = versions.count(0)
    assert num_old >= 20, "nothing waited for the files"
    assert tokens[:num_old] == old[:num_old], "tokens of version 0 are those of the old weights"
    if num_old == len(tokens):
        pytest.skip("the completion had ended before the new weights came")
    fresh, _ = await open_in_thread(other, options=LocalOptions(max_batch=4, threads=1))
    assert await greedy(policy, 40) == await greedy(fresh, 40)
    await fresh.close()


async def test_what_the_policy_does_to_its_weights_never_reaches_the_files(policy, model, other):
    before = sums_of(other)
    await policy.load(other, 1, expected=before)
    for tensor in model.state_dict().values():
        tensor.zero_()
    assert sums_of(other) == before


async def test_staged_weights_are_given_back_once_they_are_swapped(policy, other, monkeypatch):
    staged, stage = [], local_server.stage_weights

    def stage_and_note(*arguments, **options):
        staged.append(stage(*arguments, **options))
        return staged[-1]

    monkeypatch.setattr(local_server, "stage_weights", stage_and_note)
    await policy.load(other, 1, expected=sums_of(other))
    assert staged[0].tensors == {}


async def test_a_swap_that_fails_ends_the_policy_rather_than_mix_two_models(
    policy, other, monkeypatch
):
    swap = local_server.Swap

    def break_it(staged, version, reply):
        staged.tensors[max(staged.tensors)] = torch.zeros(3, 5, 7)
        return swap(staged, version, reply)

    monkeypatch.setattr(local_server, "Swap", break_it)
    with pytest.raises(PolicyError, match="the local policy has failed"):
        await policy.load(other, 1)
    with pytest.raises(PolicyError, match="the local policy has failed"):
        await greedy(policy, 3)


async def test_weights_finer_than_the_model_are_refused_with_advice(tiny, other):
    options = LocalOptions(max_batch=1, threads=1, dtype="bfloat16")
    coarse, _ = await open_in_thread(tiny, options=options)
    with pytest.raises(PolicyError, match=r"would round.*trainer\.publish_dtype"):
        await coarse.load(other, 1)
    assert coarse.version == 0
    await coarse.close()
