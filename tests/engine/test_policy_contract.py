"""What every policy promises, whoever runs the model: the local process, or SGLang over HTTP.

The same tests for each backend. `fake` and `fake-old` speak SGLang's protocol as recorded from
0.5.23 and as it was at 0.5.17 (cumulative streams, no version by token, no update sessions);
`sglang` is a real server, started from the interpreter that SGLANG_PYTHON names.
"""

import asyncio
import shutil
from contextlib import aclosing
from dataclasses import dataclass

import pytest
import pytest_asyncio

torch = pytest.importorskip("torch", reason="the model that is compared with needs torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

from benchmarks.threaded import open_in_thread  # noqa: E402
from engine.policy.errors import PolicyError, RefusedWeights  # noqa: E402
from engine.policy.local import LocalOptions  # noqa: E402
from engine.policy.pretrained import TINY_WEIGHTS  # noqa: E402
from engine.policy.protocol import Policy, SamplingParams  # noqa: E402
from engine.policy.sglang import SGLangOptions, SGLangPolicy  # noqa: E402
from engine.policy.tokens import ModelText  # noqa: E402
from engine.wire.messages import Finish  # noqa: E402

PROMPT = "# Python functions, each with one call whose result takes some thought.\n\ndef f("
HOT = SamplingParams(n=3, max_tokens=40, temperature=1.0)
LONG = 300
"""Tokens that take a model of any speed a while."""


@dataclass
class Backend:
    """A policy and what is known of its model."""

    policy: Policy
    name: str

    @property
    def has_model(self) -> bool:
        """Whether there is a real model behind it, for a test to compare with."""
        return not self.name.startswith("fake")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The tiny model with other weights."""
    directory = tmp_path_factory.mktemp("weights") / "other"
    shutil.copytree(TINY_WEIGHTS, directory)
    tensors = load_file(directory / "model.safetensors")
    noise = torch.Generator().manual_seed(1)
    changed = {
        name: (t + 0.02 * torch.randn(t.shape, generator=noise)).to(t.dtype)
        for name, t in tensors.items()
    }
    save_file(changed, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


BACKENDS = ["local", "fake", "fake-old", pytest.param("sglang", marks=pytest.mark.sglang)]


@pytest.fixture(scope="module")
def open_backend(tmp_path_factory, fake_sglang, sglang_url):
    async def open_one(name):
        if name == "local":
            policy, _ = await open_in_thread(TINY_WEIGHTS, options=LocalOptions(threads=1))
            return Backend(policy, name)
        if name == "sglang":
            options = SGLangOptions(urls=[await sglang_url()])
        else:
            old = {"increments": False, "spans": False, "sessions": False}
            python = fake_sglang(**(old if name == "fake-old" else {}))
            log = tmp_path_factory.mktemp("logs") / "sglang.log"
            options = SGLangOptions(python=python, log=log, tolerance=0.0)
        return Backend(await SGLangPolicy.open(TINY_WEIGHTS, options=options), name)

    return open_one


@pytest_asyncio.fixture(scope="module", params=BACKENDS, loop_scope="session")
async def shared(request, open_backend):
    backend = await open_backend(request.param)
    yield backend
    await backend.policy.close()


@pytest.fixture
async def backend(shared):
    """As it was opened: the tiny model's own weights as version 0."""
    yield shared
    if shared.policy.version != 0:
        await shared.policy.load(TINY_WEIGHTS, 0)


@dataclass
class Written:
    """One completion, put together."""

    text: str = ""
    tokens: tuple = ()
    logprobs: tuple = ()
    versions: tuple = ()
    finish: Finish | None = None

    def add(self, chunk):
        assert self.finish is None, "nothing follows the last chunk"
        assert len(chunk.tokens) == len(chunk.logprobs)
        self.text += chunk.text
        self.tokens += chunk.tokens
        self.logprobs += chunk.logprobs
        self.versions += (chunk.version,) * len(chunk.tokens)
        self.finish = chunk.finish


async def write(policy, params, *, prompt=PROMPT, on_chunk=None):
    written = [Written() for _ in range(params.n)]
    async with aclosing(policy.sample(prompt, params)) as chunks:
        async for chunk in chunks:
            written[chunk.index].add(chunk)
            if on_chunk:
                on_chunk(chunks, written)
    return written


def forward(directory, tokens):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(torch.tensor([tokens])).logits[0].log_softmax(-1)


async def test_tokens_text_and_log_probabilities_belong_together(backend):
    before = backend.policy.num_tokens
    written = await write(backend.policy, HOT)
    decode = ModelText(TINY_WEIGHTS).decode
    for one in written:
        assert one.text == decode(one.tokens)
        assert one.finish in (Finish.STOP, Finish.LENGTH)
        assert 0 < len(one.tokens) <= HOT.max_tokens
        assert all(logprob <= 0 for logprob in one.logprobs)
    assert len({one.tokens for one in written}) > 1 or not backend.has_model
    drawn = sum(len(one.tokens) for one in written)
    assert backend.policy.num_tokens == before + drawn


async def test_log_probabilities_are_those_of_a_full_forward_pass(backend):
    if not backend.has_model:
        pytest.skip("a fake has no model to compare with")
    ids = backend.policy.tokenize(PROMPT)
    for temperature in (0.7, 1.0):
        params = SamplingParams(max_tokens=24, temperature=temperature)
        (one,) = await write(backend.policy, params)
        model = AutoModelForCausalLM.from_pretrained(TINY_WEIGHTS, dtype=torch.float32).eval()
        with torch.inference_mode():
            z = model(torch.tensor([[*ids, *one.tokens]])).logits[0]
        expected = (z / temperature).log_softmax(-1)[len(ids) - 1 : -1]
        expected = expected.gather(-1, torch.tensor(one.tokens)[:, None])[:, 0]
        assert (torch.tensor(one.logprobs) - expected).abs().max() < 1e-4


async def test_a_greedy_completion_is_the_models_likeliest(backend):
    if not backend.has_model:
        pytest.skip("a fake has no model to compare with")
    ids = backend.policy.tokenize(PROMPT)
    (one,) = await write(backend.policy, SamplingParams(max_tokens=16, temperature=0))
    likeliest = forward(TINY_WEIGHTS, [*ids, *one.tokens])[len(ids) - 1 : -1].argmax(-1)
    assert likeliest.tolist() == list(one.tokens)


async def test_a_completion_ends_with_the_token_that_completes_a_stop_string(backend):
    (free,) = await write(backend.policy, SamplingParams(max_tokens=30, temperature=0))
    stop = free.text[4:7]
    params = SamplingParams(max_tokens=30, temperature=0, stop=(stop, "never said"))
    (one,) = await write(backend.policy, params)
    assert one.finish is Finish.STOP
    assert stop in one.text
    assert one.tokens == free.tokens[: len(one.tokens)]
    assert stop not in ModelText(TINY_WEIGHTS).decode(one.tokens[:-1])


async def test_a_completion_ends_where_its_budget_does(backend):
    for one in await write(backend.policy, SamplingParams(n=2, max_tokens=3)):
        assert (len(one.tokens), one.finish) == (3, Finish.LENGTH) or one.finish is Finish.STOP


async def test_one_completion_can_be_cut_and_the_others_go_on(backend):
    params = SamplingParams(n=3, max_tokens=LONG)

    def cut(generation, written):
        if len(written[1].tokens) == 5 and written[1].finish is None:
            generation.abort(1)
            generation.abort(1)

    written = await write(backend.policy, params, on_chunk=cut)
    if written[1].finish is not Finish.ABORT:
        pytest.skip("the model had ended the completion by itself")
    assert 5 <= len(written[1].tokens) < LONG
    assert all(one.finish in (Finish.STOP, Finish.LENGTH) for one in (written[0], written[2]))


async def test_who_stops_listening_leaves_nothing_behind(backend):
    for _ in range(3):
        generation = backend.policy.sample(PROMPT, SamplingParams(n=4, max_tokens=LONG))
        async with aclosing(generation) as chunks:
            await anext(chunks)
    drawn = backend.policy.num_tokens
    await write(backend.policy, SamplingParams(n=1, max_tokens=2))
    assert backend.policy.num_tokens < drawn + 3 * 4 * LONG / 4, "the cut ones are not written on"


async def test_new_weights_draw_from_the_next_token_on_and_every_token_says_whose_it_is(
    backend, other
):
    loads = []

    def load(_, written):
        if len(written[0].tokens) == 8 and not loads:
            loads.append(asyncio.create_task(backend.policy.load(other, 7)))

    params = SamplingParams(n=2, max_tokens=LONG, temperature=0, stop=("no such words",))
    written = await write(backend.policy, params, on_chunk=load)
    await loads[0]
    assert backend.policy.version == 7
    for one in written:
        assert list(one.versions) == sorted(one.versions)
        assert set(one.versions) <= {0, 7}
    assert written[0].versions[:8] == (0,) * 8
    (after,) = await write(backend.policy, SamplingParams(max_tokens=16, temperature=0))
    assert set(after.versions) == {7}
    if backend.has_model:
        ids = backend.policy.tokenize(PROMPT)
        likeliest = forward(other, [*ids, *after.tokens])[len(ids) - 1 : -1].argmax(-1)
        assert likeliest.tolist() == list(after.tokens)


async def test_files_that_are_not_what_was_published_are_refused_and_the_old_weights_stay(
    backend, other
):
    (before,) = await write(backend.policy, SamplingParams(max_tokens=12, temperature=0))
    with pytest.raises(RefusedWeights):
        await backend.policy.load(other, 7, expected={"model.norm.weight": "0" * 16})
    assert backend.policy.version == 0
    (after,) = await write(backend.policy, SamplingParams(max_tokens=12, temperature=0))
    assert (after.tokens, after.versions) == (before.tokens, before.versions)


async def test_what_does_not_fit_is_an_error_and_the_old_weights_are_in_use(backend, tmp_path):
    (before,) = await write(backend.policy, SamplingParams(max_tokens=12, temperature=0))
    with pytest.raises(PolicyError):
        await backend.policy.load(tmp_path, 7)
    (after,) = await write(backend.policy, SamplingParams(max_tokens=12, temperature=0))
    assert (after.tokens, set(after.versions)) == (before.tokens, {0})


@pytest.mark.parametrize("params", [{"n": 0}, {"max_tokens": 0}, {"temperature": -1.0}])
async def test_what_cannot_be_sampled_is_refused_with_a_sentence(backend, params):
    with pytest.raises(PolicyError, match="n and max_tokens"):
        backend.policy.sample(PROMPT, SamplingParams(**params))


@pytest.mark.parametrize("name", BACKENDS)
async def test_a_closed_policy_fails_whoever_still_waits(open_backend, name):
    policy = (await open_backend(name)).policy
    waiting = asyncio.create_task(write(policy, SamplingParams(n=2, max_tokens=LONG)))
    await asyncio.sleep(0)
    await policy.close()
    with pytest.raises(PolicyError, match="closed"):
        await asyncio.wait_for(waiting, 60)
    with pytest.raises(PolicyError, match="closed"):
        policy.sample(PROMPT, HOT)
