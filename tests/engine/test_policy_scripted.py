"""The scripted policy keeps the protocol's promises."""

from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.errors import PolicyError
from engine.policy.protocol import SamplingParams
from engine.policy.scripted import END_TOKEN, ScriptedPolicy
from engine.wire.messages import Finish


async def completions(policy, prompt, **params):
    """index -> its chunks."""
    collected = {}
    async for chunk in policy.sample(prompt, SamplingParams(**params)):
        collected.setdefault(chunk.index, []).append(chunk)
    return collected


def text(chunks):
    return "".join(chunk.text for chunk in chunks)


def tokens(chunks):
    return [token for chunk in chunks for token in chunk.tokens]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=3), st.integers(1, 20))
async def test_n_completions_recite_the_replies_in_turn(replies, chunk_bytes):
    policy = ScriptedPolicy(lambda _: replies, chunk_bytes=chunk_bytes)
    got = await completions(policy, "p", n=5, max_tokens=1000)
    for index in range(5):
        reply = replies[index % len(replies)]
        assert text(got[index]) == reply
        assert tokens(got[index]) == [*reply.encode(), END_TOKEN]
        assert [c.finish for c in got[index]][-1] is Finish.STOP
        assert all(c.finish is None for c in got[index][:-1])
        assert all(len(c.tokens) == len(c.logprobs) for c in got[index])


async def test_a_stop_string_ends_a_completion_and_belongs_to_it():
    policy = ScriptedPolicy({"p": ["one\n\ntwo"]})
    got = await completions(policy, "p", stop=("\n\n",))
    assert text(got[0]) == "one\n\n"
    assert got[0][-1].finish is Finish.STOP


async def test_a_spent_budget_ends_a_completion_with_length():
    policy = ScriptedPolicy({"p": ["abcdef"]})
    got = await completions(policy, "p", max_tokens=4)
    assert (text(got[0]), got[0][-1].finish) == ("abcd", Finish.LENGTH)


async def test_chunks_after_a_load_carry_the_new_version(tmp_path):
    policy = ScriptedPolicy({"p": ["x" * 40]}, chunk_bytes=8)
    versions = []
    async with aclosing(policy.sample("p", SamplingParams())) as chunks:
        async for chunk in chunks:
            versions.append(chunk.version)
            if len(versions) == 2:
                await policy.load(tmp_path, 7)
    assert versions == [0, 0, 7, 7, 7, 7]
    assert policy.version == 7


async def test_a_prompt_without_reply_is_an_error_that_shows_the_prompt():
    with pytest.raises(PolicyError, match="'unknown'"):
        await completions(ScriptedPolicy({}), "unknown")
