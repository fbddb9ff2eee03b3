"""SGLang servers that fail: what was written stays, what goes on is what would have been.

The servers are real processes behind real sockets that speak the recorded protocol; their next
token is a hash of the weights' name and of all before it, so a completion that was cut, resumed or
moved shows it.
"""

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
from contextlib import aclosing
from dataclasses import replace

import aiohttp
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.errors import PolicyError
from engine.policy.pretrained import TINY_WEIGHTS
from engine.policy.protocol import SamplingParams
from engine.policy.sglang import Patience, SGLangOptions, SGLangPolicy
from engine.policy.sglang.replies import ProtocolError, ReplyReader

PROMPT = "def f(x):\n"
PARAMS = SamplingParams(n=2, max_tokens=60)
HASTY = Patience(look_s=1.0, control_s=10.0, silent_s=1.0, ready_s=60.0, down_s=1.0)


@pytest.fixture
async def open_policy(fake_sglang, tmp_path):
    policies = []

    async def open_one(*, patience=HASTY, urls=(), tolerance=0.0, **settings):
        options = SGLangOptions(
            python="" if urls else fake_sglang(**settings),
            urls=urls,
            log=tmp_path / "sglang.log",
            patience=patience,
            tolerance=tolerance,
        )
        policies.append(await SGLangPolicy.open(TINY_WEIGHTS, options=options))
        return policies[-1]

    yield open_one
    for policy in policies:
        await policy.close()


@pytest.fixture
async def policy(open_policy):
    return await open_policy()


async def ask(policy, path, body=None, *, seat=0):
    url = policy.fleet.seats[seat].client.url + path
    async with aiohttp.ClientSession() as session:
        method = session.get if body is None else session.post
        async with method(url, **({} if body is None else {"json": body})) as response:
            return await response.json()


async def break_server(policy, kind, *, times=1, **more):
    await ask(policy, "/_fault", {"kind": kind, "times": times, **more})


async def write(policy, params=PARAMS, *, at=None, do=None):
    """All completions; once the first has `at` tokens, `do` is awaited."""
    tokens, versions, ends = ([[] for _ in range(params.n)] for _ in range(3))
    async with aclosing(policy.sample(PROMPT, params)) as chunks:
        async for chunk in chunks:
            tokens[chunk.index] += chunk.tokens
            versions[chunk.index] += [chunk.version] * len(chunk.tokens)
            ends[chunk.index].append(chunk.finish)
            if do and len(tokens[0]) == at:
                await do()
                do = None
    assert all(each[-1] and not any(each[:-1]) for each in ends)
    return tokens, versions


@pytest.mark.parametrize("fault", ["500", "silent", "abort", "die"])
async def test_a_completion_outlives_what_befalls_its_server(policy, fault):
    undisturbed, _ = await write(policy)
    starts = policy.fleet.seats[0].launch.num_starts
    tokens, versions = await write(policy, at=10, do=lambda: break_server(policy, fault))
    if fault == "500":  # it strikes the next request
        tokens, versions = await write(policy)
    assert tokens == undisturbed
    assert versions == [[0] * 60] * 2
    assert policy.fleet.seats[0].launch.num_starts == starts + (fault == "die")


async def test_a_server_that_hangs_is_killed_and_started_again(policy):
    undisturbed, _ = await write(policy)
    first = policy.fleet.seats[0].launch.pid
    await break_server(policy, "deaf")
    tokens, _ = await write(policy)
    assert tokens == undisturbed
    assert policy.fleet.seats[0].launch.pid != first
    assert not psutil.pid_exists(first)


async def test_a_server_that_comes_back_with_other_weights_is_given_ours_before_it_is_asked(policy):
    undisturbed, _ = await write(policy)
    foreign = lambda: break_server(policy, "", label="who knows")  # noqa: E731
    tokens, versions = await write(policy, at=10, do=foreign)
    assert tokens == undisturbed, "not one token of the strange weights"
    assert versions == [[0] * 60] * 2
    assert (await ask(policy, "/model_info"))["weight_version"] == "0"


