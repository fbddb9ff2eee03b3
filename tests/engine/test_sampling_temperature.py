"""The attempts that measure learnability are samples, not copies of the likeliest answer.

Were they greedy, a solve rate could only be 0 or 1, and no proposal would ever be worth anything.
"""

import tomllib
from importlib import resources

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from benchmarks.threaded import open_in_thread
from engine.config import EngineConfig
from engine.policy.local import LocalOptions
from engine.policy.pretrained import resolve_model
from engine.policy.protocol import SamplingParams

PROMPT = "def f(xs):\n    return "
RECIPES = sorted(
    path.name for path in resources.files("engine.recipes").iterdir() if path.name[-5:] == ".toml"
)


@pytest.fixture(scope="module")
async def tiny(tmp_path_factory):
    directory = resolve_model("tiny", cache=tmp_path_factory.mktemp("cache"))
    policy, _ = await open_in_thread(directory, options=LocalOptions(max_batch=8, threads=1))
    yield policy
    await policy.close()


async def eight(policy, temperature):
    texts = [""] * 8
    params = SamplingParams(n=8, temperature=temperature, max_tokens=24, seed=3)
    async for chunk in policy.sample(PROMPT, params):
        texts[chunk.index] += chunk.text
    return texts


async def test_t16_eight_samples_of_the_tiny_model_differ_at_the_default_temperature(tiny):
    assert EngineConfig().temperature == 1.0
    assert len(set(await eight(tiny, EngineConfig().temperature))) >= 4


async def test_t16_eight_greedy_completions_would_be_copies(tiny):
    assert len(set(await eight(tiny, 0.0))) == 1


@pytest.mark.parametrize("name", RECIPES)
async def test_t16_no_recipe_measures_learnability_greedily(tiny, name):
    text = resources.files("engine.recipes").joinpath(name).read_text()
    settings = tomllib.loads(text).get("engine", {})
    temperature = settings.get("temperature", EngineConfig().temperature)
    assert len(set(await eight(tiny, temperature))) >= 2
