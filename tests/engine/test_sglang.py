"""SGLang servers that fail: what was written stays, what goes on is what would have been.

The servers are real processes behind real sockets that speak the recorded protocol; their next
token is a hash of the weights' name and of all before it, so a completion that was cut, resumed or
moved shows it.
"""

import asyncio
import gc
import json
import signal
import subprocess
import sys
import textwrap
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import aiohttp
import psutil
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.errors import PolicyError
from engine.policy.pretrained import TINY_WEIGHTS
from engine.policy.protocol import SamplingParams
from engine.policy.sglang import Patience, SGLangOptions, SGLangPolicy
from engine.policy.sglang import fleet as fleet_module
from engine.policy.sglang import generation as generation_module
from engine.policy.sglang.errors import ProtocolError, Refusal, ServerError
from engine.policy.sglang.replies import ReplyReader
from engine.wire.messages import Finish

PROMPT = "def f(x):\n"
PARAMS = SamplingParams(n=2, max_tokens=60)
HASTY = Patience(look_s=1.0, control_s=10.0, silent_s=1.0, ready_s=60.0, down_s=1.0)


@pytest.fixture
async def open_policy(fake_sglang, tmp_path):
    policies = []

    async def open_one(*, patience=HASTY, urls=(), router="", tolerance=0.0, **settings):
        options = SGLangOptions(
            python="" if urls else fake_sglang(**settings),
            urls=urls,
            router=router,
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


async def test_weights_that_a_server_refuses_once_it_is_back_leave_the_old_ones(policy, tmp_path):
    undisturbed, _ = await write(policy)
    await break_server(policy, "500")  # so it is the keeper that hears the refusal
    with pytest.raises(PolicyError, match="no weights in"):
        await policy.load(tmp_path, 7)
    assert policy.version == 0
    assert await write(policy) == (undisturbed, [[0] * 60] * 2)
    await policy.load(TINY_WEIGHTS, 8)
    assert (await write(policy))[1] == [[8] * 60] * 2


async def test_nothing_is_drawn_from_weights_of_which_half_were_loaded(policy):
    undisturbed, _ = await write(policy)
    await break_server(policy, "half an update")
    tokens, versions = await write(policy, at=10, do=lambda: policy.load(TINY_WEIGHTS, 1))
    for i in (0, 1):
        num_old = versions[i].count(0)
        assert versions[i] == [0] * num_old + [1] * (60 - num_old)
        assert tokens[i][:num_old] == undisturbed[i][:num_old]


async def test_an_update_that_a_killed_engine_left_open_is_ended(policy):
    await ask(policy, "/begin_weight_update", {})
    await policy.load(TINY_WEIGHTS, 1)
    assert (await ask(policy, "/model_info"))["weight_version"] == "1"


async def test_a_server_that_stumbles_once_it_is_up_is_not_killed_for_its_slow_start(
    open_policy, monkeypatch
):
    monkeypatch.setattr(fleet_module, "_RETRY_S", (0.01,))
    policy = await open_policy(stumbles=2)
    assert policy.fleet.seats[0].launch.num_starts == 1


async def test_a_server_that_was_ready_once_is_started_again_until_it_stays(
    open_policy, tmp_path, monkeypatch
):
    monkeypatch.setattr(fleet_module, "_RETRY_S", (0.01,))
    (tmp_path / "fails").write_text("no yes no")
    policy = await open_policy(fails=str(tmp_path / "fails"))
    undisturbed, _ = await write(policy)
    tokens, _ = await write(policy, at=10, do=lambda: break_server(policy, "die"))
    assert tokens == undisturbed
    assert policy.fleet.seats[0].launch.num_starts == 3


async def test_a_busy_server_is_waited_for_and_not_killed(open_policy, monkeypatch):
    monkeypatch.setattr(fleet_module, "_RETRY_S", (0.01,))
    policy = await open_policy(slots=1, delay_s=0.01, patience=replace(HASTY, silent_s=0.2))
    tokens, _ = await write(policy, replace(PARAMS, n=3, max_tokens=120))
    assert tokens[0] == tokens[1] == tokens[2]
    assert policy.fleet.seats[0].launch.num_starts == 1


async def test_why_a_server_is_down_is_told(open_policy):
    served = await open_policy()
    await break_server(served, "half an update", times=10**6)
    with pytest.raises(PolicyError, match=r"was down for 1 s: .*half of them are loaded"):
        await open_policy(urls=[served.fleet.seats[0].client.url])


async def test_a_keeper_that_fails_fails_the_policy(fake_sglang, tmp_path):
    options = SGLangOptions(python=fake_sglang(), log=tmp_path / "no directory" / "log")
    async with asyncio.timeout(60):
        with pytest.raises(PolicyError, match=r"No such file or directory: .*no directory"):
            await SGLangPolicy.open(TINY_WEIGHTS, options=options)


@pytest.mark.parametrize("tells_room", [True, False])
async def test_a_completion_ends_where_the_server_has_no_room_for_more(open_policy, tells_room):
    policy = await open_policy(room=100, tells_room=tells_room)
    room = 100 - len(policy.tokenize(PROMPT))
    params = SamplingParams(max_tokens=5000 if tells_room else room + 4)
    chunks = [chunk async for chunk in policy.sample(PROMPT, params)]
    assert sum(len(chunk.tokens) for chunk in chunks) == room
    assert chunks[-1].finish is Finish.LENGTH


async def test_a_prompt_without_room_for_a_completion_is_refused_with_a_sentence(open_policy):
    policy = await open_policy(room=100)
    with pytest.raises(PolicyError, match=r"expected 1 to 99, .*show fewer references"):
        policy.sample(PROMPT * 100, PARAMS)


async def test_broken_weights_are_an_error_and_not_a_wait_without_an_end(open_policy):
    policy = await open_policy(nulls=True)
    async with asyncio.timeout(60):
        with pytest.raises(PolicyError, match="expected a finite log-probability, got None"):
            await write(policy)


async def test_behind_a_router_the_server_that_came_back_with_other_weights_is_found(
    open_policy, monkeypatch
):
    monkeypatch.setattr(generation_module, "BARREN_REQUESTS", 2)  # so not by trying each
    seats = [(await open_policy()).fleet.seats[0].client.url for _ in range(3)]
    async with routed(to=seats[-1]) as router:  # whichever seat the request is counted on
        policy = await open_policy(urls=seats, router=router)
        params = replace(PARAMS, n=1)
        undisturbed, _ = await write(policy, params)
        await ask(policy, "/_fault", {"kind": "", "label": "who knows"}, seat=-1)
        assert await write(policy, params) == (undisturbed, [[0] * 60])
        assert (await ask(policy, "/model_info", seat=-1))["weight_version"] == "0"


@asynccontextmanager
async def routed(*, to):
    """A router that likes one server."""

    async def generate(request):
        response = web.StreamResponse()
        await response.prepare(request)
        asked = aiohttp.request("POST", f"{to}/generate", json=await request.json())
        async with asked as answer:
            async for piece in answer.content.iter_any():
                await response.write(piece)
        return response

    app = web.Application()
    app.router.add_post("/generate", generate)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_closed_policy_is_quiet(open_policy):
    served = await open_policy()
    policy = await open_policy(urls=[served.fleet.seats[0].client.url])
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    generation = policy.sample(PROMPT, replace(PARAMS, n=4, max_tokens=5000))
    await anext(generation)
    await policy.close()
    await generation.aclose()
    with pytest.raises(PolicyError, match="closed"):
        await policy.load(TINY_WEIGHTS, 1)
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert said == []


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
        5,
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
        {
            "output_ids": [1],
            "meta_info": {"completion_tokens": 1, "output_token_logprobs": [[None, 1, None]]},
        },
        {
            "output_ids": [1],
            "meta_info": {
                "completion_tokens": 1, "output_token_logprobs": [[-1.0, 1, None]],
                "weight_versions": [{"version": "7"}],
            },
        },
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_read_is_a_sentence(event):
    with pytest.raises(ProtocolError):
        ReplyReader().read(json.loads(json.dumps(event)))


@pytest.mark.parametrize(("code", "kind"), [(400, Refusal), (429, ServerError), (503, ServerError)])
def test_an_error_in_a_stream_is_what_its_status_says(code, kind):
    reason = {"type": "abort", "message": "too long", "status_code": code}
    for event in (
        {"error": {"message": "too long", "code": code}},
        {"output_ids": [0], "meta_info": {"completion_tokens": 1, "finish_reason": reason}},
    ):
        with pytest.raises(kind, match=f"answered {code}: too long"):
            ReplyReader().read(event)