async def test_a_restarted_server_has_the_newest_weights_before_anything_is_asked_of_it(policy):
    await policy.load(TINY_WEIGHTS, 3)
    undisturbed, _ = await write(policy)
    tokens, versions = await write(policy, at=10, do=lambda: break_server(policy, "die"))
    assert (tokens, versions) == (undisturbed, [[3] * 60] * 2)
    calls = await ask(policy, "/_calls")
    assert calls.index("/update_weights_from_disk") < calls.index("/generate")


async def test_a_server_that_dies_in_an_update_has_the_new_weights_when_it_is_back(policy):
    await break_server(policy, "die in an update")
    await policy.load(TINY_WEIGHTS, 4)
    assert policy.version == 4
    _, versions = await write(policy)
    assert versions == [[4] * 60] * 2


async def test_an_update_is_paused_begun_made_ended_and_continued_in_this_order(policy):
    before = len(await ask(policy, "/_calls"))
    await policy.load(TINY_WEIGHTS, 1)
    assert [call for call in (await ask(policy, "/_calls"))[before:] if call != "/model_info"] == [
        "/pause_generation", "/begin_weight_update", "/update_weights_from_disk",
        "/end_weight_update", "/continue_generation",
    ]  # fmt: skip


async def test_a_refused_update_is_ended_and_continued_all_the_same(policy, tmp_path):
    undisturbed, _ = await write(policy)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyError, match="no weights in"):
        await policy.load(tmp_path / "empty", 1)
    calls = await ask(policy, "/_calls")
    assert calls.count("/pause_generation") == calls.count("/continue_generation")
    assert calls.count("/begin_weight_update") == calls.count("/end_weight_update")
    assert (await write(policy))[0] == undisturbed


async def test_a_prompt_that_the_server_refuses_is_an_error_of_that_prompt_alone(policy):
    with pytest.raises(PolicyError, match=r"answered 400: .*too long"):
        await write_prompt(policy, "f(x) " * 1000)
    await write(policy)


async def write_prompt(policy, prompt):
    async for _ in policy.sample(prompt, PARAMS):
        pass


async def test_a_server_that_cannot_start_is_a_sentence_with_its_last_words(open_policy):
    with pytest.raises(PolicyError, match=r"ends before it is ready: .*no GPU, it says"):
        await open_policy(broken=True)


async def test_a_server_whose_log_probabilities_are_not_the_trainers_is_refused(open_policy):
    pytest.importorskip("torch", reason="what it is compared with needs torch")
    with pytest.raises(PolicyError, match=r"nats from those of .*at most 0\.05 was expected"):
        await open_policy(tolerance=0.05)


async def test_an_interpreter_that_is_not_there_is_a_sentence(tmp_path):
    options = SGLangOptions(python=str(tmp_path / "python"), log=tmp_path / "log")
    with pytest.raises(PolicyError, match=r"sglang_python is .*where no interpreter is"):
        await SGLangPolicy.open(TINY_WEIGHTS, options=options)


async def test_an_address_where_nobody_listens_is_a_sentence(open_policy):
    with pytest.raises(PolicyError, match=r"127\.0\.0\.1:9 was down for 1 s: .*cannot be reached"):
        await open_policy(urls=["http://127.0.0.1:9"])


async def test_of_two_servers_one_may_die_and_both_get_the_weights(open_policy):
    first, second = await open_policy(), await open_policy()
    both = [policy.fleet.seats[0].client.url for policy in (first, second)]
    together = await open_policy(urls=both, patience=replace(HASTY, down_s=60.0))
    await together.load(TINY_WEIGHTS, 5)
    for seat in (0, 1):
        assert (await ask(together, "/model_info", seat=seat))["weight_version"] == "5"
    params = replace(PARAMS, n=6)
    undisturbed, _ = await write(together, params)
    loads = []

    async def kill_one():
        loads.append([seat.load for seat in together.fleet.seats])
        await break_server(together, "die")

    tokens, versions = await write(together, params, at=10, do=kill_one)
    assert loads == [[3, 3]]
    assert (tokens, versions) == (undisturbed, [[5] * 60] * 6)


