"""The local policy against transformers' own `generate`, on small models of three families."""

import asyncio
import shutil
from contextlib import aclosing

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from safetensors import safe_open  # noqa: E402
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from benchmarks.threaded import open_in_thread  # noqa: E402
from engine.policy.errors import PolicyError  # noqa: E402
from engine.policy.local import LocalOptions  # noqa: E402
from engine.policy.pretrained import resolve_model  # noqa: E402
from engine.policy.protocol import SamplingParams  # noqa: E402
from engine.wire.manifest import combine_checksums, tensor_checksum  # noqa: E402
from engine.wire.messages import Finish  # noqa: E402

END = "<|end|>"
FAMILIES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
PROMPTS = ["def f(", "x", "a longer prompt, to make the batch ragged: ", "print(f(3))\n"]


def write_tokenizer(directory):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    tokenizer.save(str(directory / "tokenizer.json"))
    return tokenizer.token_to_id(END)


def write_model(directory, family="llama", *, seed=0, hidden=64, **config):
    directory.mkdir()
    end = write_tokenizer(directory)
    config_class, model_class = FAMILIES.get(family) or (MistralConfig, MistralForCausalLM)
    torch.manual_seed(seed)
    settings = {
        "vocab_size": 257,
        "hidden_size": hidden,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "initializer_range": 0.15,
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    model_class(config_class(**settings | config)).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="module")
def other_llama(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture
async def policy(llama):
    policy, _ = await open_in_thread(llama, options=LocalOptions(max_batch=4, threads=1))
    yield policy
    await policy.close()


class Collected:
    """One completion, put together."""

    def __init__(self):
        self.text, self.tokens, self.logprobs, self.versions, self.finish = "", [], [], [], None

    def add(self, chunk):
        assert self.finish is None
        assert len(chunk.tokens) == len(chunk.logprobs)
        self.text += chunk.text
        self.tokens += chunk.tokens
        self.logprobs += chunk.logprobs
        self.versions += [chunk.version] * len(chunk.tokens)
        self.finish = chunk.finish


async def sample(policy, prompt, **params):
    collected = [Collected() for _ in range(params.get("n", 1))]
    async for chunk in policy.sample(prompt, SamplingParams(**params)):
        collected[chunk.index].add(chunk)
    assert all(one.finish for one in collected)
    return collected


def reference(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


def generate(model, ids, max_tokens):
    with torch.inference_mode():
        return model.generate(torch.tensor([ids]), max_new_tokens=max_tokens, do_sample=False)[
            0, len(ids) :
        ].tolist()


@pytest.mark.parametrize("family", FAMILIES)
async def test_greedy_is_token_for_token_what_generate_gives(family, tmp_path):
    directory = write_model(tmp_path / "model", family)
    policy, _ = await open_in_thread(directory, options=LocalOptions(max_batch=3, threads=1))
    budgets = [40, 25, 33, 12, 28, 7]
    prompts = [f"{PROMPTS[i % 4]}{i}" for i in range(len(budgets))]
    got = await asyncio.gather(
        *(
            sample(policy, prompt, temperature=0, max_tokens=budget)
            for prompt, budget in zip(prompts, budgets, strict=True)
        )
    )
    model = reference(directory)
    for prompt, budget, (one,) in zip(prompts, budgets, got, strict=True):
        assert one.tokens == generate(model, policy.tokenize(prompt), budget)
    await policy.close()


async def test_logprobs_are_those_of_a_full_forward_pass(policy, llama):
    model = reference(llama)
    for prompt, temperature in zip(PROMPTS, [0.5, 0.7, 1.0, 1.3], strict=True):
        prompt_ids = policy.tokenize(prompt)
        for one in await sample(policy, prompt, n=3, temperature=temperature, max_tokens=30):
            with torch.inference_mode():
                logits = model(torch.tensor([prompt_ids + one.tokens])).logits[0]
            expected = torch.log_softmax(logits / temperature, dim=-1)
            for i, (token, logprob) in enumerate(zip(one.tokens, one.logprobs, strict=True)):
                assert logprob == pytest.approx(
                    expected[len(prompt_ids) - 1 + i, token].item(), abs=1e-4
                )


async def test_a_seed_gives_the_same_completions_whatever_else_is_sampled(policy):
    params = {"n": 3, "seed": 11, "max_tokens": 30}
    alone = await sample(policy, PROMPTS[0], **params)
    crowded, *_ = await asyncio.gather(
        sample(policy, PROMPTS[0], **params),
        sample(policy, PROMPTS[1], n=4, max_tokens=25),
        sample(policy, PROMPTS[2], n=2, max_tokens=40),
    )
    assert [one.tokens for one in alone] == [one.tokens for one in crowded]
    assert len({tuple(one.tokens) for one in alone}) == 3
    other = await sample(policy, PROMPTS[0], **params | {"seed": 12})
    assert [one.tokens for one in other] != [one.tokens for one in alone]


async def test_the_joined_text_is_what_the_tokens_decode_to(policy, llama):
    tokenizer = Tokenizer.from_file(str(llama / "tokenizer.json"))
    for one in await sample(policy, PROMPTS[3], n=6, temperature=2.0, max_tokens=60):
        assert one.text == tokenizer.decode(one.tokens, skip_special_tokens=True)


async def test_a_completion_stops_with_the_token_that_completes_a_stop_string(policy):
    (free,) = await sample(policy, PROMPTS[0], temperature=0, max_tokens=40)
    stop = free.text[10:12]
    (one,) = await sample(policy, PROMPTS[0], temperature=0, max_tokens=40, stop=(stop, "never"))
    assert one.finish is Finish.STOP
    assert one.tokens == free.tokens[: len(one.tokens)]
    assert stop in one.text
    assert stop not in one.text[:-1]


async def test_an_end_token_ends_a_completion_and_is_counted_as_its_token(policy):
    end = policy.tokenize(END)
    ended = [
        one
        for one in await sample(policy, PROMPTS[1], n=24, temperature=3.0, max_tokens=300, seed=5)
        if one.finish is Finish.STOP
    ]
    assert ended
    for one in ended:
        assert one.tokens[-1:] == end
        assert end[0] not in one.tokens[:-1]
        assert END not in one.text


async def test_a_completion_ends_where_the_model_can_hold_no_more(policy):
    prompt = "y" * 490
    (one,) = await sample(policy, prompt, temperature=0, max_tokens=1000)
    assert one.finish is Finish.LENGTH
    assert 490 + len(one.tokens) == 512


@pytest.mark.parametrize(
    ("prompt", "params"),
    [
        ("z" * 512, {}),
        ("", {}),
        ("z", {"n": 0}),
        ("z", {"max_tokens": 0}),
        ("z", {"temperature": -1}),
    ],
)
async def test_what_cannot_be_sampled_is_refused(policy, prompt, params):
    with pytest.raises(PolicyError):
        await sample(policy, prompt, **params)


async def test_closing_the_iterator_frees_the_slots(policy):
    async with aclosing(
        policy.sample(PROMPTS[2], SamplingParams(n=9, max_tokens=400, temperature=1.0))
    ) as chunks:
        await anext(chunks)
        assert policy.stats.running == 4
    drawn = policy.stats.tokens
    await sample(policy, PROMPTS[1], n=4, max_tokens=2)  # would wait for a slot otherwise
    assert policy.stats.running == policy.stats.waiting == 0
    assert policy.stats.tokens < drawn + 9 * 10


async def test_new_weights_are_used_from_the_next_token_on(policy, llama, other_llama):
    prompt_ids = policy.tokenize(PROMPTS[0])
    await sample(policy, PROMPTS[0], temperature=0, max_tokens=5)  # the prompt is cached
    checksum = await policy.load(other_llama, 1)
    (one,) = await sample(policy, PROMPTS[0], temperature=0, max_tokens=20)
    assert one.tokens == generate(reference(other_llama), prompt_ids, 20)
    assert set(one.versions) == {1}
    with safe_open(other_llama / "model.safetensors", framework="np") as file:
        names = list(file.keys())
        expected = {name: tensor_checksum(file.get_tensor(name).tobytes()) for name in names}
    assert checksum == combine_checksums(expected)
    assert await policy.load(llama, 2) != checksum
    assert policy.version == 2


async def test_a_running_completion_goes_on_with_new_weights(policy, other_llama):
    stream = policy.sample(PROMPTS[0], SamplingParams(max_tokens=400, temperature=0, n=2))
    collected = [Collected(), Collected()]
    loading = None
    async with aclosing(stream) as chunks:
        async for chunk in chunks:
            collected[chunk.index].add(chunk)
            if loading is None:
                loading = asyncio.create_task(policy.load(other_llama, 5))
    await loading
    for one in collected:
        assert one.versions == sorted(one.versions)
        assert set(one.versions) == {0, 5}
    new, ids = reference(other_llama), policy.tokenize(PROMPTS[0])
    for one in collected:  # what is drawn is what the new weights alone would draw from here on
        old = one.versions.count(0)
        expected = generate(new, ids + one.tokens[:old], len(one.tokens) - old)
        assert one.tokens[old:] == expected
    assert policy.stats.recomputed_tokens > 0


async def test_without_recomputing_a_running_completion_keeps_what_the_old_weights_computed(
    llama, other_llama
):
    """The mixture that the flag names; it also shows that the test above can fail."""
    options = LocalOptions(max_batch=4, threads=1, recompute=False)
    policy, _ = await open_in_thread(llama, options=options)
    one, loading = Collected(), None
    async for chunk in policy.sample(PROMPTS[0], SamplingParams(max_tokens=300, temperature=0)):
        one.add(chunk)
        if len(one.tokens) == 20:
            loading = asyncio.create_task(policy.load(other_llama, 5))
    await loading
    old = one.versions.count(0)
    assert set(one.versions) == {0, 5}
    logprobs = torch.tensor(one.logprobs[old:])
    ids = policy.tokenize(PROMPTS[0]) + one.tokens
    with torch.inference_mode():
        z = reference(other_llama)(torch.tensor([ids])).logits[0].log_softmax(-1)
    start = len(ids) - len(logprobs)
    fresh = z[start - 1 : -1].gather(-1, torch.tensor(ids[start:])[:, None])[:, 0]
    assert (logprobs - fresh).abs().max() > 1e-3
    assert policy.stats.recomputed_tokens == 0
    await policy.close()


async def test_weights_of_another_model_are_refused_and_the_old_ones_stay(policy, llama, tmp_path):
    wider = write_model(tmp_path / "wider", hidden=128)
    empty = tmp_path / "empty"
    empty.mkdir()
    for directory in (wider, empty):
        with pytest.raises(PolicyError):
            await policy.load(directory, 9)
    assert policy.version == 0
    (one,) = await sample(policy, PROMPTS[0], temperature=0, max_tokens=15)
    assert one.tokens == generate(reference(llama), policy.tokenize(PROMPTS[0]), 15)


async def test_a_torn_weight_file_is_refused_and_the_old_weights_stay(policy, llama, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(llama, torn)
    data = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(PolicyError):
        await policy.load(torn, 9)
    (one,) = await sample(policy, PROMPTS[0], temperature=0, max_tokens=15)
    assert one.tokens == generate(reference(llama), policy.tokenize(PROMPTS[0]), 15)


async def test_a_shared_beginning_is_computed_once(policy, llama):
    shared = "the same worked blocks before different questions "
    await sample(policy, shared + "one", n=4, max_tokens=1)
    first = policy.stats
    assert first.prefill_tokens == len(shared) + 3
    (one,) = await sample(policy, shared + "two", temperature=0, max_tokens=10)
    stats = policy.stats
    assert stats.prefill_tokens - first.prefill_tokens == len("two")
    assert one.tokens == generate(reference(llama), policy.tokenize(shared + "two"), 10)


async def test_a_dead_worker_fails_every_waiter(llama, caplog):
    policy, server = await open_in_thread(llama, options=LocalOptions(max_batch=2, threads=1))

    def broken(*args, **kwargs):
        raise RuntimeError("the device is gone")

    server.worker.decoder.step = broken
    results = await asyncio.gather(
        *(sample(policy, prompt, max_tokens=5) for prompt in PROMPTS), return_exceptions=True
    )
    assert all(isinstance(r, PolicyError) and "device is gone" in str(r) for r in results)
    with pytest.raises(PolicyError, match="device is gone"):
        await policy.load(llama, 1)
    await policy.close()


async def test_a_closed_policy_says_so(llama):
    policy, _ = await open_in_thread(llama)
    running = asyncio.create_task(sample(policy, PROMPTS[0], n=2, max_tokens=500))
    await asyncio.sleep(0)
    await policy.close()
    with pytest.raises(PolicyError, match="closed"):
        await running
    with pytest.raises(PolicyError, match="closed"):
        await sample(policy, PROMPTS[0])


async def test_a_model_with_sliding_windows_is_refused(tmp_path):
    directory = write_model(tmp_path / "model", "mistral", sliding_window=16)
    with pytest.raises(PolicyError, match="whole past"):
        await open_in_thread(directory)


async def test_a_directory_without_a_model_is_refused(tmp_path):
    write_tokenizer(tmp_path)
    with pytest.raises(PolicyError, match=r"config\.json"):
        await open_in_thread(tmp_path)


@pytest.mark.parametrize("file", ["tokenizer.json", "config.json", "model.safetensors"])
async def test_a_model_with_an_unreadable_file_is_refused_in_a_sentence(tmp_path, file):
    directory = tmp_path / "model"
    shutil.copytree(resolve_model("tiny", cache=tmp_path), directory)
    (directory / file).write_bytes(b"{}")
    with pytest.raises(PolicyError):
        await open_in_thread(directory)
