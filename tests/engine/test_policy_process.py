"""The local model's process: it draws what a thread would, and does not outlive its engine.

Real processes, real kill -9.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import msgpack
import psutil
import pytest

pytest.importorskip("torch", reason="the local policy needs torch")

from benchmarks.threaded import open_in_thread
from engine.policy.errors import PolicyError
from engine.policy.local import LocalOptions, LocalPolicy
from engine.policy.pretrained import resolve_model
from engine.policy.protocol import SamplingParams

OPTIONS = LocalOptions(max_batch=4, threads=1)
ENDLESS = SamplingParams(n=2, max_tokens=500, stop=("no model says this",), seed=3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return resolve_model("tiny", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
async def policy(tiny):
    policy = await LocalPolicy.open(tiny, options=OPTIONS)
    yield policy
    await policy.close()
    with pytest.raises(ProcessLookupError):
        os.kill(policy.pid, 0)


async def tokens_of(policy, params, *, prompt="def f(x):\n"):
    tokens = [[] for _ in range(params.n)]
    async for chunk in policy.sample(prompt, params):
        tokens[chunk.index] += zip(chunk.tokens, chunk.logprobs, strict=True)
    return tokens


async def test_a_process_draws_what_a_thread_draws_and_takes_weights_as_it_does(policy, tiny):
    threaded, _ = await open_in_thread(tiny, options=OPTIONS)
    params = SamplingParams(n=3, max_tokens=30, seed=7)
    assert await tokens_of(policy, params) == await tokens_of(threaded, params)
    assert await policy.load(tiny, 4) == await threaded.load(tiny, 4)
    assert policy.version == threaded.version == 4
    assert policy.stats.tokens == threaded.stats.tokens > 0
    await threaded.close()


async def test_a_killed_model_fails_every_waiter_with_the_reason(policy, tiny):
    stream = policy.sample("def f(x):\n", ENDLESS)
    await anext(stream)
    os.kill(policy.pid, signal.SIGKILL)
    for waiting in (collect(stream), policy.load(tiny, 1), tokens_of(policy, ENDLESS)):
        with pytest.raises(PolicyError, match=r"killed by SIGKILL: was there memory enough\?"):
            await asyncio.wait_for(waiting, 60)


async def test_a_model_that_does_not_understand_its_engine_ends_and_says_why(policy, tiny):
    policy._writer.write(msgpack.packb(["Nonsense", 1]))
    with pytest.raises(PolicyError, match="expected a message"):
        await asyncio.wait_for(policy.load(tiny, 1), 60)


async def collect(stream):
    async for _ in stream:
        pass


async def test_a_model_that_cannot_be_read_is_a_sentence_and_leaves_no_process(tiny, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((tiny / "tokenizer.json").read_bytes())
    with pytest.raises(PolicyError, match=r"config\.json"):
        await LocalPolicy.open(tmp_path, options=OPTIONS)
    mine = psutil.Process().children(recursive=True)
    assert not [child for child in mine if "engine.policy.local" in " ".join(child.cmdline())]


def test_the_model_does_not_outlive_a_killed_engine(tiny):
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tiny)], stdout=subprocess.PIPE, text=True
    )
    model = psutil.Process(int(engine.stdout.readline()))
    assert "engine.policy.local" in " ".join(model.cmdline())
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    with contextlib.suppress(psutil.NoSuchProcess):
        model.wait(30)  # raises TimeoutExpired if it lives on
    engine.stdout.close()


ENGINE = textwrap.dedent("""
    import asyncio, pathlib, sys
    from engine.policy.local import LocalOptions, LocalPolicy
    from engine.policy.protocol import SamplingParams

    async def main():
        policy = await LocalPolicy.open(pathlib.Path(sys.argv[1]), options=LocalOptions(threads=1))
        print(policy.pid, flush=True)
        async for chunk in policy.sample("x", SamplingParams(max_tokens=400, n=8)):
            pass
        await asyncio.sleep(600)

    asyncio.run(main())
""")


def test_the_engines_side_needs_no_torch():
    code = "import sys, engine.policy.local; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