async def test_completions_that_nobody_waits_for_are_aborted_by_name(policy):
    async with aclosing(policy.sample(PROMPT, replace(PARAMS, max_tokens=5000))) as chunks:
        chunk = await anext(chunks)
        chunks.abort(1 - chunk.index)
    while (await ask(policy, "/_calls")).count("/abort_request") < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_a_server_does_not_outlive_a_killed_engine(fake_sglang, tmp_path):
    arguments = [str(TINY_WEIGHTS), fake_sglang(), str(tmp_path / "log")]
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, *arguments], stdout=subprocess.PIPE, text=True
    )
    server = psutil.Process(int(engine.stdout.readline()))
    assert "sglang.launch_server" in " ".join(server.cmdline())
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    server.wait(30)  # raises TimeoutExpired if it lives on
    engine.stdout.close()


ENGINE = textwrap.dedent("""
    import asyncio, pathlib, sys
    from engine.policy.sglang import SGLangOptions, SGLangPolicy

    async def main():
        model, python, log = map(pathlib.Path, sys.argv[1:])
        options = SGLangOptions(python=str(python), log=log, tolerance=0.0)
        policy = await SGLangPolicy.open(model, options=options)
        print(policy.fleet.seats[0].launch.pid, flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
""")


# -- what a stream says


@given(
    st.lists(st.tuples(st.integers(0, 500), st.floats(-9, 0), st.sampled_from("012")), max_size=20),
    st.data(),
)
def test_a_stream_reads_the_same_in_increments_and_cumulatively(drawn, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(drawn)))) | {len(drawn)})
    read = [read_all(drawn, cuts, increments=increments) for increments in (True, False)]
    assert read[0] == read[1] == ([t for t, _, _ in drawn], [p for _, p, _ in drawn])


def read_all(drawn, cuts, *, increments):
    reader, tokens, logprobs, start = ReplyReader(), [], [], 0
    for cut in cuts:
        part = drawn[start if increments else 0 : cut]
        meta = {
            "completion_tokens": cut,
            "output_token_logprobs": [[logprob, token, None] for token, logprob, _ in part],
            "weight_version": "0",
            "finish_reason": None,
        }
        piece = reader.read({"output_ids": [token for token, _, _ in part], "meta_info": meta})
        tokens += piece.tokens
        logprobs += piece.logprobs
        start = cut
    return tokens, logprobs


def test_spans_say_which_weights_drew_which_token():
    meta = {
        "completion_tokens": 4, "finish_reason": {"type": "length", "length": 4},
        "output_token_logprobs": [[-1.0, 5, None]] * 4, "weight_version": "8",
        "weight_versions": [
            {"version": "7", "start": 0, "end": 3}, {"version": "8", "start": 3, "end": 4},
        ],
    }  # fmt: skip
    piece = ReplyReader().read({"output_ids": [5, 5, 5, 5], "meta_info": meta})
    assert piece.labels == ("7", "7", "7", "8")
    assert piece.end == "length"


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"message": "out of memory"}},
        {"output_ids": [1]},
        {"output_ids": [1], "meta_info": {"completion_tokens": "1"}},
        {"output_ids": [], "meta_info": {"completion_tokens": 1, "output_token_logprobs": []}},
        {
            "output_ids": [1],
            "meta_info": {
                "completion_tokens": 1, "output_token_logprobs": [[-1.0, 1, None]],
                "finish_reason": {"type": "tired"},
            },
        },
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_read_is_a_sentence(event):
    with pytest.raises(ProtocolError):
        ReplyReader().read(json.loads(json.dumps(event)))
